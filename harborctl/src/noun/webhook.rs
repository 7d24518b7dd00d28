//! `harborctl webhook`.

use clap::{Args, Subcommand};
use harbor_core::api::{WebhookPolicy, WebhookTargetObject};
use harbor_replicate::client::api::{Call, ProjectRef};
use serde_json::Value;

use crate::body::Body;
use crate::failure::{Failure, Kind, Outcome};
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};
use crate::terminal::typed;

static SHAPE: Shape = Shape {
    name: "/name",
    columns: &[
        Column::plain("NAME", "/name"),
        Column::plain("ENABLED", "/enabled"),
        Column::each("TARGETS", "/targets", "address"),
        Column::plain("EVENTS", "/event_types"),
        Column::plain("ID", "/id").wide(),
        Column::plain("DESCRIPTION", "/description").wide(),
        Column::time("CHANGED", "/update_time").wide(),
    ],
};

static EXECUTION: Shape = Shape {
    name: "/id",
    columns: &[
        Column::plain("ID", "/id"),
        Column::plain("STATUS", "/status"),
        Column::plain("EVENT", "/extra_attrs/event_type"),
        Column::time("BEGUN", "/start_time"),
        Column::time("OVER", "/end_time"),
        Column::plain("MESSAGE", "/status_message").wide(),
    ],
};

static TASK: Shape = Shape {
    name: "/id",
    columns: &[
        Column::plain("ID", "/id"),
        Column::plain("STATUS", "/status"),
        Column::plain("RUNS", "/run_count"),
        Column::time("BEGUN", "/start_time"),
        Column::time("OVER", "/end_time"),
        Column::plain("MESSAGE", "/status_message"),
    ],
};

static TEST: Shape = Shape {
    name: "/address",
    columns: &[
        Column::plain("TARGET", "/address"),
        Column::plain("STATUS", "/status_code"),
        Column::plain("ERROR", "/error"),
        Column::plain("TOOK (MS)", "/took_ms"),
    ],
};

static TRIGGER: Shape = Shape {
    name: "/policy_name",
    columns: &[
        Column::plain("WEBHOOK", "/policy_name"),
        Column::plain("EVENT", "/event_type"),
        Column::plain("ENABLED", "/enabled"),
        Column::time("LAST", "/last_trigger_time"),
    ],
};

static NAME: Shape = Shape { name: "", columns: &[Column::plain("EVENT", "")] };

/// Webhooks, by name or by key: of a project with --project, or of the whole registry.
#[derive(Debug, Subcommand)]
pub(crate) enum Webhook {
    /// Show webhooks
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show one webhook, without its secrets
    Get {
        webhook: String,
        #[command(flatten)]
        of: Of,
    },
    /// Make a webhook
    #[command(after_help = "\
Examples:
  harborctl webhook create ci --project team --address https://ci.example/hook --event PUSH_ARTIFACT --ask-secret
  harborctl webhook create all --file webhook.yaml")]
    Create(Create),
    /// Change a webhook, from a file
    #[command(
        after_help = "Example:\n  harborctl webhook get ci -p team -o yaml > w.yaml; harborctl webhook update ci -p team --file w.yaml"
    )]
    Update {
        webhook: String,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        body: Body,
    },
    /// Let a webhook tell of nothing
    Disable {
        webhook: String,
        #[command(flatten)]
        of: Of,
    },
    /// Let a webhook tell again
    Enable {
        webhook: String,
        #[command(flatten)]
        of: Of,
    },
    /// Delete a webhook with its deliveries
    #[command(visible_alias = "rm")]
    Delete {
        webhook: String,
        #[command(flatten)]
        of: Of,
    },
    /// Send a sample to each target, and tell what it answers
    Test {
        webhook: String,
        #[command(flatten)]
        of: Of,
    },
    /// Show what there is to tell of
    Events {
        #[command(flatten)]
        of: Of,
    },
    /// Show the deliveries of a webhook
    Deliveries {
        webhook: String,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        listed: Listed,
    },
    /// Show the tasks of a delivery
    Tasks {
        webhook: String,
        delivery: i64,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        listed: Listed,
    },
    /// Print the log of a task
    Log {
        webhook: String,
        delivery: i64,
        task: i64,
        #[command(flatten)]
        of: Of,
    },
    /// Show when something of each type was last told in a project
    LastTriggers { project: String },
}

#[derive(Debug, Args)]
pub(crate) struct Of {
    /// Of this project, and not of the whole registry
    #[arg(short, long)]
    project: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    name: String,
    #[command(flatten)]
    of: Of,
    /// Where somebody is told
    #[arg(long, value_name = "URL", required_unless_present = "file")]
    address: Option<String>,
    /// `http` or `slack`
    #[arg(long = "type", default_value = "http", value_name = "TYPE")]
    kind: String,
    /// `Default` or `CloudEvents`
    #[arg(long, default_value = "Default")]
    format: String,
    /// Of what it tells; may be given several times; of everything, without
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,
    /// Any certificate will do
    #[arg(long)]
    skip_cert_verify: bool,
    /// Ask for the value of `Authorization` that is sent
    #[arg(long)]
    ask_authorization: bool,
    /// Ask for a secret that deliveries are signed with
    #[arg(long)]
    ask_secret: bool,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
    /// Read all of it from this file, in JSON or YAML; `-` for the standard input
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["address", "events"])]
    file: Option<std::path::PathBuf>,
}

/// The operations on webhooks of a project, and of the whole registry.
struct Operations {
    project: &'static str,
    registry: &'static str,
}

const fn pair(project: &'static str, registry: &'static str) -> Operations {
    Operations { project, registry }
}

const LIST: Operations = pair("ListWebhookPoliciesOfProject", "listWebhookPolicies");
const CREATE: Operations = pair("CreateWebhookPolicyOfProject", "createWebhookPolicy");
const GET: Operations = pair("GetWebhookPolicyOfProject", "getWebhookPolicy");
const UPDATE: Operations = pair("UpdateWebhookPolicyOfProject", "updateWebhookPolicy");
const DELETE: Operations = pair("DeleteWebhookPolicyOfProject", "deleteWebhookPolicy");
const SAMPLE: Operations = pair("testWebhookPolicyOfProject", "testWebhookPolicy");
const EXECUTIONS: Operations = pair("ListExecutionsOfWebhookPolicy", "listWebhookExecutions");
const TASKS: Operations = pair("ListTasksOfWebhookExecution", "listWebhookTasks");
const LOG: Operations = pair("GetLogsOfWebhookTask", "getWebhookTaskLog");
const EVENTS: Operations = pair("GetSupportedEventTypes", "getWebhookEventTypes");

impl Of {
    async fn call(&self, session: &Session, operations: &Operations) -> Outcome<Call> {
        match &self.project {
            Some(project) => {
                let call = session.call(operations.project).await?;
                Ok(call.at("project_name_or_id", ProjectRef::Name(project)))
            }
            None => session.call(operations.registry).await,
        }
    }

    async fn on(&self, session: &Session, operations: &Operations, webhook: &str) -> Outcome<Call> {
        let id = session.webhook_id(webhook, self.project.as_deref()).await?;
        Ok(self.call(session, operations).await?.at("webhook_policy_id", id))
    }
}

impl Webhook {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::List { of, listed } => session.list(of.call(session, &LIST).await?, &listed, &SHAPE).await,
            Self::Get { webhook, of } => session.show(of.on(session, &GET, &webhook).await?, &SHAPE).await,
            Self::Create(create) => create.run(session).await,
            Self::Update { webhook, of, body } => {
                let call = of.on(session, &UPDATE, &webhook).await?.json(&body.read::<WebhookPolicy>()?);
                session.does(call, &format!("webhook {webhook} changed")).await
            }
            Self::Disable { webhook, of } => switch(session, &of, &webhook, false).await,
            Self::Enable { webhook, of } => switch(session, &of, &webhook, true).await,
            Self::Delete { webhook, of } => {
                session
                    .does(of.on(session, &DELETE, &webhook).await?, &format!("webhook {webhook} deleted"))
                    .await
            }
            Self::Test { webhook, of } => test(session, of.on(session, &SAMPLE, &webhook).await?).await,
            Self::Events { of } => {
                let types: Value = of.call(session, &EVENTS).await?.one().await?;
                session.entries(types["event_type"].as_array().map_or(&[], Vec::as_slice), &NAME)
            }
            Self::Deliveries { webhook, of, listed } => {
                session.list(of.on(session, &EXECUTIONS, &webhook).await?, &listed, &EXECUTION).await
            }
            Self::Tasks { webhook, delivery, of, listed } => {
                let call = of.on(session, &TASKS, &webhook).await?.at("execution_id", delivery);
                session.list(call, &listed, &TASK).await
            }
            Self::Log { webhook, delivery, task, of } => {
                let call =
                    of.on(session, &LOG, &webhook).await?.at("execution_id", delivery).at("task_id", task);
                session.output.text(&call.text().await?)
            }
            Self::LastTriggers { project } => {
                let call =
                    session.call("LastTrigger").await?.at("project_name_or_id", ProjectRef::Name(&project));
                session.all(call, &TRIGGER).await
            }
        }
    }
}

/// What it has told: fails when a target was not reached, so that a script sees it.
async fn test(session: &Session, call: Call) -> Outcome {
    let answers: Vec<Value> = call.one().await?;
    session.entries(&answers, &TEST)?;
    let reached =
        |answer: &Value| answer["status_code"].as_u64().is_some_and(|status| (200..300).contains(&status));
    match answers.iter().find(|answer| !reached(answer)) {
        None => Ok(()),
        Some(_) => Err(Failure::new(Kind::Failed, "a target did not take it")
            .hint("harborctl webhook get WEBHOOK [--project PROJECT], which shows the addresses")),
    }
}

async fn switch(session: &Session, of: &Of, webhook: &str, enabled: bool) -> Outcome {
    let mut policy: WebhookPolicy = of.on(session, &GET, webhook).await?.one().await?;
    policy.enabled = enabled;
    let what = if enabled { "enabled" } else { "disabled" };
    let call = of.on(session, &UPDATE, webhook).await?.json(&policy);
    session.does(call, &format!("webhook {webhook} {what}")).await
}

impl Create {
    async fn run(self, session: &Session) -> Outcome {
        let mut policy = match &self.file {
            Some(file) => crate::body::from_file(file)?,
            None => self.policy(session).await?,
        };
        policy.name.clone_from(&self.name);
        let call = self.of.call(session, &CREATE).await?.json(&policy);
        session.makes(call, &format!("webhook {} created", self.name), Some(&self.name)).await
    }

    async fn policy(&self, session: &Session) -> Outcome<WebhookPolicy> {
        let asked =
            async |ask: bool, prompt: &str| if ask { typed(prompt).await.map(Some) } else { Ok(None) };
        let event_types = if self.events.is_empty() {
            let types: Value = self.of.call(session, &EVENTS).await?.one().await?;
            serde_json::from_value(types["event_type"].clone()).unwrap_or_default()
        } else {
            self.events.clone()
        };
        let target = WebhookTargetObject {
            kind: self.kind.clone(),
            address: self.address.clone().unwrap_or_default(),
            auth_header: asked(self.ask_authorization, "Authorization: ").await?.unwrap_or_default(),
            skip_cert_verify: self.skip_cert_verify,
            payload_format: if self.kind == "slack" { String::new() } else { self.format.clone() },
            secrets: asked(self.ask_secret, "Secret: ").await?.map(|secret| vec![secret]),
            failing: None,
        };
        Ok(WebhookPolicy {
            description: self.description.clone(),
            targets: vec![target],
            event_types,
            enabled: true,
            ..WebhookPolicy::default()
        })
    }
}

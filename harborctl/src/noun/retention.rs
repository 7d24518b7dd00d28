//! `harborctl retention`.

use clap::{Args, Subcommand};
use harbor_core::api::{
    RetentionOperation, RetentionPolicy, RetentionPreviewReq, RetentionRule, RetentionRuleTrigger,
    RetentionRun, RetentionScope, RetentionSelector,
};
use harbor_replicate::client::api::Call;
use serde_json::{Map, Value, json};

use super::run::{ended, when};
use crate::body::Body;
use crate::failure::{Failure, Outcome};
use crate::output::{Column, Shape};
use crate::session::{Listed, Session};

/// The rules of a policy.
static RULE: Shape = Shape {
    name: "/template",
    columns: &[
        Column::plain("KEEPS", "/template"),
        Column::plain("NUMBER", "/params"),
        Column::plain("REPOSITORIES", "/scope_selectors/repository/0/pattern"),
        Column::plain("", "/scope_selectors/repository/0/decoration"),
        Column::plain("TAGS", "/tag_selectors/0/pattern"),
        Column::plain("", "/tag_selectors/0/decoration"),
        Column::plain("DISABLED", "/disabled"),
    ],
};

static RUN: Shape = Shape {
    name: "/id",
    columns: &[
        Column::plain("ID", "/id"),
        Column::plain("STATUS", "/status"),
        Column::plain("TRIGGER", "/trigger"),
        Column::plain("DRY RUN", "/dry_run"),
        Column::time("BEGUN", "/start_time"),
        Column::time("OVER", "/end_time"),
    ],
};

static TASK: Shape = Shape {
    name: "/id",
    columns: &[
        Column::plain("ID", "/id"),
        Column::plain("REPOSITORY", "/repository"),
        Column::plain("STATUS", "/status"),
        Column::plain("TOTAL", "/total"),
        Column::plain("RETAINED", "/retained"),
        Column::time("OVER", "/end_time").wide(),
    ],
};

static PREVIEW: Shape = Shape {
    name: "/digest",
    columns: &[
        Column::plain("REPOSITORY", "/repository"),
        Column::digest("DIGEST", "/digest"),
        Column::each("TAGS", "/tags", "name"),
        Column::plain("STAYS", "/retained"),
        Column::plain("BY RULE", "/rule"),
        Column::time("PUSHED", "/push_time"),
        Column::time("PULLED", "/pull_time").wide(),
    ],
};

static TEMPLATE: Shape = Shape {
    name: "/rule_template",
    columns: &[Column::plain("TEMPLATE", "/rule_template"), Column::plain("KEEPS", "/display_text")],
};

/// Retention: which artifacts stay, in a project (--project), or in all that have no policy of their own (--default).
#[derive(Debug, Subcommand)]
pub(crate) enum Retention {
    /// Show which templates of rules there are
    Templates,
    /// Show the rules of a policy
    #[command(after_help = "Example:\n  harborctl retention get -p team -o yaml > policy.yaml")]
    Get {
        #[command(flatten)]
        of: Of,
    },
    /// Set a policy, from a file
    #[command(after_help = "Example:\n  harborctl retention set -p team --file policy.yaml")]
    Set {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        body: Body,
    },
    /// Add a rule to a policy; makes the policy where there is none
    #[command(after_help = "\
Examples:
  harborctl retention add-rule -p team latestPushedK 10
  harborctl retention add-rule -p team nDaysSinceLastPull 30 --tags 'v*' --repositories 'release/**'
  harborctl retention add-rule -p team always --tags latest")]
    AddRule(AddRule),
    /// Set when a policy is carried out: `hourly`, `daily`, `weekly`, six fields of cron, or `none`
    #[command(after_help = "Example:\n  harborctl retention schedule daily -p team")]
    Schedule {
        when: String,
        #[command(flatten)]
        of: Of,
        /// The time zone of the fields, by its IANA name; the server's without
        #[arg(long, value_name = "ZONE")]
        time_zone: Option<String>,
    },
    /// Delete a policy with its runs
    #[command(visible_alias = "rm", after_help = "Example:\n  harborctl retention delete -p team")]
    Delete {
        #[command(flatten)]
        of: Of,
    },
    /// Show what a run would delete, and which rule keeps each of the rest
    #[command(after_help = "Example:\n  harborctl retention preview -p team --repository web")]
    Preview {
        #[command(flatten)]
        of: Of,
        /// A policy in a file, instead of the one that is set
        #[arg(short, long, value_name = "FILE")]
        file: Option<std::path::PathBuf>,
        /// This repository alone, without the project's name
        #[arg(long)]
        repository: Option<String>,
        #[command(flatten)]
        listed: Listed,
    },
    /// Carry a policy out
    #[command(after_help = "Example:\n  harborctl retention run -p team --dry-run --wait")]
    Run {
        #[command(flatten)]
        of: Of,
        /// Tell what would go, and let it stay
        #[arg(long)]
        dry_run: bool,
        /// Wait until it is over, and fail when it fails
        #[arg(long)]
        wait: bool,
    },
    /// Show the runs of a policy
    #[command(after_help = "Example:\n  harborctl retention runs --default")]
    Runs {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        listed: Listed,
    },
    /// Stop a run
    #[command(after_help = "Example:\n  harborctl retention stop 7 -p team")]
    Stop {
        run: i64,
        #[command(flatten)]
        of: Of,
    },
    /// Show what a run did in each repository
    #[command(after_help = "Example:\n  harborctl retention tasks 7 -p team")]
    Tasks {
        run: i64,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        listed: Listed,
    },
    /// Print the log of a task
    #[command(after_help = "Example:\n  harborctl retention log 7 15 -p team")]
    Log {
        run: i64,
        task: i64,
        #[command(flatten)]
        of: Of,
    },
}

/// Which policy.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Of {
    /// Of this project
    #[arg(short, long)]
    project: Option<String>,
    /// Of all projects that have none of their own
    #[arg(long)]
    default: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AddRule {
    #[command(flatten)]
    of: Of,
    /// What it keeps: `harborctl retention templates` shows all
    template: String,
    /// How many, or for how many days
    number: Option<i64>,
    /// The tags: a doublestar pattern
    #[arg(long, default_value = "**", value_name = "PATTERN")]
    tags: String,
    /// All tags but those of the pattern
    #[arg(long)]
    exclude_tags: bool,
    /// Not what has no tags
    #[arg(long)]
    not_untagged: bool,
    /// The repositories, without the project's name: a doublestar pattern
    #[arg(long, default_value = "**", value_name = "PATTERN")]
    repositories: String,
    /// All repositories but those of the pattern
    #[arg(long)]
    exclude_repositories: bool,
}

impl Retention {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Templates => {
                let all: Value = session.call("getRentenitionMetadata").await?.one().await?;
                session.entries(all["templates"].as_array().map_or(&[], Vec::as_slice), &TEMPLATE)
            }
            Self::Get { of } => get(session, &of).await,
            Self::Set { of, body } => set(session, &of, body.read()?).await,
            Self::AddRule(add) => add.run(session).await,
            Self::Schedule { when: text, of, time_zone } => schedule(session, &of, &text, time_zone).await,
            Self::Delete { of } => delete(session, &of).await,
            Self::Preview { of, file, repository, listed } => {
                let policy = file.map(|file| crate::body::from_file(&file)).transpose()?;
                let call = session.call("previewRetention").await?.at("id", of.id(session).await?);
                let call = call.json(&RetentionPreviewReq { policy, repository });
                session.list(call, &listed, &PREVIEW).await
            }
            Self::Run { of, dry_run, wait } => run(session, &of, dry_run, wait).await,
            Self::Runs { of, listed } => {
                let call = session.call("listRetentionExecutions").await?.at("id", of.id(session).await?);
                session.list(call, &listed, &RUN).await
            }
            Self::Stop { run, of } => {
                let call = of.call(session, "operateRetentionExecution").await?.at("eid", run);
                let call = call.json(&RetentionOperation { action: "stop".to_owned() });
                session.does(call, &format!("run {run} is told to stop, unless it is over")).await
            }
            Self::Tasks { run, of, listed } => {
                let call = of.call(session, "listRetentionTasks").await?.at("eid", run);
                session.list(call, &listed, &TASK).await
            }
            Self::Log { run, task, of } => {
                let call = of.call(session, "getRetentionTaskLog").await?.at("eid", run).at("tid", task);
                session.output.text(&call.text().await?)
            }
        }
    }
}

impl Of {
    /// The key of the policy; nothing when there is none.
    async fn find(&self, session: &Session) -> Outcome<Option<i64>> {
        match &self.project {
            Some(project) => session.retention_id(project).await,
            None => match session.call("getDefaultRetention").await?.one::<Value>().await {
                Ok(policy) => Ok(policy["id"].as_i64()),
                Err(error) if error.is_absent() => Ok(None),
                Err(error) => Err(error.into()),
            },
        }
    }

    async fn id(&self, session: &Session) -> Outcome<i64> {
        self.find(session).await?.ok_or_else(|| {
            Failure::absent("there is no policy of retention")
                .hint("harborctl retention add-rule, or set --file FILE")
        })
    }

    async fn call(&self, session: &Session, operation: &str) -> Outcome<Call> {
        let id = self.id(session).await?;
        Ok(session.call(operation).await?.at("id", id))
    }

    /// The policy; an empty one when there is none.
    async fn policy(&self, session: &Session) -> Outcome<(Option<i64>, RetentionPolicy)> {
        let Some(id) = self.find(session).await? else { return Ok((None, RetentionPolicy::default())) };
        Ok((Some(id), session.call("getRetention").await?.at("id", id).one().await?))
    }
}

async fn get(session: &Session, of: &Of) -> Outcome {
    use crate::output::Format;
    let policy: Value = of.call(session, "getRetention").await?.one().await?;
    if matches!(session.output.format, Format::Json | Format::Yaml) {
        return session.output.one(&policy, &RULE);
    }
    session.entries(policy["rules"].as_array().map_or(&[], Vec::as_slice), &RULE)
}

/// Sets a policy, whether there is one or not.
async fn set(session: &Session, of: &Of, mut policy: RetentionPolicy) -> Outcome {
    if policy.algorithm.is_empty() {
        "or".clone_into(&mut policy.algorithm);
    }
    policy.trigger.get_or_insert_with(|| trigger("", None));
    let Some(project) = &of.project else {
        let call = session.call("updateDefaultRetention").await?.json(&policy);
        return session.does(call, "the policy of all projects set").await;
    };
    let reference = session.project_id(project).await?;
    policy.scope = Some(RetentionScope { level: "project".to_owned(), reference });
    let what = format!("the policy of {project} set");
    match session.retention_id(project).await? {
        Some(id) => {
            policy.id = id;
            let call = session.call("updateRetention").await?.at("id", id).json(&policy);
            session.does(call, &what).await
        }
        None => session.makes(session.call("createRetention").await?.json(&policy), &what, None).await,
    }
}

impl AddRule {
    async fn run(self, session: &Session) -> Outcome {
        let (_, mut policy) = self.of.policy(session).await?;
        policy.rules.push(self.rule());
        set(session, &self.of, policy).await
    }

    fn rule(&self) -> RetentionRule {
        let selector = |decoration: &str, pattern: String, extras: String| RetentionSelector {
            kind: "doublestar".to_owned(),
            decoration: decoration.to_owned(),
            pattern,
            extras,
        };
        let tags = if self.exclude_tags { "excludes" } else { "matches" };
        let tags = selector(tags, self.tags.clone(), json!({"untagged": !self.not_untagged}).to_string());
        let repositories = if self.exclude_repositories { "repoExcludes" } else { "repoMatches" };
        let repositories = selector(repositories, self.repositories.clone(), String::new());
        let params = self.number.map(|number| (self.template.clone(), json!(number)));
        RetentionRule {
            action: "retain".to_owned(),
            template: self.template.clone(),
            params: params.into_iter().collect(),
            tag_selectors: vec![tags],
            scope_selectors: [("repository".to_owned(), vec![repositories])].into(),
            ..RetentionRule::default()
        }
    }
}

async fn schedule(session: &Session, of: &Of, text: &str, time_zone: Option<String>) -> Outcome {
    let (id, mut policy) = of.policy(session).await?;
    if id.is_none() {
        of.id(session).await?;
    }
    let cron = if text.eq_ignore_ascii_case("none") { String::new() } else { when(text)?.1 };
    policy.trigger = Some(trigger(&cron, time_zone));
    set(session, of, policy).await
}

/// A schedule; none without fields.
fn trigger(cron: &str, time_zone: Option<String>) -> RetentionRuleTrigger {
    let mut settings = Map::from_iter([("cron".to_owned(), json!(cron))]);
    settings.extend(time_zone.map(|zone| ("time_zone".to_owned(), json!(zone))));
    RetentionRuleTrigger { kind: "Schedule".to_owned(), settings, ..RetentionRuleTrigger::default() }
}

async fn delete(session: &Session, of: &Of) -> Outcome {
    let call = match &of.project {
        Some(_) => of.call(session, "deleteRetention").await?,
        None => session.call("deleteDefaultRetention").await?,
    };
    session.does(call, "policy deleted").await
}

async fn run(session: &Session, of: &Of, dry_run: bool, wait: bool) -> Outcome {
    let id = of.id(session).await?;
    let call = session.call("triggerRetentionExecution").await?.at("id", id).json(&RetentionRun { dry_run });
    if !wait {
        return session.makes(call, "a run is set going", None).await;
    }
    let made = call.created().await?;
    let run = made.id().ok_or_else(|| Failure::absent("the server does not tell the key of the run"))?;
    let mut pause = std::time::Duration::from_millis(50);
    loop {
        let found = execution(session, id, run).await?;
        if !matches!(found["status"].as_str(), Some("Pending" | "Running" | "InProgress")) {
            session.output.one(&found, &RUN)?;
            return ended(&found["status"]);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(std::time::Duration::from_secs(5));
    }
}

/// There is no operation that shows one run.
async fn execution(session: &Session, id: i64, run: i64) -> Outcome<Value> {
    let mut runs = session.call("listRetentionExecutions").await?.at("id", id).pages::<Value>();
    while let Some(found) = runs.next().await {
        let found = found?;
        if found["id"].as_i64() == Some(run) {
            return Ok(found);
        }
    }
    Err(Failure::absent(format!("there is no run {run}")))
}

//! Policies of webhooks and deliveries, as the API has them.

use harbor_core::access::Secret;
use harbor_core::api::{
    self, ExecutionMetrics, PayloadFormat, SupportedWebhookEventTypes, WebhookJob, WebhookLastTrigger,
    WebhookTargetFailing, WebhookTargetObject, WebhookTest,
};
use harbor_core::job::Job as _;
use harbor_core::meta::{Execution, ProjectId, Task, TaskStatus, WebhookPolicy};
use harbor_core::webhook::{EventType, Format, MASK, Target, TargetKind, Webhook};
use harbor_core::{Error, FailingTarget, LastTrigger, Result, SlackJob, Tried};
use serde_json::{Map, Value};

use super::super::runs;

/// What a body says that a policy shall say.
pub(super) fn read(event_types: Vec<String>, targets: Vec<WebhookTargetObject>) -> Result<Webhook> {
    let event_type = |name: String| {
        let unknown = || Error::BadRequest(format!("unsupported event type {name}"));
        EventType::named(&name).ok_or_else(unknown)
    };
    let event_types = event_types.into_iter().map(event_type).collect::<Result<Vec<_>>>()?;
    let targets = targets.into_iter().map(target).collect::<Result<_>>()?;
    let mut named = Vec::new();
    for event_type in event_types {
        if !named.contains(&event_type) {
            named.push(event_type);
        }
    }
    Ok(Webhook::new(named, targets))
}

fn target(body: WebhookTargetObject) -> Result<Target> {
    let unknown = || Error::BadRequest(format!("unsupported target type {}", body.kind));
    let kind = TargetKind::named(&body.kind).ok_or_else(unknown)?;
    let mut target = Target::new(kind, body.address);
    if !body.payload_format.is_empty() {
        // As Harbor has it, whichever it is.
        if kind == TargetKind::Slack && body.payload_format != Format::Default.as_str() {
            return Err(Error::BadRequest("set payload format is not allowed for slack".to_owned()));
        }
        let unknown =
            || Error::BadRequest(format!("unsupported payload format type: {}", body.payload_format));
        target.format = Format::named(&body.payload_format).ok_or_else(unknown)?;
    }
    target.auth_header = Some(body.auth_header).filter(|header| !header.is_empty()).map(Secret::new);
    target.skip_cert_verify = body.skip_cert_verify;
    // Whoever knows nothing of secrets keeps those that there are.
    let secrets = body.secrets.unwrap_or_else(|| vec![MASK.to_owned(); 2]);
    target.secrets = secrets.into_iter().map(Secret::new).collect();
    Ok(target)
}

/// A policy as the API shows it.
pub(super) fn policy(policy: WebhookPolicy) -> api::WebhookPolicy {
    api::WebhookPolicy {
        id: policy.id.get(),
        name: policy.name,
        description: policy.description,
        project_id: policy.project.map(ProjectId::get),
        targets: policy.webhook.targets.into_iter().map(shown).collect(),
        event_types: names(&policy.webhook.event_types),
        creator: policy.creator,
        creation_time: Some(policy.created_at),
        update_time: Some(policy.updated_at),
        enabled: policy.enabled,
    }
}

/// The same, with what there is to say of its targets.
pub(super) fn policy_failing(policy: WebhookPolicy, failing: Vec<FailingTarget>) -> api::WebhookPolicy {
    let ids: Vec<u32> = policy.webhook.targets.iter().map(|target| target.id).collect();
    let mut shown = self::policy(policy);
    for FailingTarget { target, task } in failing {
        let place = ids.iter().position(|id| *id == target);
        if let Some(object) = place.and_then(|place| shown.targets.get_mut(place)) {
            object.failing = Some(WebhookTargetFailing {
                failures: task.failures,
                message: task.message,
                since: task.started_at,
                next_attempt: Some(task.due).filter(|_| task.status == TaskStatus::Waiting),
            });
        }
    }
    shown
}

fn names(event_types: &[EventType]) -> Vec<String> {
    event_types.iter().map(|event_type| event_type.as_str().to_owned()).collect()
}

/// A target with a mask in the place of each secret.
fn shown(target: Target) -> WebhookTargetObject {
    let format = if target.kind == TargetKind::Http { target.format.as_str() } else { "" };
    let secrets = vec![MASK.to_owned(); target.secrets.len()];
    WebhookTargetObject {
        kind: target.kind.as_str().to_owned(),
        address: target.address,
        auth_header: target.auth_header.map(|_| MASK.to_owned()).unwrap_or_default(),
        skip_cert_verify: target.skip_cert_verify,
        payload_format: format.to_owned(),
        secrets: Some(secrets).filter(|secrets| !secrets.is_empty()),
        failing: None,
    }
}

/// What policies may name.
pub(super) fn supported() -> SupportedWebhookEventTypes {
    SupportedWebhookEventTypes {
        event_type: names(EventType::ALL),
        notify_type: TargetKind::ALL.map(|kind| kind.as_str().to_owned()).to_vec(),
        payload_formats: vec![PayloadFormat {
            notify_type: TargetKind::Http.as_str().to_owned(),
            formats: Format::ALL.map(|format| format.as_str().to_owned()).to_vec(),
        }],
    }
}

pub(super) fn last_trigger(trigger: LastTrigger) -> WebhookLastTrigger {
    WebhookLastTrigger {
        policy_name: trigger.policy.name,
        event_type: trigger.event_type.as_str().to_owned(),
        enabled: trigger.policy.enabled,
        creation_time: trigger.policy.created_at,
        last_trigger_time: trigger.at,
    }
}

pub(super) fn tried(tried: Tried) -> WebhookTest {
    WebhookTest {
        address: tried.target.address,
        status_code: tried.status,
        error: tried.error,
        took_ms: u64::try_from(tried.took.as_millis()).unwrap_or(u64::MAX),
    }
}

/// A delivery as the API shows it.
pub(super) fn execution(execution: Execution) -> api::Execution {
    let tasks = execution.tasks;
    api::Execution {
        id: execution.id.get(),
        status: execution.status.as_str().to_owned(),
        vendor_type: execution.kind,
        vendor_id: execution.subject,
        status_message: execution.message,
        metrics: ExecutionMetrics {
            task_count: tasks.total(),
            success_task_count: tasks.succeeded,
            error_task_count: tasks.failed,
            pending_task_count: tasks.waiting,
            running_task_count: tasks.running,
            stopped_task_count: tasks.stopped,
        },
        trigger: execution.trigger.as_str().to_owned(),
        extra_attrs: serde_json::from_str(&execution.detail).unwrap_or_default(),
        start_time: execution.started_at,
        end_time: execution.ended_at,
    }
}

/// The task of a delivery as the API shows it.
pub(super) fn task(task: Task) -> api::Task {
    api::Task {
        id: task.id.get(),
        execution_id: task.execution.get(),
        status: task.status.as_str().to_owned(),
        status_message: task.message,
        run_count: task.runs,
        extra_attrs: serde_json::from_str(&task.detail).unwrap_or_default(),
        creation_time: task.created_at,
        update_time: task.updated_at,
        start_time: task.started_at,
        end_time: task.ended_at,
    }
}

/// A delivery as the older list shows it.
pub(super) fn job(execution: Execution) -> WebhookJob {
    let detail: Map<String, Value> = serde_json::from_str(&execution.detail).unwrap_or_default();
    let text = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = if execution.kind == SlackJob::KIND { TargetKind::Slack } else { TargetKind::Http };
    WebhookJob {
        id: execution.id.get(),
        policy_id: execution.subject,
        event_type: text("event_type"),
        notify_type: kind.as_str().to_owned(),
        status: runs::status(&execution).to_owned(),
        job_detail: text("payload"),
        creation_time: execution.started_at,
        update_time: execution.updated_at,
    }
}

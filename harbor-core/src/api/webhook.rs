use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::Timestamp;

/// A policy of webhooks: who is told of which events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct WebhookPolicy {
    /// Its key; of no account in requests.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The project of whose events it tells; absent for one of the whole registry. Of no account in requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<i64>,
    /// Whom it tells.
    pub targets: Vec<WebhookTargetObject>,
    /// Of which events.
    pub event_types: Vec<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub creator: String,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub creation_time: Option<Timestamp>,
    /// When it was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub update_time: Option<Timestamp>,
    /// Whether anybody is told.
    pub enabled: bool,
}

/// Where somebody is told, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct WebhookTargetObject {
    /// `http` or `slack`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its address.
    pub address: String,
    /// What is sent as `Authorization`. Answers have `*****` in its place, which keeps it in a request, as long as the address
    /// stays; with another address it is given anew, or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub auth_header: String,
    /// Whether any certificate will do.
    pub skip_cert_verify: bool,
    /// `Default` or `CloudEvents`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub payload_format: String,
    /// Up to two secrets that deliveries are signed with. Answers have `*****` for each, which keeps the one in that place in a
    /// request, as long as the address stays; with another address they are given anew, or as an empty list. Without this member,
    /// all are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
    /// What became of the delivery that it is to get next, where that failed: a policy that is asked for by its key has it. Of no
    /// account in requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing: Option<WebhookTargetFailing>,
}

/// A delivery that failed and is tried again; others wait behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct WebhookTargetFailing {
    /// How often it failed.
    pub failures: u32,
    /// What it failed of the last time.
    pub message: String,
    /// When it was first tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// When it is tried again; absent while it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt: Option<Timestamp>,
}

/// What policies may name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SupportedWebhookEventTypes {
    /// The types of events.
    pub event_type: Vec<String>,
    /// What targets may be.
    pub notify_type: Vec<String>,
    /// In which form a target may be told.
    pub payload_formats: Vec<PayloadFormat>,
}

/// In which form a target may be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PayloadFormat {
    /// What the target is.
    pub notify_type: String,
    /// The forms.
    pub formats: Vec<String>,
}

/// When a policy last told of events of a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookLastTrigger {
    /// The policy's name.
    pub policy_name: String,
    /// The type.
    pub event_type: String,
    /// Whether the policy is in force.
    pub enabled: bool,
    /// When the policy was made.
    #[schema(value_type = String, format = DateTime)]
    pub creation_time: Timestamp,
    /// When it last told of such an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_trigger_time: Option<Timestamp>,
}

/// A delivery, as the older list has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookJob {
    /// The key of its execution.
    pub id: i64,
    /// The key of the policy.
    pub policy_id: i64,
    /// What it tells of.
    pub event_type: String,
    /// `http` or `slack`.
    pub notify_type: String,
    /// How far it is.
    pub status: String,
    /// What is sent.
    pub job_detail: String,
    /// When it was enqueued.
    #[schema(value_type = String, format = DateTime)]
    pub creation_time: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub update_time: Timestamp,
}

/// What came of a sample that was sent to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookTest {
    /// The target's address.
    pub address: String,
    /// The status that it answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// Why no answer came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// One time that something was set going.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Execution {
    /// Its key.
    pub id: i64,
    /// What was set going.
    pub vendor_type: String,
    /// What it is done for.
    pub vendor_id: i64,
    /// How far it is.
    pub status: String,
    /// What there is to say of that.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status_message: String,
    /// How far its tasks are.
    pub metrics: ExecutionMetrics,
    /// What set it going: `MANUAL`, `SCHEDULE`, `EVENT`.
    pub trigger: String,
    /// What belongs to it, and what came out.
    #[schema(value_type = Object)]
    pub extra_attrs: Map<String, Value>,
    /// When it was set going.
    #[schema(value_type = String, format = DateTime)]
    pub start_time: Timestamp,
    /// When its last task was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub end_time: Option<Timestamp>,
}

/// How far the tasks of an execution are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ExecutionMetrics {
    /// How many there are.
    pub task_count: u64,
    /// That did what they should.
    #[serde(skip_serializing_if = "is_zero")]
    pub success_task_count: u64,
    /// That did not.
    #[serde(skip_serializing_if = "is_zero")]
    pub error_task_count: u64,
    /// That wait.
    #[serde(skip_serializing_if = "is_zero")]
    pub pending_task_count: u64,
    /// That a worker is at.
    #[serde(skip_serializing_if = "is_zero")]
    pub running_task_count: u64,
    /// That somebody stopped.
    #[serde(skip_serializing_if = "is_zero")]
    pub stopped_task_count: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A task of an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// Its key.
    pub id: i64,
    /// The key of the execution.
    pub execution_id: i64,
    /// How far it is.
    pub status: String,
    /// What there is to say of its end, or of its last failure.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status_message: String,
    /// How often it was begun.
    pub run_count: u32,
    /// What belongs to it, and what came out.
    #[schema(value_type = Object)]
    pub extra_attrs: Map<String, Value>,
    /// When it was enqueued.
    #[schema(value_type = String, format = DateTime)]
    pub creation_time: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub update_time: Timestamp,
    /// When it was first begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start_time: Option<Timestamp>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub end_time: Option<Timestamp>,
}

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;
use crate::event::EventKind;

/// An event, as the stream of events has it. What else it has depends on its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its number: higher is later.
    pub id: i64,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: Timestamp,
    /// Who did it: `user:grace`, `robot:robot$ci`, `system`; empty for those who may not read the log of the project.
    pub actor: String,
    /// The key of the project that it happened in, if in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<i64>,
    /// What happened, with its `kind`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub what: EventKind,
}

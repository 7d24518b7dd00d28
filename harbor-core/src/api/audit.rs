use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// A line of the older form of the audit log: of artifacts, tags, repositories and projects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditLog {
    /// Its key.
    pub id: i64,
    /// Who.
    pub username: String,
    /// To which.
    pub resource: String,
    /// To what kind of thing.
    pub resource_type: String,
    /// What was done.
    pub operation: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub op_time: Timestamp,
}

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditLogExt {
    /// Its key.
    pub id: i64,
    /// Who.
    pub username: String,
    /// To which.
    pub resource: String,
    /// To what kind of thing.
    pub resource_type: String,
    /// What was done.
    pub operation: String,
    /// All of it in words.
    pub operation_description: String,
    /// Whether it was allowed, and done.
    pub operation_result: bool,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub op_time: Timestamp,
    /// The address of the client; empty where that is not known.
    pub client_address: String,
    /// What was shown: `password`, `session`, `robot_secret`, `personal_access_token:` and its key, `token`; empty for nothing.
    pub credential: String,
    /// The id of the request.
    pub request_id: String,
}

/// A type of events, as operation and kind of thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditLogEventType {
    /// Its name.
    pub event_type: String,
}

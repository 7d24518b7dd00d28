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

/// What came out of verifying the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditVerification {
    /// Whether all is as it was sealed.
    pub intact: bool,
    /// How many lines are as they were sealed.
    pub lines: u64,
    /// How many were purged.
    pub purged: u64,
    /// What stands for the beginning of the chain, if all of that was purged; heads of it that were kept are not compared.
    pub base: Option<AuditHead>,
    /// What is not as it was sealed; at most a hundred are told.
    pub findings: Vec<AuditFinding>,
    /// The last head: keep it elsewhere, and show it as `head=seq:hash` when the log is verified the next time.
    pub head: Option<AuditHead>,
}

/// Something in the audit log that is not as it was sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditFinding {
    /// A word for it: `changed`, `deleted`, `inserted`, `broken`, `missing`, `reordered`, `truncated`, `unsigned`, `head`, `purge`,
    /// `unpurged`, `base`.
    pub kind: String,
    /// The key of the line that it is about.
    pub line: Option<i64>,
    /// The number of the link of the chain that it is about.
    pub seq: Option<i64>,
    /// What it is, in words.
    pub message: String,
}

/// A signed head of the chain of hashes over the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditHead {
    /// The number of the link.
    pub seq: i64,
    /// Its hash: SHA-256, in hexadecimal.
    pub hash: String,
    /// When it was signed.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The name of the key.
    pub key: String,
    /// The signature (Ed25519), in base64url.
    pub signature: String,
}

//! The audit log: who did what to which.

use async_trait::async_trait;

use super::{ProjectId, RowResult};
use crate::Timestamp;

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// Who: [`Actor::principal`](crate::access::Actor::principal).
    pub actor: String,
    /// What was done: a permission, as `resource:action`.
    pub operation: String,
    /// In which project, if in one.
    pub project: Option<ProjectId>,
    /// To which: a name such as `library/alpine:latest`.
    pub resource: String,
}

/// Reads the audit log.
#[async_trait]
pub trait AuditRows {
    /// Up to `limit` lines with keys above `after`, with their keys, by key.
    async fn audit_rows(&mut self, after: i64, limit: u32) -> RowResult<Vec<(i64, AuditRow)>>;
}

/// Writes the audit log.
#[async_trait]
pub trait AuditRowsMut {
    /// Writes a line.
    async fn audit_insert(&mut self, row: &AuditRow) -> RowResult<()>;
}

//! The audit log: who did what to which.

use async_trait::async_trait;

use super::{AuditId, Listed, ProjectId, RowResult};
use crate::Timestamp;
use crate::access::ProjectFilter;
use crate::query::{Query, keys};

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuditLine {
    /// When.
    pub at: Timestamp,
    /// Who: [`Actor::principal`](crate::access::Actor::principal).
    pub actor: String,
    /// The name that people know them by: [`Actor::name`](crate::access::Actor::name).
    pub username: String,
    /// What was done, as Harbor calls it: `create`, `update`, `delete`, `login`, `logout`.
    pub operation: String,
    /// To what kind of thing, as Harbor calls it: `artifact`, `project`, `user`.
    pub resource_type: String,
    /// In which project, if in one.
    pub project: Option<ProjectId>,
    /// To which: a name such as `library/alpine:latest`.
    pub resource: String,
    /// All of it in words.
    pub description: String,
    /// Whether it was allowed, and done.
    pub allowed: bool,
    /// The address that it came from; empty where that is not known, and for what workers do.
    pub address: String,
    /// What was shown: [`Credential`](crate::access::Credential) as a word.
    pub credential: String,
    /// The id of the request that it came with; empty for none.
    pub request_id: String,
}

/// A line of the audit log, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its key: what was written later has a higher one.
    pub id: AuditId,
    /// The line.
    pub line: AuditLine,
}

/// Which lines somebody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditScope {
    /// All of them.
    Registry,
    /// Those of some projects, and none of what belongs to no project.
    Projects(ProjectFilter),
}

/// The types of events that Harbor knows, which may be left out of the log by their names.
pub const AUDIT_EVENT_TYPES: [&str; 18] = [
    "create_artifact",
    "delete_artifact",
    "pull_artifact",
    "create_project",
    "delete_project",
    "delete_repository",
    "login_user",
    "logout_user",
    "create_user",
    "delete_user",
    "update_user",
    "create_robot",
    "delete_robot",
    "update_configuration",
    "create_member",
    "delete_member",
    "update_member",
    "update_project",
];

keys! {
    /// What lists of the audit log are filtered and sorted by.
    pub enum AuditKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `project_id`.
        Project: Int, "project_id", "ProjectID", filter, sort;
        /// `username`.
        Username: Text, "username", "Username", filter, sort;
        /// `operation`.
        Operation: Text, "operation", "Operation", filter, sort;
        /// `resource_type`.
        ResourceType: Text, "resource_type", "ResourceType", filter, sort;
        /// `resource`.
        Resource: Text, "resource", "Resource", filter;
        /// `operation_description`.
        Description: Text, "op_desc", "OperationDescription", filter;
        /// `op_time`.
        Time: Time, "op_time", "OpTime", filter, sort;
        /// `operation_result`.
        Allowed: Bool, "operation_result", "OperationResult", filter;
        /// `client_address`.
        Address: Text, "client_address", "ClientAddress", filter;
        /// `credential`.
        Credential: Text, "credential", "Credential", filter;
        /// `request_id`.
        Request: Text, "request_id", "RequestID", filter;
    }
}

/// Reads the audit log.
#[async_trait]
pub trait AuditRows {
    /// A page of the lines of a scope; those that were written last first, unless the query has another order.
    async fn audit_log(&mut self, scope: &AuditScope, query: &Query<AuditKey>)
    -> RowResult<Listed<AuditRow>>;

    /// The same page, without how many lines there are.
    async fn audit_lines(&mut self, scope: &AuditScope, query: &Query<AuditKey>) -> RowResult<Vec<AuditRow>>;

    /// The lines behind that of a key, in the order of their keys, at most so many.
    async fn audit_after(&mut self, after: AuditId, limit: u32) -> RowResult<Vec<AuditRow>>;
}

/// Writes the audit log.
#[async_trait]
pub trait AuditRowsMut {
    /// Writes a line.
    async fn audit_insert(&mut self, line: &AuditLine) -> RowResult<()>;

    /// Deletes lines; those that are gone already are of no account.
    async fn audit_delete(&mut self, lines: &[AuditId]) -> RowResult<()>;
}

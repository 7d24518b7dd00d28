//! The audit log: what its lines are called, and who may read which.

use super::Harbor;
use super::configuration::{ConfigKey, Configuration};
use crate::access::permission::{AuditLogList, LogList};
use crate::access::{Action as _, Actor, Authorized, Permission, ProjectFilter, Target};
use crate::meta::{AuditKey, AuditLine, AuditRow, AuditScope, Listed};
use crate::query::{Query, Test, Value};
use crate::{Error, Result, Timestamp};

/// What the older form of the log tells of.
const OLDER: [&str; 4] = ["artifact", "repository", "project", "tag"];

/// What Harbor calls that which a permission lets one do: the operation, and the kind of thing that it is done to.
fn named(permission: Permission) -> (&'static str, &'static str) {
    match (permission.resource, permission.action) {
        ("repository", "push") => ("create", "artifact"),
        ("repository", "pull") => ("pull", "artifact"),
        ("project-member" | "member", action) => (action, "member"),
        // What is said of a project is a part of it.
        ("metadata", _) => ("update", "project"),
        (resource, action) => (action, resource),
    }
}

/// What somebody did, as a line of the log.
#[must_use]
pub fn line(actor: &Actor, permission: Permission, resource: String, at: Timestamp) -> AuditLine {
    let (operation, resource_type) = named(permission);
    line_of(actor, operation, resource_type, resource, at)
}

/// What somebody did that needs no permission, as a line of the log: `login`, `logout`.
#[must_use]
pub fn line_of(
    actor: &Actor,
    operation: &str,
    resource_type: &str,
    resource: String,
    at: Timestamp,
) -> AuditLine {
    AuditLine {
        at,
        actor: actor.principal(),
        username: actor.name().to_owned(),
        operation: operation.to_owned(),
        resource_type: resource_type.to_owned(),
        project: None,
        description: format!("{operation} {resource_type}: {resource}"),
        resource,
    }
}

impl Configuration {
    /// Whether lines of this kind are written.
    #[must_use]
    pub fn audits(&self, line: &AuditLine) -> bool {
        let disabled = self.text(ConfigKey::DisabledAuditLogEventTypes);
        let is = |name: &str| name.split_once('_') == Some((&line.operation, &line.resource_type));
        disabled.is_empty() || !disabled.split(',').any(|name| is(name.trim()))
    }
}

/// Use cases of the audit log: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Audit<'a> {
    harbor: &'a Harbor,
}

impl<'a> Audit<'a> {
    pub(super) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    /// A page of the lines that somebody may see: all, for who may list the log of the registry; otherwise those of the projects
    /// whose logs they may list.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody in particular; as the stores fail.
    pub async fn list(&self, actor: &Actor, query: &Query<AuditKey>) -> Result<Listed<AuditRow>> {
        if actor.is_anonymous() {
            return Err(Error::Unauthenticated);
        }
        let scope = match self.harbor.may(actor, AuditLogList::PERMISSION, Target::System).await? {
            true => AuditScope::Registry,
            false => AuditScope::Projects(self.harbor.visible::<LogList>(actor).await?),
        };
        Ok(self.harbor.read().await?.audit_log(&scope, query).await?)
    }

    /// A page of the lines of a project.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn list_of_project(
        &self,
        proof: &Authorized<LogList>,
        query: &Query<AuditKey>,
    ) -> Result<Listed<AuditRow>> {
        let scope = AuditScope::Projects(ProjectFilter::only(proof.target().id));
        Ok(self.harbor.read().await?.audit_log(&scope, query).await?)
    }
}

/// The same, of no more than the older form of the log tells of.
#[must_use]
pub fn older(query: Query<AuditKey>) -> Query<AuditKey> {
    let types = OLDER.map(|name| Value::Text(name.to_owned())).to_vec();
    query.filter(AuditKey::ResourceType, Test::AnyOf(types))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::permission::{
        ArtifactDelete, MemberCreate, ProjectDelete, RepositoryPush, RobotCreate, SystemConfigurationUpdate,
        TagCreate,
    };

    #[test]
    fn lines_are_called_as_harbor_calls_them() {
        for (permission, name) in [
            (RepositoryPush::PERMISSION, "create_artifact"),
            (ArtifactDelete::PERMISSION, "delete_artifact"),
            (ProjectDelete::PERMISSION, "delete_project"),
            (MemberCreate::PERMISSION, "create_member"),
            (RobotCreate::PERMISSION, "create_robot"),
            (SystemConfigurationUpdate::PERMISSION, "update_configuration"),
            (TagCreate::PERMISSION, "create_tag"),
        ] {
            let line = line(&Actor::user("grace"), permission, "it".to_owned(), Timestamp::from_micros(1));
            assert_eq!(format!("{}_{}", line.operation, line.resource_type), name);
            assert_eq!((&*line.username, &*line.actor), ("grace", "user:grace"));
        }
    }
}

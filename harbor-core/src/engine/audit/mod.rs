//! The audit log: what its lines are called, and who may read which.

mod buffer;
mod chain;
mod export;
mod forward;
mod purge;

pub(super) use buffer::Buffer;
pub(super) use chain::Sealing;
pub use chain::{AuditFinding, AuditReport, AuditSignature, AuditSigner, SavedHead, verify_audit};
pub use export::AuditExport;
pub use purge::{PurgeAudit, Purged};

use super::Harbor;
use super::configuration::{ConfigKey, Configuration};
use crate::access::permission::{AuditLogList, LogList, RepositoryPull};
use crate::access::{
    Action as _, Actor, Attempt, Authorized, Credential, Credentials, Origin, PERSONAL_TOKEN, Permission,
    ProjectFilter, Target,
};
use crate::meta::{AuditKey, AuditLine, AuditRow, AuditScope, Listed, ProjectId};
use crate::oci::{Digest, Reference, RepositoryName};
use crate::query::{Query, Test, Value};
use crate::{Error, Result, Timestamp};

/// What the older form of the log tells of.
const OLDER: [&str; 4] = ["artifact", "repository", "project", "tag"];

/// What Harbor calls that which a permission lets one do: the operation, and the kind of thing that it is done to.
#[must_use]
pub fn named(permission: Permission) -> (&'static str, &'static str) {
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
    let none = Origin::default();
    let origin = actor.origin().unwrap_or(&none);
    AuditLine {
        at,
        actor: actor.principal(),
        username: actor.name().to_owned(),
        operation: operation.to_owned(),
        resource_type: resource_type.to_owned(),
        project: None,
        description: format!("{operation} {resource_type}: {resource}"),
        resource,
        allowed: true,
        address: origin.address.map(|address| address.to_string()).unwrap_or_default(),
        credential: origin.credential.to_string(),
        request_id: origin.request_id.clone(),
    }
}

/// What the registry did by itself, as a line of the log.
#[must_use]
pub fn line_of_system(operation: &str, resource_type: &str, resource: String, at: Timestamp) -> AuditLine {
    line_of(&Actor::system(), operation, resource_type, resource, at)
}

/// What somebody was refused, as a line of the log.
fn refused(actor: &Actor, permission: Permission, target: Target<'_>, at: Timestamp) -> AuditLine {
    let resource = match target {
        Target::System => String::new(),
        Target::User(id) => id.get().to_string(),
        Target::Project(project) => project.name.to_string(),
        Target::Repository(_, name) => name.to_string(),
    };
    let line = line(actor, permission, resource, at);
    AuditLine {
        project: target.project().map(|project| project.id),
        allowed: false,
        description: format!("refused: {}", line.description),
        ..line
    }
}

/// A pull of a manifest, as a line of the log.
pub(super) fn pull(
    actor: &Actor,
    (project, name): (ProjectId, &RepositoryName),
    digest: &Digest,
    reference: &Reference,
    at: Timestamp,
) -> AuditLine {
    let resource = match reference {
        Reference::Tag(tag) => format!("{name}:{tag}"),
        Reference::Digest(digest) => format!("{name}@{digest}"),
    };
    let line = line(actor, RepositoryPull::PERMISSION, resource, at);
    let username = if actor.is_anonymous() { actor.principal() } else { line.username };
    AuditLine {
        project: Some(project),
        username,
        description: format!("pull artifact: {name}@{digest}"),
        ..line
    }
}

/// A name as it was shown, when it is not too long. One that looks like a personal access token is one, in the wrong field.
fn shown(username: &str) -> String {
    match username.starts_with(PERSONAL_TOKEN) {
        true => format!("{PERSONAL_TOKEN}…"),
        false => username.chars().take(buffer::LONGEST).collect(),
    }
}

/// A login that failed, as a line of the log; `None` for what is no login: tokens and sessions that have ended come again and
/// again, and nobody typed them. `kind`: what was shown, where somebody knows more of it.
fn failed_login(
    attempt: Attempt<'_>,
    kind: Option<Credential>,
    why: &str,
    at: Timestamp,
) -> Option<AuditLine> {
    let username: String = match attempt.credentials {
        Credentials::Basic { username, .. } | Credentials::Form { username, .. } => shown(username),
        Credentials::Bearer(_) if kind.is_some() => Actor::anonymous().principal(),
        Credentials::Bearer(_) | Credentials::Session { .. } => return None,
    };
    let nobody = Actor::anonymous();
    let line = line_of(&nobody, "login", "user", username.clone(), at);
    let Origin { address, request_id, .. } = Origin::of(attempt, &nobody);
    Some(AuditLine {
        username,
        allowed: false,
        description: format!("refused: {} ({why})", line.description),
        address: address.map(|address| address.to_string()).unwrap_or_default(),
        credential: kind.unwrap_or(Credential::Password).to_string(),
        request_id,
        ..line
    })
}

/// What was refused, and why, as a line of the log.
fn forbidden(
    actor: &Actor,
    (operation, kind): (&str, &str),
    resource: &str,
    why: &str,
    at: Timestamp,
) -> AuditLine {
    let line = line_of(actor, operation, kind, resource.chars().take(buffer::LONGEST).collect(), at);
    let username = if actor.is_anonymous() { actor.principal() } else { line.username };
    let description = format!("refused: {} ({why})", line.description);
    AuditLine { username, allowed: false, description, ..line }
}

impl Harbor {
    /// Tells of a login that failed.
    pub(super) fn failed(&self, attempt: Attempt<'_>, error: Error) -> Error {
        let why = match error {
            Error::TooManyRequests { .. } => "too many attempts",
            _ => "wrong name or password",
        };
        let mut kinds =
            self.inner.authenticators.iter().filter_map(|known| known.kind_of(attempt.credentials));
        if let Some(line) = failed_login(attempt, kinds.next(), why, self.now()) {
            self.tell(line);
        }
        error
    }

    /// Tells of a refusal of somebody in particular.
    pub(super) fn refused(&self, actor: &Actor, permission: Permission, target: Target<'_>) {
        if !actor.is_anonymous() {
            self.tell(refused(actor, permission, target, self.now()));
        }
    }

    /// Tells of something that was refused for another reason than a permission: the gate tells of those. `what`: the operation and
    /// the kind of thing, as lines have them.
    pub fn tell_refusal(&self, actor: &Actor, what: (&str, &str), resource: &str, why: &str) {
        self.tell(forbidden(actor, what, resource, why, self.now()));
    }
}

/// Whether a line tells of a purge of the log.
fn is_purge(row: &AuditRow) -> bool {
    (row.line.operation.as_str(), row.line.resource_type.as_str()) == chain::PURGED
}

/// What says that there were more lines than could be kept.
fn left_out(lines: u64, at: Timestamp) -> AuditLine {
    let line = line_of(&Actor::system(), "leave_out", "audit_log", String::new(), at);
    AuditLine {
        description: format!(
            "{lines} refusals, failed logins and pulls were left out: too many came at once"
        ),
        ..line
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
        let scope = self.scope_of(actor).await?;
        Ok(self.harbor.read().await?.audit_log(&scope, query).await?)
    }

    /// Which lines somebody may see.
    async fn scope_of(&self, actor: &Actor) -> Result<AuditScope> {
        Ok(match self.harbor.may(actor, AuditLogList::PERMISSION, Target::System).await? {
            true => AuditScope::Registry,
            false => AuditScope::Projects(self.harbor.visible::<LogList>(actor).await?),
        })
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
    let query = query.filter(AuditKey::ResourceType, Test::AnyOf(types));
    // It cannot say that something was not done.
    query.filter(AuditKey::Allowed, Test::Is(Value::Bool(true)))
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

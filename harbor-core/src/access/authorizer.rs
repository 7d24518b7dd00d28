//! The port that tells what somebody may do.

use std::fmt;

use async_trait::async_trait;

use super::{Actor, Permission, ProjectFilter};
use crate::StoreError;
use crate::meta::{Project, UserId};
use crate::oci::RepositoryName;

/// What is asked about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Target<'a> {
    /// The whole registry.
    System,
    /// A user.
    User(UserId),
    /// A project.
    Project(&'a Project),
    /// A repository of a project.
    Repository(&'a Project, &'a RepositoryName),
}

impl<'a> Target<'a> {
    /// The project, where there is one.
    #[must_use]
    pub const fn project(&self) -> Option<&'a Project> {
        match self {
            Self::System | Self::User(_) => None,
            Self::Project(project) | Self::Repository(project, _) => Some(project),
        }
    }
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Granted.
    Allow,
    /// Refused. What the refusal looks like is not the authorizer's business.
    Deny,
}

/// Tells what somebody may do. It decides and cannot mint a proof.
///
/// # Contract
/// * `decide` answers from its arguments and its own state; it is asked on every request and must be quick.
/// * `Err(_)` when it cannot tell; the request is refused.
/// * `projects` agrees with `decide`: the filter has a repository exactly when `decide` allows the permission on it, and all of a
///   project exactly when that is so for whichever repository it may have.
///
/// ```
/// use harbor_core::access::{Actor, Authorizer, Decision, Identity, Permission, ProjectFilter, Target};
/// use harbor_core::StoreError;
///
/// /// Everybody may read, and who has a name may do the rest.
/// #[derive(Debug)]
/// struct NamesWrite;
///
/// #[async_trait::async_trait]
/// impl Authorizer for NamesWrite {
///     async fn decide(&self, actor: &Actor, permission: Permission, _: Target<'_>) -> Result<Decision, StoreError> {
///         let named = !matches!(actor.identity(), Identity::Anonymous);
///         let read = ["pull", "read", "list"].contains(&permission.action);
///         Ok(if named || read { Decision::Allow } else { Decision::Deny })
///     }
///     async fn projects(&self, _: &Actor, _: Permission) -> Result<ProjectFilter, StoreError> {
///         Ok(ProjectFilter::All)
///     }
/// }
/// ```
#[async_trait]
pub trait Authorizer: fmt::Debug + Send + Sync + 'static {
    /// Whether `actor` has `permission` on `target`.
    async fn decide(
        &self,
        actor: &Actor,
        permission: Permission,
        target: Target<'_>,
    ) -> Result<Decision, StoreError>;

    /// The projects, and the repositories of projects, in which `actor` has `permission`.
    async fn projects(&self, actor: &Actor, permission: Permission) -> Result<ProjectFilter, StoreError>;

    /// Called between the commit and the answer to a change of who may do what: what was remembered is old. On other nodes,
    /// the revision [`ACCESS`](crate::meta::revision::ACCESS) tells.
    fn forget(&self) {}
}

/// Everybody may do everything: for registries that only their owner can reach, such as one in a test or a CI job.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

#[async_trait]
impl Authorizer for AllowAll {
    async fn decide(&self, _: &Actor, _: Permission, _: Target<'_>) -> Result<Decision, StoreError> {
        Ok(Decision::Allow)
    }

    async fn projects(&self, _: &Actor, _: Permission) -> Result<ProjectFilter, StoreError> {
        Ok(ProjectFilter::All)
    }
}

//! The proof that a permission was granted.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Action, Actor, Target};
use crate::meta::{Project, ProjectId, UserId};
use crate::oci::{ProjectName, RepositoryName};
use crate::{Harbor, Result};

/// What a permission is granted on. Four scopes exist, and no others can be added from outside.
pub trait Scope: Send + Sync + 'static + sealed::Sealed {
    /// What a caller names.
    type Request<'a>: Send;
    /// What the proof carries: the resolved target.
    type Resolved: fmt::Debug + Send + Sync;

    /// Finds what was named; `None` when it does not exist.
    #[doc(hidden)]
    fn resolve<'a>(
        harbor: &'a Harbor,
        request: Self::Request<'a>,
    ) -> impl Future<Output = Result<Option<Self::Resolved>>> + Send + 'a;

    /// The target as an authorizer sees it.
    #[doc(hidden)]
    fn target(resolved: &Self::Resolved) -> Target<'_>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::InSystem {}
    impl Sealed for super::InProject {}
    impl Sealed for super::InRepository {}
    impl Sealed for super::InUser {}
}

/// Granted on the whole registry.
#[derive(Debug)]
pub enum InSystem {}

/// Granted on a project.
#[derive(Debug)]
pub enum InProject {}

/// Granted on a repository of a project.
#[derive(Debug)]
pub enum InRepository {}

/// Granted on a user, which that user may have of itself.
#[derive(Debug)]
pub enum InUser {}

impl Scope for InUser {
    type Request<'a> = UserId;
    type Resolved = UserId;

    /// Not looked up here: whoever may not know of a user is told the same of one that there is not.
    async fn resolve(_: &Harbor, id: UserId) -> Result<Option<UserId>> {
        Ok(Some(id))
    }

    fn target(id: &UserId) -> Target<'_> {
        Target::User(*id)
    }
}

impl Scope for InSystem {
    type Request<'a> = ();
    type Resolved = ();

    async fn resolve(_: &Harbor, (): ()) -> Result<Option<()>> {
        Ok(Some(()))
    }

    fn target((): &()) -> Target<'_> {
        Target::System
    }
}

impl Scope for InProject {
    type Request<'a> = ProjectRef<'a>;
    type Resolved = Arc<Project>;

    async fn resolve<'a>(harbor: &'a Harbor, named: ProjectRef<'a>) -> Result<Option<Arc<Project>>> {
        match named {
            ProjectRef::Name(name) => harbor.project(name.as_str()).await,
            ProjectRef::Id(id) => harbor.project_of(id).await,
        }
    }

    fn target(project: &Arc<Project>) -> Target<'_> {
        Target::Project(project)
    }
}

impl Scope for InRepository {
    type Request<'a> = &'a RepositoryName;
    type Resolved = RepositoryTarget;

    async fn resolve<'a>(harbor: &'a Harbor, name: &'a RepositoryName) -> Result<Option<RepositoryTarget>> {
        let project = harbor.project(name.project()?).await?;
        Ok(project.map(|project| RepositoryTarget { project, name: name.clone() }))
    }

    fn target(target: &RepositoryTarget) -> Target<'_> {
        Target::Repository(&target.project, &target.name)
    }
}

/// What a caller names a project by.
#[derive(Clone, Copy, Debug)]
pub enum ProjectRef<'a> {
    /// Its name.
    Name(&'a ProjectName),
    /// Its incarnation.
    Id(ProjectId),
}

impl<'a> From<&'a ProjectName> for ProjectRef<'a> {
    fn from(name: &'a ProjectName) -> Self {
        Self::Name(name)
    }
}

/// A repository's name with the project that it was resolved to. The repository itself need not exist yet.
#[derive(Clone, Debug)]
pub struct RepositoryTarget {
    /// The project, as it was when the permission was granted.
    pub project: Arc<Project>,
    /// The full name.
    pub name: RepositoryName,
}

/// The proof that an actor may do `A` to one target.
///
/// It cannot be forged: its fields are private, and only
/// [`Harbor::authorize`](crate::Harbor::authorize) makes one.
/// ```compile_fail
/// use harbor_core::access::{Actor, Authorized, permission::ProjectCreate};
/// let forged: Authorized<ProjectCreate> = Authorized { actor: Actor::anonymous() };
/// ```
/// It cannot be used twice, for it is not `Clone` and use cases take it by value:
/// ```compile_fail
/// # use harbor_core::{Harbor, access::{Authorized, permission::RepositoryPull}};
/// async fn twice(harbor: Harbor, proof: Authorized<RepositoryPull>) {
///     let _ = harbor.content().tags(proof, Default::default()).await;
///     let _ = harbor.content().tags(proof, Default::default()).await;
/// }
/// ```
/// And it cannot stand for another permission:
/// ```compile_fail
/// # use harbor_core::{Harbor, oci::Digest, access::{Authorized, permission::RepositoryPull}};
/// async fn swapped(harbor: Harbor, proof: Authorized<RepositoryPull>, digest: Digest) {
///     let _ = harbor.content().blob_delete(proof, &digest).await;
/// }
/// ```
/// Used as it is meant, it compiles:
/// ```
/// # use harbor_core::{Harbor, access::{Authorized, permission::RepositoryPull}};
/// async fn once(harbor: Harbor, proof: Authorized<RepositoryPull>) {
///     let _ = harbor.content().tags(proof, Default::default()).await;
/// }
/// ```
pub struct Authorized<A: Action> {
    actor: Actor,
    target: <A::Scope as Scope>::Resolved,
    _action: PhantomData<fn() -> A>,
}

impl<A: Action> Authorized<A> {
    /// Only the gate calls this.
    pub(crate) const fn mint(actor: Actor, target: <A::Scope as Scope>::Resolved) -> Self {
        Self { actor, target, _action: PhantomData }
    }

    /// Who was allowed.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// On what.
    #[must_use]
    pub const fn target(&self) -> &<A::Scope as Scope>::Resolved {
        &self.target
    }
}

impl<A: Action> fmt::Debug for Authorized<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized")
            .field("permission", &A::PERMISSION)
            .field("actor", &self.actor)
            .field("target", &self.target)
            .finish()
    }
}

//! Proofs for what belongs to a project, or to all of them: labels, policies of retention.

use super::Harbor;
use super::gate::Write;
use crate::access::{Action, Actor, Authorized, InProject, InSystem, ProjectRef};
use crate::meta::ProjectId;
use crate::{Error, Result};

/// The proof that somebody may do something to what all projects share, or to what one project has.
#[derive(Debug)]
pub enum EitherProof<S: Action<Scope = InSystem>, P: Action<Scope = InProject>> {
    /// To what all share.
    System(Authorized<S>),
    /// To what a project has.
    Project(Authorized<P>),
}

impl<S: Action<Scope = InSystem>, P: Action<Scope = InProject>> EitherProof<S, P> {
    /// The project, if it is about one.
    pub(super) fn project(&self) -> Option<ProjectId> {
        match self {
            Self::System(_) => None,
            Self::Project(proof) => Some(proof.target().id),
        }
    }

    /// Opens a write transaction.
    pub(super) async fn write<'a>(&self, harbor: &'a Harbor) -> Result<Write<'a>> {
        match self {
            Self::System(proof) => harbor.write(proof).await,
            Self::Project(proof) => harbor.write(proof).await,
        }
    }
}

impl Harbor {
    /// The proof for a stored thing whose project is `owner`, `Some(None)` for one that all share, or `None` when there is no such
    /// thing: `missing` then tells so to who may see every one, and others are refused alike whether there is one or not;
    /// nobody in particular as such.
    pub(super) async fn authorize_either<S: Action<Scope = InSystem>, P: Action<Scope = InProject>>(
        &self,
        actor: &Actor,
        owner: Option<Option<ProjectId>>,
        missing: Error,
    ) -> Result<EitherProof<S, P>> {
        let proof = match owner.flatten() {
            Some(project) => {
                self.authorize::<P>(actor, ProjectRef::Id(project)).await.map(EitherProof::Project)
            }
            None => self.authorize::<S>(actor, ()).await.map(EitherProof::System),
        };
        match proof {
            Ok(_) if owner.is_none() => Err(missing),
            Err(Error::Unauthenticated) if actor.is_anonymous() => Err(Error::Unauthenticated),
            Err(Error::NameUnknown | Error::Unauthenticated) => Err(Error::Denied),
            proof => proof,
        }
    }
}

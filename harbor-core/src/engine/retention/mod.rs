//! Policies of retention: their use cases. See [`crate::retention`] for what they say.
//!
//! A project has a policy of its own, or the one that all have which have none of their own. A policy without rules in force
//! deletes nothing: that is how a project stays out of the common one.

mod change;
mod history;
mod judge;
mod preview;
mod run;
mod sweep;

use super::Harbor;
use super::proof::EitherProof;
use crate::access::permission::{
    SystemConfigurationRead, SystemConfigurationUpdate, TagRetentionRead, TagRetentionUpdate,
};
use crate::access::{Action, Actor, Authorized, InProject, InSystem};
use crate::job::Job as _;
use crate::meta::{RetentionId, RetentionPolicy, Schedule};
use crate::{Error, Result};

pub use history::RetentionList;
pub use judge::Judged;
pub use run::{Retain, Retained};

/// The setting of a project that has the key of its policy, as Harbor shows it.
pub const RETENTION_ID: &str = "retention_id";

/// What a schedule of a policy is called.
const RHYTHM: &str = "Custom";

/// Use cases of retention: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Retentions<'a> {
    harbor: &'a Harbor,
}

/// The proof that a policy may be seen.
pub type RetentionRead = EitherProof<SystemConfigurationRead, TagRetentionRead>;

/// The proof that a policy may be changed, and set going.
pub type RetentionUpdate = EitherProof<SystemConfigurationUpdate, TagRetentionUpdate>;

impl<'a> Retentions<'a> {
    pub(super) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    /// The proof for a policy that is named by its key.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`]; [`Error::NotFound`] for who may see every policy; [`Error::Denied`] for others, whether there
    /// is such a policy or not.
    pub async fn authorize<S: Action<Scope = InSystem>, P: Action<Scope = InProject>>(
        &self,
        actor: &Actor,
        id: RetentionId,
    ) -> Result<EitherProof<S, P>> {
        if actor.is_anonymous() {
            return Err(Error::Unauthenticated);
        }
        let policy = self.harbor.read().await?.retention(id).await?;
        let owner = policy.map(|policy| policy.project);
        let proof = self.harbor.authorize_either(actor, owner, not_found()).await;
        proof.map_err(|error| if matches!(error, Error::OutOfScope) { Error::Denied } else { error })
    }

    /// A policy, and what sets it going by the clock.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the stores fail.
    pub async fn get(
        &self,
        proof: &RetentionRead,
        id: RetentionId,
    ) -> Result<(RetentionPolicy, Option<Schedule>)> {
        let policy = self.one(proof, id).await?;
        let schedule = self.harbor.read().await?.schedule(Retain::KIND, id.get()).await?;
        Ok((policy, schedule))
    }

    /// The policy of all projects that have none of their own, and what sets it going by the clock.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; as the stores fail.
    pub async fn common(
        &self,
        _proof: &Authorized<SystemConfigurationRead>,
    ) -> Result<(RetentionPolicy, Option<Schedule>)> {
        let mut rows = self.harbor.read().await?;
        let policy = rows.retention_of(None).await?.ok_or_else(not_found)?;
        let schedule = rows.schedule(Retain::KIND, policy.id.get()).await?;
        Ok((policy, schedule))
    }

    /// The policy of a key, when it is the one that the proof is for.
    async fn one<S: Action<Scope = InSystem>, P: Action<Scope = InProject>>(
        &self,
        proof: &EitherProof<S, P>,
        id: RetentionId,
    ) -> Result<RetentionPolicy> {
        let policy = self.harbor.read().await?.retention(id).await?;
        policy.filter(|policy| policy.project == proof.project()).ok_or_else(not_found)
    }
}

const fn not_found() -> Error {
    Error::NotFound("retention policy")
}

//! Webhooks: policies, and who is told of what. See [`crate::webhook`] for what policies say.
//!
//! A worker reads the outbox behind a place of its own, and enqueues a job for each target that wants an event, in the transaction
//! that moves the place: so none is lost, and none is enqueued twice, on however many nodes. Jobs of one target have one key, so they
//! go out one at a time and in order, and a target that fails holds up nobody else.

mod change;
#[cfg(feature = "egress")]
mod deliver;
mod fan_out;
mod history;
mod job;
mod pulled;

use std::sync::atomic::AtomicI64;

use super::Harbor;
use super::proof::EitherProof;
use crate::access::permission::{
    NotificationPolicyCreate, NotificationPolicyDelete, NotificationPolicyList, NotificationPolicyRead,
    NotificationPolicyUpdate, SystemNotificationPolicyCreate, SystemNotificationPolicyDelete,
    SystemNotificationPolicyList, SystemNotificationPolicyRead, SystemNotificationPolicyUpdate,
};
use crate::access::{Action, InProject, InSystem};
use crate::meta::{ExecutionScope, Listed, WebhookId, WebhookKey, WebhookPolicy};
use crate::query::Query;
use crate::{Error, Result};

pub use change::NewWebhook;
#[cfg(feature = "egress")]
pub use deliver::Tried;
pub use history::{FailingTarget, LastTrigger};
pub use job::{Delivery, HookJob, SlackJob};

/// The proof that a policy may be made.
pub type WebhookCreate = EitherProof<SystemNotificationPolicyCreate, NotificationPolicyCreate>;

/// The proof that a policy may be deleted.
pub type WebhookDelete = EitherProof<SystemNotificationPolicyDelete, NotificationPolicyDelete>;

/// The proof that policies may be listed.
pub type WebhookList = EitherProof<SystemNotificationPolicyList, NotificationPolicyList>;

/// The proof that a policy may be seen.
pub type WebhookRead = EitherProof<SystemNotificationPolicyRead, NotificationPolicyRead>;

/// The proof that a policy may be changed.
pub type WebhookUpdate = EitherProof<SystemNotificationPolicyUpdate, NotificationPolicyUpdate>;

/// What the place in the outbox is kept under.
const SINK: &str = "webhooks";

/// What this process knows of the outbox.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Up to this number nobody wants an event that is behind the place that is stored.
    number: AtomicI64,
    pulled: pulled::Pulled,
}

/// Use cases of webhooks: a cheap borrow. A proof for a project is for its policies, one for the registry for those that tell of
/// all of it.
#[derive(Clone, Copy, Debug)]
pub struct Webhooks<'a> {
    harbor: &'a Harbor,
}

impl<'a> Webhooks<'a> {
    pub(super) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    /// A page of the policies.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(
        &self,
        proof: &WebhookList,
        query: &Query<WebhookKey>,
    ) -> Result<Listed<WebhookPolicy>> {
        Ok(self.harbor.read().await?.webhooks(proof.project(), query).await?)
    }

    /// A policy.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for one of another project; as the store fails.
    pub async fn get(&self, proof: &WebhookRead, id: WebhookId) -> Result<WebhookPolicy> {
        self.one(proof, id).await
    }

    async fn one<S: Action<Scope = InSystem>, P: Action<Scope = InProject>>(
        &self,
        proof: &EitherProof<S, P>,
        id: WebhookId,
    ) -> Result<WebhookPolicy> {
        let policy = self.harbor.read().await?.webhook(id).await?;
        policy.filter(|policy| policy.project == proof.project()).ok_or_else(not_found)
    }
}

/// The executions of a policy: each is one delivery to one target.
fn scope(id: WebhookId) -> ExecutionScope {
    use crate::job::Job as _;

    let kinds = vec![HookJob::KIND.to_owned(), SlackJob::KIND.to_owned()];
    ExecutionScope { kinds, subject: Some(id.get()) }
}

const fn not_found() -> Error {
    Error::NotFound("webhook policy")
}

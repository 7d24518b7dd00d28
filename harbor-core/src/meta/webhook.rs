//! Policies of webhooks: who is told of which events.

use async_trait::async_trait;

use super::{Listed, ProjectId, RowResult, WebhookId};
use crate::Timestamp;
use crate::query::{Query, keys};
use crate::webhook::Webhook;

/// A policy of webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookPolicy {
    /// Its key.
    pub id: WebhookId,
    /// The project of whose events it tells; `None` for all of the registry.
    pub project: Option<ProjectId>,
    /// Its name, unlike that of any other of the same project, or of the registry.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether anybody is told.
    pub enabled: bool,
    /// Who made it: a user's name, or a robot's.
    pub creator: String,
    /// What it says.
    pub webhook: Webhook,
    /// When it was made: it tells of nothing that happened before.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

keys! {
    /// What lists of policies of webhooks are filtered and sorted by.
    pub enum WebhookKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `name`.
        Name: Text, "name", "Name", filter, sort;
        /// `enabled`.
        Enabled: Bool, "enabled", "Enabled", filter, sort;
        /// `creation_time`.
        CreatedAt: Time, "creation_time", "CreationTime", filter, sort;
        /// `update_time`.
        UpdatedAt: Time, "update_time", "UpdateTime", filter, sort;
    }
}

/// Reads policies of webhooks.
#[async_trait]
pub trait WebhookRows {
    /// The policy of that key.
    async fn webhook(&mut self, id: WebhookId) -> RowResult<Option<WebhookPolicy>>;

    /// A page of the policies of a project, or of the whole registry; those that were made last first, unless the query has
    /// another order.
    async fn webhooks(
        &mut self,
        project: Option<ProjectId>,
        query: &Query<WebhookKey>,
    ) -> RowResult<Listed<WebhookPolicy>>;

    /// Every policy that is in force, whatever it is of, by key.
    async fn webhooks_enabled(&mut self) -> RowResult<Vec<WebhookPolicy>>;

    /// Every policy that is in force and tells of events of one of these projects: theirs, and those of the whole registry; by key.
    async fn webhooks_telling(&mut self, projects: &[ProjectId]) -> RowResult<Vec<WebhookPolicy>>;

    /// When a policy last told of events of each type that it ever told of, in the order of the types' names.
    async fn webhook_triggers(&mut self, id: WebhookId) -> RowResult<Vec<(String, Timestamp)>>;
}

/// Changes policies of webhooks.
#[async_trait]
pub trait WebhookRowsMut {
    /// Makes a policy; its `id` is of no account. `Conflict` when one has the name there.
    async fn webhook_insert(&mut self, policy: &WebhookPolicy) -> RowResult<WebhookId>;

    /// The policy of that key, which it *locks*.
    async fn webhook_lock(&mut self, id: WebhookId) -> RowResult<Option<WebhookPolicy>>;

    /// Stores a policy that the caller has locked as it is now. Its project and its maker stay. `Conflict` when another has the
    /// name there.
    async fn webhook_save(&mut self, policy: &WebhookPolicy) -> RowResult<()>;

    /// Notes that a policy told of an event of a type.
    async fn webhook_trigger_put(&mut self, id: WebhookId, event_type: &str, at: Timestamp) -> RowResult<()>;

    /// Deletes a policy, and when it told of what. False when there is none of that key.
    async fn webhook_delete(&mut self, id: WebhookId) -> RowResult<bool>;
}

//! What became of deliveries: use cases.

use std::collections::HashMap;

use super::{WebhookRead, Webhooks, scope};
use crate::access::{Action, InProject, InSystem};
use crate::engine::jobs::TaskLog;
use crate::engine::proof::EitherProof;
use crate::meta::{
    Execution, ExecutionId, ExecutionKey, Listed, Task, TaskId, TaskKey, TaskScope, WebhookId, WebhookKey,
    WebhookPolicy,
};
use crate::query::{LARGEST_PAGE, Order, Query};
use crate::webhook::EventType;
use crate::{Error, Result, Timestamp};

/// When a policy last told of events of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastTrigger {
    /// The policy.
    pub policy: WebhookPolicy,
    /// The type.
    pub event_type: EventType,
    /// When; nothing where it never did.
    pub at: Option<Timestamp>,
}

impl Webhooks<'_> {
    /// A page of the deliveries of a policy, the latest first. Each is an execution with one task.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the store fails.
    pub async fn executions<S: Action<Scope = InSystem>, P: Action<Scope = InProject>>(
        &self,
        proof: &EitherProof<S, P>,
        id: WebhookId,
        query: &Query<ExecutionKey>,
    ) -> Result<Listed<Execution>> {
        self.one(proof, id).await?;
        Ok(self.harbor.read().await?.executions(&scope(id), query).await?)
    }

    /// A page of the tasks of a delivery.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the store fails.
    pub async fn tasks(
        &self,
        proof: &WebhookRead,
        id: WebhookId,
        execution: ExecutionId,
        query: &Query<TaskKey>,
    ) -> Result<Listed<Task>> {
        self.one(proof, id).await?;
        self.harbor.execution_of(&scope(id), execution).await?;
        let scope = TaskScope { execution: Some(execution), ..TaskScope::default() };
        Ok(self.harbor.read().await?.tasks(scope, query).await?)
    }

    /// The log of a task of a delivery, which a reader may follow.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the store fails.
    pub async fn log(
        &self,
        proof: &WebhookRead,
        id: WebhookId,
        execution: ExecutionId,
        task: TaskId,
        follow: bool,
    ) -> Result<TaskLog> {
        self.one(proof, id).await?;
        self.harbor.execution_of(&scope(id), execution).await?;
        let found = self.harbor.read().await?.task(task).await?;
        found.filter(|task| task.execution == execution).ok_or(Error::NotFound("task"))?;
        Ok(self.harbor.log_of(task, follow))
    }

    /// When each policy last told of each type of events that it tells of.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn last_triggers(&self, proof: &WebhookRead) -> Result<Vec<LastTrigger>> {
        let mut rows = self.harbor.read().await?;
        let all = Query::default().sort(WebhookKey::Id, Order::Ascending).page(1, LARGEST_PAGE);
        let policies = rows.webhooks(proof.project(), &all).await?.entries;
        let mut triggers = Vec::new();
        for policy in policies {
            let last: HashMap<String, Timestamp> =
                rows.webhook_triggers(policy.id).await?.into_iter().collect();
            for event_type in policy.webhook.event_types.clone() {
                let at = last.get(event_type.as_str()).copied();
                triggers.push(LastTrigger { policy: policy.clone(), event_type, at });
            }
        }
        Ok(triggers)
    }
}

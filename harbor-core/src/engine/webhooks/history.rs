//! What became of deliveries: use cases.

use std::collections::HashMap;

use super::fan_out::key;
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

/// A target whose next delivery failed, and is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingTarget {
    /// The key of the target within its policy.
    pub target: u32,
    /// The delivery: how often it failed, of what, and when it is tried again.
    pub task: Task,
}

impl Webhooks<'_> {
    /// Which targets of a policy fail.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the store fails.
    pub async fn failing(&self, proof: &WebhookRead, id: WebhookId) -> Result<Vec<FailingTarget>> {
        let policy = self.one(proof, id).await?;
        let mut rows = self.harbor.read().await?;
        let mut failing = Vec::new();
        for target in policy.webhook.targets.iter().map(|target| target.id) {
            let Some((head, ..)) = rows.task_head(&key(id.get(), target)).await? else { continue };
            let task = rows.task(head).await?.filter(|task| task.failures > 0);
            failing.extend(task.map(|task| FailingTarget { target, task }));
        }
        Ok(failing)
    }

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

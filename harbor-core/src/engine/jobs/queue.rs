//! The queue: how jobs get into it, and how tasks move from status to status.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::merged;
use crate::engine::gate::Write;
use crate::job::{Job, RETRIED, write};
use crate::meta::{
    ExecutionId, ExecutionStatus, NewExecution, NewTask, Priority, Task, TaskId, TaskStatus, Transaction,
    Trigger,
};
use crate::{Error, Result, Timestamp};

/// A job to be enqueued, and how.
#[derive(Debug)]
#[must_use]
pub struct Enqueue<'a, J> {
    job: &'a J,
    key: Option<String>,
    due: Option<Timestamp>,
    priority: Priority,
    detail: Map<String, Value>,
}

impl<'a, J: Job> Enqueue<'a, J> {
    /// The job, as its kind is run: at once.
    pub fn new(job: &'a J) -> Self {
        Self { job, key: None, due: None, priority: J::rules().priority, detail: Map::new() }
    }

    /// Behind all others with the same key, of which one runs at a time. One that fails is waited for until it is not tried
    /// again. At most 191 characters.
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// Not before a point in time. Of no account for a job with a key.
    pub fn due(self, due: Timestamp) -> Self {
        Self { due: Some(due), ..self }
    }

    /// With another precedence than its kind has.
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// With something that its task shows.
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}

impl Write<'_> {
    /// Makes an execution of a kind, for the thing of a key (0 where there is but one), and yields its key. It runs until all
    /// of its tasks are over, so there must be one.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn execution(
        &mut self,
        kind: &str,
        subject: i64,
        trigger: Trigger,
        detail: Map<String, Value>,
    ) -> Result<ExecutionId> {
        let (kind, detail) = (kind.to_owned(), Value::Object(detail).to_string());
        let new = NewExecution { kind, subject, trigger, detail, started_at: self.now() };
        Ok(self.rows().execution_insert(&new).await?)
    }

    /// Sets a job going as the only task of an execution of its kind, for the thing of a key.
    ///
    /// # Errors
    /// As [`Write::enqueue`].
    pub async fn start<J: Job>(&mut self, job: &J, subject: i64, trigger: Trigger) -> Result<ExecutionId> {
        let Ok(Value::Object(detail)) = serde_json::to_value(job) else {
            return Err(Error::Internal(format!("a job of kind {} is no JSON object", J::KIND)));
        };
        let execution = self.execution(J::KIND, subject, trigger, detail).await?;
        self.enqueue(execution, Enqueue::new(job)).await?;
        Ok(execution)
    }

    /// Enqueues a job as a task of an execution that was made in this transaction, or of one that is not over.
    ///
    /// # Errors
    /// [`Error::Internal`] for a job that cannot be stored, or an execution that there is not; as the store fails.
    pub async fn enqueue<J: Job>(
        &mut self,
        execution: ExecutionId,
        enqueue: Enqueue<'_, J>,
    ) -> Result<TaskId> {
        let Enqueue { job, key, due, mut priority, detail } = enqueue;
        let now = self.now();
        // What is slow stays slow until it was not: it must not take a place from others to show that once more.
        if let Some(key) = key.as_deref().filter(|_| J::rules().yields.is_some())
            && self.rows().task_last_priority(key).await? == Some(Priority::Low)
        {
            priority = Priority::Low;
        }
        let new = NewTask {
            execution,
            job: Uuid::new_v4().to_string(),
            kind: J::KIND.to_owned(),
            payload: write(job)?,
            priority,
            due: due.filter(|_| key.is_none()).unwrap_or(now),
            key,
            detail: Value::Object(detail).to_string(),
            created_at: now,
        };
        self.enqueue_stored(&new).await
    }

    pub(super) async fn enqueue_stored(&mut self, new: &NewTask) -> Result<TaskId> {
        let (now, rows) = (self.now(), self.rows());
        let id = rows.task_insert(new).await?;
        counted(rows, new.execution, None, TaskStatus::Waiting, None, now).await?;
        self.enqueued();
        Ok(id)
    }
}

/// Stores a task that has come from one status into another, and counts it.
pub(super) async fn moved(
    rows: &mut dyn Transaction,
    task: &mut Task,
    status: TaskStatus,
    now: Timestamp,
) -> Result<ExecutionStatus> {
    let before = std::mem::replace(&mut task.status, status);
    task.updated_at = now;
    task.ended_at = status.is_over().then_some(now);
    if status != TaskStatus::Running {
        (task.slot, task.stopping) = (None, false);
        task.owner.clear();
    }
    rows.task_save(task).await?;
    if let Some(key) = task.key.as_deref().filter(|_| status.is_over()) {
        rows.task_wake(key, now).await?;
    }
    counted(rows, task.execution, Some(before), status, Some(task), now).await
}

/// Counts that a task of an execution has come into a status.
async fn counted(
    rows: &mut dyn Transaction,
    execution: ExecutionId,
    before: Option<TaskStatus>,
    status: TaskStatus,
    task: Option<&Task>,
    now: Timestamp,
) -> Result<ExecutionStatus> {
    let execution = rows.execution_lock(execution).await?;
    let mut execution = execution.ok_or_else(|| Error::Internal("a task without an execution".to_owned()))?;
    if let Some(before) = before {
        execution.tasks.take(before);
    }
    execution.tasks.add(status);
    execution.status = execution.tasks.status();
    execution.updated_at = now;
    execution.ended_at = (execution.status != ExecutionStatus::Running).then_some(now);
    // What came out of the only task is what came out of the execution, however it ended: what it had counted by then was done.
    if let Some(task) = task.filter(|task| task.status.is_over() && execution.tasks.total() == 1) {
        let mut came: Map<String, Value> = serde_json::from_str(&task.detail).unwrap_or_default();
        came.remove(RETRIED);
        execution.detail = merged(&execution.detail, &came)?;
        execution.message.clone_from(&task.message);
    }
    rows.execution_save(&execution).await?;
    Ok(execution.status)
}

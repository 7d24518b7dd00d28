//! Executions: each time that something was set going, with what became of its tasks.

use async_trait::async_trait;

use super::{ExecutionId, Listed, RowResult, TaskStatus};
use crate::Timestamp;
use crate::query::{Query, keys};

/// What set something going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// Somebody.
    Manual,
    /// A schedule.
    Schedule,
    /// An event.
    Event,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Manual, Self::Schedule, Self::Event];

    /// As Harbor calls it: `MANUAL`, `SCHEDULE`, `EVENT`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "MANUAL",
            Self::Schedule => "SCHEDULE",
            Self::Event => "EVENT",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == name)
    }
}

/// How far an execution is. It follows from its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExecutionStatus {
    /// It has tasks that are not over, or none yet.
    Running,
    /// All tasks are over, and none failed or was stopped.
    Success,
    /// All tasks are over, and one failed.
    Error,
    /// All tasks are over, none failed, and one was stopped.
    Stopped,
}

impl ExecutionStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Running, Self::Success, Self::Error, Self::Stopped];

    /// As Harbor calls it: `Running`, `Success`, `Error`, `Stopped`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Success => "Success",
            Self::Error => "Error",
            Self::Stopped => "Stopped",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// How many tasks of an execution are in which status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// That wait for their turn.
    pub waiting: u64,
    /// That a worker is at.
    pub running: u64,
    /// That did what they should.
    pub succeeded: u64,
    /// That did not.
    pub failed: u64,
    /// That somebody stopped.
    pub stopped: u64,
}

impl TaskCounts {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.waiting + self.running + self.succeeded + self.failed + self.stopped
    }

    /// The status that follows, once there are tasks.
    #[must_use]
    pub const fn status(&self) -> ExecutionStatus {
        match self {
            Self { waiting: 0, running: 0, failed: 0, stopped: 0, succeeded: 1.. } => {
                ExecutionStatus::Success
            }
            Self { waiting: 0, running: 0, failed: 1.., .. } => ExecutionStatus::Error,
            Self { waiting: 0, running: 0, stopped: 1.., .. } => ExecutionStatus::Stopped,
            _ => ExecutionStatus::Running,
        }
    }

    /// Counts a task of a status.
    pub const fn add(&mut self, status: TaskStatus) {
        *self.of(status) += 1;
    }

    /// Counts a task that is in a status no more.
    pub const fn take(&mut self, status: TaskStatus) {
        let count = self.of(status);
        *count = count.saturating_sub(1);
    }

    const fn of(&mut self, status: TaskStatus) -> &mut u64 {
        match status {
            TaskStatus::Waiting => &mut self.waiting,
            TaskStatus::Running => &mut self.running,
            TaskStatus::Success => &mut self.succeeded,
            TaskStatus::Error => &mut self.failed,
            TaskStatus::Stopped => &mut self.stopped,
        }
    }
}

/// One time that something was set going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Its key: what was set going later has a higher one.
    pub id: ExecutionId,
    /// What was set going, as Harbor calls it: `GARBAGE_COLLECTION`.
    pub kind: String,
    /// The key of the policy, or whatever it is done for; 0 where there is one such thing only.
    pub subject: i64,
    /// What set it going.
    pub trigger: Trigger,
    /// How far it is.
    pub status: ExecutionStatus,
    /// What there is to say of that; for people.
    pub message: String,
    /// Its tasks.
    pub tasks: TaskCounts,
    /// What belongs to it, and what came out: a JSON object.
    pub detail: String,
    /// When it was set going.
    pub started_at: Timestamp,
    /// When a task of it last changed.
    pub updated_at: Timestamp,
    /// When its last task was over.
    pub ended_at: Option<Timestamp>,
}

/// An execution to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewExecution {
    /// What is set going.
    pub kind: String,
    /// What it is done for.
    pub subject: i64,
    /// What sets it going.
    pub trigger: Trigger,
    /// What belongs to it: a JSON object.
    pub detail: String,
    /// When.
    pub started_at: Timestamp,
}

/// Which executions a list is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionScope {
    /// Of which kinds.
    pub kinds: Vec<String>,
    /// For what, unless for all.
    pub subject: Option<i64>,
}

impl ExecutionScope {
    /// All of one kind.
    #[must_use]
    pub fn kind(kind: &str) -> Self {
        Self { kinds: vec![kind.to_owned()], subject: None }
    }

    /// Those of one kind for one thing.
    #[must_use]
    pub fn of(kind: &str, subject: i64) -> Self {
        Self { subject: Some(subject), ..Self::kind(kind) }
    }

    /// Whether an execution is among them.
    #[must_use]
    pub fn has(&self, execution: &Execution) -> bool {
        self.kinds.contains(&execution.kind)
            && self.subject.is_none_or(|subject| subject == execution.subject)
    }
}

keys! {
    /// What lists of executions are filtered and sorted by.
    pub enum ExecutionKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `vendor_type`.
        Kind: Text, "vendor_type", "VendorType", filter, sort;
        /// `vendor_id`.
        Subject: Int, "vendor_id", "VendorID", filter, sort;
        /// `trigger`.
        Trigger: Text, "trigger", "Trigger", filter, sort;
        /// `status`.
        Status: Text, "status", "Status", filter, sort;
        /// `start_time`.
        StartedAt: Time, "start_time", "StartTime", filter, sort;
        /// `creation_time`: the same.
        CreatedAt: Time, "creation_time", "CreationTime", filter, sort;
        /// `update_time`.
        UpdatedAt: Time, "update_time", "UpdateTime", filter, sort;
        /// `end_time`.
        EndedAt: Time, "end_time", "EndTime", filter, sort;
    }
}

/// Reads executions.
#[async_trait]
pub trait ExecutionRows {
    /// The execution of that key.
    async fn execution(&mut self, id: ExecutionId) -> RowResult<Option<Execution>>;

    /// A page of the executions of a scope; the latest first, unless the query has another order.
    async fn executions(
        &mut self,
        scope: &ExecutionScope,
        query: &Query<ExecutionKey>,
    ) -> RowResult<Listed<Execution>>;

    /// Up to `limit` executions of a kind for one thing in one status, beyond those `keep` in that status that ended last: who ended
    /// first comes first, and of those that ended at the same time, who was made first.
    async fn executions_beyond(
        &mut self,
        kind: &str,
        subject: i64,
        status: ExecutionStatus,
        keep: u32,
        limit: u32,
    ) -> RowResult<Vec<ExecutionId>>;

    /// Whether an execution of a kind for one thing that a trigger set going is not over.
    async fn execution_is_open(&mut self, kind: &str, subject: i64, trigger: Trigger) -> RowResult<bool>;
}

/// Changes executions.
#[async_trait]
pub trait ExecutionRowsMut {
    /// Makes an execution that has no tasks yet.
    async fn execution_insert(&mut self, new: &NewExecution) -> RowResult<ExecutionId>;

    /// The execution of that key, which it *locks*. Who locks tasks as well locks them before.
    async fn execution_lock(&mut self, id: ExecutionId) -> RowResult<Option<Execution>>;

    /// Stores an execution as it is now.
    async fn execution_save(&mut self, execution: &Execution) -> RowResult<()>;

    /// Deletes up to `limit` tasks of an execution with their logs, those with the lowest keys; yields how many. The execution's counts
    /// stay: it is to be deleted.
    async fn execution_empty(&mut self, id: ExecutionId, limit: u32) -> RowResult<u64>;

    /// Deletes an execution with its tasks and their logs.
    async fn execution_delete(&mut self, id: ExecutionId) -> RowResult<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_tasks() {
        let counts = |waiting, running, succeeded, failed, stopped| TaskCounts {
            waiting,
            running,
            succeeded,
            failed,
            stopped,
        };
        for (tasks, status) in [
            (counts(0, 0, 0, 0, 0), ExecutionStatus::Running),
            (counts(1, 0, 5, 5, 5), ExecutionStatus::Running),
            (counts(0, 1, 5, 5, 5), ExecutionStatus::Running),
            (counts(0, 0, 5, 0, 0), ExecutionStatus::Success),
            (counts(0, 0, 5, 1, 5), ExecutionStatus::Error),
            (counts(0, 0, 5, 0, 1), ExecutionStatus::Stopped),
            (counts(0, 0, 0, 0, 1), ExecutionStatus::Stopped),
        ] {
            assert_eq!(tasks.status(), status, "{tasks:?}");
        }
        let mut tasks = counts(1, 0, 0, 0, 0);
        tasks.take(TaskStatus::Waiting);
        tasks.add(TaskStatus::Running);
        assert_eq!((tasks, tasks.total()), (counts(0, 1, 0, 0, 0), 1));
    }

    #[test]
    fn names_read_back() {
        assert!(Trigger::ALL.into_iter().all(|trigger| Trigger::named(trigger.as_str()) == Some(trigger)));
        let named = |status: ExecutionStatus| ExecutionStatus::named(status.as_str()) == Some(status);
        assert!(ExecutionStatus::ALL.into_iter().all(named));
        assert_eq!((Trigger::named("manual"), ExecutionStatus::named("")), (None, None));
    }
}

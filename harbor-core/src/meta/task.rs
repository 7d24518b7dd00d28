//! Tasks: jobs as they stand in the queue, and what became of them.

use async_trait::async_trait;

use super::{ExecutionId, Listed, RowResult, TaskId};
use crate::Timestamp;
use crate::query::{Query, keys};

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskStatus {
    /// It waits for its turn, for the first time or after a failure.
    Waiting,
    /// A worker is at it.
    Running,
    /// It did what it should.
    Success,
    /// It failed and is not tried again: a dead letter, until somebody retries it.
    Error,
    /// Somebody stopped it.
    Stopped,
}

impl TaskStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Running, Self::Success, Self::Error, Self::Stopped];

    /// Whether nothing happens to it any more by itself.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Success | Self::Error | Self::Stopped)
    }

    /// As Harbor calls it: `Pending`, `Running`, `Success`, `Error`, `Stopped`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "Pending",
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

/// Who has precedence when more is due than workers can take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// What somebody waits for.
    High,
    /// Everything else.
    #[default]
    Normal,
    /// What can wait.
    Low,
}

impl Priority {
    /// All of them; the first has precedence.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];
}

/// A job in the queue, or what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its key: what was enqueued later has a higher one.
    pub id: TaskId,
    /// The execution that it belongs to.
    pub execution: ExecutionId,
    /// The name that clients know the job by.
    pub job: String,
    /// Its kind, as Harbor calls it.
    pub kind: String,
    /// The job, as JSON with a version.
    pub payload: String,
    /// Who has precedence.
    pub priority: Priority,
    /// Tasks with the same key run one at a time, in the order in which they were enqueued.
    pub key: Option<String>,
    /// Its place among those that its kind may run at once, while it runs and the kind has a limit.
    pub slot: Option<u32>,
    /// How far it is.
    pub status: TaskStatus,
    /// When somebody must look at it: while it waits, when its turn may come; while it runs, when its worker's lease ends.
    pub due: Timestamp,
    /// How often it failed.
    pub failures: u32,
    /// How often it was begun: who has it is known by that, so it never becomes less.
    pub runs: u32,
    /// How many of its workers ended in the midst of it without a word, since it was enqueued or tried again.
    pub deaths: u32,
    /// The node whose worker is at it; empty for none.
    pub owner: String,
    /// Whether somebody wants its worker to stop.
    pub stopping: bool,
    /// How far it is; for people.
    pub progress: String,
    /// What there is to say of its end, or of its last failure; for people.
    pub message: String,
    /// What belongs to it, and what came out: a JSON object.
    pub detail: String,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When something of it last changed.
    pub updated_at: Timestamp,
    /// When it was first begun.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
}

/// A task to be enqueued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// The execution that it belongs to.
    pub execution: ExecutionId,
    /// The name that clients know the job by: no other ever had it.
    pub job: String,
    /// Its kind.
    pub kind: String,
    /// The job, as JSON with a version.
    pub payload: String,
    /// Who has precedence.
    pub priority: Priority,
    /// Tasks with the same key run one at a time, in order.
    pub key: Option<String>,
    /// When its turn may come.
    pub due: Timestamp,
    /// What belongs to it: a JSON object.
    pub detail: String,
    /// When it is enqueued.
    pub created_at: Timestamp,
}

/// Which tasks a list is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskScope<'a> {
    /// Of which execution, unless of all.
    pub execution: Option<ExecutionId>,
    /// Those that the workers of a node are at, unless all.
    pub owner: Option<&'a str>,
}

/// What stands in the queue of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The kind.
    pub kind: String,
    /// How many tasks wait.
    pub waiting: u64,
    /// When the one was enqueued that waits longest.
    pub oldest: Timestamp,
}

/// A task that a node's workers are at, as the node asks for it with each beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The task.
    pub id: TaskId,
    /// How often it was begun: another number is another worker.
    pub runs: u32,
    /// Whether somebody wants it to stop.
    pub stopping: bool,
}

keys! {
    /// What lists of tasks are filtered and sorted by.
    pub enum TaskKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `execution_id`.
        Execution: Int, "execution_id", "ExecutionID", filter, sort;
        /// `job_id`.
        Job: Text, "job_id", "JobID", filter;
        /// `vendor_type`.
        Kind: Text, "vendor_type", "VendorType", filter, sort;
        /// `status`.
        Status: Text, "status", "Status", filter, sort;
        /// `creation_time`.
        CreatedAt: Time, "creation_time", "CreationTime", filter, sort;
        /// `start_time`.
        StartedAt: Time, "start_time", "StartTime", filter, sort;
        /// `update_time`.
        UpdatedAt: Time, "update_time", "UpdateTime", filter, sort;
        /// `end_time`.
        EndedAt: Time, "end_time", "EndTime", filter, sort;
    }
}

/// Reads tasks.
#[async_trait]
pub trait TaskRows {
    /// The task of that key.
    async fn task(&mut self, id: TaskId) -> RowResult<Option<Task>>;

    /// The task whose job has that name.
    async fn task_of_job(&mut self, job: &str) -> RowResult<Option<Task>>;

    /// A page of the tasks of a scope; the latest first, unless the query has another order.
    async fn tasks(&mut self, scope: TaskScope<'_>, query: &Query<TaskKey>) -> RowResult<Listed<Task>>;

    /// What a node's workers are at.
    async fn tasks_held(&mut self, owner: &str) -> RowResult<Vec<Held>>;

    /// When the next task of that priority and these kinds is due that is in that status: waits, or is run under a lease.
    async fn task_next_due(
        &mut self,
        status: TaskStatus,
        priority: Priority,
        kinds: &[&str],
    ) -> RowResult<Option<Timestamp>>;

    /// The places that running tasks of a kind have, in order.
    async fn task_slots(&mut self, kind: &str) -> RowResult<Vec<u32>>;

    /// Of the tasks of a key that are not over, the one that runs; where none does, the one that was enqueued first.
    async fn task_head(&mut self, key: &str) -> RowResult<Option<(TaskId, TaskStatus, Timestamp)>>;

    /// The priority of the task of a key that was enqueued last, over or not.
    async fn task_last_priority(&mut self, key: &str) -> RowResult<Option<Priority>>;

    /// Of the tasks of a key that wait, the one that was enqueued first: whom `task_wake` wakes.
    async fn task_first_waiting(&mut self, key: &str) -> RowResult<Option<TaskId>>;

    /// What waits, by kind.
    async fn tasks_queued(&mut self) -> RowResult<Vec<Queued>>;

    /// Up to `limit` pieces of a task's log behind that of number `after`, in order, with their numbers. The first has number 1.
    async fn task_log(&mut self, id: TaskId, after: u32, limit: u32) -> RowResult<Vec<(u32, String)>>;

    /// The number of the last piece of a task's log, and how long all pieces are together, in characters.
    async fn task_log_end(&mut self, id: TaskId) -> RowResult<(u32, u64)>;

    /// Those of an execution's tasks that are not over, in the order of keys.
    async fn tasks_open(&mut self, execution: ExecutionId) -> RowResult<Vec<TaskId>>;
}

/// Changes tasks.
#[async_trait]
pub trait TaskRowsMut {
    /// Enqueues a task. Whoever does so counts it in its execution.
    async fn task_insert(&mut self, new: &NewTask) -> RowResult<TaskId>;

    /// Up to `limit` tasks of these kinds, which it *locks*, leaving out those that somebody else has locked: in a status, of a
    /// priority, and due at `now`; the longest due first.
    async fn tasks_due(
        &mut self,
        status: TaskStatus,
        priority: Priority,
        kinds: &[&str],
        now: Timestamp,
        limit: u32,
    ) -> RowResult<Vec<Task>>;

    /// The task of that key, which it *locks*.
    async fn task_lock(&mut self, id: TaskId) -> RowResult<Option<Task>>;

    /// Stores a task as it is now. `Conflict` when another one that runs has the same key, or the same place in its kind: of
    /// several that claim one, one wins.
    async fn task_save(&mut self, task: &Task) -> RowResult<()>;

    /// Ends all leases: their holders are known to be gone.
    async fn tasks_release(&mut self, now: Timestamp) -> RowResult<()>;

    /// Puts off the end of a node's leases of these tasks.
    async fn tasks_beat(&mut self, owner: &str, tasks: &[TaskId], until: Timestamp) -> RowResult<()>;

    /// Makes the next waiting task of a key due at `now`, if it is due later and has not failed; where somebody is about to put it off,
    /// when they have.
    async fn task_wake(&mut self, key: &str, now: Timestamp) -> RowResult<()>;

    /// Puts a piece at the end of a task's log.
    async fn task_log_put(&mut self, id: TaskId, number: u32, text: &str) -> RowResult<()>;
}

//! What somebody does to tasks and executions: stops them, tries them again, reads their logs.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use serde_json::Map;

use super::queue::moved;
use super::{Jobs, merged};
use crate::access::permission::{JobserviceMonitorRead, JobserviceMonitorStop};
use crate::access::{Action, Actor, Authorized};
use crate::engine::Harbor;
use crate::engine::gate::{Write, contended};
use crate::job::RETRIED;
use crate::meta::{Execution, ExecutionId, ExecutionScope, Task, TaskId, TaskKey, TaskScope, TaskStatus};
use crate::query::{Order, Query};
use crate::{Error, Result};

/// How many pieces of a log are read at a time.
const PIECES: u32 = 8;

/// How many tasks of an execution are stopped in one transaction.
const AT_ONCE: usize = 64;

/// How often somebody who follows a log looks for more.
const FOLLOW: Duration = Duration::from_millis(500);

impl Jobs<'_> {
    /// The task whose job has that name.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; as the store fails.
    pub async fn get(&self, _proof: &Authorized<JobserviceMonitorRead>, job: &str) -> Result<Task> {
        self.harbor.task_named(job).await
    }

    /// The log of a job, which a reader may follow while it runs.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such job; as the store fails.
    pub async fn log(
        &self,
        _proof: &Authorized<JobserviceMonitorRead>,
        job: &str,
        follow: bool,
    ) -> Result<TaskLog> {
        Ok(self.harbor.log_of(self.harbor.task_named(job).await?.id, follow))
    }

    /// Stops a job, whether it waits or runs, on whichever node. One that is over stays as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; as the store fails.
    pub async fn stop(&self, proof: &Authorized<JobserviceMonitorStop>, job: &str) -> Result<()> {
        let task = self.harbor.task_named(job).await?;
        let stopped = contended!(async {
            let mut write = self.harbor.write(proof).await?;
            let locked = write.rows().task_lock(task.id).await?;
            let stopped = match locked {
                Some(task) => stop(&mut write, task).await?,
                None => None,
            };
            write.audit_as(job, format!("stop the {} job {job}", task.kind)).await?;
            write.commit().await.map(|()| stopped)
        })?;
        self.harbor.stop_here(stopped.as_slice());
        self.harbor.trim_or_leave(task.execution).await;
        Ok(())
    }

    /// Tries a job again that failed or was stopped: at once, with all its attempts.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, [`Error::Precondition`] for one that is not over or succeeded; as the store
    /// fails.
    pub async fn retry(&self, proof: &Authorized<JobserviceMonitorStop>, job: &str) -> Result<()> {
        let id = self.harbor.task_named(job).await?.id;
        contended!(async {
            let mut write = self.harbor.write(proof).await?;
            let now = write.now();
            let mut task = write.rows().task_lock(id).await?.ok_or(Error::NotFound("job"))?;
            if !matches!(task.status, TaskStatus::Error | TaskStatus::Stopped) {
                let status = task.status.as_str();
                let why =
                    format!("only jobs that failed or were stopped can be tried again; this one is {status}");
                return Err(Error::Precondition(why));
            }
            (task.failures, task.deaths, task.due) = (0, 0, now);
            task.started_at = None;
            let retried = Map::from_iter([(RETRIED.to_owned(), now.micros().into())]);
            task.detail = merged(&task.detail, &retried)?;
            moved(write.rows(), &mut task, TaskStatus::Waiting, now).await?;
            write.audit_as(job, format!("retry the {} job {job}", task.kind)).await?;
            write.enqueued();
            write.commit().await
        })
    }
}

impl Harbor {
    async fn task_named(&self, job: &str) -> Result<Task> {
        self.read().await?.task_of_job(job).await?.ok_or(Error::NotFound("job"))
    }

    /// The execution of that key, when it is one of a scope.
    pub(crate) async fn execution_of(&self, scope: &ExecutionScope, id: ExecutionId) -> Result<Execution> {
        let found = self.read().await?.execution(id).await?;
        found.filter(|execution| scope.has(execution)).ok_or(Error::NotFound("execution"))
    }

    /// The log of the first task of an execution.
    pub(crate) async fn log_of_execution(&self, id: ExecutionId, follow: bool) -> Result<TaskLog> {
        let query = Query::default().sort(TaskKey::Id, Order::Ascending);
        let scope = TaskScope { execution: Some(id), ..TaskScope::default() };
        let tasks = self.read().await?.tasks(scope, &query).await?.entries;
        let first = tasks.first().ok_or(Error::NotFound("log"))?;
        Ok(self.log_of(first.id, follow))
    }

    /// The log of a task.
    pub(crate) fn log_of(&self, task: TaskId, follow: bool) -> TaskLog {
        TaskLog { harbor: self.clone(), task, follow, reader: None, after: 0, read: VecDeque::new() }
    }

    /// Stops those of an execution's tasks that are not over: some at a time, for there may be one for each repository, and others
    /// write meanwhile.
    pub(crate) async fn stop_execution<A: Action>(
        &self,
        proof: &Authorized<A>,
        scope: &ExecutionScope,
        id: ExecutionId,
    ) -> Result<()> {
        let execution = self.execution_of(scope, id).await?;
        let what = format!("stop execution {} of {}", id.get(), execution.kind);
        contended!(async {
            let mut write = self.write(proof).await?;
            write.audit_as(id.get().to_string(), what.clone()).await?;
            write.commit().await
        })?;
        let mut told = HashSet::new();
        loop {
            // One that enqueues others does so no more once it is told; what it had enqueued by then is in the next list.
            let mut open = self.read().await?.tasks_open(id).await?;
            open.retain(|task| !told.contains(task));
            if open.is_empty() {
                break;
            }
            for tasks in open.chunks(AT_ONCE) {
                let stopped = contended!(self.stop_tasks(proof, tasks))?;
                self.stop_here(&stopped);
            }
            told.extend(open);
        }
        self.trim_or_leave(id).await;
        Ok(())
    }

    /// Stops these; yields those that run.
    async fn stop_tasks<A: Action>(&self, proof: &Authorized<A>, tasks: &[TaskId]) -> Result<Vec<TaskId>> {
        let mut write = self.write(proof).await?;
        let mut locked = Vec::with_capacity(tasks.len());
        // All of them ahead of their execution, as whoever begins one has it.
        for task in tasks {
            locked.extend(write.rows().task_lock(*task).await?);
        }
        let mut stopped = Vec::new();
        for task in locked {
            stopped.extend(stop(&mut write, task).await?);
        }
        write.commit().await.map(|()| stopped)
    }

    /// Ends those of these tasks at once that run on this node; others end with the next beat of theirs.
    pub(crate) fn stop_here(&self, tasks: &[TaskId]) {
        for node in self.inner.workers.nodes() {
            tasks.iter().for_each(|task| node.stop(*task));
        }
    }
}

/// Stops a task that is locked: what waits is over, and of what runs it is noted. Yields it when it runs.
async fn stop(write: &mut Write<'_>, mut task: Task) -> Result<Option<TaskId>, Error> {
    let now = write.now();
    match task.status {
        TaskStatus::Waiting => {
            moved(write.rows(), &mut task, TaskStatus::Stopped, now).await?;
            Ok(None)
        }
        TaskStatus::Running => {
            task.stopping = true;
            write.rows().task_save(&task).await?;
            Ok(Some(task.id))
        }
        TaskStatus::Success | TaskStatus::Error | TaskStatus::Stopped => Ok(None),
    }
}

/// The log of a task, read piece by piece.
#[derive(Debug)]
pub struct TaskLog {
    harbor: Harbor,
    task: TaskId,
    follow: bool,
    reader: Option<Actor>,
    after: u32,
    read: VecDeque<String>,
}

impl TaskLog {
    /// The same, which also ends when `reader` is not any more who it was: a job may run for a day.
    #[must_use]
    pub fn read_by(self, reader: Actor) -> Self {
        Self { reader: Some(reader), ..self }
    }

    /// The next piece; `None` at the end. Who follows waits for more, until the task is over.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(piece) = self.read.pop_front() {
                return Ok(Some(piece));
            }
            if let Some(reader) = &self.reader
                && !self.harbor.is_still(reader).await?
            {
                return Ok(None);
            }
            let mut rows = self.harbor.read().await?;
            // Ahead of the pieces: after its end there are no more.
            let over = rows.task(self.task).await?.is_none_or(|task| task.status.is_over());
            let pieces = rows.task_log(self.task, self.after, PIECES).await?;
            drop(rows);
            for (number, piece) in pieces {
                self.after = number;
                self.read.push_back(piece);
            }
            if self.read.is_empty() {
                if over || !self.follow {
                    return Ok(None);
                }
                tokio::time::sleep(FOLLOW).await;
            }
        }
    }

    /// All of it, up to where it stands.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn text(mut self) -> Result<String> {
        let mut text = String::new();
        while let Some(piece) = self.next().await? {
            text.push_str(&piece);
        }
        Ok(text)
    }
}

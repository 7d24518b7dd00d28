//! Running one job to its end, whatever that is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::node::{Node, Stop};
use super::queue::moved;
use crate::engine::Harbor;
use crate::engine::gate::{Write, contended};
use crate::job::{Done, Kind, Log, Pieces, Rules, Running};
use crate::meta::{ExecutionStatus, Priority, Task, TaskId, TaskStatus, Transaction};
use crate::{Error, Result};

/// How often what a job says is stored.
const FLUSH: Duration = Duration::from_secs(1);

/// How long to wait before the end of a job is stored again, when that failed.
const AGAIN: Duration = Duration::from_secs(2);

/// How a job came to its end.
enum End {
    /// It says so itself.
    Done(Done),
    /// It broke off; trying again may help.
    Failed(String),
    /// Somebody else ended it.
    Stopped(Stop),
}

/// A task that is at work, with where its log stands.
struct Work<'a> {
    harbor: &'a Harbor,
    task: Task,
    log: Arc<Log>,
    pieces: u32,
    /// What could not be stored the last time, unless it was and the answer was lost: that is looked up ahead of the next time.
    unsure: Option<Pieces>,
    /// How long the job itself took, if it came to its own end.
    took: Duration,
}

impl Harbor {
    /// Runs a claimed task, and stores what became of it.
    pub(super) async fn perform(&self, node: &Node, task: Task, stop: watch::Receiver<Option<Stop>>) {
        let (id, runs) = (task.id, task.runs);
        if let Err(error) = self.perform_task(task, stop).await {
            // Its lease ends, and it is done again.
            tracing::warn!(task = id.get(), %error, "a job could not be run to its end");
        }
        node.end(id, runs);
    }

    async fn perform_task(&self, task: Task, stop: watch::Receiver<Option<Stop>>) -> Result<()> {
        let Some(kind) = self.inner.kinds.get(&task.kind).cloned() else { return Ok(()) };
        let (pieces, said) = self.read().await?.task_log_end(task.id).await?;
        let log = Arc::new(Log::after(usize::try_from(said).unwrap_or(usize::MAX)));
        let mut work = Work { harbor: self, task, log, pieces, unsure: None, took: Duration::ZERO };
        let Some(end) = work.run(&kind, stop.clone()).await else {
            let (kind, id) = (&work.task.kind, work.task.id.get());
            tracing::error!(%kind, task = id, "a job does not end though it is to: its lease is not renewed any more");
            return Ok(());
        };
        if matches!(end, End::Stopped(Stop::Lost)) {
            return Ok(());
        }
        work.last_words(&end, &kind.rules);
        loop {
            match work.settle(&end, &kind.rules).await {
                Err(error) if stop.borrow().is_none() => {
                    tracing::warn!(task = work.task.id.get(), %error, "the end of a job was not stored yet");
                    tokio::time::sleep(AGAIN).await;
                }
                settled => return settled,
            }
        }
    }
}

impl Work<'_> {
    /// Until the job ends, or is ended. None when it does not end: it is at something that cannot be broken off.
    async fn run(&mut self, kind: &Kind, mut stop: watch::Receiver<Option<Stop>>) -> Option<End> {
        let last = self.task.failures + 1 >= kind.rules.attempts;
        let running = Running::new(self.harbor.clone(), &self.task, last, Arc::clone(&self.log));
        if self.task.runs > 1 {
            let at = self.task.progress.as_str();
            let at = if at.is_empty() { String::new() } else { format!("; it had come to: {at}") };
            running.log(format!("begun again, for the {}. time{at}", self.task.runs));
        }
        let (kind, payload) = (kind.clone(), self.task.payload.clone());
        let longest = kind.rules.longest;
        // A task of its own: a panic ends it and nothing else.
        let mut job = AbortOnDropHandle::new(tokio::spawn(async move {
            let began = Instant::now();
            (kind.run(payload, running).await, began.elapsed())
        }));
        let too_long = tokio::time::sleep(longest);
        tokio::pin!(too_long);
        let mut flush = tokio::time::interval(FLUSH);
        flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let end = loop {
            tokio::select! {
                // One that ended while its log was stored did not take too long.
                biased;
                ended = &mut job => return Some(match ended {
                    Ok((ended, took)) => {
                        self.took = took;
                        ended.map_or_else(|error| End::Failed(said(&error)), End::Done)
                    }
                    Err(_) => End::Failed("the job ended abnormally".to_owned()),
                }),
                reason = told(&mut stop) => break End::Stopped(reason),
                () = &mut too_long => break End::Failed(format!("it took longer than {} s", longest.as_secs())),
                _ = flush.tick() => {
                    if let Some(reason) = self.flush_beside(&job, &mut stop).await {
                        break End::Stopped(reason);
                    }
                }
            }
        };
        job.abort();
        // Whoever is next shall not run beside it; but one that never ends is not waited for, as a worker is not that died.
        tokio::time::timeout(self.harbor.inner.settings.job_lease, job).await.ok().map(|_| end)
    }

    /// Stores what the job has said so far, which may take long. Yields why, when the job is to end meanwhile: it does so at once.
    async fn flush_beside<T>(
        &mut self,
        job: &AbortOnDropHandle<T>,
        stop: &mut watch::Receiver<Option<Stop>>,
    ) -> Option<Stop> {
        let flush = self.flush();
        tokio::pin!(flush);
        tokio::select! {
            () = &mut flush => None,
            reason = told(stop) => {
                job.abort();
                flush.await;
                Some(reason)
            }
        }
    }

    /// Stores what the job has said so far.
    async fn flush(&mut self) {
        if let Err(error) = self.flush_once().await {
            tracing::debug!(task = self.task.id.get(), %error, "a job's log is stored later");
        }
    }

    async fn flush_once(&mut self) -> Result<()> {
        let pieces = self.take().await?;
        if pieces.log.is_empty() && pieces.progress.is_none() {
            return Ok(());
        }
        match contended!(self.store(&pieces)) {
            Ok(stored) => self.pieces += stored,
            Err(error) => {
                self.unsure = Some(pieces);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes what is to be stored: what the job has said since, behind what the last time did not store of what it was to.
    async fn take(&mut self) -> Result<Pieces> {
        if let Some(unsure) = &self.unsure {
            let limit = u32::try_from(unsure.log.len()).unwrap_or(u32::MAX);
            let stored = self.harbor.read().await?.task_log(self.task.id, self.pieces, limit).await?;
            self.pieces += u32::try_from(stored.len()).unwrap_or(u32::MAX);
            let stored: String = stored.into_iter().map(|(_, piece)| piece).collect();
            self.unsure.take().into_iter().for_each(|unsure| self.log.give_back(unsure.behind(&stored)));
        }
        Ok(self.log.take())
    }

    async fn store(&self, pieces: &Pieces) -> Result<u32> {
        let mut write = self.harbor.write_as_system().await?;
        let Some(mut task) = self.locked(&mut write).await? else { return Ok(0) };
        let stored = append(&mut write, task.id, self.pieces, &pieces.log).await?;
        if let Some(progress) = &pieces.progress {
            (task.progress, task.updated_at) = (progress.clone(), write.now());
            write.rows().task_save(&task).await?;
        }
        write.commit().await?;
        Ok(stored)
    }

    /// The task's row, if it is still this worker's.
    async fn locked(&self, write: &mut Write<'_>) -> Result<Option<Task>> {
        let task = write.rows().task_lock(self.task.id).await?;
        let same = |task: &Task| (task.status, task.runs) == (TaskStatus::Running, self.task.runs);
        Ok(task.filter(|task| same(task) && task.owner == self.task.owner))
    }

    /// Stores what became of the task.
    async fn settle(&mut self, end: &End, rules: &Rules) -> Result<()> {
        let pieces = self.take().await?;
        let settled = contended!(self.settle_once(end, rules, &pieces));
        match settled {
            Ok(Some(ExecutionStatus::Running) | None) => Ok(()),
            Ok(Some(_)) => self.harbor.trim(self.task.execution).await,
            Err(error) => {
                self.unsure = Some(pieces);
                Err(error)
            }
        }
    }

    fn last_words(&self, end: &End, rules: &Rules) {
        let now = self.harbor.now();
        match end {
            End::Done(Done { failure: None, .. }) => {}
            End::Done(Done { failure: Some(why), .. }) => self.log.line(now, format!("failed: {why}")),
            End::Failed(why) if self.task.failures + 1 < rules.attempts => {
                self.log.line(now, format!("failed, and will be tried again: {why}"));
            }
            End::Failed(why) => self.log.line(now, format!("failed: {why}")),
            End::Stopped(Stop::Shutdown) => self.log.line(now, "the node ends, and another one goes on"),
            End::Stopped(_) => self.log.line(now, "stopped"),
        }
    }

    async fn settle_once(
        &self,
        end: &End,
        rules: &Rules,
        pieces: &Pieces,
    ) -> Result<Option<ExecutionStatus>> {
        let mut write = self.harbor.write_as_system().await?;
        let Some(mut task) = self.locked(&mut write).await? else { return Ok(None) };
        let now = write.now();
        append(&mut write, task.id, self.pieces, &pieces.log).await?;
        if let Some(progress) = &pieces.progress {
            task.progress.clone_from(progress);
        }
        let status = match end {
            End::Done(Done { failure: None, .. }) => TaskStatus::Success,
            End::Done(Done { failure: Some(why), .. }) => failed(&mut task, why),
            End::Stopped(Stop::Asked) => TaskStatus::Stopped,
            // Somebody wants it to stop, who said so when it had broken off already.
            End::Failed(_) | End::Stopped(_) if task.stopping => TaskStatus::Stopped,
            End::Failed(why) if task.failures + 1 < rules.attempts => {
                failed(&mut task, why);
                task.due = now.plus(rules.wait(task.failures, chance()));
                TaskStatus::Waiting
            }
            End::Failed(why) => failed(&mut task, why),
            End::Stopped(_) => {
                task.due = now;
                TaskStatus::Waiting
            }
        };
        if let End::Done(done) = end {
            task.detail = merged(&task.detail, &done.detail)?;
        }
        if let Some(priority) = self.precedence(end, rules) {
            task.priority = priority;
        }
        let execution = moved(write.rows(), &mut task, status, now).await?;
        if task.priority == Priority::Low && rules.yields.is_some() && status.is_over() {
            yielded(write.rows(), &task).await?;
        }
        write.enqueued();
        write.commit().await?;
        Ok(Some(execution))
    }

    /// The priority that a task has from now on, where its kind yields. That a store is slow in which its end is written is no fault
    /// of a job's.
    fn precedence(&self, end: &End, rules: &Rules) -> Option<Priority> {
        let slow = self.took >= rules.yields?;
        match end {
            End::Stopped(_) => None,
            End::Done(Done { failure: None, .. }) if !slow => Some(rules.priority),
            _ => Some(Priority::Low),
        }
    }
}

/// Waits until the job is to end.
async fn told(stop: &mut watch::Receiver<Option<Stop>>) -> Stop {
    match stop.wait_for(Option::is_some).await.map(|reason| *reason) {
        Ok(Some(reason)) => reason,
        // Nobody is left who could tell.
        _ => Stop::Shutdown,
    }
}

/// Puts pieces at the end of a task's log; yields how many.
async fn append(write: &mut Write<'_>, id: TaskId, before: u32, pieces: &[String]) -> Result<u32> {
    let mut number = before;
    for piece in pieces {
        number += 1;
        write.rows().task_log_put(id, number, piece).await?;
    }
    Ok(number - before)
}

/// Lets the next of the same key have low priority, as this one has in the end.
async fn yielded(rows: &mut dyn Transaction, task: &Task) -> Result<()> {
    let Some(key) = task.key.as_deref() else { return Ok(()) };
    let Some((next, TaskStatus::Waiting, _)) = rows.task_head(key).await? else { return Ok(()) };
    if let Some(mut next) = rows.task_lock(next).await?
        && next.status == TaskStatus::Waiting
    {
        next.priority = Priority::Low;
        rows.task_save(&next).await?;
    }
    Ok(())
}

/// Counts a failure.
fn failed(task: &mut Task, why: &str) -> TaskStatus {
    task.failures = task.failures.saturating_add(1);
    why.clone_into(&mut task.message);
    TaskStatus::Error
}

/// What people may read of a fault: of those within the registry, no more than that there was one.
fn said(error: &Error) -> String {
    if error.status() >= 500 {
        tracing::warn!(%error, "a job failed");
    }
    error.public_message()
}

/// The detail of a task or an execution with what came out of it.
pub(in crate::engine) fn merged(before: &str, detail: &Map<String, Value>) -> Result<String> {
    let mut whole: Map<String, Value> = serde_json::from_str(before).unwrap_or_default();
    whole.extend(detail.clone());
    serde_json::to_string(&whole).map_err(|error| Error::Internal(error.to_string()))
}

fn chance() -> u8 {
    Uuid::new_v4().as_bytes()[0]
}

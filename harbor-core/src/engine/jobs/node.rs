//! What a node knows of its own workers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::Timestamp;
use crate::meta::{Held, TaskId, WorkerPool};

/// Why a job is to end before it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Somebody wants it.
    Asked,
    /// Its lease ended, and somebody else may have it.
    Lost,
    /// The node ends.
    Shutdown,
}

/// A job that runs here.
#[derive(Debug)]
struct Here {
    runs: u32,
    stop: watch::Sender<Option<Stop>>,
}

/// A node of workers, and what they are at.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its name: another one after each start.
    pub(crate) id: String,
    /// How many jobs it runs at once.
    pub(crate) workers: u32,
    started_at: Timestamp,
    /// Whether it is there for one [`Harbor::run_due_jobs`](crate::Harbor::run_due_jobs): no list has it.
    pub(super) by_hand: bool,
    /// There may be something to do.
    pub(super) wake: Notify,
    pub(super) tracker: TaskTracker,
    here: Mutex<HashMap<TaskId, Here>>,
}

impl Node {
    pub(crate) fn new(workers: u32, now: Timestamp) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            workers,
            started_at: now,
            by_hand: false,
            wake: Notify::new(),
            tracker: TaskTracker::new(),
            here: Mutex::default(),
        }
    }

    pub(super) fn by_hand(workers: u32, now: Timestamp) -> Self {
        Self { by_hand: true, ..Self::new(workers, now) }
    }

    /// There may be something to do.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// As others see it.
    pub(super) fn pool(&self, host: &str, now: Timestamp) -> WorkerPool {
        WorkerPool {
            id: self.id.clone(),
            host: host.to_owned(),
            pid: std::process::id(),
            workers: self.workers,
            started_at: self.started_at,
            seen_at: now,
        }
    }

    fn here(&self) -> MutexGuard<'_, HashMap<TaskId, Here>> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many jobs it could begin.
    pub(super) fn free(&self) -> u32 {
        self.workers.saturating_sub(u32::try_from(self.here().len()).unwrap_or(u32::MAX))
    }

    /// What runs here, and how often each was begun.
    pub(super) fn jobs(&self) -> Vec<(TaskId, u32)> {
        let mut jobs: Vec<_> = self.here().iter().map(|(id, job)| (*id, job.runs)).collect();
        jobs.sort_unstable();
        jobs
    }

    /// Takes a job on; what is yielded tells when it is to end.
    pub(super) fn begin(&self, id: TaskId, runs: u32) -> watch::Receiver<Option<Stop>> {
        let (stop, stopped) = watch::channel(None);
        self.here().insert(id, Here { runs, stop });
        stopped
    }

    /// The job is over.
    pub(super) fn end(&self, id: TaskId, runs: u32) {
        let mut here = self.here();
        // Not one that was begun again since.
        if here.get(&id).is_some_and(|job| job.runs == runs) {
            here.remove(&id);
        }
        drop(here);
        self.wake();
    }

    /// Ends a job that runs here.
    pub(super) fn stop(&self, id: TaskId) {
        if let Some(job) = self.here().get(&id) {
            job.stop.send_replace(Some(Stop::Asked));
        }
    }

    pub(crate) fn stop_all(&self) {
        for job in self.here().values() {
            job.stop.send_replace(Some(Stop::Shutdown));
        }
    }

    /// Ends all that runs here: others may have it by now.
    pub(super) fn lose_all(&self) {
        for job in self.here().values() {
            job.stop.send_if_modified(|reason| reason.is_none() && reason.replace(Stop::Lost).is_none());
        }
    }

    /// Ends those of the jobs that ran here which the database says are not this node's any more, or are to stop. Others may have
    /// been begun since it was asked.
    pub(super) fn compare(&self, jobs: &[(TaskId, u32)], held: &[Held]) {
        let here = self.here();
        for (id, runs) in jobs {
            let Some(job) = here.get(id).filter(|job| job.runs == *runs) else { continue };
            let stop = match held.iter().find(|held| held.id == *id && held.runs == *runs) {
                Some(held) if held.stopping => Stop::Asked,
                Some(_) => continue,
                None => Stop::Lost,
            };
            job.stop.send_if_modified(|reason| reason.is_none() && reason.replace(stop).is_none());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_since_is_not_lost() {
        let node = Node::new(3, Timestamp::default());
        let (kept, lost, later) = (TaskId::new(1), TaskId::new(2), TaskId::new(3));
        let mut told: Vec<_> = [kept, lost].into_iter().map(|id| node.begin(id, 1)).collect();
        let jobs = node.jobs();
        told.push(node.begin(later, 1));
        node.compare(&jobs, &[Held { id: kept, runs: 1, stopping: false }]);
        let told: Vec<_> = told.iter().map(|told| *told.borrow()).collect();
        assert_eq!(told, [None, Some(Stop::Lost), None]);
    }
}

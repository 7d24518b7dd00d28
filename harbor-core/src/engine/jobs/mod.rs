//! Jobs: the queue, the workers, and the schedules. See [`crate::job`] for what a job is.
//!
//! A task is claimed by a node under a lease, which the node renews while it is at it. Whoever does not renew loses it: the
//! task is begun again, and what the first one still does to its row is refused, for the row tells how often it was begun.

mod claim;
mod clock;
mod control;
mod dispatch;
mod figures;
mod history;
mod node;
mod perform;
mod places;
mod queue;
mod schedules;

pub use control::TaskLog;
pub(super) use figures::without;
pub(super) use node::Node;
pub(super) use perform::merged;
pub use queue::Enqueue;
pub use schedules::Rhythm;

use std::time::Duration;

use super::Harbor;
use super::gate::contended;
use crate::access::permission::{JobserviceMonitorList, JobserviceMonitorStop};
use crate::access::{Actor, Authorized};
use crate::meta::{
    Listed, Priority, Queued, Schedule, ScheduleKey, SettingRows, Task, TaskKey, TaskScope, TaskStatus,
    WorkerPool,
};
use crate::query::{Query, Test, Value};
use crate::{Error, Result, Timestamp};

/// How many tasks are read at a time.
const PAGE: u32 = 100;

/// A node that said nothing for so long is not shown any more.
const SEEN: Duration = Duration::from_secs(3 * 60);

/// What the clock's work is called among the queues.
pub const SCHEDULER: &str = "SCHEDULER";

/// The setting that has the queues that are paused, as a JSON list.
const PAUSED: &str = "jobs.paused";

/// The setting that whoever changes the other one writes first, and has locked then.
const PAUSING: &str = "jobs.pausing";

/// How many tasks of a queue are stopped in one transaction.
const BATCH: u32 = 100;

/// The queues that are paused.
async fn paused<R: SettingRows + ?Sized>(rows: &mut R) -> Result<Vec<String>> {
    let stored = rows.setting(PAUSED).await?;
    Ok(stored.and_then(|stored| serde_json::from_str(&stored).ok()).unwrap_or_default())
}

/// Use cases of jobs, whatever their kind: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Jobs<'a> {
    harbor: &'a Harbor,
}

impl<'a> Jobs<'a> {
    pub(super) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    /// The queues: of each kind that the registry knows, and the clock's; what waits in it, and whether it is paused.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn queues(&self, _proof: &Authorized<JobserviceMonitorList>) -> Result<Vec<(Queued, bool)>> {
        let mut rows = self.harbor.read().await?;
        let (paused, mut queued) = (paused(&mut *rows).await?, rows.tasks_queued().await?);
        let now = self.harbor.now();
        let known = self.harbor.inner.kinds.names().chain([SCHEDULER]);
        for kind in known {
            if !queued.iter().any(|queue| queue.kind == kind) {
                queued.push(Queued { kind: kind.to_owned(), waiting: 0, oldest: now });
            }
        }
        queued.sort_by(|one, other| one.kind.cmp(&other.kind));
        let told = |queue: Queued| {
            let is_paused = paused.contains(&queue.kind);
            (queue, is_paused)
        };
        Ok(queued.into_iter().map(told).collect())
    }

    /// Pauses or resumes the queue of a kind, the clock's ([`SCHEDULER`]), or all of them (`all`). What runs, runs on.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a kind that there is not; as the store fails.
    pub async fn pause(
        &self,
        proof: &Authorized<JobserviceMonitorStop>,
        kind: &str,
        pause: bool,
    ) -> Result<()> {
        contended!(self.pause_once(proof, kind, pause))
    }

    async fn pause_once(
        &self,
        proof: &Authorized<JobserviceMonitorStop>,
        kind: &str,
        pause: bool,
    ) -> Result<()> {
        let named = self.kinds_named(kind)?;
        let mut write = self.harbor.write(proof).await?;
        // Whoever changes the list waits for who does so now.
        write.rows().setting_put(PAUSING, kind).await?;
        let mut all = paused(write.rows()).await?;
        all.retain(|paused| !named.contains(&paused.as_str()));
        if pause {
            all.extend(named.iter().map(|kind| (*kind).to_owned()));
        }
        all.sort();
        let value = serde_json::to_string(&all).map_err(|error| Error::Internal(error.to_string()))?;
        write.rows().setting_put(PAUSED, &value).await?;
        let word = if pause { "pause" } else { "resume" };
        write.audit_as(kind, format!("{word} the job queue {kind}")).await?;
        write.enqueued();
        write.commit().await
    }

    fn kinds_named(&self, kind: &str) -> Result<Vec<&'static str>> {
        let known = self.harbor.inner.kinds.names().chain([SCHEDULER]);
        let named: Vec<_> = known.filter(|known| kind == "all" || *known == kind).collect();
        if named.is_empty() { Err(Error::NotFound("job queue")) } else { Ok(named) }
    }

    /// Stops everything that waits in the queue of a kind, or in all of them (`all`).
    ///
    /// # Errors
    /// [`Error::NotFound`] for a kind that there is not; as the store fails.
    pub async fn stop_queue(&self, proof: &Authorized<JobserviceMonitorStop>, kind: &str) -> Result<()> {
        let named = self.kinds_named(kind)?;
        let mut write = self.harbor.write(proof).await?;
        write.audit_as(kind, format!("stop the job queue {kind}")).await?;
        write.commit().await?;
        for kind in named {
            while self.harbor.stop_waiting(kind).await? > 0 {}
        }
        Ok(())
    }

    /// The nodes that run jobs, in the order of their start.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn pools(&self, _proof: &Authorized<JobserviceMonitorList>) -> Result<Vec<WorkerPool>> {
        let now = self.harbor.now();
        let mut pools = self.harbor.read().await?.worker_pools(now.minus(SEEN)).await?;
        // This process is there, whether it has lately said so or not.
        if let Some(node) = self.harbor.inner.workers.node() {
            pools.retain(|pool| pool.id != node.id);
            pools.push(node.pool(&self.harbor.settings().node, now));
        }
        pools.sort_by(|one, other| (one.started_at, &one.id).cmp(&(other.started_at, &other.id)));
        Ok(pools)
    }

    /// The tasks that the workers of a pool are at, or those of all pools.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a pool that there is not; as the store fails.
    pub async fn workers(
        &self,
        proof: &Authorized<JobserviceMonitorList>,
        pool: Option<&str>,
    ) -> Result<Vec<Task>> {
        if let Some(pool) = pool
            && !self.pools(proof).await?.iter().any(|known| known.id == pool)
        {
            return Err(Error::NotFound("worker pool"));
        }
        let running = Test::Is(Value::Text(TaskStatus::Running.as_str().to_owned()));
        let query = Query::default().filter(TaskKey::Status, running);
        let scope = TaskScope { owner: pool, ..TaskScope::default() };
        let mut tasks = Vec::new();
        for number in 1.. {
            let page = self.harbor.read().await?.tasks(scope, &query.clone().page(number, PAGE)).await?;
            let last = page.entries.len() < PAGE as usize;
            tasks.extend(page.entries);
            if last {
                break;
            }
        }
        Ok(tasks)
    }

    /// Whether the clock sets nothing going. Whoever is somebody may know.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody in particular; as the store fails.
    pub async fn is_clock_paused(&self, actor: &Actor) -> Result<bool> {
        if actor.is_anonymous() {
            return Err(Error::Unauthenticated);
        }
        Ok(paused(&mut *self.harbor.read().await?).await?.iter().any(|paused| paused == SCHEDULER))
    }

    /// A page of all schedules.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn schedules(
        &self,
        _proof: &Authorized<JobserviceMonitorList>,
        query: &Query<ScheduleKey>,
    ) -> Result<Listed<Schedule>> {
        Ok(self.harbor.read().await?.schedules(query).await?)
    }

    /// A page of all tasks, the latest first: what waits, what runs, and what became of the rest.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(
        &self,
        _proof: &Authorized<JobserviceMonitorList>,
        query: &Query<TaskKey>,
    ) -> Result<Listed<Task>> {
        Ok(self.harbor.read().await?.tasks(TaskScope::default(), query).await?)
    }
}

impl Harbor {
    /// Stops a batch of what waits in the queue of a kind; yields how many.
    async fn stop_waiting(&self, kind: &str) -> Result<usize> {
        contended!(async {
            let mut write = self.write_as_system().await?;
            let (now, rows) = (write.now(), write.rows());
            let mut stopped = 0;
            for priority in Priority::ALL {
                let waiting = TaskStatus::Waiting;
                let tasks = rows.tasks_due(waiting, priority, &[kind], Timestamp::MAX, BATCH).await?;
                stopped += tasks.len();
                for mut task in tasks {
                    queue::moved(rows, &mut task, TaskStatus::Stopped, now).await?;
                }
            }
            write.commit().await.map(|()| stopped)
        })
    }
}

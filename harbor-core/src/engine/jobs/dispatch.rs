//! The dispatcher: one task a node that begins jobs when they are due, and sleeps until then.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::claim::Claimed;
use super::node::Node;
use super::places::Places;
use super::{SCHEDULER, paused};
use crate::engine::gate::contended;
use crate::engine::{Harbor, Inner};
use crate::meta::{Priority, ScheduleRows, Sharing, Task, TaskId, TaskRows, TaskStatus};
use crate::{Result, Timestamp};

/// How often the leases of a node are renewed, of what they last.
const BEATS: u32 = 6;

/// How often a node says that it is there, and after which silence it is forgotten.
const TELL: Duration = Duration::from_secs(60);
const FORGET: Duration = Duration::from_secs(60 * 60);

/// The shortest and the longest sleep where other nodes may enqueue what this one is not told of: the longer nothing was to
/// do, the longer.
const POLL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// The longest sleep where this process alone enqueues, and wakes the dispatcher when it does: a clock that is set forward, or a machine
/// that was suspended, wakes nobody.
const LONGEST: Duration = Duration::from_secs(60);

/// The shortest sleep when something is due that another node is at.
const SHORTEST: Duration = Duration::from_millis(250);

impl Harbor {
    /// Begins jobs until it is told to stop; then waits for those that run here.
    pub(in crate::engine) async fn dispatch(inner: Weak<Inner>, node: Arc<Node>, stop: CancellationToken) {
        let mut idle = POLL.0;
        let mut seen = None;
        loop {
            let Some(inner) = inner.upgrade() else { break };
            let harbor = Self { inner };
            harbor.watch_clock(&mut seen).await;
            let sleep = match harbor.turn(&node, &stop).await {
                Ok((began, next)) => {
                    idle = if began { POLL.0 } else { (idle * 2).min(POLL.1) };
                    harbor.until(next).min(harbor.longest_sleep(idle))
                }
                Err(error) => {
                    tracing::warn!(%error, "jobs could not be begun; it is tried again");
                    POLL.1
                }
            };
            drop(harbor);
            tokio::select! {
                () = stop.cancelled() => break,
                () = node.wake.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        node.stop_all();
        node.tracker.close();
        node.tracker.wait().await;
    }

    /// Ends the leases that are left from before this process was started, where it alone has the store: nobody has them.
    pub(in crate::engine) async fn release_tasks(&self) -> Result<()> {
        let kinds: Vec<&'static str> = self.inner.kinds.names().collect();
        if self.inner.metadata.sharing() == Sharing::Shared {
            return Ok(());
        }
        let mut rows = self.read().await?;
        if next_of(&mut *rows, TaskStatus::Running, |_| kinds.clone()).await?.is_none() {
            return Ok(());
        }
        drop(rows);
        let mut write = self.write_as_system().await?;
        let now = write.now();
        write.rows().tasks_release(now).await?;
        write.commit().await
    }

    /// Renews the leases of what runs here while something does, and ends what is to end. Whoever cannot renew them for as long as they
    /// last, where others would take what they are of, ends all: it is not to be done by two at a time.
    pub(in crate::engine) async fn beat(inner: Weak<Inner>, node: Arc<Node>, stop: CancellationToken) {
        let (mut told, mut renewed) = (None, Instant::now());
        loop {
            let Some(inner) = inner.upgrade() else { return };
            let harbor = Self { inner };
            let lease = harbor.inner.settings.job_lease;
            let is_shared = harbor.inner.metadata.sharing() == Sharing::Shared;
            let began = Instant::now();
            // Nobody waits for an answer while the leases end; once they have, for that of others that were begun since.
            let left = Some(left_of(lease, renewed)).filter(|left| !left.is_zero()).unwrap_or(lease / 2);
            match tokio::time::timeout(left, harbor.beat_once(&node, &mut told)).await {
                Ok(Ok(())) => renewed = began,
                Ok(Err(error)) => tracing::warn!(%error, "the leases of running jobs were not renewed yet"),
                Err(_) => tracing::warn!("the leases of running jobs were not renewed yet: nobody answers"),
            }
            drop(harbor);
            let left = left_of(lease, renewed);
            if left.is_zero() && is_shared {
                node.lose_all();
            }
            // They may end ahead of the next beat.
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(if left.is_zero() { lease } else { left }.min(lease / BEATS)) => {}
            }
            // What was begun since leases ended has one of its own.
            if !left.is_zero() && left_of(lease, renewed).is_zero() && is_shared {
                node.lose_all();
            }
        }
    }

    async fn beat_once(&self, node: &Node, told: &mut Option<Timestamp>) -> Result<()> {
        let now = self.now();
        // Where this process alone has the store, nobody else could ask.
        let shared = self.inner.metadata.sharing() == Sharing::Shared;
        if shared && !node.by_hand && told.is_none_or(|told| now.since(told) >= TELL) {
            let mut write = self.write_as_system().await?;
            write.rows().worker_pools_forget(now.minus(FORGET)).await?;
            write.rows().worker_pool_put(&node.pool(&self.inner.settings.node, now)).await?;
            write.commit().await?;
            *told = Some(now);
        }
        let here = node.jobs();
        if here.is_empty() { Ok(()) } else { self.renew_leases(node, &here).await }
    }

    /// Renews the leases of what runs here, and of nothing else: what was left in the midst must be begun again.
    async fn renew_leases(&self, node: &Node, here: &[(TaskId, u32)]) -> Result<()> {
        let ids: Vec<TaskId> = here.iter().map(|(id, _)| *id).collect();
        contended!(async {
            let mut write = self.write_as_system().await?;
            let until = write.now().plus(self.inner.settings.job_lease);
            write.rows().tasks_beat(&node.id, &ids, until).await?;
            write.commit().await
        })?;
        let held = self.read().await?.tasks_held(&node.id).await?;
        node.compare(here, &held);
        Ok(())
    }

    /// Begins what is due. Yields whether there was something, and when to look again.
    async fn turn(&self, node: &Arc<Node>, stop: &CancellationToken) -> Result<(bool, Option<Timestamp>)> {
        let mut began = self.fire_schedules().await?;
        loop {
            // What a shutdown stopped is not begun again here.
            if stop.is_cancelled() {
                return Ok((began, None));
            }
            let free = node.free();
            if free == 0 {
                // Whichever ends first wakes the dispatcher. What schedules set going meanwhile waits.
                return Ok((true, self.next_schedule().await?));
            }
            let next = self.next_due().await?;
            if next.is_none_or(|next| next > self.now()) {
                return Ok((began, next));
            }
            let claimed = self.claim(node, free).await?;
            if !claimed.again {
                return Ok((began, self.next_due().await?));
            }
            began = true;
            claimed.tasks.into_iter().for_each(|task| self.spawn(node, task));
        }
    }

    fn spawn(&self, node: &Arc<Node>, task: Task) {
        let stop = node.begin(task.id, task.runs);
        let (harbor, here) = (self.clone(), Arc::clone(node));
        node.tracker.spawn(async move { harbor.perform(&here, task, stop).await });
    }

    /// Runs everything that is due, here and now, until nothing is; yields how many jobs were run. For who runs a registry
    /// without workers, and for tests.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn run_due_jobs(&self) -> Result<u64> {
        let node = Arc::new(Node::by_hand(self.inner.settings.job_workers.max(1), self.now()));
        self.inner.workers.add_by_hand(&node);
        let ended = CancellationToken::new();
        let _ends = ended.clone().drop_guard();
        // Others would take what takes longer than a lease.
        tokio::spawn(Self::beat(Arc::downgrade(&self.inner), Arc::clone(&node), ended));
        self.plan_anew().await?;
        let mut jobs = 0;
        loop {
            // What a shutdown stopped is not begun again here.
            if self.inner.workers.stopping().is_cancelled() {
                return Ok(jobs);
            }
            self.fire_schedules().await?;
            if self.next_due().await?.is_none_or(|next| next > self.now()) {
                return Ok(jobs);
            }
            let Claimed { tasks, again } = self.claim(&node, node.workers).await?;
            if !again && self.next_due().await?.is_some_and(|next| next <= self.now()) {
                // Somebody else is at it.
                tokio::time::sleep(SHORTEST).await;
            }
            let here = &node;
            let work = tasks.into_iter().map(|task| {
                let stop = here.begin(task.id, task.runs);
                self.perform(here, task, stop)
            });
            jobs += futures_util::future::join_all(work).await.len() as u64;
        }
    }

    /// When somebody must look at the queue or at the schedules.
    async fn next_due(&self) -> Result<Option<Timestamp>> {
        let mut rows = self.read().await?;
        let paused = paused(&mut *rows).await?;
        let kinds = &self.inner.kinds;
        let all: Vec<&'static str> = kinds.names().collect();
        let places = Places::read(&mut *rows, kinds, &paused).await?;
        let waiting = next_of(&mut *rows, TaskStatus::Waiting, |priority| places.open(priority)).await?;
        let lost = next_of(&mut *rows, TaskStatus::Running, |_| all.clone()).await?;
        let schedule = schedule_next(&mut *rows, &paused).await?;
        Ok([waiting, lost, schedule].into_iter().flatten().min())
    }

    /// When somebody must look at the schedules.
    async fn next_schedule(&self) -> Result<Option<Timestamp>> {
        let mut rows = self.read().await?;
        let paused = paused(&mut *rows).await?;
        schedule_next(&mut *rows, &paused).await
    }

    fn until(&self, next: Option<Timestamp>) -> Duration {
        next.map_or(LONGEST, |next| next.since(self.now()).max(SHORTEST))
    }

    fn longest_sleep(&self, idle: Duration) -> Duration {
        match self.inner.metadata.sharing() {
            Sharing::Exclusive => LONGEST,
            Sharing::Shared => idle,
        }
    }
}

/// When the next schedule is due, unless the clock's work is paused.
async fn schedule_next<R: ScheduleRows + ?Sized>(
    rows: &mut R,
    paused: &[String],
) -> Result<Option<Timestamp>> {
    match paused.iter().any(|paused| paused == SCHEDULER) {
        true => Ok(None),
        false => Ok(rows.schedule_next().await?),
    }
}

/// What is left of leases that were renewed then, less what it takes to end what they are of.
fn left_of(lease: Duration, renewed: Instant) -> Duration {
    (lease / (2 * BEATS) * (2 * BEATS - 1)).saturating_sub(renewed.elapsed())
}

/// When the next task of a status is due, of the kinds for each priority.
async fn next_of<R: TaskRows + ?Sized>(
    rows: &mut R,
    status: TaskStatus,
    kinds: impl Fn(Priority) -> Vec<&'static str>,
) -> Result<Option<Timestamp>> {
    let mut next = None;
    for priority in Priority::ALL {
        let due = rows.task_next_due(status, priority, &kinds(priority)).await?;
        next = next.into_iter().chain(due).min();
    }
    Ok(next)
}

//! Claiming: how a node gets tasks that are its own for as long as it renews their lease.

use std::time::Duration;

use super::node::Node;
use super::paused;
use super::places::Places;
use super::queue::moved;
use crate::engine::Harbor;
use crate::engine::gate::contended;
use crate::job::Kinds;
use crate::meta::{Priority, Task, TaskId, TaskStatus, Transaction};
use crate::{Result, Timestamp};

/// How often a job is begun again whose worker died: it may be what killed them.
const DEATHS: u32 = 5;

/// How many tasks that must wait for others are looked at in one transaction.
const LOOKED_AT: u32 = 64;

/// For how long a task is put off that waits for another one, should it not be woken.
const BEHIND: Duration = Duration::from_secs(60 * 60);

/// The same for the next one behind one that runs: which may have ended, and have woken whoever it saw, in a transaction that was not
/// committed yet when it was looked at.
const NEXT: Duration = Duration::from_secs(5);

/// The same for one that failed and that somebody's retry of an earlier one came ahead of: nobody wakes those that failed.
const OVERTAKEN: Duration = Duration::from_secs(10);

/// What came of a claim.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    /// What the node has now, and is to begin.
    pub(super) tasks: Vec<Task>,
    /// Whether there may be more: tasks were put off, or ended, that stood ahead of others.
    pub(super) again: bool,
}

/// A claim: one transaction that takes what is due.
struct Claim<'a> {
    rows: &'a mut dyn Transaction,
    kinds: &'a Kinds,
    owner: &'a str,
    /// What runs on this node, and how often each was begun.
    here: Vec<(TaskId, u32)>,
    now: Timestamp,
    lease_end: Timestamp,
    free: u32,
    claimed: Vec<Task>,
    /// Whether any task was moved or put off.
    changed: bool,
}

impl Harbor {
    /// Takes up to `free` tasks that are due. None does not mean that there are none: what waits for another task is put off.
    pub(super) async fn claim(&self, node: &Node, free: u32) -> Result<Claimed> {
        contended!(self.claim_once(node, free))
    }

    async fn claim_once(&self, node: &Node, free: u32) -> Result<Claimed> {
        let mut write = self.write_as_system().await?;
        let now = write.now();
        let lease_end = now.plus(self.inner.settings.job_lease);
        let paused = paused(write.rows()).await?;
        let mut claim = Claim {
            rows: write.rows(),
            kinds: &self.inner.kinds,
            owner: &node.id,
            here: node.jobs(),
            now,
            lease_end,
            free,
            claimed: Vec::new(),
            changed: false,
        };
        claim.lost().await?;
        claim.waiting(&paused).await?;
        let (tasks, again) = (claim.claimed, claim.changed);
        if again {
            write.commit().await?;
        }
        Ok(Claimed { tasks, again })
    }
}

impl Claim<'_> {
    fn left(&self) -> u32 {
        self.free.saturating_sub(u32::try_from(self.claimed.len()).unwrap_or(u32::MAX))
    }

    /// Tasks whose workers did not renew their lease. They keep their places, so nothing else is asked of them. What still runs on
    /// this node is not begun beside itself.
    async fn lost(&mut self) -> Result<()> {
        let all: Vec<&str> = self.kinds.names().collect();
        for priority in Priority::ALL {
            let left = self.left();
            let lost = self.rows.tasks_due(TaskStatus::Running, priority, &all, self.now, left).await?;
            for mut task in lost {
                if task.owner == self.owner && self.here.contains(&(task.id, task.runs)) {
                    // Nobody else took it: this node was late to renew its lease, or its clock was set.
                    task.due = self.lease_end;
                    self.changed = true;
                    self.rows.task_save(&task).await?;
                    continue;
                }
                task.deaths = task.deaths.saturating_add(1);
                if task.stopping {
                    self.end(&mut task, TaskStatus::Stopped, "").await?;
                } else if task.deaths > DEATHS {
                    let why = "its workers ended in the midst of it again and again";
                    self.end(&mut task, TaskStatus::Error, why).await?;
                } else {
                    self.begin(task).await?;
                }
            }
        }
        Ok(())
    }

    async fn end(&mut self, task: &mut Task, status: TaskStatus, why: &str) -> Result<()> {
        why.clone_into(&mut task.message);
        self.changed = true;
        moved(self.rows, task, status, self.now).await.map(|_| ())
    }

    /// Tasks whose turn it is.
    async fn waiting(&mut self, paused: &[String]) -> Result<()> {
        let mut places = Places::read(&mut *self.rows, self.kinds, paused).await?;
        for priority in Priority::ALL {
            let mut looked_at = 0;
            while self.left() > 0 && looked_at < LOOKED_AT {
                let open = places.open(priority);
                let (status, left) = (TaskStatus::Waiting, self.left());
                let due = self.rows.tasks_due(status, priority, &open, self.now, left).await?;
                if due.is_empty() {
                    break;
                }
                for task in due {
                    looked_at += 1;
                    self.consider(task, &mut places).await?;
                }
            }
        }
        Ok(())
    }

    /// Begins a task, unless another one of its key is ahead of it or its kind has no place any more.
    async fn consider(&mut self, mut task: Task, places: &mut Places) -> Result<()> {
        if let Some(key) = &task.key
            && let Some((head, status, _)) = self.rows.task_head(key).await?
            && head != task.id
        {
            // Whoever ends the other one wakes the next. All that wait behind one that fails must not come up again with each of its
            // attempts, ahead of what others wait for.
            let runs = status == TaskStatus::Running;
            let is_next = runs && self.rows.task_first_waiting(key).await? == Some(task.id);
            let wait = match task.failures {
                0 if is_next => NEXT,
                0 => BEHIND,
                _ => OVERTAKEN,
            };
            task.due = task.due.max(self.now.plus(wait));
            self.changed = true;
            self.rows.task_save(&task).await?;
            // Whoever stops one that waits, too, wakes the next: from here on they wait for this row, and then it is this one. Whoever was
            // ahead of that is seen now.
            if !runs && self.rows.task_head(key).await?.is_some_and(|(head, ..)| head == task.id) {
                task.due = self.now;
                self.rows.task_save(&task).await?;
            }
            return Ok(());
        }
        let Some(place) = places.take(&task.kind, task.priority) else { return Ok(()) };
        task.slot = place;
        self.begin(task).await
    }

    async fn begin(&mut self, mut task: Task) -> Result<()> {
        self.owner.clone_into(&mut task.owner);
        task.due = self.lease_end;
        task.runs = task.runs.saturating_add(1);
        task.started_at = task.started_at.or(Some(self.now));
        self.changed = true;
        moved(self.rows, &mut task, TaskStatus::Running, self.now).await?;
        self.claimed.push(task);
        Ok(())
    }
}

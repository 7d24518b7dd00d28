//! What a clock left that was ahead of the present one: schedules and tasks would wait until the clock is there again, and so would
//! those that a worker had when it died.

use std::time::Duration;

use crate::engine::Harbor;
use crate::engine::gate::contended;
use crate::meta::{Task, TaskId, TaskKey, TaskScope, TaskStatus};
use crate::query::{LARGEST_PAGE, Order, Query, Test, Value};
use crate::{Result, Timestamp};

/// By how much the clocks of nodes differ at most: what one of them has just set going is not due again for the clock of another.
pub(super) const SKEW: Duration = Duration::from_secs(60 * 60);

impl Harbor {
    /// Looks, at the start and when the clock was set back, whether something waits for a time that it had been ahead to.
    pub(super) async fn watch_clock(&self, seen: &mut Option<Timestamp>) {
        let now = self.now();
        if seen.is_none_or(|seen| now < seen)
            && let Err(error) = self.plan_anew().await
        {
            tracing::warn!(%error, "it was not looked whether all is planned rightly; it is tried again");
            *seen = None;
            return;
        }
        *seen = Some(now);
    }

    /// Plans anew what a clock planned that was ahead.
    pub(super) async fn plan_anew(&self) -> Result<()> {
        self.plan_schedules().await?;
        for id in self.ahead().await? {
            contended!(self.plan_task(id))?;
        }
        Ok(())
    }

    /// The tasks of which a clock was ahead.
    async fn ahead(&self) -> Result<Vec<TaskId>> {
        let later = Test::Above(Value::Time(self.now().plus(SKEW)));
        let waiting = of(TaskStatus::Waiting).filter(TaskKey::UpdatedAt, later);
        let mut ahead = Vec::new();
        for query in [waiting, of(TaskStatus::Running)] {
            for number in 1.. {
                let query = query.clone().page(number, LARGEST_PAGE);
                let tasks = self.read().await?.tasks(TaskScope::default(), &query).await?.entries;
                let found = tasks.iter().filter(|task| self.put_off(task, self.now()).is_some());
                ahead.extend(found.map(|task| task.id));
                if tasks.len() < LARGEST_PAGE as usize {
                    break;
                }
            }
        }
        Ok(ahead)
    }

    async fn plan_task(&self, id: TaskId) -> Result<()> {
        let mut write = self.write_as_system().await?;
        let now = write.now();
        let Some(mut task) = write.rows().task_lock(id).await? else { return Ok(()) };
        let Some(due) = self.put_off(&task, now) else { return Ok(()) };
        (task.due, task.updated_at) = (due, now);
        write.rows().task_save(&task).await?;
        write.commit().await?;
        let (job, kind) = (task.job.as_str(), task.kind.as_str());
        tracing::warn!(job, kind, "the clock was set back: a job that it had put off is planned anew");
        Ok(())
    }

    /// When a task is due of which a clock was ahead: what waits at once, and what runs when whoever has it would not have renewed its
    /// lease. Nothing of one whose time may be right.
    fn put_off(&self, task: &Task, now: Timestamp) -> Option<Timestamp> {
        let lease_end = now.plus(self.inner.settings.job_lease);
        match task.status {
            TaskStatus::Waiting => (task.updated_at > now.plus(SKEW) && task.due > now).then_some(now),
            TaskStatus::Running => (task.due > lease_end.plus(SKEW)).then_some(lease_end),
            TaskStatus::Success | TaskStatus::Error | TaskStatus::Stopped => None,
        }
    }
}

fn of(status: TaskStatus) -> Query<TaskKey> {
    let is = Test::Is(Value::Text(status.as_str().to_owned()));
    Query::default().filter(TaskKey::Status, is).sort(TaskKey::Id, Order::Ascending)
}

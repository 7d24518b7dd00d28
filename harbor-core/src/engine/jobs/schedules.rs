//! Schedules: what is set going by the clock, once however many nodes look at it.

use serde_json::{Map, Value};

use super::clock::SKEW;
use super::{SCHEDULER, paused};
use crate::engine::Harbor;
use crate::engine::gate::{Write, contended};
use crate::job::{Cron, CronError, Job, write};
use crate::meta::{NewExecution, NewTask, Priority, Schedule, ScheduleId, ScheduleKey, Trigger};
use crate::query::{LARGEST_PAGE, Order, Query};
use crate::{Error, Result, Timestamp};

/// How many schedules are looked at in one go.
const BATCH: u32 = 50;

impl From<CronError> for Error {
    fn from(error: CronError) -> Self {
        Self::BadRequest(error.to_string())
    }
}

/// How often something is set going by the clock, as people choose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// `Hourly`, `Daily`, `Weekly`, `Custom`, or what else a noun calls it.
    pub name: String,
    /// When: Harbor's six fields.
    pub cron: String,
    /// Of which time zone they are, by its IANA name; empty for that of the configuration.
    pub time_zone: String,
}

impl Rhythm {
    /// The rhythm of that name; `cron` counts where it says itself when, as in `Custom`. As with Harbor, `Hourly` is at
    /// the full hour, `Daily` at midnight, and `Weekly` in the night to Sunday, unless `cron` says otherwise.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a name that there is not, and for `Custom` without an expression.
    pub fn named(name: &str, cron: &str, time_zone: &str) -> Result<Self> {
        let cron = match (name, cron.trim()) {
            ("Hourly", "") => "0 0 * * * *",
            ("Daily", "") => "0 0 0 * * *",
            ("Weekly", "") => "0 0 0 * * 0",
            ("Hourly" | "Daily" | "Weekly" | "Custom", cron) => cron,
            _ => {
                let known = "Hourly, Daily, Weekly, Custom, Manual, None";
                return Err(Error::BadRequest(format!(
                    "the type of a schedule is one of {known}, and not {name:?}"
                )));
            }
        };
        Ok(Self { name: name.to_owned(), cron: cron.to_owned(), time_zone: time_zone.to_owned() })
    }
}

impl Write<'_> {
    /// Makes the schedule of a job for one thing (0 where there is but one), or replaces the one that there is.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a time that is none; as the store fails.
    pub async fn schedule<J: Job>(&mut self, subject: i64, rhythm: &Rhythm, job: &J) -> Result<()> {
        let zone = match rhythm.time_zone.as_str() {
            "" => self.time_zone(),
            zone => zone.to_owned(),
        };
        let cron = Cron::parse(&rhythm.cron, &zone)?;
        let now = self.now();
        let schedule = Schedule {
            id: ScheduleId::new(0),
            kind: J::KIND.to_owned(),
            subject,
            rhythm: rhythm.name.clone(),
            cron: rhythm.cron.clone(),
            time_zone: cron.zone().to_owned(),
            payload: write(job)?,
            next: cron.next(now),
            created_at: now,
            updated_at: now,
        };
        self.rows().schedule_put(&schedule).await?;
        // The dispatcher may sleep for longer than until then.
        self.enqueued();
        Ok(())
    }

    /// Deletes the schedule of a kind for one thing. False when there is none.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn unschedule(&mut self, kind: &str, subject: i64) -> Result<bool> {
        Ok(self.rows().schedule_delete(kind, subject).await?)
    }
}

impl Harbor {
    /// Sets going what is due. Yields whether something was.
    pub(super) async fn fire_schedules(&self) -> Result<bool> {
        let mut rows = self.read().await?;
        let due = rows.schedules_due(self.now(), BATCH).await?;
        if due.is_empty() || paused(&mut *rows).await?.iter().any(|paused| paused == SCHEDULER) {
            return Ok(false);
        }
        drop(rows);
        for schedule in &due {
            contended!(self.fire(schedule))?;
        }
        Ok(true)
    }

    /// Plans anew what a clock planned that was ahead of the present one: it would wait until the clock is there again.
    pub(super) async fn plan_schedules(&self) -> Result<()> {
        let query = Query::default().sort(ScheduleKey::Id, Order::Ascending);
        for number in 1.. {
            let page = self.read().await?.schedules(&query.clone().page(number, LARGEST_PAGE)).await?.entries;
            for schedule in page.iter().filter(|schedule| is_late(schedule, self.now())) {
                contended!(self.plan(schedule))?;
            }
            if page.len() < LARGEST_PAGE as usize {
                break;
            }
        }
        Ok(())
    }

    async fn plan(&self, seen: &Schedule) -> Result<()> {
        let mut write = self.write_as_system().await?;
        let now = write.now();
        let locked = write.rows().schedule_lock(&seen.kind, seen.subject).await?;
        let Some(mut schedule) = locked.filter(|schedule| is_late(schedule, now)) else { return Ok(()) };
        schedule.next = Cron::parse(&schedule.cron, &schedule.time_zone)?.next(now);
        let (kind, subject) = (schedule.kind.as_str(), schedule.subject);
        tracing::warn!(
            kind,
            subject,
            "the clock was set back: a schedule that it had planned is planned anew"
        );
        write.rows().schedule_put(&schedule).await?;
        write.commit().await
    }

    /// Sets a schedule's job going, unless another node did, or the one before is not over.
    async fn fire(&self, seen: &Schedule) -> Result<()> {
        let mut write = self.write_as_system().await?;
        let now = write.now();
        let locked = write.rows().schedule_lock(&seen.kind, seen.subject).await?;
        let Some(mut schedule) = locked.filter(|schedule| schedule.next.is_some_and(|next| next <= now))
        else {
            return Ok(());
        };
        let (kind, subject) = (schedule.kind.as_str(), schedule.subject);
        if write.rows().execution_is_open(kind, subject, Trigger::Schedule).await? {
            tracing::warn!(kind, subject, "a schedule is due whose last run is not over: it is left out");
        } else {
            let rules = self.inner.kinds.get(kind).map(|kind| kind.rules).unwrap_or_default();
            begin(&mut write, &schedule, rules.priority).await?;
        }
        // From now on: however many runs were missed, this one made up for them.
        schedule.next = match Cron::parse(&schedule.cron, &schedule.time_zone) {
            Ok(cron) => cron.next(now),
            Err(error) => {
                // It read when it was made. It must not keep everything else from being begun.
                tracing::error!(kind, subject, %error, "a schedule is out of force until it is set again");
                None
            }
        };
        write.rows().schedule_put(&schedule).await?;
        write.commit().await
    }
}

/// Whether a schedule waits for a later time than the one that it would be planned for now.
fn is_late(schedule: &Schedule, now: Timestamp) -> bool {
    let Ok(cron) = Cron::parse(&schedule.cron, &schedule.time_zone) else { return false };
    schedule.next.zip(cron.next(now.plus(SKEW))).is_some_and(|(planned, due)| planned > due)
}

async fn begin(write: &mut Write<'_>, schedule: &Schedule, priority: Priority) -> Result<()> {
    let now = write.now();
    let mut detail: Map<String, Value> = serde_json::from_str(&schedule.payload).unwrap_or_default();
    detail.remove("v");
    let new = NewExecution {
        kind: schedule.kind.clone(),
        subject: schedule.subject,
        trigger: Trigger::Schedule,
        detail: Value::Object(detail).to_string(),
        started_at: now,
    };
    let execution = write.rows().execution_insert(&new).await?;
    let task = NewTask {
        execution,
        job: uuid::Uuid::new_v4().to_string(),
        kind: schedule.kind.clone(),
        payload: schedule.payload.clone(),
        priority,
        key: None,
        due: now,
        detail: "{}".to_owned(),
        created_at: now,
    };
    write.enqueue_stored(&task).await.map(|_| ())
}

//! Schedules: what is set going by the clock.

use async_trait::async_trait;

use super::{Listed, RowResult, ScheduleId};
use crate::Timestamp;
use crate::query::{Query, keys};

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its key.
    pub id: ScheduleId,
    /// What it sets going, as Harbor calls it.
    pub kind: String,
    /// What that is done for; 0 where there is one such thing only. There is one schedule of a kind for each.
    pub subject: i64,
    /// What people chose: `Hourly`, `Daily`, `Weekly`, `Custom`.
    pub rhythm: String,
    /// When: Harbor's six fields.
    pub cron: String,
    /// Of which time zone the fields are, by its IANA name.
    pub time_zone: String,
    /// The job that is set going, as JSON with a version.
    pub payload: String,
    /// When it does so next; `None` for never again.
    pub next: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

keys! {
    /// What lists of schedules are sorted by.
    pub enum ScheduleKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `vendor_type`.
        Kind: Text, "vendor_type", "VendorType", filter, sort;
        /// `vendor_id`.
        Subject: Int, "vendor_id", "VendorID", filter, sort;
        /// `cron`.
        Cron: Text, "cron", "CRON", filter, sort;
        /// `update_time`.
        UpdatedAt: Time, "update_time", "UpdateTime", filter, sort;
    }
}

/// Reads schedules.
#[async_trait]
pub trait ScheduleRows {
    /// The schedule of a kind for one thing.
    async fn schedule(&mut self, kind: &str, subject: i64) -> RowResult<Option<Schedule>>;

    /// A page of all schedules; in the order of keys, unless the query has another.
    async fn schedules(&mut self, query: &Query<ScheduleKey>) -> RowResult<Listed<Schedule>>;

    /// Up to `limit` schedules that set something going at `now` or before, the longest due first.
    async fn schedules_due(&mut self, now: Timestamp, limit: u32) -> RowResult<Vec<Schedule>>;

    /// When the next schedule sets something going.
    async fn schedule_next(&mut self) -> RowResult<Option<Timestamp>>;
}

/// Changes schedules.
#[async_trait]
pub trait ScheduleRowsMut {
    /// Makes the schedule of its kind for its thing, or replaces the one that there is, which keeps its key and when it was
    /// made.
    async fn schedule_put(&mut self, schedule: &Schedule) -> RowResult<()>;

    /// The schedule of a kind for one thing, which it *locks*.
    async fn schedule_lock(&mut self, kind: &str, subject: i64) -> RowResult<Option<Schedule>>;

    /// Deletes the schedule of a kind for one thing. False when there is none.
    async fn schedule_delete(&mut self, kind: &str, subject: i64) -> RowResult<bool>;
}

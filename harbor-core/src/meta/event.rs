//! The outbox: events written in the transaction of the change that they tell of.

use async_trait::async_trait;

use super::RowResult;
use crate::Timestamp;

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its number: later events have higher ones, and numbers may be missing.
    pub id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// The event, serialised.
    pub body: String,
}

/// Reads the outbox.
#[async_trait]
pub trait EventRows {
    /// Up to `limit` events with numbers above `after`, by number.
    async fn events(&mut self, after: i64, limit: u32) -> RowResult<Vec<EventRow>>;

    /// The highest number of an event that there is.
    async fn event_last(&mut self) -> RowResult<Option<i64>>;

    /// The number of the last event that was delivered to a sink.
    async fn event_cursor(&mut self, sink: &str) -> RowResult<Option<i64>>;

    /// The lowest number of all sinks, whichever nodes have them.
    async fn event_cursor_lowest(&mut self) -> RowResult<Option<i64>>;
}

/// Changes the outbox.
#[async_trait]
pub trait EventRowsMut {
    /// Writes events that happened in this order.
    async fn events_insert(&mut self, at: Timestamp, bodies: &[String]) -> RowResult<()>;

    /// Records that a sink has everything up to `id`. A higher number that is recorded stays: of several nodes with the same
    /// sink one may be slower.
    async fn event_cursor_put(&mut self, sink: &str, id: i64) -> RowResult<()>;

    /// The number of the last event that a sink has, which it *locks*; none where no number was ever recorded for it.
    async fn event_cursor_lock(&mut self, sink: &str) -> RowResult<Option<i64>>;

    /// Deletes events with numbers up to `id`; yields how many.
    async fn events_delete(&mut self, id: i64) -> RowResult<u64>;
}

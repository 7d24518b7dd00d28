//! Delivery of events: at least once, in order, each sink at its own pace.

use std::time::Duration;

use super::Harbor;
use crate::event::{Event, EventSink};
use crate::meta::EventRow;
use crate::{Error, Result};

/// How many events are read at a time.
const BATCH: u32 = 100;

/// For how long a gap in the numbers may still be filled: transactions get their number before they commit, so on a store
/// with concurrent writers a lower number can appear after a higher one. No transaction of the engine is open for longer.
const GAP: Duration = Duration::from_secs(30);

impl Harbor {
    /// Delivers the next events to every sink that is not failing. True when there may be more.
    pub(super) async fn deliver_events(&self) -> Result<bool> {
        let mut more = false;
        let mut slowest = i64::MAX;
        for sink in &self.inner.sinks {
            let (cursor, moved) = self.deliver_to(sink.as_ref()).await?;
            more |= moved;
            slowest = slowest.min(cursor);
        }
        if more && slowest != i64::MAX {
            let mut write = self.write_as_system().await?;
            write.rows().events_delete(slowest).await?;
            write.commit().await?;
        }
        Ok(more)
    }

    /// Delivers a batch to one sink. Yields how far it is, and whether it got on.
    async fn deliver_to(&self, sink: &dyn EventSink) -> Result<(i64, bool)> {
        let mut rows = self.read().await?;
        let before = rows.event_cursor(sink.name()).await?.unwrap_or(0);
        let batch = rows.events(before, BATCH).await?;
        drop(rows);
        let mut cursor = before;
        for row in self.settled(before, batch) {
            let event = decode(&row)?;
            if let Err(error) = sink.deliver(&event).await {
                tracing::warn!(sink = sink.name(), event = row.id, %error, "an event was not taken and will come again");
                break;
            }
            cursor = row.id;
        }
        if cursor > before {
            let mut write = self.write_as_system().await?;
            write.rows().event_cursor_put(sink.name(), cursor).await?;
            write.commit().await?;
        }
        Ok((cursor, cursor > before))
    }

    /// The events ahead of the first gap that may still be filled.
    fn settled(&self, before: i64, batch: Vec<EventRow>) -> impl Iterator<Item = EventRow> {
        let now = self.now();
        let exclusive = self.inner.caches.is_exact();
        let mut last = before;
        batch.into_iter().take_while(move |row| {
            let gap = row.id > last.saturating_add(1);
            last = row.id;
            exclusive || !gap || now.since(row.at) > GAP
        })
    }
}

fn decode(row: &EventRow) -> Result<Event> {
    let mut event: Event = serde_json::from_str(&row.body)
        .map_err(|error| Error::Internal(format!("event {} does not read: {error}", row.id)))?;
    event.id = row.id;
    Ok(event)
}

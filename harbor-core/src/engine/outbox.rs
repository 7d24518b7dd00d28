//! Delivery of events: at least once, in order, each sink at its own pace.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Harbor;
use super::gate::contended;
use crate::Result;
use crate::event::{Event, EventSink};
use crate::meta::{EventRow, Reads, SettingRows};

/// How many events are read at a time.
const BATCH: u32 = 100;

/// From which age on nothing comes ahead of an event any more, however much the clocks of the nodes differ: who begins to read far
/// behind does not wait at each gap.
const OLD: Duration = Duration::from_secs(10 * 60);

/// For how long events are kept that no sink of this registry waits for: a receiver that is added hears of the last days.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many events are deleted in one transaction.
const FORGOTTEN_AT_ONCE: u32 = 1000;

/// For how long events are kept that every sink has: who listens to the stream of events may lose the connection.
const RESUMED: Duration = Duration::from_secs(10 * 60);

/// The setting that has the number of the last event that is kept no more.
const FORGOTTEN: &str = "events.forgotten";

/// How long a sink may take over one event. After that it counts as not taken, and comes again.
const PATIENCE: Duration = Duration::from_secs(30);

/// How far a sink got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// There may be more for it.
    More,
    /// It has everything that can be delivered now.
    All,
    /// It did not take an event, which will come again.
    Refused,
}

impl Harbor {
    /// Delivers the next events to the sink of that number.
    pub(super) async fn deliver_events(&self, sink: usize, stop: &CancellationToken) -> Result<Delivered> {
        let Some(sink) = self.inner.sinks.get(sink) else { return Ok(Delivered::All) };
        let mut rows = self.read().await?;
        let known = rows.event_cursor(sink.name()).await?;
        let before = known.unwrap_or(0);
        let batch = rows.events(before, BATCH).await?;
        drop(rows);
        if known.is_none() {
            // From now on other nodes keep events for it.
            self.advance(sink.name(), before).await?;
        }
        let (mut cursor, mut outcome) = (before, Delivered::All);
        for row in self.settled(before, batch) {
            let taken = tokio::select! {
                () = stop.cancelled() => break,
                taken = deliver(sink.as_ref(), &row) => taken,
            };
            if !taken {
                outcome = Delivered::Refused;
                break;
            }
            (cursor, outcome) = (row.id, Delivered::More);
        }
        if cursor > before {
            self.advance(sink.name(), cursor).await?;
        }
        Ok(outcome)
    }

    /// Records how far a sink is.
    async fn advance(&self, sink: &str, cursor: i64) -> Result<()> {
        let mut write = self.write_as_system().await?;
        write.rows().event_cursor_put(sink, cursor).await?;
        write.commit().await
    }

    /// Deletes what every sink has, whichever node it is of, unless it is so young that somebody who listens to the stream may come
    /// back for it; and what is old and no sink of this registry waits for: one that was taken out of the configuration leaves its
    /// cursor behind, and nobody can tell it from one that another node has.
    pub(super) async fn forget_events(&self) -> Result<()> {
        loop {
            let mut rows = self.read().await?;
            let events = rows.events(0, FORGOTTEN_AT_ONCE).await?;
            let own = slowest(&mut *rows, &self.inner.sinks).await?.unwrap_or(i64::MAX);
            let own = own.min(self.fanned_out(&mut *rows).await?.unwrap_or(i64::MAX));
            let all = rows.event_cursor_lowest().await?.unwrap_or(0);
            drop(rows);
            let (young, old) = (self.now().minus(RESUMED), self.now().minus(KEPT));
            let goes = |event: &&EventRow| {
                event.id <= own && event.at < young && (event.id <= all || event.at < old)
            };
            let Some(last) = events.iter().take_while(goes).last().map(|event| event.id) else {
                return Ok(());
            };
            contended!(self.try_forget_events(last))?;
            if events.last().is_some_and(|event| event.id > last) || events.len() < FORGOTTEN_AT_ONCE as usize
            {
                return Ok(());
            }
        }
    }

    async fn try_forget_events(&self, last: i64) -> Result<()> {
        let mut write = self.write_as_system().await?;
        if write.rows().events_delete(last).await? == 0 {
            // Another node was quicker, and has written how far it came.
            return Ok(());
        }
        // Behind the deletion, which waits for others that delete the same: one may be further.
        if forgotten(&mut *write.rows()).await? < last {
            write.rows().setting_put(FORGOTTEN, &last.to_string()).await?;
        }
        write.commit().await
    }

    /// The events ahead of the first gap that may still be filled.
    pub(super) fn settled(
        &self,
        last: i64,
        mut batch: Vec<EventRow>,
    ) -> impl Iterator<Item = EventRow> + use<> {
        // Where one transaction at a time writes, no gap is filled.
        if !self.inner.caches.is_exact() {
            let now = self.now();
            let old = batch.iter().take_while(|row| now.since(row.at) > OLD).count();
            let (before, young) = batch.split_at(old);
            let last = before.last().map_or(last, |row| row.id);
            let settled = self.inner.event_gaps.settled(last, young.iter().map(|row| row.id), now);
            batch.truncate(old + settled);
        }
        batch.into_iter()
    }
}

/// The number of the last event that is kept no more.
pub(super) async fn forgotten(rows: &mut (impl SettingRows + Send + ?Sized)) -> Result<i64> {
    let stored = rows.setting(FORGOTTEN).await?;
    Ok(stored.and_then(|number| number.parse().ok()).unwrap_or_default())
}

/// How far the slowest of these sinks is, when there is any.
async fn slowest(rows: &mut dyn Reads, sinks: &[Arc<dyn EventSink>]) -> Result<Option<i64>> {
    let mut slowest = None;
    for sink in sinks {
        let cursor = rows.event_cursor(sink.name()).await?.unwrap_or(0);
        slowest = Some(slowest.map_or(cursor, |slowest: i64| slowest.min(cursor)));
    }
    Ok(slowest)
}

/// Whether the sink took the event. One that does not read is told of in the log and counts as taken: it would otherwise
/// hold up all that come after it, for ever.
async fn deliver(sink: &dyn EventSink, row: &EventRow) -> bool {
    let event = match serde_json::from_str::<Event>(&row.body) {
        Ok(event) => Event { id: row.id, ..event },
        Err(error) => {
            tracing::error!(event = row.id, %error, "an event does not read and was left out");
            return true;
        }
    };
    match tokio::time::timeout(PATIENCE, sink.deliver(&event)).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(sink = sink.name(), event = row.id, %error, "an event was not taken and will come again");
            false
        }
        Err(_) => {
            tracing::warn!(
                sink = sink.name(),
                event = row.id,
                "an event was not taken in time and will come again"
            );
            false
        }
    }
}

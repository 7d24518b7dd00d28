use async_trait::async_trait;
use harbor_core::meta::{EventRow, EventRows, EventRowsMut};
use harbor_core::{StoreError, Timestamp};

use super::{Rows, first};
use crate::sql::session::Row;
use crate::sql::statement::{Value, sql, values};

fn event(row: &Row) -> Result<EventRow, StoreError> {
    Ok(EventRow { id: row.int(0)?, at: Timestamp::from_micros(row.int(1)?), body: row.text(2)? })
}

#[async_trait]
impl EventRows for Rows {
    async fn events(&mut self, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        let list = sql!("SELECT id, happened_at, body FROM events WHERE id > ? ORDER BY id LIMIT ?");
        self.session.fetch(list, values![after, limit]).await?.iter().map(event).collect()
    }

    async fn event_cursor(&mut self, sink: &str) -> Result<Option<i64>, StoreError> {
        let find = sql!("SELECT event_id FROM event_cursors WHERE sink = ?");
        first(self.session.fetch(find, values![sink]).await?).map(|row| row.int(0)).transpose()
    }

    async fn event_last(&mut self) -> Result<Option<i64>, StoreError> {
        let find = sql!("SELECT MAX(id) FROM events");
        first(self.session.fetch(find, values![]).await?).map_or(Ok(None), |row| row.optional_int(0))
    }

    async fn event_cursor_lowest(&mut self) -> Result<Option<i64>, StoreError> {
        let find = sql!("SELECT MIN(event_id) FROM event_cursors");
        first(self.session.fetch(find, values![]).await?).map_or(Ok(None), |row| row.optional_int(0))
    }
}

#[async_trait]
impl EventRowsMut for Rows {
    async fn events_insert(&mut self, at: Timestamp, bodies: &[String]) -> Result<(), StoreError> {
        // Each statement has one text, so that the database knows it already; a push writes one event, two or three.
        for some in bodies.chunks(3) {
            let insert = match some.len() {
                1 => sql!("INSERT INTO events (happened_at, body) VALUES (?, ?)"),
                2 => sql!("INSERT INTO events (happened_at, body) VALUES (?, ?), (?, ?)"),
                _ => sql!("INSERT INTO events (happened_at, body) VALUES (?, ?), (?, ?), (?, ?)"),
            };
            let rows = some.iter().flat_map(|body| [Value::from(at.micros()), Value::from(body.as_str())]);
            self.session.defer(insert, rows.collect()).await?;
        }
        Ok(())
    }

    async fn event_cursor_put(&mut self, sink: &str, id: i64) -> Result<(), StoreError> {
        let put = sql!(
            "INSERT INTO event_cursors (sink, event_id) VALUES (?, ?) \
             ON CONFLICT (sink) DO UPDATE SET event_id = \
             CASE WHEN excluded.event_id > event_cursors.event_id THEN excluded.event_id \
             ELSE event_cursors.event_id END"
        );
        self.session.defer(put, values![sink, id]).await
    }

    async fn event_cursor_lock(&mut self, sink: &str) -> Result<Option<i64>, StoreError> {
        let find = sql!("SELECT event_id FROM event_cursors WHERE sink = ? FOR UPDATE");
        first(self.session.fetch(find, values![sink]).await?).map(|row| row.int(0)).transpose()
    }

    async fn events_delete(&mut self, id: i64) -> Result<u64, StoreError> {
        let delete = sql!("DELETE FROM events WHERE id <= ?");
        self.session.execute(delete, values![id]).await
    }
}

use async_trait::async_trait;
use harbor_core::meta::{Listed, Schedule, ScheduleId, ScheduleKey, ScheduleRows, ScheduleRowsMut};
use harbor_core::query::Query;
use harbor_core::{StoreError, Timestamp};

use super::{Rows, at_or_never, first, never_or_at};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

macro_rules! columns {
    () => {
        "id, kind, subject_id, rhythm, cron, time_zone, payload, next_at, created_at, updated_at"
    };
}

fn schedule(row: &Row) -> Result<Schedule, StoreError> {
    Ok(Schedule {
        id: ScheduleId::new(row.int(0)?),
        kind: row.text(1)?,
        subject: row.int(2)?,
        rhythm: row.text(3)?,
        cron: row.text(4)?,
        time_zone: row.text(5)?,
        payload: row.text(6)?,
        next: never_or_at(row.int(7)?),
        created_at: Timestamp::from_micros(row.int(8)?),
        updated_at: Timestamp::from_micros(row.int(9)?),
    })
}

const fn column(key: ScheduleKey) -> &'static str {
    match key {
        ScheduleKey::Id => "id",
        ScheduleKey::Kind => "kind",
        ScheduleKey::Subject => "subject_id",
        ScheduleKey::Cron => "cron",
        ScheduleKey::UpdatedAt => "updated_at",
    }
}

#[async_trait]
impl ScheduleRows for Rows {
    async fn schedule(&mut self, kind: &str, subject: i64) -> Result<Option<Schedule>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM schedules WHERE kind = ? AND subject_id = ?"));
        first(self.session.fetch(find, values![kind, subject]).await?).map(|row| schedule(&row)).transpose()
    }

    async fn schedules(&mut self, query: &Query<ScheduleKey>) -> Result<Listed<Schedule>, StoreError> {
        self.list(Listing::new(columns!(), "schedules", "id").query(query, column, ""), schedule).await
    }

    async fn schedules_due(&mut self, now: Timestamp, limit: u32) -> Result<Vec<Schedule>, StoreError> {
        let list = sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM schedules WHERE next_at > 0 AND next_at <= ? ORDER BY next_at, id LIMIT ?"
        ));
        self.session.fetch(list, values![now.micros(), limit]).await?.iter().map(schedule).collect()
    }

    async fn schedule_next(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let find = sql!("SELECT MIN(next_at) FROM schedules WHERE next_at > 0");
        let next = first(self.session.fetch(find, values![]).await?);
        Ok(next.map_or(Ok(None), |row| row.optional_int(0))?.map(Timestamp::from_micros))
    }
}

#[async_trait]
impl ScheduleRowsMut for Rows {
    async fn schedule_put(&mut self, schedule: &Schedule) -> Result<(), StoreError> {
        let put = sql!(
            "INSERT INTO schedules (kind, subject_id, rhythm, cron, time_zone, payload, next_at, created_at, updated_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, subject_id) DO UPDATE SET \
             rhythm = excluded.rhythm, cron = excluded.cron, time_zone = excluded.time_zone, \
             payload = excluded.payload, next_at = excluded.next_at, updated_at = excluded.updated_at"
        );
        let parameters = values![
            schedule.kind.as_str(),
            schedule.subject,
            schedule.rhythm.as_str(),
            schedule.cron.as_str(),
            schedule.time_zone.as_str(),
            schedule.payload.as_str(),
            at_or_never(schedule.next),
            schedule.created_at.micros(),
            schedule.updated_at.micros(),
        ];
        self.session.defer(put, parameters).await
    }

    async fn schedule_lock(&mut self, kind: &str, subject: i64) -> Result<Option<Schedule>, StoreError> {
        let find = sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM schedules WHERE kind = ? AND subject_id = ? FOR UPDATE"
        ));
        first(self.session.fetch(find, values![kind, subject]).await?).map(|row| schedule(&row)).transpose()
    }

    async fn schedule_delete(&mut self, kind: &str, subject: i64) -> Result<bool, StoreError> {
        let delete = sql!("DELETE FROM schedules WHERE kind = ? AND subject_id = ?");
        Ok(self.session.execute(delete, values![kind, subject]).await? == 1)
    }
}

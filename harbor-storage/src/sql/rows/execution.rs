use async_trait::async_trait;
use harbor_core::meta::{
    Execution, ExecutionId, ExecutionKey, ExecutionRows, ExecutionRowsMut, ExecutionScope, ExecutionStatus,
    Listed, NewExecution, TaskCounts, Trigger,
};
use harbor_core::query::Query;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};
use uuid::Uuid;

use super::{Rows, at_or_never, first, never_or_at};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{Value, sql, values};

macro_rules! columns {
    () => {
        "id, kind, subject_id, triggered_by, status, message, waiting, running, succeeded, failed, stopped, detail, \
         started_at, updated_at, ended_at"
    };
}

fn execution(row: &Row) -> Result<Execution, StoreError> {
    let trigger = row.text(3)?;
    let unknown = |what| StoreError::new(StoreErrorKind::Corrupt, format!("an execution with {what}"));
    Ok(Execution {
        id: ExecutionId::new(row.int(0)?),
        kind: row.text(1)?,
        subject: row.int(2)?,
        trigger: Trigger::named(&trigger).ok_or_else(|| unknown(format!("trigger {trigger}")))?,
        status: ExecutionStatus::named(&row.text(4)?).ok_or_else(|| unknown("no known status".to_owned()))?,
        message: row.text(5)?,
        tasks: TaskCounts {
            waiting: row.count(6)?,
            running: row.count(7)?,
            succeeded: row.count(8)?,
            failed: row.count(9)?,
            stopped: row.count(10)?,
        },
        detail: row.text(11)?,
        started_at: Timestamp::from_micros(row.int(12)?),
        updated_at: Timestamp::from_micros(row.int(13)?),
        ended_at: never_or_at(row.int(14)?),
    })
}

const fn column(key: ExecutionKey) -> &'static str {
    match key {
        ExecutionKey::Id => "id",
        ExecutionKey::Kind => "kind",
        ExecutionKey::Subject => "subject_id",
        ExecutionKey::Trigger => "triggered_by",
        ExecutionKey::Status => "status",
        ExecutionKey::StartedAt | ExecutionKey::CreatedAt => "started_at",
        ExecutionKey::UpdatedAt => "updated_at",
        ExecutionKey::EndedAt => "ended_at",
    }
}

#[async_trait]
impl ExecutionRows for Rows {
    async fn execution(&mut self, id: ExecutionId) -> Result<Option<Execution>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM executions WHERE id = ?"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| execution(&row)).transpose()
    }

    async fn executions(
        &mut self,
        scope: &ExecutionScope,
        query: &Query<ExecutionKey>,
    ) -> Result<Listed<Execution>, StoreError> {
        let marks = vec!["?"; scope.kinds.len().max(1)].join(", ");
        let mut kinds: Vec<Value> = scope.kinds.iter().map(|kind| kind.as_str().into()).collect();
        if kinds.is_empty() {
            // No kind has no name.
            kinds.push("".into());
        }
        let mut listing =
            Listing::new(columns!(), "executions", "id").only(&format!("kind IN ({marks})"), kinds);
        if let Some(subject) = scope.subject {
            listing = listing.only("subject_id = ?", values![subject]);
        }
        self.list(listing.query(query, column, "id DESC"), execution).await
    }

    async fn executions_beyond(
        &mut self,
        kind: &str,
        subject: i64,
        status: ExecutionStatus,
        keep: u32,
        limit: u32,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        let status = status.as_str();
        let place = |row: &Row| Ok((row.int(0)?, row.int(1)?));
        let last = sql!(
            "SELECT ended_at, id FROM executions WHERE kind = ? AND subject_id = ? AND status = ? \
             ORDER BY ended_at DESC, id DESC LIMIT 1 OFFSET ?"
        );
        let Some(row) = first(self.session.fetch(last, values![kind, subject, status, keep]).await?) else {
            return Ok(Vec::new());
        };
        let last = place(&row)?;
        let list = sql!(
            "SELECT ended_at, id FROM executions WHERE kind = ? AND subject_id = ? AND status = ? AND ended_at <= ? \
             ORDER BY ended_at, id LIMIT ?"
        );
        let rows = self.session.fetch(list, values![kind, subject, status, last.0, limit]).await?;
        let places = rows.iter().map(place).collect::<Result<Vec<_>, StoreError>>()?;
        // Of those that ended at the same moment, the later ones may be kept.
        Ok(places.into_iter().filter(|place| *place <= last).map(|(_, id)| ExecutionId::new(id)).collect())
    }

    async fn execution_is_open(
        &mut self,
        kind: &str,
        subject: i64,
        trigger: Trigger,
    ) -> Result<bool, StoreError> {
        let find = sql!(
            "SELECT id FROM executions WHERE kind = ? AND subject_id = ? AND triggered_by = ? AND ended_at = 0 LIMIT 1"
        );
        Ok(!self.session.fetch(find, values![kind, subject, trigger.as_str()]).await?.is_empty())
    }
}

#[async_trait]
impl ExecutionRowsMut for Rows {
    async fn execution_insert(&mut self, new: &NewExecution) -> Result<ExecutionId, StoreError> {
        let insert = sql!(
            "INSERT INTO executions (token, kind, subject_id, triggered_by, status, message, waiting, running, \
             succeeded, failed, stopped, detail, started_at, updated_at, ended_at) \
             VALUES (?, ?, ?, ?, ?, '', 0, 0, 0, 0, 0, ?, ?, ?, 0)"
        );
        let token = Uuid::new_v4().to_string();
        let (at, trigger) = (new.started_at.micros(), new.trigger.as_str());
        let running = ExecutionStatus::Running.as_str();
        let parameters = values![
            token.as_str(),
            new.kind.as_str(),
            new.subject,
            trigger,
            running,
            new.detail.as_str(),
            at,
            at
        ];
        self.session.defer(insert, parameters).await?;
        let find = sql!("SELECT id FROM executions WHERE token = ?");
        match first(self.session.fetch(find, values![token]).await?) {
            Some(row) => row.int(0).map(ExecutionId::new),
            None => Err(StoreError::new(StoreErrorKind::Other, "an execution that was made is not there")),
        }
    }

    async fn execution_lock(&mut self, id: ExecutionId) -> Result<Option<Execution>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM executions WHERE id = ? FOR UPDATE"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| execution(&row)).transpose()
    }

    async fn execution_save(&mut self, execution: &Execution) -> Result<(), StoreError> {
        let update = sql!(
            "UPDATE executions SET status = ?, message = ?, waiting = ?, running = ?, succeeded = ?, failed = ?, \
             stopped = ?, detail = ?, updated_at = ?, ended_at = ? WHERE id = ?"
        );
        let TaskCounts { waiting, running, succeeded, failed, stopped } = execution.tasks;
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        let parameters = values![
            execution.status.as_str(),
            execution.message.as_str(),
            number(waiting),
            number(running),
            number(succeeded),
            number(failed),
            number(stopped),
            execution.detail.as_str(),
            execution.updated_at.micros(),
            at_or_never(execution.ended_at),
            execution.id.get(),
        ];
        self.session.defer(update, parameters).await
    }

    async fn execution_empty(&mut self, id: ExecutionId, limit: u32) -> Result<u64, StoreError> {
        let find = sql!("SELECT id FROM tasks WHERE execution_id = ? ORDER BY id LIMIT ?");
        let first = self.session.fetch(find, values![id.get(), limit]).await?;
        let Some(last) = first.last() else { return Ok(0) };
        let last = last.int(0)?;
        let logs = sql!(
            "DELETE FROM task_logs WHERE task_id IN (SELECT id FROM tasks WHERE execution_id = ? AND id <= ?)"
        );
        self.session.defer(logs, values![id.get(), last]).await?;
        let tasks = sql!("DELETE FROM tasks WHERE execution_id = ? AND id <= ?");
        self.session.defer(tasks, values![id.get(), last]).await?;
        Ok(first.len() as u64)
    }

    async fn execution_delete(&mut self, id: ExecutionId) -> Result<(), StoreError> {
        let logs =
            sql!("DELETE FROM task_logs WHERE task_id IN (SELECT id FROM tasks WHERE execution_id = ?)");
        self.session.defer(logs, values![id.get()]).await?;
        self.session.defer(sql!("DELETE FROM tasks WHERE execution_id = ?"), values![id.get()]).await?;
        self.session.defer(sql!("DELETE FROM executions WHERE id = ?"), values![id.get()]).await
    }
}

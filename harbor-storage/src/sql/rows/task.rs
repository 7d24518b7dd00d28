use async_trait::async_trait;
use harbor_core::meta::{
    ExecutionId, Held, Listed, NewTask, Priority, Queued, Task, TaskId, TaskKey, TaskRows, TaskRowsMut,
    TaskScope, TaskStatus,
};
use harbor_core::query::Query;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{PIECE, Rows, at_or_never, first, never_or_at, piece_of, rows_of};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{Value, sql, values};

macro_rules! columns {
    () => {
        "id, execution_id, job, kind, payload, priority, serial_key, slot, status, due_at, failures, runs, owner, \
         is_stopping, progress, message, detail, created_at, updated_at, started_at, ended_at, deaths"
    };
}

const fn level(priority: Priority) -> i64 {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Low => 2,
    }
}

fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn corrupt(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, format!("a task was stored with {what}"))
}

fn task(row: &Row) -> Result<Task, StoreError> {
    let (priority, status) = (row.int(5)?, row.text(8)?);
    let priority = Priority::ALL.into_iter().find(|known| level(*known) == priority);
    Ok(Task {
        id: TaskId::new(row.int(0)?),
        execution: ExecutionId::new(row.int(1)?),
        job: row.text(2)?,
        kind: row.text(3)?,
        payload: row.text(4)?,
        priority: priority.ok_or_else(|| corrupt("no known priority"))?,
        key: row.optional_text(6)?,
        slot: row.optional_int(7)?.map(small),
        status: TaskStatus::named(&status).ok_or_else(|| corrupt("no known status"))?,
        due: Timestamp::from_micros(row.int(9)?),
        failures: small(row.int(10)?),
        runs: small(row.int(11)?),
        owner: row.text(12)?,
        stopping: row.int(13)? != 0,
        progress: row.text(14)?,
        message: row.text(15)?,
        detail: row.text(16)?,
        created_at: Timestamp::from_micros(row.int(17)?),
        updated_at: Timestamp::from_micros(row.int(18)?),
        started_at: never_or_at(row.int(19)?),
        ended_at: never_or_at(row.int(20)?),
        deaths: small(row.int(21)?),
    })
}

const fn column(key: TaskKey) -> &'static str {
    match key {
        TaskKey::Id => "id",
        TaskKey::Execution => "execution_id",
        TaskKey::Job => "job",
        TaskKey::Kind => "kind",
        TaskKey::Status => "status",
        TaskKey::CreatedAt => "created_at",
        TaskKey::StartedAt => "started_at",
        TaskKey::UpdatedAt => "updated_at",
        TaskKey::EndedAt => "ended_at",
    }
}

impl Rows {
    async fn one_task(
        &mut self,
        find: &'static crate::sql::statement::Statement,
        values: Vec<Value>,
    ) -> Result<Option<Task>, StoreError> {
        first(self.session.fetch(find, values).await?).map(|row| task(&row)).transpose()
    }

    /// When the first task of each of these kinds is due, of those that have one: each by the index, however many wait of others.
    async fn first_due<'a>(
        &mut self,
        status: TaskStatus,
        priority: Priority,
        kinds: &[&'a str],
    ) -> Result<Vec<(&'a str, Timestamp)>, StoreError> {
        let find = sql!(concat!(
            "SELECT ",
            piece_of!("(SELECT MIN(due_at) FROM tasks WHERE status = ? AND kind = ? AND priority = ?)")
        ));
        let key = |kind: &&str| [status.as_str().into(), (*kind).into(), level(priority).into()];
        let mut first = Vec::new();
        for (kinds, values) in kinds.chunks(PIECE).zip(rows_of(kinds, key)) {
            for row in self.session.fetch(find, values).await? {
                for (place, kind) in kinds.iter().enumerate() {
                    let due = row.optional_int(place)?.map(Timestamp::from_micros);
                    first.extend(due.map(|due| (*kind, due)));
                }
            }
        }
        Ok(first)
    }
}

#[async_trait]
impl TaskRows for Rows {
    async fn task(&mut self, id: TaskId) -> Result<Option<Task>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM tasks WHERE id = ?"));
        self.one_task(find, values![id.get()]).await
    }

    async fn task_of_job(&mut self, job: &str) -> Result<Option<Task>, StoreError> {
        // No job has a name with a NUL, which PostgreSQL takes in no text.
        if job.contains('\0') {
            return Ok(None);
        }
        let find = sql!(concat!("SELECT ", columns!(), " FROM tasks WHERE job = ?"));
        self.one_task(find, values![job]).await
    }

    async fn tasks(
        &mut self,
        scope: TaskScope<'_>,
        query: &Query<TaskKey>,
    ) -> Result<Listed<Task>, StoreError> {
        let mut listing = Listing::new(columns!(), "tasks", "id");
        if let Some(execution) = scope.execution {
            listing = listing.only("execution_id = ?", values![execution.get()]);
        }
        if let Some(owner) = scope.owner {
            listing = listing.only("owner = ? AND status = ?", values![owner, TaskStatus::Running.as_str()]);
        }
        self.list(listing.query(query, column, "id DESC"), task).await
    }

    async fn tasks_held(&mut self, owner: &str) -> Result<Vec<Held>, StoreError> {
        let list = sql!("SELECT id, runs, is_stopping FROM tasks WHERE owner = ? AND status = ?");
        let rows = self.session.fetch(list, values![owner, TaskStatus::Running.as_str()]).await?;
        let held = |row: &Row| {
            let (id, runs) = (TaskId::new(row.int(0)?), small(row.int(1)?));
            Ok(Held { id, runs, stopping: row.int(2)? != 0 })
        };
        rows.iter().map(held).collect()
    }

    async fn task_next_due(
        &mut self,
        status: TaskStatus,
        priority: Priority,
        kinds: &[&str],
    ) -> Result<Option<Timestamp>, StoreError> {
        let first = self.first_due(status, priority, kinds).await?;
        Ok(first.into_iter().map(|(_, due)| due).min())
    }

    async fn task_slots(&mut self, kind: &str) -> Result<Vec<u32>, StoreError> {
        let list =
            sql!("SELECT slot FROM tasks WHERE status = ? AND kind = ? AND slot IS NOT NULL ORDER BY slot");
        let rows = self.session.fetch(list, values![TaskStatus::Running.as_str(), kind]).await?;
        rows.iter().map(|row| row.int(0).map(small)).collect()
    }

    async fn task_head(&mut self, key: &str) -> Result<Option<(TaskId, TaskStatus, Timestamp)>, StoreError> {
        // Each by an index, however many wait.
        let running = sql!("SELECT id, status, due_at FROM tasks WHERE running_key = ?");
        let mut found = first(self.session.fetch(running, values![key]).await?);
        if found.is_none() {
            let waiting = sql!(
                "SELECT id, status, due_at FROM tasks WHERE serial_key = ? AND status = ? ORDER BY id LIMIT 1"
            );
            found = first(self.session.fetch(waiting, values![key, TaskStatus::Waiting.as_str()]).await?);
        }
        let Some(row) = found else { return Ok(None) };
        let status = TaskStatus::named(&row.text(1)?).ok_or_else(|| corrupt("no known status"))?;
        Ok(Some((TaskId::new(row.int(0)?), status, Timestamp::from_micros(row.int(2)?))))
    }

    async fn task_last_priority(&mut self, key: &str) -> Result<Option<Priority>, StoreError> {
        macro_rules! last {
            ($name:literal) => {
                concat!(
                    "SELECT * FROM (SELECT id, priority FROM tasks WHERE serial_key = ? AND status = ? \
                     ORDER BY id DESC LIMIT 1) ",
                    $name
                )
            };
        }
        // Of each status by the index, however many there are.
        let find = sql!(concat!(
            last!("a"),
            " UNION ALL ",
            last!("b"),
            " UNION ALL ",
            last!("c"),
            " UNION ALL ",
            last!("d"),
            " UNION ALL ",
            last!("e")
        ));
        let each =
            TaskStatus::ALL.into_iter().flat_map(|status| [Value::from(key), Value::from(status.as_str())]);
        let rows = self.session.fetch(find, each.collect::<Vec<_>>()).await?;
        let rows =
            rows.iter().map(|row| Ok((row.int(0)?, row.int(1)?))).collect::<Result<Vec<_>, StoreError>>()?;
        let Some((_, stored)) = rows.into_iter().max() else { return Ok(None) };
        let priority = Priority::ALL.into_iter().find(|known| level(*known) == stored);
        priority.map(Some).ok_or_else(|| corrupt("no known priority"))
    }

    async fn task_first_waiting(&mut self, key: &str) -> Result<Option<TaskId>, StoreError> {
        let find = sql!("SELECT id FROM tasks WHERE serial_key = ? AND status = ? ORDER BY id LIMIT 1");
        let found = first(self.session.fetch(find, values![key, TaskStatus::Waiting.as_str()]).await?);
        found.map(|row| row.int(0).map(TaskId::new)).transpose()
    }

    async fn tasks_queued(&mut self) -> Result<Vec<Queued>, StoreError> {
        let list = sql!(
            "SELECT kind, COUNT(*), MIN(created_at) FROM tasks WHERE status = ? GROUP BY kind ORDER BY kind"
        );
        let rows = self.session.fetch(list, values![TaskStatus::Waiting.as_str()]).await?;
        let queued = |row: &Row| {
            let oldest = Timestamp::from_micros(row.int(2)?);
            Ok(Queued { kind: row.text(0)?, waiting: row.count(1)?, oldest })
        };
        rows.iter().map(queued).collect()
    }

    async fn task_log(
        &mut self,
        id: TaskId,
        after: u32,
        limit: u32,
    ) -> Result<Vec<(u32, String)>, StoreError> {
        let list = sql!(
            "SELECT number, content FROM task_logs WHERE task_id = ? AND number > ? ORDER BY number LIMIT ?"
        );
        let rows = self.session.fetch(list, values![id.get(), after, limit]).await?;
        rows.iter().map(|row| Ok((small(row.int(0)?), row.text(1)?))).collect()
    }

    async fn task_log_end(&mut self, id: TaskId) -> Result<(u32, u64), StoreError> {
        let find = sql!(
            "SELECT COALESCE(MAX(number), 0), CAST(COALESCE(SUM(LENGTH(content)), 0) AS BIGINT) \
             FROM task_logs WHERE task_id = ?"
        );
        match first(self.session.fetch(find, values![id.get()]).await?) {
            Some(row) => Ok((small(row.int(0)?), row.count(1)?)),
            None => Ok((0, 0)),
        }
    }

    async fn tasks_open(&mut self, execution: ExecutionId) -> Result<Vec<TaskId>, StoreError> {
        let list = sql!("SELECT id FROM tasks WHERE execution_id = ? AND status IN (?, ?) ORDER BY id");
        let (waiting, running) = (TaskStatus::Waiting.as_str(), TaskStatus::Running.as_str());
        let rows = self.session.fetch(list, values![execution.get(), waiting, running]).await?;
        rows.iter().map(|row| row.int(0).map(TaskId::new)).collect()
    }
}

#[async_trait]
impl TaskRowsMut for Rows {
    async fn task_insert(&mut self, new: &NewTask) -> Result<TaskId, StoreError> {
        let insert = sql!(
            "INSERT INTO tasks (execution_id, job, kind, payload, priority, serial_key, status, due_at, failures, runs, \
             owner, is_stopping, progress, message, detail, created_at, updated_at, started_at, ended_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, '', 0, '', '', ?, ?, ?, 0, 0)"
        );
        let parameters = values![
            new.execution.get(),
            new.job.as_str(),
            new.kind.as_str(),
            new.payload.as_str(),
            level(new.priority),
            new.key.clone(),
            TaskStatus::Waiting.as_str(),
            new.due.micros(),
            new.detail.as_str(),
            new.created_at.micros(),
            new.created_at.micros(),
        ];
        self.session.defer(insert, parameters).await?;
        let find = sql!("SELECT id FROM tasks WHERE job = ?");
        match first(self.session.fetch(find, values![new.job.as_str()]).await?) {
            Some(row) => row.int(0).map(TaskId::new),
            None => Err(StoreError::new(StoreErrorKind::Other, "a task that was enqueued is not there")),
        }
    }

    async fn tasks_due(
        &mut self,
        status: TaskStatus,
        priority: Priority,
        kinds: &[&str],
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Task>, StoreError> {
        let list = sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM tasks WHERE status = ? AND kind = ? AND priority = ? AND due_at <= ? \
             ORDER BY due_at, id LIMIT ? FOR UPDATE SKIP LOCKED"
        ));
        let mut due = Vec::new();
        if limit == 0 {
            return Ok(due);
        }
        let first = self.first_due(status, priority, kinds).await?;
        for (kind, _) in first.into_iter().filter(|(_, first)| *first <= now) {
            let values = values![status.as_str(), kind, level(priority), now.micros(), limit];
            for row in self.session.fetch(list, values).await? {
                due.push(task(&row)?);
            }
        }
        due.sort_by_key(|task| (task.due, task.id));
        due.truncate(limit as usize);
        Ok(due)
    }

    async fn task_lock(&mut self, id: TaskId) -> Result<Option<Task>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM tasks WHERE id = ? FOR UPDATE"));
        self.one_task(find, values![id.get()]).await
    }

    async fn task_save(&mut self, task: &Task) -> Result<(), StoreError> {
        let update = sql!(
            "UPDATE tasks SET payload = ?, running_key = ?, running_slot = ?, slot = ?, status = ?, due_at = ?, \
             failures = ?, runs = ?, owner = ?, is_stopping = ?, progress = ?, message = ?, detail = ?, \
             updated_at = ?, started_at = ?, ended_at = ?, priority = ?, deaths = ? WHERE id = ?"
        );
        let runs = task.status == TaskStatus::Running;
        let slot = task.slot.filter(|_| runs);
        let parameters = values![
            task.payload.as_str(),
            task.key.clone().filter(|_| runs),
            slot.map(|slot| format!("{}/{slot}", task.kind)),
            slot.map(i64::from),
            task.status.as_str(),
            task.due.micros(),
            task.failures,
            task.runs,
            task.owner.as_str(),
            i64::from(task.stopping),
            task.progress.as_str(),
            task.message.as_str(),
            task.detail.as_str(),
            task.updated_at.micros(),
            at_or_never(task.started_at),
            at_or_never(task.ended_at),
            level(task.priority),
            task.deaths,
            task.id.get(),
        ];
        // Not deferred: whoever claims wants to know at once whether somebody else did.
        self.session.execute(update, parameters).await.map(|_| ())
    }

    async fn tasks_release(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let update = sql!("UPDATE tasks SET due_at = ? WHERE status = ?");
        self.session.defer(update, values![now.micros(), TaskStatus::Running.as_str()]).await
    }

    async fn tasks_beat(
        &mut self,
        owner: &str,
        tasks: &[TaskId],
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let update = sql!("UPDATE tasks SET due_at = ? WHERE id = ? AND owner = ? AND status = ?");
        for id in tasks {
            let values = values![until.micros(), id.get(), owner, TaskStatus::Running.as_str()];
            self.session.defer(update, values).await?;
        }
        Ok(())
    }

    async fn task_wake(&mut self, key: &str, now: Timestamp) -> Result<(), StoreError> {
        let Some(next) = self.task_first_waiting(key).await? else { return Ok(()) };
        // Whatever it is due at: somebody may put it off just now, which is waited for then.
        let update = sql!(
            "UPDATE tasks SET due_at = CASE WHEN due_at > ? THEN ? ELSE due_at END \
             WHERE id = ? AND status = ? AND failures = 0"
        );
        let (now, waiting) = (now.micros(), TaskStatus::Waiting.as_str());
        self.session.defer(update, values![now, now, next.get(), waiting]).await
    }

    async fn task_log_put(&mut self, id: TaskId, number: u32, text: &str) -> Result<(), StoreError> {
        let insert = sql!("INSERT INTO task_logs (task_id, number, content) VALUES (?, ?, ?)");
        self.session.defer(insert, values![id.get(), number, text]).await
    }
}

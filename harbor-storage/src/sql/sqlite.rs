//! SQLite: one writer with group commit, and a pool of readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{Stream, TryStreamExt};
use harbor_core::{StoreError, StoreErrorKind};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteQueryResult, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection, Either, Executor, Sqlite, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::dialect::Dialect;
use super::error::map;
use super::session::{Row, Session, bind, session};
use super::statement::{Statement, Value};

/// How many transactions share a commit at most. The bound keeps the first one's wait short.
const GROUP: usize = 64;

/// How many connections read at most.
const READERS: u32 = 8;

/// How long a connection waits for another process, such as a backup that checkpoints.
const BUSY: Duration = Duration::from_secs(5);

/// A database file that this process alone may write to.
#[derive(Debug)]
pub(super) struct SqliteDatabase {
    readers: SqlitePool,
    writer: Arc<Mutex<Writer>>,
    /// Let go when the database is closed.
    place: std::sync::Mutex<Option<Place>>,
}

/// What belongs to an open database beside its connections.
#[derive(Debug)]
enum Place {
    /// The lock of the operating system, which ends with the process.
    Locked { _file: std::fs::File },
    /// A folder that goes with the database.
    Passing(PathBuf),
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Passing(folder) = self
            && let Err(error) = std::fs::remove_dir_all(&*folder)
        {
            tracing::warn!(folder = %folder.display(), %error, "a passing database was left behind");
        }
    }
}

impl SqliteDatabase {
    /// Opens the file, making it where it is missing.
    pub(super) async fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = lock_file(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // In WAL mode only FULL syncs at each commit, and an answered push must survive a loss of power.
            .synchronous(SqliteSynchronous::Full);
        Self::connect(options, Place::Locked { _file: lock }).await
    }

    /// A database in memory, which is gone with this value.
    ///
    /// In files all the same, in a file system that is memory where there is one: of a database in SQLite's own memory,
    /// readers wait for the writer, and a writer that reads on the side waits for itself.
    pub(super) async fn in_memory() -> Result<Self, StoreError> {
        let folder = passing_folder()?;
        let options = SqliteConnectOptions::new()
            .filename(folder.join("registry.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off);
        Self::connect(options, Place::Passing(folder)).await
    }

    /// Reads the file beside whoever has it. Nothing is migrated, and nobody can write.
    #[cfg(feature = "backup")]
    pub(super) async fn beside(path: &Path) -> Result<Self, StoreError> {
        if !path.is_file() {
            let what = format!("there is no database {}", path.display());
            return Err(StoreError::new(StoreErrorKind::NotFound, what));
        }
        let readers = readers(SqliteConnectOptions::new().filename(path).busy_timeout(BUSY)).await?;
        let writer = Arc::new(Mutex::new(Writer::new(None)));
        Ok(Self { readers, writer, place: std::sync::Mutex::new(None) })
    }

    async fn connect(options: SqliteConnectOptions, place: Place) -> Result<Self, StoreError> {
        let options = options
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .statement_cache_capacity(256)
            .pragma("temp_store", "memory")
            // A checkpoint writes each page once, however often the log has it, and the writer waits for it.
            .pragma("wal_autocheckpoint", "8000")
            .pragma("journal_size_limit", "67108864");
        let opened = |error| map("opening the SQLite database", error);
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(opened)?;
        // Each statement of a migration need not be on disk before the next: whole or not at all is enough, and the first
        // commit after them takes them along.
        connection.execute("PRAGMA synchronous = NORMAL").await.map_err(opened)?;
        super::migrate::run(Dialect::Sqlite, &mut connection).await?;
        let durable = match place {
            Place::Locked { .. } => "PRAGMA synchronous = FULL",
            Place::Passing(_) => "PRAGMA synchronous = OFF",
        };
        connection.execute(durable).await.map_err(opened)?;
        let readers = readers(options).await?;
        let writer = Writer::new(Some(connection));
        let place = std::sync::Mutex::new(Some(place));
        Ok(Self { readers, writer: Arc::new(Mutex::new(writer)), place })
    }

    pub(super) async fn read(&self) -> Result<Box<dyn Session>, StoreError> {
        let connection = self.readers.acquire().await.map_err(|error| map("reading", error))?;
        Ok(Box::new(Reader { connection }))
    }

    pub(super) async fn begin(&self) -> Result<Box<dyn Session>, StoreError> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        writer.connection()?;
        writer.tidy().await;
        Ok(Box::new(WriteSession {
            writer: Some(writer),
            owner: Arc::clone(&self.writer),
            begun: false,
            deferred: String::new(),
            deferred_values: Vec::new(),
            deferred_count: 0,
        }))
    }

    /// A connection that reads, for as long as it is wanted.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(super) async fn reader(&self) -> Result<sqlx::pool::PoolConnection<Sqlite>, StoreError> {
        self.readers.acquire().await.map_err(|error| map("reading", error))
    }

    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let checked = self.readers.execute("SELECT id FROM projects LIMIT 1").await;
        checked.map(|_| ()).map_err(|error| map("checking the database", error))
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        let mut writer = self.writer.lock().await;
        writer.flush().await;
        if let Some(connection) = writer.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database was not closed in good order");
        }
        drop(self.place.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }
}

/// Connections that read.
async fn readers(options: SqliteConnectOptions) -> Result<SqlitePool, StoreError> {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .min_connections(1)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options.pragma("query_only", "true"))
        .await
        .map_err(|error| map("opening the SQLite database", error))
}

/// A folder that nobody else can look into.
fn passing_folder() -> Result<PathBuf, StoreError> {
    use std::os::unix::fs::DirBuilderExt;

    let name = format!("harbor-{}", uuid::Uuid::new_v4());
    let make = |parent: PathBuf| {
        let folder = parent.join(&name);
        std::fs::DirBuilder::new().mode(0o700).create(&folder).map(|()| folder)
    };
    make(PathBuf::from("/dev/shm"))
        .or_else(|_| make(std::env::temp_dir()))
        .map_err(|error| StoreError::io("making a folder for a database in memory", error))
}

/// A file that only its owner can read, made where it is missing: the database holds the keys of the registry.
fn own_file(name: &Path) -> Result<std::fs::File, StoreError> {
    use std::os::unix::fs::OpenOptionsExt;

    let mut options = std::fs::OpenOptions::new();
    let opened = options.create(true).truncate(false).write(true).mode(0o600).open(name);
    opened.map_err(|error| StoreError::io(format!("opening {}", name.display()), error))
}

/// Takes the lock on the database. Caches rely on it: no other process changes the rows.
pub(super) fn lock_file(path: &Path) -> Result<std::fs::File, StoreError> {
    use std::os::unix::fs::DirBuilderExt;

    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o750).create(parent);
        made.map_err(|error| StoreError::io(format!("making {}", parent.display()), error))?;
    }
    let file = own_file(&name)?;
    file.try_lock().map_err(|_| {
        StoreError::new(
            StoreErrorKind::Unavailable,
            format!(
                "{} is in use by another process; stop it, or give this one another folder",
                path.display()
            ),
        )
    })?;
    // SQLite gives the files beside it the mode of the database.
    own_file(path)?;
    Ok(file)
}

/// The one connection that writes.
///
/// Transactions take turns; each is a savepoint within an outer transaction. A transaction that commits leaves the
/// connection, and its savepoint, to the next and waits; the outer transaction is committed once for all of them, as soon
/// as those that were queued at the first one's commit had their turn. So a commit alone costs one sync of the disk, and 64
/// at once cost one too. What a transaction reads of an earlier one in the group is committed with it or not at all.
///
/// A savepoint is released by the next transaction's first call, which spares a visit to SQLite's thread. Two names take
/// turns: when a call was given up before it opened its savepoint, rolling back to that finds none, and never the one of a
/// transaction that committed.
#[derive(Debug)]
struct Writer {
    /// `None` when the database was closed.
    connection: Option<SqliteConnection>,
    /// The savepoint of the newest transaction; `None` when no outer transaction is open.
    open: Option<Savepoint>,
    /// The newest transaction did not commit. Left set by one that was dropped.
    dirty: bool,
    /// A statement failed in a way after which SQLite may have rolled back everything.
    broken: bool,
    /// Who waits for the outer commit.
    waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
}

#[derive(Clone, Copy, Debug)]
enum Savepoint {
    One,
    Two,
}

impl Savepoint {
    /// The next one, and the statements that lead there.
    const fn next(open: Option<Self>) -> (Self, &'static str) {
        match open {
            None => (Self::One, "BEGIN IMMEDIATE; SAVEPOINT one; "),
            Some(Self::One) => (Self::Two, "RELEASE one; SAVEPOINT two; "),
            Some(Self::Two) => (Self::One, "RELEASE two; SAVEPOINT one; "),
        }
    }

    const fn undo(self) -> &'static str {
        match self {
            Self::One => "ROLLBACK TO one",
            Self::Two => "ROLLBACK TO two",
        }
    }
}

impl Writer {
    const fn new(connection: Option<SqliteConnection>) -> Self {
        Self { connection, open: None, dirty: false, broken: false, waiting: Vec::new() }
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let closed = || StoreError::new(StoreErrorKind::Unavailable, "the database was closed");
        self.connection.as_mut().ok_or_else(closed)
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), StoreError> {
        let ran = self.connection()?.execute(statement).await;
        ran.map(|_| ()).map_err(|error| map("controlling a transaction", error))
    }

    /// Gets rid of what a dropped or failed transaction left.
    async fn tidy(&mut self) {
        if let Some(savepoint) = self.open.filter(|_| self.dirty && !self.broken) {
            self.broken = self.run(savepoint.undo()).await.is_err();
            self.dirty = false;
        }
        if self.broken {
            // Fails when SQLite rolled back by itself.
            let _ = self.run("ROLLBACK").await;
            (self.broken, self.dirty, self.open) = (false, false, None);
            // None of them is in the database, so they may all be tried again, and each meets the fault itself if it lasts.
            self.answer(|| {
                Err(StoreError::new(StoreErrorKind::Conflict, "a statement of the same commit failed"))
            });
        }
    }

    /// Commits the outer transaction and answers everybody who waits for it.
    async fn flush(&mut self) {
        self.tidy().await;
        if self.open.take().is_none() {
            return;
        }
        match self.run("COMMIT").await {
            Ok(()) => self.answer(|| Ok(())),
            Err(error) => {
                let _ = self.run("ROLLBACK").await;
                let kind = error.kind();
                tracing::error!(%error, "a commit failed");
                self.answer(|| Err(StoreError::new(kind, "committing")));
            }
        }
    }

    fn answer(&mut self, outcome: impl Fn() -> Result<(), StoreError>) {
        for waiting in self.waiting.drain(..) {
            // Nobody waits any more where a request was given up.
            let _ = waiting.send(outcome());
        }
    }
}

/// How many statements wait for the next one at most: each text that is run is prepared and kept.
const DEFERRED: usize = 8;

/// A transaction. Statements go to SQLite's thread and back, which costs more than most of them do; so those whose outcome
/// nobody asks for wait and go with the next one.
#[derive(Debug)]
struct WriteSession {
    /// Taken when the session ends.
    writer: Option<OwnedMutexGuard<Writer>>,
    owner: Arc<Mutex<Writer>>,
    /// Whether its savepoint was opened, with its first statement.
    begun: bool,
    deferred: String,
    deferred_values: Vec<Value>,
    deferred_count: usize,
}

/// What a run of statements yields: the rows, and how many rows the last one changed.
type Ran = (Vec<Row>, u64);

impl WriteSession {
    /// Runs what waits, and then `statement`.
    async fn run(&mut self, statement: &str, values: Vec<Value>) -> Result<Ran, StoreError> {
        let Some(writer) = self.writer.as_deref_mut() else {
            return Err(StoreError::new(StoreErrorKind::Other, "the transaction has ended"));
        };
        let mut text = String::new();
        if !self.begun {
            let (savepoint, begin) = Savepoint::next(writer.open);
            text.push_str(begin);
            (writer.open, writer.dirty, self.begun) = (Some(savepoint), true, true);
        }
        text.push_str(&std::mem::take(&mut self.deferred));
        text.push_str(statement);
        let values = std::mem::take(&mut self.deferred_values).into_iter().chain(values);
        self.deferred_count = 0;
        let query = bind!(sqlx::query::<Sqlite>(AssertSqlSafe(text)), values);
        // Several statements in one call are something that only sqlx's SQLite driver does, and keeps prepared.
        let ran = collect(writer.connection()?.fetch_many(query)).await;
        ran.map_err(|error| {
            let error = map("running a statement", error);
            // Other faults may have rolled back the outer transaction too.
            writer.broken = error.kind() != StoreErrorKind::Conflict;
            error
        })
    }
}

async fn collect(
    mut outcomes: impl Stream<Item = Result<Either<SqliteQueryResult, SqliteRow>, sqlx::Error>> + Unpin,
) -> Result<Ran, sqlx::Error> {
    let mut ran: Ran = (Vec::new(), 0);
    while let Some(outcome) = outcomes.try_next().await? {
        match outcome {
            Either::Left(done) => ran.1 = done.rows_affected(),
            Either::Right(row) => ran.0.push(Row::Sqlite(row)),
        }
    }
    Ok(ran)
}

#[async_trait]
impl Session for WriteSession {
    async fn fetch(
        &mut self,
        statement: &'static Statement,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        Ok(self.run(statement.rendered(Dialect::Sqlite), values).await?.0)
    }

    async fn fetch_built(&mut self, statement: String, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        Ok(self.run(&Dialect::Sqlite.render(&statement), values).await?.0)
    }

    async fn execute(
        &mut self,
        statement: &'static Statement,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        Ok(self.run(statement.rendered(Dialect::Sqlite), values).await?.1)
    }

    async fn defer(&mut self, statement: &'static Statement, values: Vec<Value>) -> Result<(), StoreError> {
        if self.deferred_count >= DEFERRED {
            return self.execute(statement, values).await.map(|_| ());
        }
        self.deferred.push_str(statement.rendered(Dialect::Sqlite));
        self.deferred.push_str("; ");
        self.deferred_values.extend(values);
        self.deferred_count += 1;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        if self.deferred_count > 0 {
            self.run("", Vec::new()).await?;
        }
        let Some(mut writer) = self.writer.take() else {
            return Err(StoreError::new(StoreErrorKind::Other, "the transaction has ended"));
        };
        if !self.begun {
            return Ok(());
        }
        writer.dirty = false;
        let (answer, outcome) = oneshot::channel();
        writer.waiting.push(answer);
        let (first, full) = (writer.waiting.len() == 1, writer.waiting.len() >= GROUP);
        // In tasks of their own, for others wait for it too.
        if full {
            tokio::spawn(async move { writer.flush().await });
        } else {
            drop(writer);
            if first {
                // The lock is fair: everybody who is queued now has a turn before this task.
                let owner = Arc::clone(&self.owner);
                tokio::spawn(async move { owner.lock().await.flush().await });
            }
        }
        let lost = |_| StoreError::new(StoreErrorKind::Unavailable, "the writer stopped");
        outcome.await.map_err(lost)?
    }
}

impl Drop for WriteSession {
    fn drop(&mut self) {
        // Dropped without a commit: the savepoint is rolled back by whoever comes next, or now by a task.
        if self.writer.take().is_some()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let owner = Arc::clone(&self.owner);
            runtime.spawn(async move { owner.lock().await.flush().await });
        }
    }
}

#[derive(Debug)]
struct Reader {
    connection: sqlx::pool::PoolConnection<Sqlite>,
}

impl Reader {
    async fn end(self) -> Result<(), StoreError> {
        Ok(())
    }
}

session!(Reader, connection, Sqlite, Dialect::Sqlite, Row::Sqlite);

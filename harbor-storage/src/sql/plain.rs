//! One connection to whichever database, which migrates nothing by itself: for work on a registry from outside.

use std::path::{Path, PathBuf};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use std::str::FromStr as _;

use futures_util::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use harbor_core::{StoreError, StoreErrorKind};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};

use super::dialect::Dialect;
use super::error::map;
use super::session::{Row, bind};
use super::statement::Value;

/// How long SQLite waits for another process that writes.
const BUSY: std::time::Duration = std::time::Duration::from_secs(30);

/// What is done with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It is read; a server may run on it.
    Read,
    /// It is changed: of SQLite, nobody else may have it.
    Write,
    /// The same, and SQLite's file is made where it is missing.
    Make,
}

/// A connection.
pub(crate) struct Plain {
    kind: Kind,
    /// The lock on SQLite's file.
    lock: Option<std::fs::File>,
}

enum Kind {
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgConnection),
    #[cfg(feature = "mysql")]
    MySql(sqlx::MySqlConnection),
}

/// Does something with whichever connection.
macro_rules! each {
    ($self:expr, $connection:ident, $kind:ident, $row:ident => $done:expr) => {
        match &mut $self.kind {
            Kind::Sqlite($connection) => {
                #[allow(dead_code, reason = "not all are queries")]
                type $kind = sqlx::Sqlite;
                #[allow(unused_variables, reason = "not all read rows")]
                let $row = Row::Sqlite;
                $done
            }
            #[cfg(feature = "postgres")]
            Kind::Postgres($connection) => {
                #[allow(dead_code, reason = "not all are queries")]
                type $kind = sqlx::Postgres;
                #[allow(unused_variables, reason = "not all read rows")]
                let $row = Row::Postgres;
                $done
            }
            #[cfg(feature = "mysql")]
            Kind::MySql($connection) => {
                #[allow(dead_code, reason = "not all are queries")]
                type $kind = sqlx::MySql;
                #[allow(unused_variables, reason = "not all read rows")]
                let $row = Row::MySql;
                $done
            }
        }
    };
}

impl Plain {
    /// Connects to the database at `url`, as [`SqlMetadata::connect`](super::SqlMetadata::connect) has it.
    ///
    /// # Errors
    /// `NotFound` when SQLite's file is not there; `Unavailable` when the database cannot be reached, or another process has it;
    /// `Other` for an address that is none. Errors never hold the address.
    pub(crate) async fn open(url: &str, access: Access) -> Result<Self, StoreError> {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        match scheme {
            "sqlite" if rest != ":memory:" => {
                Self::sqlite(Path::new(rest.strip_prefix("//").unwrap_or(rest)), access).await
            }
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                let unread = |_| other("the address of the PostgreSQL database does not read");
                let options = sqlx::postgres::PgConnectOptions::from_str(url).map_err(unread)?;
                let connected = options.application_name("harborctl").connect().await;
                let kind = Kind::Postgres(connected.map_err(|error| map("connecting to PostgreSQL", error))?);
                Ok(Self { kind, lock: None })
            }
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => {
                let unread = |_| other("the address of the MySQL database does not read");
                let options = sqlx::mysql::MySqlConnectOptions::from_str(&format!("mysql:{rest}"));
                let connected = options.map_err(unread)?.charset("utf8mb4").connect().await;
                let kind = Kind::MySql(connected.map_err(|error| map("connecting to MySQL", error))?);
                Ok(Self { kind, lock: None })
            }
            _ => Err(other("the address of a database that stays begins with sqlite:, postgres: or mysql:")),
        }
    }

    async fn sqlite(path: &Path, access: Access) -> Result<Self, StoreError> {
        if access != Access::Make && !path.is_file() {
            let what = format!("there is no database {}", path.display());
            return Err(StoreError::new(StoreErrorKind::NotFound, what));
        }
        let lock = match access {
            Access::Read => None,
            Access::Write | Access::Make => Some(super::sqlite::lock_file(path)?),
        };
        let options = SqliteConnectOptions::new().filename(PathBuf::from(path)).busy_timeout(BUSY);
        let options = match access {
            Access::Read => options.pragma("query_only", "true"),
            Access::Write | Access::Make => options
                .foreign_keys(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full),
        };
        let connection = options.pragma("temp_store", "memory").connect().await;
        let kind = Kind::Sqlite(connection.map_err(|error| map("opening the SQLite database", error))?);
        Ok(Self { kind, lock })
    }

    /// A database in memory.
    pub(crate) async fn passing() -> Result<Self, StoreError> {
        let connected = SqliteConnection::connect("sqlite::memory:").await;
        let kind = Kind::Sqlite(connected.map_err(|error| map("opening a database in memory", error))?);
        Ok(Self { kind, lock: None })
    }

    pub(crate) const fn dialect(&self) -> Dialect {
        match &self.kind {
            Kind::Sqlite(_) => Dialect::Sqlite,
            #[cfg(feature = "postgres")]
            Kind::Postgres(_) => Dialect::Postgres,
            #[cfg(feature = "mysql")]
            Kind::MySql(_) => Dialect::MySql,
        }
    }

    /// Whether nobody else can have the database.
    pub(crate) const fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// What it is called, as the driver is.
    pub(crate) const fn name(&self) -> &'static str {
        match self.dialect() {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgresql",
            Dialect::MySql => "mysql",
        }
    }

    /// Applies the migrations that are missing, up to a version or all.
    pub(crate) async fn migrate(&mut self, version: Option<i64>) -> Result<(), StoreError> {
        match &mut self.kind {
            Kind::Sqlite(connection) => super::migrate::run_to(version, Dialect::Sqlite, connection).await,
            #[cfg(feature = "postgres")]
            Kind::Postgres(connection) => {
                super::migrate::run_to(version, Dialect::Postgres, connection).await
            }
            #[cfg(feature = "mysql")]
            Kind::MySql(connection) => {
                use sqlx::Executor as _;
                let failed = |error| map("migrating the database", error);
                connection.execute(super::mysql::LOCK).await.map_err(failed)?;
                let migrated = super::migrate::run_to(version, Dialect::MySql, &mut *connection).await;
                connection.execute(super::mysql::UNLOCK).await.map_err(failed)?;
                migrated
            }
        }
    }

    /// Runs a statement of the database's own text that takes nothing and yields nothing, and is not prepared.
    pub(crate) async fn run(&mut self, text: &str) -> Result<(), StoreError> {
        let text = AssertSqlSafe(text.to_owned());
        let ran = each!(self, connection, Any, row => sqlx::raw_sql(text).execute(&mut *connection).await.map(|_| ()));
        ran.map_err(|error| map("running a statement", error))
    }

    /// Runs a statement of the common text; yields how many rows it changed.
    pub(super) async fn execute(&mut self, text: &str, values: Vec<Value>) -> Result<u64, StoreError> {
        let text = AssertSqlSafe(self.dialect().render(text));
        // Of many forms, which are not kept; for MySQL, see `session.rs`.
        let kept = self.dialect() == Dialect::MySql;
        let done = each!(self, connection, Any, row => {
            let query = bind!(sqlx::query::<Any>(text).persistent(kept), values);
            query.execute(&mut *connection).await.map(|done| done.rows_affected())
        });
        done.map_err(|error| map("writing", error))
    }

    /// Runs a statement of the common text and reads its rows.
    pub(super) async fn fetch(&mut self, text: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let text = AssertSqlSafe(self.dialect().render(text));
        let rows = each!(self, connection, Any, row => {
            let query = bind!(sqlx::query::<Any>(text), values);
            query.fetch_all(&mut *connection).await.map(|rows| rows.into_iter().map(row).collect())
        });
        rows.map_err(|error| map("reading", error))
    }

    /// The first row of a statement of the common text, if it has one.
    pub(super) async fn first(&mut self, text: &str, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch(text, values).await?.into_iter().next())
    }

    /// Runs a statement of the common text and reads its rows as they come.
    pub(super) fn stream(&mut self, text: &str) -> BoxStream<'_, Result<Row, StoreError>> {
        let text = AssertSqlSafe(self.dialect().render(text));
        let failed = |error| map("reading", error);
        each!(self, connection, Any, row => {
            sqlx::query::<Any>(text).fetch(&mut *connection).map_ok(row).map_err(failed).boxed()
        })
    }

    /// Begins to read what is there now, whatever others write.
    pub(crate) async fn begin_snapshot(&mut self) -> Result<(), StoreError> {
        match self.dialect() {
            Dialect::Sqlite => {
                self.run("BEGIN").await?;
                // It begins with the first look.
                self.fetch("SELECT COUNT(*) FROM projects", Vec::new()).await.map(drop)
            }
            Dialect::Postgres => {
                self.run("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").await
            }
            Dialect::MySql => {
                self.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
                // The next keys of tables as they are, and not as they were up to a day ago; MariaDB has them so, and knows no such
                // setting.
                let _ = self.run("/*!50708 SET SESSION information_schema_stats_expiry = 0 */").await;
                self.run("START TRANSACTION WITH CONSISTENT SNAPSHOT").await
            }
        }
    }

    /// Begins to write.
    pub(crate) async fn begin(&mut self) -> Result<(), StoreError> {
        match self.dialect() {
            Dialect::Sqlite => self.run("BEGIN IMMEDIATE").await,
            Dialect::Postgres | Dialect::MySql => self.run("BEGIN").await,
        }
    }

    pub(crate) async fn commit(&mut self) -> Result<(), StoreError> {
        self.run("COMMIT").await
    }

    pub(crate) async fn roll_back(&mut self) -> Result<(), StoreError> {
        self.run("ROLLBACK").await
    }

    /// Ends the connection in order.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        let closed = match self.kind {
            Kind::Sqlite(connection) => connection.close().await,
            #[cfg(feature = "postgres")]
            Kind::Postgres(connection) => connection.close().await,
            #[cfg(feature = "mysql")]
            Kind::MySql(connection) => connection.close().await,
        };
        closed.map_err(|error| map("closing the database", error))
    }
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").field("database", &self.name()).finish_non_exhaustive()
    }
}

fn other(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Other, what)
}

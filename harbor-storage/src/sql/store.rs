//! `SqlMetadata`: the metadata store over whichever database.

use std::sync::Arc;

use async_trait::async_trait;
use harbor_core::meta::{Announcements, MetadataStore, Reads, Sharing, Topic, Transaction};
use harbor_core::{StoreError, StoreErrorKind};

use super::rows::Rows;
use super::rows::stripes::Stripes;
use super::session::Session;

/// Metadata in SQLite, PostgreSQL or MySQL/MariaDB.
#[derive(Debug)]
pub struct SqlMetadata {
    database: Database,
    /// `None` where one transaction at a time writes.
    stripes: Option<Arc<Stripes>>,
    #[cfg(feature = "postgres")]
    announcing: Option<super::announcing::Announcing>,
}

#[derive(Debug)]
enum Database {
    #[cfg(feature = "sqlite")]
    Sqlite(super::sqlite::SqliteDatabase),
    #[cfg(feature = "postgres")]
    Postgres(super::postgres::PgDatabase),
    #[cfg(feature = "mysql")]
    MySql(super::mysql::MySqlDatabase),
}

/// How many connections to a database server one node opens at most, unless the address says so.
#[cfg(any(feature = "postgres", feature = "mysql"))]
const CONNECTIONS: u32 = 32;

/// Calls a method of whichever database.
macro_rules! each {
    ($self:expr, $method:ident) => {
        match &$self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(database) => database.$method().await,
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => database.$method().await,
            #[cfg(feature = "mysql")]
            Database::MySql(database) => database.$method().await,
        }
    };
}

impl SqlMetadata {
    /// Connects to the database at `url`, and migrates it: `sqlite:PATH` (or `sqlite://PATH`), `sqlite::memory:`,
    /// `postgres://…`, `mysql://…` (which MariaDB understands).
    ///
    /// # Errors
    /// `TooNew` when a newer version migrated it; `Unavailable` when it cannot be reached, or, for SQLite, when another
    /// process has it; `Other` for an address that is none. Errors never hold the address, which may hold a password.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        #[cfg_attr(
            not(any(feature = "sqlite", feature = "mysql")),
            allow(unused_variables, reason = "as its users")
        )]
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        match scheme {
            #[cfg(feature = "sqlite")]
            "sqlite" if rest == ":memory:" => Self::in_memory().await,
            #[cfg(feature = "sqlite")]
            "sqlite" => Self::sqlite(std::path::Path::new(rest.strip_prefix("//").unwrap_or(rest))).await,
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                let (database, announcing) = super::postgres::PgDatabase::connect(url, CONNECTIONS).await?;
                let shared = Self::over(Database::Postgres(database), Some(Stripes::new()));
                Ok(Self { announcing: Some(announcing), ..shared })
            }
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => {
                let url = format!("mysql:{rest}");
                let database = super::mysql::MySqlDatabase::connect(&url, CONNECTIONS).await?;
                Ok(Self::over(Database::MySql(database), Some(Stripes::new())))
            }
            _ => Err(StoreError::new(
                StoreErrorKind::Other,
                "the address of a database begins with sqlite:, postgres: or mysql:, \
                 and this program must have been built with that feature",
            )),
        }
    }

    /// Opens the SQLite database in the file at `path`, making it where it is missing.
    ///
    /// # Errors
    /// As [`SqlMetadata::connect`].
    #[cfg(feature = "sqlite")]
    pub async fn sqlite(path: &std::path::Path) -> Result<Self, StoreError> {
        let database = super::sqlite::SqliteDatabase::open(path).await?;
        Ok(Self::over(Database::Sqlite(database), None))
    }

    /// Reads the database at `url` beside whoever runs on it: SQLite's file is neither locked nor migrated, and nobody can write.
    /// For who has made sure that its schema is this program's: [`check_version`](crate::check::check_version).
    ///
    /// # Errors
    /// As [`SqlMetadata::connect`]; `NotFound` where SQLite's file is not there.
    #[cfg(feature = "backup")]
    pub async fn beside(url: &str) -> Result<Self, StoreError> {
        match url.strip_prefix("sqlite:") {
            Some(rest) if rest != ":memory:" => {
                let path = std::path::Path::new(rest.strip_prefix("//").unwrap_or(rest));
                let database = super::sqlite::SqliteDatabase::beside(path).await?;
                Ok(Self::over(Database::Sqlite(database), None))
            }
            _ => Self::connect(url).await,
        }
    }

    /// A database in memory, for tests and registries that live for the life of a process.
    ///
    /// # Errors
    /// As [`SqlMetadata::connect`].
    #[cfg(feature = "sqlite")]
    pub async fn in_memory() -> Result<Self, StoreError> {
        let database = super::sqlite::SqliteDatabase::in_memory().await?;
        Ok(Self::over(Database::Sqlite(database), None))
    }

    /// Moves everything from this SQLite database into an empty database of a server, all or nothing, and tells of each table as it
    /// is done. Keys that were given before are not given again there.
    ///
    /// The registry must stand still: nobody else may use this value meanwhile.
    ///
    /// # Errors
    /// `Conflict` when the target is not empty; `Other` when this is no SQLite or the target is one; as the databases fail.
    #[cfg(all(feature = "sqlite", any(feature = "postgres", feature = "mysql")))]
    pub async fn move_to(
        &self,
        target: &Self,
        told: &mut (dyn FnMut(&super::MovedTable) + Send),
    ) -> Result<Vec<super::MovedTable>, StoreError> {
        use super::dialect::Dialect;

        let dialect = match &target.database {
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => Some(Dialect::Postgres),
            #[cfg(feature = "mysql")]
            Database::MySql(_) => Some(Dialect::MySql),
            Database::Sqlite(_) => None,
        };
        let (Database::Sqlite(source), Some(dialect)) = (&self.database, dialect) else {
            let what = "metadata is moved from SQLite to PostgreSQL or MySQL/MariaDB";
            return Err(StoreError::new(StoreErrorKind::Other, what));
        };
        let mut reader = source.reader().await?;
        let mut beside: Box<dyn Session> = each!(target, read)?;
        let moving = super::moving::Moving::new(&mut reader, &mut *beside, dialect).await?;
        drop(beside);
        let mut session: Box<dyn Session> = each!(target, begin)?;
        let moved = moving.run(&mut *session, told).await?;
        session.commit().await?;
        Ok(moved)
    }

    const fn over(database: Database, stripes: Option<Arc<Stripes>>) -> Self {
        Self {
            database,
            stripes,
            #[cfg(feature = "postgres")]
            announcing: None,
        }
    }
}

#[async_trait]
impl MetadataStore for SqlMetadata {
    fn name(&self) -> &str {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(_) => "sqlite",
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => "postgresql",
            #[cfg(feature = "mysql")]
            Database::MySql(_) => "mysql",
        }
    }

    fn sharing(&self) -> Sharing {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(_) => Sharing::Exclusive,
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => Sharing::Shared,
            #[cfg(feature = "mysql")]
            Database::MySql(_) => Sharing::Shared,
        }
    }

    async fn read(&self) -> Result<Box<dyn Reads>, StoreError> {
        let session: Box<dyn Session> = each!(self, read)?;
        Ok(Box::new(Rows::new(session, self.stripes.clone())))
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        let session: Box<dyn Session> = each!(self, begin)?;
        Ok(Box::new(Rows::new(session, self.stripes.clone())))
    }

    async fn announce(&self, topic: Topic) -> Result<(), StoreError> {
        #[cfg(feature = "postgres")]
        if let Some(announcing) = &self.announcing {
            let mut session: Box<dyn Session> = each!(self, read)?;
            return announcing.announce(&mut *session, topic).await;
        }
        let _ = topic;
        Ok(())
    }

    async fn announcements(&self) -> Result<Option<Box<dyn Announcements>>, StoreError> {
        #[cfg(feature = "postgres")]
        if let Some(announcing) = &self.announcing {
            return Ok(Some(Box::new(announcing.listen().await?)));
        }
        Ok(None)
    }

    async fn check(&self) -> Result<(), StoreError> {
        each!(self, check)
    }

    async fn close(&self) {
        each!(self, close);
    }
}

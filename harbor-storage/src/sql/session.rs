//! Running statements on one connection.

use std::fmt;

use async_trait::async_trait;
use harbor_core::{StoreError, StoreErrorKind};

use super::statement::{Statement, Value};

/// One connection to a database, perhaps in a transaction.
#[async_trait]
pub(super) trait Session: fmt::Debug + Send {
    /// Runs a statement and reads its rows.
    async fn fetch(
        &mut self,
        statement: &'static Statement,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError>;

    /// Runs a statement that was put together of numbers at run time, and reads its rows.
    async fn fetch_built(&mut self, statement: String, values: Vec<Value>) -> Result<Vec<Row>, StoreError>;

    /// Runs a statement; yields how many rows it changed.
    async fn execute(&mut self, statement: &'static Statement, values: Vec<Value>)
    -> Result<u64, StoreError>;

    /// Runs a statement whose outcome nobody asks for, at the latest with the next one or at the commit, which then fails
    /// in its stead.
    async fn defer(&mut self, statement: &'static Statement, values: Vec<Value>) -> Result<(), StoreError> {
        self.execute(statement, values).await.map(|_| ())
    }

    /// Commits the transaction.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// A row of whichever database.
#[derive(Debug)]
pub(super) enum Row {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow),
    #[cfg(feature = "mysql")]
    MySql(sqlx::mysql::MySqlRow),
}

macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident: $kind:ty;)*) => {
        impl Row {
            $(
                $(#[$doc])*
                pub(super) fn $name(&self, column: usize) -> Result<$kind, StoreError> {
                    use sqlx::Row as _;
                    match self {
                        #[cfg(feature = "sqlite")]
                        Self::Sqlite(row) => row.try_get(column),
                        #[cfg(feature = "postgres")]
                        Self::Postgres(row) => row.try_get(column),
                        #[cfg(feature = "mysql")]
                        Self::MySql(row) => row.try_get(column),
                    }
                    .map_err(|error| super::error::map("reading a row", error))
                }
            )*
        }
    };
}

columns! {
    int: i64;
    optional_int: Option<i64>;
    text: String;
    optional_text: Option<String>;
    bytes: Vec<u8>;
}

impl Row {
    /// The names in a row of a list: one, or several lines.
    pub(super) fn entries<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
    ) -> Result<Vec<T>, StoreError> {
        let lines = self.optional_text(0)?.unwrap_or_default();
        lines.lines().map(parse).collect()
    }

    /// A column of text that holds something parsed.
    pub(super) fn parsed<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        column: usize,
    ) -> Result<T, StoreError> {
        parse(&self.text(column)?)
    }

    /// A column of text that holds something parsed, or nothing.
    pub(super) fn optional_parsed<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        column: usize,
    ) -> Result<Option<T>, StoreError> {
        match self.optional_text(column)? {
            Some(_) => self.parsed(column).map(Some),
            None => Ok(None),
        }
    }

    /// A column that holds a number which cannot be negative.
    pub(super) fn count(&self, column: usize) -> Result<u64, StoreError> {
        let number = self.int(column)?;
        u64::try_from(number).map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, "a size is negative").with_source(error)
        })
    }
}

fn parse<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    text: &str,
) -> Result<T, StoreError> {
    text.parse().map_err(|error: T::Err| {
        StoreError::new(StoreErrorKind::Corrupt, format!("{text:?} was stored")).with_source(error)
    })
}

/// Binds values to a query of whichever database.
macro_rules! bind {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values {
            query = match value {
                $crate::sql::statement::Value::Int(value) => query.bind(value),
                $crate::sql::statement::Value::OptionalInt(value) => query.bind(value),
                $crate::sql::statement::Value::Text(value) => query.bind(value),
                $crate::sql::statement::Value::OptionalText(value) => query.bind(value),
                $crate::sql::statement::Value::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}
pub(super) use bind;

/// Implements a session over a field that derefs to a connection, and a method `end` that commits.
macro_rules! session {
    ($session:ident, $field:ident, $kind:ty, $dialect:expr, $row:path) => {
        #[async_trait]
        impl Session for $session {
            async fn fetch(
                &mut self,
                statement: &'static Statement,
                values: Vec<Value>,
            ) -> Result<Vec<Row>, StoreError> {
                let query = bind!(sqlx::query::<$kind>(statement.rendered($dialect)), values);
                let rows = query.fetch_all(&mut *self.$field).await.map_err(|error| map("reading", error))?;
                Ok(rows.into_iter().map($row).collect())
            }

            async fn fetch_built(
                &mut self,
                statement: String,
                values: Vec<Value>,
            ) -> Result<Vec<Row>, StoreError> {
                let statement = $dialect.render(&statement);
                // Of many forms, which are not kept. But for MySQL, where whoever throws one away tells the server, which does not
                // answer: the next statement would wait for 40 ms until that is acknowledged (Nagle's algorithm).
                let kept = $dialect == $crate::sql::dialect::Dialect::MySql;
                let query = bind!(sqlx::query::<$kind>(AssertSqlSafe(statement)).persistent(kept), values);
                let rows = query.fetch_all(&mut *self.$field).await.map_err(|error| map("reading", error))?;
                Ok(rows.into_iter().map($row).collect())
            }

            async fn execute(
                &mut self,
                statement: &'static Statement,
                values: Vec<Value>,
            ) -> Result<u64, StoreError> {
                let query = bind!(sqlx::query::<$kind>(statement.rendered($dialect)), values);
                let done = query.execute(&mut *self.$field).await.map_err(|error| map("writing", error))?;
                Ok(done.rows_affected())
            }

            async fn commit(self: Box<Self>) -> Result<(), StoreError> {
                (*self).end().await
            }
        }
    };
}
pub(super) use session;

/// A size as the databases keep it.
pub(super) fn size(bytes: u64) -> Result<i64, StoreError> {
    i64::try_from(bytes)
        .map_err(|error| StoreError::new(StoreErrorKind::Other, "a size is above 2^63").with_source(error))
}

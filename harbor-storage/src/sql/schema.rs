//! What a version of the schema has, and whole tables by it: the text of rows that any database gives and takes.
//!
//! What there is is asked of SQLite, so that no table and no column can be forgotten. Tables come in the order in which the
//! migrations made them, in which none refers to a later one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt as _;
use futures_util::stream::{BoxStream, StreamExt as _};
use harbor_core::{StoreError, StoreErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::column::Kind;
use super::dialect::Dialect;
use super::migrate::{RESTORING, newest};
use super::plain::Plain;
use super::rows::whole::{
    COLUMNS, FORGET_RESTORING, IS_MIGRATED_MYSQL, IS_MIGRATED_POSTGRES, IS_MIGRATED_SQLITE, LINKED, NEWEST,
    NOTE_RESTORING, TABLES,
};
use super::session::Row;
use super::statement::{Value, values};

/// Tables that are of a running server and of a database, and not of a registry: which migrations ran, which nodes are there, uploads in
/// progress, and what is to be deleted, whose bytes nobody else has.
const PASSING: [&str; 4] = ["_sqlx_migrations", "worker_pools", "uploads", "garbage"];

/// How many values a statement has at most: all servers take as many.
const VALUES: usize = 16_384;

/// How many bytes a statement carries, about: servers refuse packets of 16 MiB.
const BYTES: usize = 4 * 1024 * 1024;

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    /// Whether the database gives its rows their keys.
    pub(crate) keyed: bool,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing ever was there.
    Empty,
    /// It has this version of the schema.
    Version(i64),
    /// A registry is restored into it; with what that was noted by.
    Restoring(String),
}

/// The tables of a version of the schema that a backup has.
///
/// # Errors
/// `TooNew` for a version that this program does not know.
pub(crate) async fn tables(version: i64) -> Result<Vec<Table>, StoreError> {
    if version > newest() {
        let what = format!(
            "this is of schema version {version}, and this program knows versions up to {}: run the newer program",
            newest()
        );
        return Err(StoreError::new(StoreErrorKind::TooNew, what));
    }
    let mut passing = Plain::passing().await?;
    passing.migrate(Some(version)).await?;
    let mut tables = Vec::new();
    for row in passing.fetch(TABLES, Vec::new()).await? {
        let name = row.text(0)?;
        if PASSING.contains(&name.as_str()) {
            continue;
        }
        let columns = passing.fetch(COLUMNS, values![name.as_str()]).await?;
        let columns = columns.iter().map(Column::of).collect::<Result<_, _>>()?;
        tables.push(Table { name, columns, keyed: row.text(1)?.contains("AUTOINCREMENT") });
    }
    passing.close().await?;
    Ok(tables)
}

/// The newest version that this program knows.
pub(crate) fn newest_version() -> i64 {
    newest()
}

/// What a database says of itself.
pub(crate) async fn standing(database: &mut Plain) -> Result<Standing, StoreError> {
    let there = match database.dialect() {
        Dialect::Sqlite => IS_MIGRATED_SQLITE,
        Dialect::Postgres => IS_MIGRATED_POSTGRES,
        Dialect::MySql => IS_MIGRATED_MYSQL,
    };
    if database.first(there, Vec::new()).await?.map_or(Ok(0), |row| row.int(0))? == 0 {
        return Ok(Standing::Empty);
    }
    match database.first(NEWEST, Vec::new()).await? {
        None => Ok(Standing::Empty),
        Some(row) if row.int(0)? == RESTORING => Ok(Standing::Restoring(row.text(1)?)),
        Some(row) => Ok(Standing::Version(row.int(0)?)),
    }
}

/// Notes that a registry is restored, so that nobody takes what is half there for one.
pub(crate) async fn note_restoring(database: &mut Plain, note: &str) -> Result<(), StoreError> {
    let none: &[u8] = &[];
    database.execute(NOTE_RESTORING, values![RESTORING, note, none]).await.map(drop)
}

/// The registry is there. Within the transaction that makes it so.
///
/// # Errors
/// `Conflict` when somebody else has done it.
pub(crate) async fn forget_restoring(database: &mut Plain) -> Result<(), StoreError> {
    match database.execute(FORGET_RESTORING, values![RESTORING]).await? {
        1 => Ok(()),
        _ => Err(StoreError::new(StoreErrorKind::Conflict, "somebody else restores into this database")),
    }
}

impl Column {
    fn of(row: &Row) -> Result<Self, StoreError> {
        let name = row.text(0)?;
        Ok(Self { kind: Kind::of_sqlite(&name, &row.text(1)?)?, name })
    }

    fn json(&self, row: &Row, place: usize) -> Result<Json, StoreError> {
        Ok(match self.kind {
            Kind::Int => row.optional_int(place)?.map_or(Json::Null, Json::from),
            Kind::Text => row.optional_text(place)?.map_or(Json::Null, Json::from),
            Kind::Bytes => STANDARD.encode(row.bytes(place)?).into(),
        })
    }

    /// The value that a row of JSON has, and about how long it is.
    fn value(&self, json: &Json) -> Option<(Value, usize)> {
        Some(match (self.kind, json) {
            (Kind::Int, Json::Null) => (Value::OptionalInt(None), 8),
            (Kind::Int, Json::Number(number)) => (Value::OptionalInt(Some(number.as_i64()?)), 8),
            (Kind::Text, Json::Null) => (Value::OptionalText(None), 0),
            (Kind::Text, Json::String(text)) => (Value::OptionalText(Some(text.clone())), text.len()),
            (Kind::Bytes, Json::String(text)) => {
                let bytes = STANDARD.decode(text).ok()?;
                let length = bytes.len();
                (Value::Bytes(bytes), length)
            }
            _ => return None,
        })
    }
}

impl Table {
    fn names(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| column.name.as_str()).collect();
        names.join(", ")
    }

    /// The place of a column.
    ///
    /// # Errors
    /// `Corrupt` when there is none of that name.
    pub(crate) fn place(&self, column: &str) -> Result<usize, StoreError> {
        let found = self.columns.iter().position(|one| one.name == column);
        found.ok_or_else(|| {
            StoreError::new(StoreErrorKind::Corrupt, format!("{} has no column {column}", self.name))
        })
    }

    /// Its rows, each a JSON array.
    pub(crate) fn rows<'a>(
        &'a self,
        database: &'a mut Plain,
    ) -> BoxStream<'a, Result<Vec<Json>, StoreError>> {
        let which = if self.name == "blobs" { format!(" WHERE {LINKED}") } else { String::new() };
        let rows = database.stream(&format!("SELECT {} FROM {}{which}", self.names(), self.name));
        let columns = &self.columns;
        rows.and_then(move |row| async move {
            columns.iter().enumerate().map(|(place, column)| column.json(&row, place)).collect()
        })
        .boxed()
    }

    /// Whether it has any row.
    pub(crate) async fn has_rows(&self, database: &mut Plain) -> Result<bool, StoreError> {
        let look = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {} LIMIT 1) one", self.name);
        Ok(database.first(&look, Vec::new()).await?.map_or(Ok(0), |row| row.int(0))? > 0)
    }

    /// How many rows it has.
    pub(crate) async fn count(&self, database: &mut Plain) -> Result<u64, StoreError> {
        let count = format!("SELECT COUNT(*) FROM {}", self.name);
        database.first(&count, Vec::new()).await?.map_or(Ok(0), |row| row.count(0))
    }

    /// The last key that the database gave to a row, which may be gone since: it is never given again.
    pub(crate) async fn last_key(&self, database: &mut Plain) -> Result<Option<i64>, StoreError> {
        if !self.keyed {
            return Ok(None);
        }
        let name = &self.name;
        let ask = match database.dialect() {
            Dialect::Sqlite => format!("SELECT seq FROM sqlite_sequence WHERE name = '{name}'"),
            Dialect::Postgres => format!(
                "SELECT pg_sequence_last_value(CAST(pg_get_serial_sequence('{name}', 'id') AS regclass))"
            ),
            Dialect::MySql => format!("SELECT MAX(id) FROM {name}"),
        };
        let mut last = database.first(&ask, Vec::new()).await?.map_or(Ok(None), |row| row.optional_int(0))?;
        if database.dialect() == Dialect::MySql {
            let next = format!(
                "SELECT CAST(auto_increment AS SIGNED) FROM information_schema.tables \
                 WHERE table_schema = DATABASE() AND table_name = '{name}'"
            );
            let next =
                database.first(&next, Vec::new()).await?.map_or(Ok(None), |row| row.optional_int(0))?;
            last = last.max(next.map(|next| next - 1));
        }
        Ok(last.filter(|last| *last > 0))
    }

    /// Lets the database give no key up to this one. MySQL ends a transaction with it.
    pub(crate) async fn reserve_keys(&self, database: &mut Plain, last: i64) -> Result<(), StoreError> {
        let name = &self.name;
        match database.dialect() {
            Dialect::Sqlite => {
                let forget = "DELETE FROM sqlite_sequence WHERE name = ?";
                database.execute(forget, values![name.as_str()]).await?;
                let note = "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)";
                database.execute(note, values![name.as_str(), last]).await.map(drop)
            }
            Dialect::Postgres => {
                let set = format!("SELECT setval(pg_get_serial_sequence('{name}', 'id'), {last})");
                database.fetch(&set, Vec::new()).await.map(drop)
            }
            Dialect::MySql => {
                database.run(&format!("ALTER TABLE {name} AUTO_INCREMENT = {}", last + 1)).await
            }
        }
    }
}

/// Rows on their way into a table, many in a statement.
pub(crate) struct Inserting<'a> {
    table: &'a Table,
    values: Vec<Value>,
    bytes: usize,
    /// How many there were.
    pub(crate) rows: u64,
}

impl<'a> Inserting<'a> {
    pub(crate) const fn new(table: &'a Table) -> Self {
        Self { table, values: Vec::new(), bytes: 0, rows: 0 }
    }

    /// The next row.
    pub(crate) async fn row(&mut self, database: &mut Plain, row: &[Json]) -> Result<(), StoreError> {
        let columns = &self.table.columns;
        let wrong = || {
            let what = format!("row {} of {} is not one", self.rows + 1, self.table.name);
            StoreError::new(StoreErrorKind::Corrupt, what)
        };
        if row.len() != columns.len() {
            return Err(wrong());
        }
        for (column, json) in columns.iter().zip(row) {
            let (value, length) = column.value(json).ok_or_else(wrong)?;
            self.values.push(value);
            self.bytes += length;
        }
        self.rows += 1;
        if self.bytes >= BYTES || self.values.len() + columns.len() > VALUES {
            self.flush(database).await?;
        }
        Ok(())
    }

    /// What waits.
    pub(crate) async fn flush(&mut self, database: &mut Plain) -> Result<(), StoreError> {
        let columns = self.table.columns.len().max(1);
        let rows = self.values.len() / columns;
        self.bytes = 0;
        if rows == 0 {
            return Ok(());
        }
        let row = format!("({})", vec!["?"; columns].join(", "));
        let (name, names) = (&self.table.name, self.table.names());
        let insert = format!("INSERT INTO {name} ({names}) VALUES {}", vec![row; rows].join(", "));
        database.execute(&insert, std::mem::take(&mut self.values)).await.map(drop)
    }
}

//! Moving a whole registry's metadata out of SQLite, into PostgreSQL or MySQL/MariaDB.
//!
//! What there is to move is asked of SQLite itself, so that no table and no column can be forgotten. Tables come in the order in which
//! the migrations made them, in which none refers to a later one.

use futures_util::TryStreamExt as _;
use harbor_core::{StoreError, StoreErrorKind};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::column::Kind;
use super::dialect::Dialect;
use super::error::map;
use super::session::Session;
use super::statement::Value;

/// How many values a statement has at most: all servers take as many.
const VALUES: usize = 16_384;

/// How many bytes a statement carries, about: servers refuse packets of 16 MiB.
const BYTES: usize = 4 * 1024 * 1024;

/// Tables that are of a database and not of a registry: which migrations ran, and which nodes are there.
const OWN: [&str; 2] = ["_sqlx_migrations", "worker_pools"];

/// A table that was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MovedTable {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
}

/// A table, as SQLite tells of it.
struct Table {
    name: String,
    columns: Vec<Column>,
    /// The last key that was given to a row, which may be gone since: it is never given again.
    last_key: Option<i64>,
}

struct Column {
    name: String,
    kind: Kind,
}

/// What is moved, out of where.
pub(super) struct Moving<'a> {
    source: &'a mut SqliteConnection,
    dialect: Dialect,
    tables: Vec<Table>,
}

impl<'a> Moving<'a> {
    /// Looks at what there is, and whether the target has nothing; `beside` is a connection to it without a transaction.
    pub(super) async fn new(
        source: &'a mut SqliteConnection,
        beside: &mut dyn Session,
        dialect: Dialect,
    ) -> Result<Self, StoreError> {
        let tables = tables(source).await?;
        for Table { name, .. } in &tables {
            let found = beside.fetch_built(format!("SELECT 1 FROM {name} LIMIT 1"), Vec::new()).await?;
            if !found.is_empty() {
                let what = "the target has a registry already: name an empty database";
                return Err(StoreError::new(StoreErrorKind::Conflict, what));
            }
        }
        // MySQL ends a transaction with this. Without rows it does no harm, whatever becomes of the rest.
        if dialect == Dialect::MySql {
            keys(beside, dialect, &tables).await?;
        }
        Ok(Self { source, dialect, tables })
    }

    /// Moves everything within one transaction of the target's, and tells of each table; without a commit.
    pub(super) async fn run(
        self,
        target: &mut dyn Session,
        told: &mut (dyn FnMut(&MovedTable) + Send),
    ) -> Result<Vec<MovedTable>, StoreError> {
        let mut moved = Vec::new();
        for table in &self.tables {
            let rows = move_table(self.source, target, table).await?;
            let there =
                target.fetch_built(format!("SELECT COUNT(*) FROM {}", table.name), Vec::new()).await?;
            let there = there.first().map(|row| row.count(0)).transpose()?;
            if there != Some(rows) {
                let what = format!("the table {} has {there:?} rows, and {rows} were moved", table.name);
                return Err(StoreError::new(StoreErrorKind::Corrupt, what));
            }
            moved.push(MovedTable { name: table.name.clone(), rows });
            moved.last().into_iter().for_each(&mut *told);
        }
        if self.dialect == Dialect::Postgres {
            keys(target, self.dialect, &self.tables).await?;
        }
        Ok(moved)
    }
}

async fn tables(source: &mut SqliteConnection) -> Result<Vec<Table>, StoreError> {
    let names =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid";
    let names = sqlx::query(names).fetch_all(&mut *source).await.map_err(reading)?;
    let mut tables = Vec::new();
    for row in names {
        let name: String = row.try_get(0).map_err(reading)?;
        if OWN.contains(&name.as_str()) {
            continue;
        }
        let columns = sqlx::query("SELECT name, type FROM pragma_table_info(?)").bind(&name);
        let columns = columns.fetch_all(&mut *source).await.map_err(reading)?;
        let columns = columns.iter().map(Column::of).collect::<Result<_, _>>()?;
        let last = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = ?").bind(&name);
        let last_key = last.fetch_optional(&mut *source).await.map_err(reading)?;
        tables.push(Table { name, columns, last_key });
    }
    Ok(tables)
}

impl Column {
    fn of(row: &SqliteRow) -> Result<Self, StoreError> {
        let (name, kind): (String, String) =
            (row.try_get(0).map_err(reading)?, row.try_get(1).map_err(reading)?);
        Ok(Self { kind: Kind::of_sqlite(&name, &kind)?, name })
    }

    /// The value in a row, and about how long it is.
    fn value(&self, row: &SqliteRow, place: usize) -> Result<(Value, usize), StoreError> {
        Ok(match self.kind {
            Kind::Int => (Value::OptionalInt(row.try_get(place).map_err(reading)?), 8),
            Kind::Text => {
                let text: Option<String> = row.try_get(place).map_err(reading)?;
                let length = text.as_ref().map_or(0, String::len);
                (Value::OptionalText(text), length)
            }
            Kind::Bytes => {
                let bytes: Vec<u8> = row.try_get(place).map_err(reading)?;
                let length = bytes.len();
                (Value::Bytes(bytes), length)
            }
        })
    }
}

/// Moves the rows of a table, as they come.
async fn move_table(
    source: &mut SqliteConnection,
    target: &mut dyn Session,
    table: &Table,
) -> Result<u64, StoreError> {
    let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let names = names.join(", ");
    let select = format!("SELECT {names} FROM {}", table.name);
    let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(source);
    let (mut values, mut bytes, mut moved) = (Vec::new(), 0, 0);
    while let Some(row) = rows.try_next().await.map_err(reading)? {
        for (place, column) in table.columns.iter().enumerate() {
            let (value, length) = column.value(&row, place)?;
            values.push(value);
            bytes += length;
        }
        moved += 1;
        if bytes >= BYTES || values.len() + table.columns.len() > VALUES {
            insert(target, table, &names, std::mem::take(&mut values)).await?;
            bytes = 0;
        }
    }
    insert(target, table, &names, values).await?;
    Ok(moved)
}

async fn insert(
    target: &mut dyn Session,
    table: &Table,
    names: &str,
    values: Vec<Value>,
) -> Result<(), StoreError> {
    let rows = values.len() / table.columns.len();
    if rows == 0 {
        return Ok(());
    }
    let row = format!("({})", vec!["?"; table.columns.len()].join(", "));
    let statement = format!("INSERT INTO {} ({names}) VALUES {}", table.name, vec![row; rows].join(", "));
    target.fetch_built(statement, values).await.map(|_| ())
}

/// Lets the target give no key that was given before.
async fn keys(target: &mut dyn Session, dialect: Dialect, tables: &[Table]) -> Result<(), StoreError> {
    for Table { name, last_key, .. } in tables {
        let Some(last) = last_key.filter(|last| *last > 0) else { continue };
        let statement = match dialect {
            Dialect::MySql => format!("ALTER TABLE {name} AUTO_INCREMENT = {}", last + 1),
            _ => format!("SELECT setval(pg_get_serial_sequence('{name}', 'id'), {last})"),
        };
        target.fetch_built(statement, Vec::new()).await?;
    }
    Ok(())
}

fn reading(error: sqlx::Error) -> StoreError {
    map("reading the SQLite database", error)
}

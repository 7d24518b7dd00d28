//! Metadata in SQL: one text of every statement for SQLite, PostgreSQL and MySQL/MariaDB.
//!
//! `rows/` has the statements, one noun a file, in the common subset of the three. `dialect.rs` renders a statement for a
//! database; a `Session` runs it. Nothing else knows which database it is.

#[cfg(feature = "postgres")]
mod announcing;
#[cfg(feature = "backup")]
pub(crate) mod asking;
#[cfg(any(feature = "backup", all(feature = "sqlite", any(feature = "postgres", feature = "mysql"))))]
mod column;
mod dialect;
mod error;
mod guarded;
mod listing;
mod migrate;
#[cfg(all(feature = "sqlite", any(feature = "postgres", feature = "mysql")))]
mod moving;
#[cfg(feature = "backup")]
pub(crate) mod plain;
pub(crate) mod rows;
#[cfg(feature = "backup")]
pub(crate) mod schema;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod server;
mod session;
mod statement;
mod store;

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(all(feature = "sqlite", any(feature = "postgres", feature = "mysql")))]
pub use moving::MovedTable;
pub use store::SqlMetadata;

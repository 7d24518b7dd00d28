//! Faults of the databases, as the engine knows them.

use harbor_core::{StoreError, StoreErrorKind};
use sqlx::error::{DatabaseError, ErrorKind};

/// The fault of a statement. `context` says what was being done.
pub(super) fn map(context: &'static str, error: sqlx::Error) -> StoreError {
    let kind = match &error {
        sqlx::Error::Database(database) => database_kind(database.as_ref()),
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => StoreErrorKind::Full,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        // A proxy that has no server to pass us on to breaks off in the midst of a word.
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => StoreErrorKind::Unavailable,
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Other,
    };
    StoreError::new(kind, context).with_source(error)
}

fn database_kind(error: &dyn DatabaseError) -> StoreErrorKind {
    match error.kind() {
        ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation => return StoreErrorKind::Conflict,
        _ => {}
    }
    let code = error.code().unwrap_or_default();
    #[cfg(feature = "mysql")]
    if let Some(mysql) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return mysql_kind(mysql.number());
    }
    #[cfg(feature = "postgres")]
    if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        return postgres_kind(&code);
    }
    sqlite_kind(&code)
}

/// PostgreSQL, appendix A, "PostgreSQL Error Codes".
#[cfg(feature = "postgres")]
fn postgres_kind(code: &str) -> StoreErrorKind {
    match code {
        "40001" | "40P01" | "55P03" => StoreErrorKind::Conflict,
        "53100" => StoreErrorKind::Full,
        "57014" => StoreErrorKind::Unavailable,
        code if ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) => {
            StoreErrorKind::Unavailable
        }
        code if code.starts_with("XX00") => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Other,
    }
}

/// MariaDB, "MariaDB Error Code Reference"; MySQL has the same numbers.
#[cfg(feature = "mysql")]
fn mysql_kind(number: u16) -> StoreErrorKind {
    match number {
        // Lock wait timeout, deadlock, and a snapshot that another transaction overtook.
        1205 | 1213 | 1020 => StoreErrorKind::Conflict,
        1021 | 1041 | 1114 => StoreErrorKind::Full,
        // 1969 and 3024: a statement took too long, in MariaDB and in MySQL.
        1040 | 1053 | 1158..=1161 | 1203 | 1290 | 1927 | 1969 | 3024 | 2006 | 2013 => {
            StoreErrorKind::Unavailable
        }
        1034 | 1194 | 1712 => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Other,
    }
}

/// SQLite, "Result and Error Codes": the low byte is the primary code.
fn sqlite_kind(code: &str) -> StoreErrorKind {
    match code.parse::<u32>().unwrap_or_default() & 0xff {
        5 | 6 => StoreErrorKind::Conflict,
        11 | 26 => StoreErrorKind::Corrupt,
        13 => StoreErrorKind::Full,
        14 => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Other,
    }
}

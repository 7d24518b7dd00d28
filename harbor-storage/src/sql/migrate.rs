//! Versioned migrations, applied at start.

use std::borrow::Cow;

use harbor_core::{StoreError, StoreErrorKind};
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use super::dialect::Dialect;

/// Every migration there ever was, in order. One that was released is never changed: its checksum is in the databases.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "content", include_str!("migrations/0001_content.sql")),
    (2, "people", include_str!("migrations/0002_people.sql")),
    (3, "quotas", include_str!("migrations/0003_quotas.sql")),
];

fn migrator(dialect: Dialect) -> Migrator {
    let rendered = |(version, name, text): &(i64, &'static str, &str)| {
        let sql = AssertSqlSafe(dialect.render_schema(text)).into_sql_str();
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(MIGRATIONS.iter().map(rendered).collect())
}

/// Applies what is missing, under the database's lock.
///
/// # Errors
/// `TooNew` when a newer version of this program migrated the database.
pub(super) async fn run<C>(dialect: Dialect, connection: &mut C) -> Result<(), StoreError>
where
    C: Migrate,
{
    migrator(dialect).run_direct(None, connection, false).await.map_err(failed)
}

fn failed(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(version) => StoreError::new(
            StoreErrorKind::TooNew,
            format!(
                "the database is at schema version {version}, and this program knows versions up to {}: \
                 run the newer program, or restore a backup from before it",
                MIGRATIONS.last().map_or(0, |(version, ..)| *version)
            ),
        ),
        MigrateError::Execute(error) => super::error::map("migrating the database", error),
        other => StoreError::new(StoreErrorKind::Other, "migrating the database").with_source(other),
    }
}

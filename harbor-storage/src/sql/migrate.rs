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
    (4, "artifacts", include_str!("migrations/0004_artifacts.sql")),
    (5, "immutable", include_str!("migrations/0005_immutable.sql")),
    (6, "audit", include_str!("migrations/0006_audit.sql")),
    (7, "jobs", include_str!("migrations/0007_jobs.sql")),
    (8, "retention", include_str!("migrations/0008_retention.sql")),
    (9, "webhooks", include_str!("migrations/0009_webhooks.sql")),
    (10, "tamper_evidence", include_str!("migrations/0010_tamper_evidence.sql")),
    (11, "trash", include_str!("migrations/0011_trash.sql")),
    (12, "jobs_by_kind", include_str!("migrations/0012_jobs_by_kind.sql")),
    (13, "pulls", include_str!("migrations/0013_pulls.sql")),
    (14, "trash_labels", include_str!("migrations/0014_trash_labels.sql")),
    (15, "executions_by_status", include_str!("migrations/0015_executions_by_status.sql")),
    (16, "garbage", include_str!("migrations/0016_garbage.sql")),
    (17, "deaths", include_str!("migrations/0017_deaths.sql")),
    (18, "webhook_triggers", include_str!("migrations/0018_webhook_triggers.sql")),
];

fn migrator(dialect: Dialect, migrations: &[(i64, &'static str, &str)]) -> Migrator {
    let rendered = |(version, name, text): &(i64, &'static str, &str)| {
        let sql = AssertSqlSafe(dialect.render_schema(text)).into_sql_str();
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(migrations.iter().map(rendered).collect())
}

/// Applies what is missing, under the database's lock.
///
/// # Errors
/// `TooNew` when a newer version of this program migrated the database.
pub(super) async fn run<C>(dialect: Dialect, connection: &mut C) -> Result<(), StoreError>
where
    C: Migrate,
{
    run_to(None, dialect, connection).await
}

/// Applies what is missing up to a version, or all.
///
/// # Errors
/// As [`run`].
pub(super) async fn run_to<C>(
    version: Option<i64>,
    dialect: Dialect,
    connection: &mut C,
) -> Result<(), StoreError>
where
    C: Migrate,
{
    migrator(dialect, MIGRATIONS).run_direct(version, connection, false).await.map_err(failed)
}

/// The newest version that this program knows.
pub(super) fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |(version, ..)| *version)
}

/// The version that a database says it has while a registry is restored into it. No program knows it, so none takes what is half
/// there for a registry.
pub(super) const RESTORING: i64 = 9_000_000_000_000_000;

fn failed(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(RESTORING) => StoreError::new(
            StoreErrorKind::Conflict,
            "a registry is being restored into this database: run `harborctl local restore` again, it completes it",
        ),
        MigrateError::VersionMissing(version) => StoreError::new(
            StoreErrorKind::TooNew,
            format!(
                "the database is at schema version {version}, and this program knows versions up to {}: \
                 run the newer program, or restore a backup from before it",
                newest()
            ),
        ),
        MigrateError::Execute(error) => super::error::map("migrating the database", error),
        other => StoreError::new(StoreErrorKind::Other, "migrating the database").with_source(other),
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use sqlx::{Connection, Executor, Row, SqliteConnection};

    use super::*;

    /// What was there before anything was counted: in the first project a blob with two links, which is a manifest of two
    /// repositories as well, and one with one link; in the second, one of them again; in the third, nothing.
    const BEFORE: &str = "
        INSERT INTO projects (id, name, is_public, created_at) VALUES (1, 'one', 0, 5), (2, 'two', 0, 6), (3, 'three', 0, 7);
        INSERT INTO repositories (id, project_id, name, created_at)
            VALUES (1, 1, 'one/a', 0), (2, 1, 'one/b', 0), (3, 2, 'two/a', 0);
        INSERT INTO blobs (id, digest, size, location, state, created_at)
            VALUES (1, 'sha256:a', 10, 'a', 0, 0), (2, 'sha256:b', 200, 'b', 0, 0), (3, 'sha256:c', 3000, 'c', 1, 0);
        INSERT INTO blob_links (repository_id, blob_id, created_at) VALUES (1, 1, 0), (2, 1, 0), (2, 2, 0), (3, 2, 0);
        INSERT INTO manifests (repository_id, digest, media_type, size, annotations, payload, pushed_at)
            VALUES (1, 'sha256:a', 't', 10, '{}', x'', 0), (2, 'sha256:a', 't', 10, '{}', x'', 0),
                   (3, 'sha256:m', 't', 40000, '{}', x'', 0);
        INSERT INTO gc_reviews (kind, subject_id, due, attempts, reason) VALUES (0, 3, 9, 0, 'a link'), (1, 3, 7, 0, 'a blob');";

    /// What is due of a kind costs the same, however many jobs of others wait.
    #[tokio::test]
    async fn jobs_are_found_by_their_kind() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        run(Dialect::Sqlite, &mut connection).await.unwrap();
        for (plan, expected) in [
            (
                "EXPLAIN QUERY PLAN SELECT (SELECT MIN(due_at) FROM tasks WHERE status = 'a' AND kind = 'b' AND priority = 1)",
                "SEARCH tasks USING COVERING INDEX tasks_kind (status=? AND kind=? AND priority=?)",
            ),
            (
                "EXPLAIN QUERY PLAN SELECT job FROM tasks WHERE status = 'a' AND kind = 'b' AND priority = 1 AND due_at <= 9 \
                 ORDER BY due_at, id LIMIT 5",
                "SEARCH tasks USING INDEX tasks_kind (status=? AND kind=? AND priority=? AND due_at<?)",
            ),
        ] {
            let steps = connection.fetch_all(plan).await.unwrap();
            let steps: Vec<String> = steps.iter().map(|row| row.get("detail")).collect();
            assert_eq!(steps.last().map(String::as_str), Some(expected), "{steps:?}");
            assert!(!steps.iter().any(|step| step.contains("B-TREE")), "{steps:?}");
        }
    }

    /// What is beyond what is kept costs the same, however many executions wait or failed.
    #[tokio::test]
    async fn executions_are_counted_by_their_status() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        run(Dialect::Sqlite, &mut connection).await.unwrap();
        let index =
            "SEARCH executions USING COVERING INDEX executions_status (kind=? AND subject_id=? AND status=?";
        for (plan, rest) in [
            (
                "EXPLAIN QUERY PLAN SELECT ended_at, id FROM executions WHERE kind = 'a' AND subject_id = 1 AND status = 'b' \
                 ORDER BY ended_at DESC, id DESC LIMIT 1 OFFSET 50",
                ")",
            ),
            (
                "EXPLAIN QUERY PLAN SELECT ended_at, id FROM executions WHERE kind = 'a' AND subject_id = 1 AND status = 'b' \
                 AND ended_at <= 9 ORDER BY ended_at, id LIMIT 100",
                " AND ended_at<?)",
            ),
        ] {
            let steps = connection.fetch_all(plan).await.unwrap();
            let steps: Vec<String> = steps.iter().map(|row| row.get("detail")).collect();
            assert_eq!(steps, [format!("{index}{rest}")]);
        }
    }

    /// A page of the tags of an artifact costs what the page has, however many tags there are.
    #[tokio::test]
    async fn tags_of_an_artifact_are_read_in_their_order() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        run(Dialect::Sqlite, &mut connection).await.unwrap();
        let plan = "EXPLAIN QUERY PLAN SELECT t.id, t.name FROM tags t WHERE (t.manifest_id = 1) \
                    ORDER BY t.pushed_at DESC, t.id DESC LIMIT 10 OFFSET 0";
        let steps = connection.fetch_all(plan).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|row| row.get("detail")).collect();
        assert_eq!(steps, ["SEARCH t USING INDEX tags_of_manifest (manifest_id=?)"]);
    }

    #[tokio::test]
    async fn what_is_there_is_counted() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let earlier = migrator(Dialect::Sqlite, &MIGRATIONS[..2]);
        earlier.run_direct(None, &mut connection, false).await.unwrap();
        connection.execute(BEFORE).await.unwrap();
        run(Dialect::Sqlite, &mut connection).await.unwrap();
        let mut numbers = async |statement: &'static str| {
            let rows = connection.fetch_all(statement).await.unwrap();
            rows.iter().map(|row| (row.get::<i64, _>(0), row.get::<i64, _>(1))).collect::<Vec<_>>()
        };
        let held = "SELECT project_id, holders FROM project_content ORDER BY project_id, digest";
        assert_eq!(numbers(held).await, [(1, 4), (1, 1), (2, 1), (2, 1)]);
        let usage = "SELECT project_id, used FROM project_usage ORDER BY project_id";
        assert_eq!(numbers(usage).await, [(1, 210), (2, 40_200)]);
        // What was about to be deleted is as good as gone, and its bytes are not forgotten.
        assert_eq!(numbers("SELECT size, due FROM garbage").await, [(3000, 0)]);
        assert_eq!(numbers("SELECT id, size FROM blobs ORDER BY id").await, [(1, 10), (2, 200)]);
        let queue = "SELECT link_id, due FROM link_reviews ORDER BY link_id";
        assert_eq!(numbers(queue).await, [(3, 9)]);
        let quotas = "SELECT project_id, created_at FROM quotas WHERE hard = -1 ORDER BY project_id";
        assert_eq!(numbers(quotas).await, [(1, 5), (2, 6), (3, 7)]);
    }
}

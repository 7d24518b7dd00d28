//! What is asked of a database as a whole, ahead of a backup and a restore.

/// The tables of SQLite, in the order in which they were made, and what made each.
pub(crate) const TABLES: &str =
    "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid";

/// The columns of a table of SQLite, and their types.
pub(crate) const COLUMNS: &str = "SELECT name, type FROM pragma_table_info(?)";

/// Whether migrations ever ran.
pub(crate) const IS_MIGRATED_SQLITE: &str =
    "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
pub(crate) const IS_MIGRATED_POSTGRES: &str = "SELECT COUNT(to_regclass('_sqlx_migrations'))";
pub(crate) const IS_MIGRATED_MYSQL: &str = "SELECT COUNT(*) FROM information_schema.tables \
     WHERE table_schema = DATABASE() AND table_name = '_sqlx_migrations'";

/// The newest migration.
pub(crate) const NEWEST: &str =
    "SELECT version, description FROM _sqlx_migrations ORDER BY version DESC LIMIT 1";

/// Notes that a registry is restored.
pub(crate) const NOTE_RESTORING: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (?, ?, TRUE, ?, 0)";

/// And that this is over.
pub(crate) const FORGET_RESTORING: &str = "DELETE FROM _sqlx_migrations WHERE version = ?";

/// Blobs that a repository has: in an earlier schema there were others, which were about to go.
pub(crate) const LINKED: &str = "EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = blobs.id)";

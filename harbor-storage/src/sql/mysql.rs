//! MySQL and MariaDB.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use harbor_core::{StoreError, StoreErrorKind};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Executor, MySql, MySqlConnection};

use super::dialect::Dialect;
use super::error::map;
use super::server::{PATIENCE, reason, server_database};
use super::session::{Row, Session, bind, session};
use super::statement::{Statement, Value};

// The migrator's own lock waits for -1 seconds, which MariaDB takes for none at all.
const LOCK: &str = "SELECT GET_LOCK(CONCAT('harbor-', MD5(DATABASE())), 600)";
const UNLOCK: &str = "SELECT RELEASE_LOCK(CONCAT('harbor-', MD5(DATABASE())))";

server_database!(
    MySqlDatabase,
    MySqlSession,
    MySqlTransaction,
    MySql,
    Dialect::MySql,
    Row::MySql,
    LOCK,
    UNLOCK
);

impl MySqlDatabase {
    /// Connects, and migrates what is missing.
    pub(super) async fn connect(url: &str, connections: u32) -> Result<Self, StoreError> {
        // The parser's message may quote the address, which holds a password.
        let unread =
            |_| StoreError::new(StoreErrorKind::Other, "the address of the MySQL database does not read");
        let options = MySqlConnectOptions::from_str(url)
            .map_err(unread)?
            .charset("utf8mb4")
            .statement_cache_capacity(256);
        let pool = MySqlPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(PATIENCE))
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // As PostgreSQL has it by default: a statement sees what was committed before it began, so what is
                    // read after a lock was waited for is true.
                    connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
                    connection.execute("SET SESSION innodb_lock_wait_timeout = 30").await?;
                    Ok(())
                })
            })
            .connect_with(options.clone())
            .await;
        let pool = match pool {
            Ok(pool) => pool,
            Err(error) => {
                let error = reason::<MySqlConnection>(&options, error).await;
                return Err(map("connecting to MySQL", error));
            }
        };
        let database = Self { pool };
        database.migrate().await?;
        Ok(database)
    }
}

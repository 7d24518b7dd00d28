//! PostgreSQL.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use harbor_core::{StoreError, StoreErrorKind};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Postgres};

use super::dialect::Dialect;
use super::error::map;
use super::server::{PATIENCE, reason, server_database};
use super::session::{Row, Session, bind, session};
use super::statement::{Statement, Value};

// The migrator's own lock does.
const LOCK: &str = "SELECT 1";
const UNLOCK: &str = "SELECT 1";

server_database!(
    PgDatabase,
    PgSession,
    PgTransaction,
    Postgres,
    Dialect::Postgres,
    Row::Postgres,
    LOCK,
    UNLOCK
);

impl PgDatabase {
    /// Connects, and migrates what is missing.
    pub(super) async fn connect(url: &str, connections: u32) -> Result<Self, StoreError> {
        // The parser's message may quote the address, which holds a password.
        let unread = |_| {
            StoreError::new(StoreErrorKind::Other, "the address of the PostgreSQL database does not read")
        };
        let options = PgConnectOptions::from_str(url)
            .map_err(unread)?
            .application_name("harbor")
            .statement_cache_capacity(256)
            // A push whose node died must not hold locks for ever.
            .options([("idle_in_transaction_session_timeout", "60s"), ("lock_timeout", "30s")]);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(PATIENCE))
            .connect_with(options.clone())
            .await;
        let pool = match pool {
            Ok(pool) => pool,
            Err(error) => {
                let error = reason::<PgConnection>(&options, error).await;
                return Err(map("connecting to PostgreSQL", error));
            }
        };
        let database = Self { pool };
        database.migrate().await?;
        Ok(database)
    }
}

//! PostgreSQL.

use std::str::FromStr;

use async_trait::async_trait;
use harbor_core::{StoreError, StoreErrorKind};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres};

use super::announcing::Announcing;
use super::dialect::Dialect;
use super::error::map;
use super::server::{Door, FRESH, Limited, PROMPT, RELEASE, first_connection, pool_options, server_database};
use super::session::{Row, Session, bind, session};
use super::statement::{Statement, Value};

server_database!(PgDatabase, PgSession, PgTransaction, Postgres, Dialect::Postgres, Row::Postgres);

impl PgDatabase {
    /// Connects, and migrates what is missing.
    pub(super) async fn connect(url: &str, connections: u32) -> Result<(Self, Announcing), StoreError> {
        // The parser's message may quote the address, which holds a password.
        let unread = |_| {
            StoreError::new(StoreErrorKind::Other, "the address of the PostgreSQL database does not read")
        };
        let options = PgConnectOptions::from_str(url)
            .map_err(unread)?
            .application_name("harbor")
            .statement_cache_capacity(256);
        let connected = first_connection::<PgConnection>(&options).await;
        let mut connection = connected.map_err(|error| map("connecting to PostgreSQL", error))?;
        // The migrator's own lock keeps other nodes off.
        super::migrate::run(Dialect::Postgres, &mut connection).await?;
        connection.close().await.map_err(|error| map("migrating the database", error))?;
        let announcing = Announcing::new(options.clone());
        let options = options.options([
            // A push whose node died must not hold locks for ever.
            ("idle_in_transaction_session_timeout", "20s"),
            // Who waits for a lock may try again; the whole statement has a limit above that, and both below our own.
            ("lock_timeout", "5s"),
            ("statement_timeout", "25s"),
        ]);
        let pool = pool_options!(PgPoolOptions, connections).connect_lazy_with(options);
        Ok((Self::new(pool, connections), announcing))
    }
}

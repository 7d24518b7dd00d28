//! MySQL and MariaDB.

use std::str::FromStr;

use async_trait::async_trait;
use harbor_core::{StoreError, StoreErrorKind};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, MySql, MySqlConnection};

use super::dialect::Dialect;
use super::error::map;
use super::server::{Door, FRESH, Limited, PROMPT, RELEASE, first_connection, pool_options, server_database};
use super::session::{Row, Session, bind, session};
use super::statement::{Statement, Value};

// The migrator's own lock waits for -1 seconds, which MariaDB takes for none at all.
pub(super) const LOCK: &str = "SELECT GET_LOCK(CONCAT('harbor-', MD5(DATABASE())), 600)";
pub(super) const UNLOCK: &str = "SELECT RELEASE_LOCK(CONCAT('harbor-', MD5(DATABASE())))";

/// Who waits for a lock may try again; the whole statement has a limit above that, and both below our own. MariaDB has one for
/// all statements, in seconds, and MySQL one for reading, in milliseconds; each takes the other's for a comment.
const LIMITS: &str = "SET SESSION innodb_lock_wait_timeout = 5 \
                      /*M! , SESSION max_statement_time = 25, SESSION idle_transaction_timeout = 20 */ \
                      /*!50708 , SESSION max_execution_time = 25000 */";

server_database!(MySqlDatabase, MySqlSession, MySqlTransaction, MySql, Dialect::MySql, Row::MySql);

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
        let failed = |error| map("migrating the database", error);
        let connected = first_connection::<MySqlConnection>(&options).await;
        let mut connection = connected.map_err(|error| map("connecting to MySQL", error))?;
        connection.execute(LOCK).await.map_err(failed)?;
        super::migrate::run(Dialect::MySql, &mut connection).await?;
        connection.execute(UNLOCK).await.map_err(failed)?;
        connection.close().await.map_err(failed)?;
        let pool = pool_options!(MySqlPoolOptions, connections)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // As PostgreSQL has it by default: a statement sees what was committed before it began, so what is
                    // read after a lock was waited for is true.
                    connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
                    connection.execute(LIMITS).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(options);
        Ok(Self::new(pool, connections))
    }
}

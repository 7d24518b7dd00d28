//! What PostgreSQL and MySQL/MariaDB have in common: a pool of connections, and transactions of the server's own.

/// Makes the database and session types for one of them.
macro_rules! server_database {
    ($database:ident, $session:ident, $transaction:ident, $kind:ty, $dialect:expr, $row:path, $lock:expr, $unlock:expr) => {
        /// A pool of connections to the server.
        #[derive(Debug)]
        pub(super) struct $database {
            pool: sqlx::Pool<$kind>,
        }

        impl $database {
            pub(super) async fn read(&self) -> Result<Box<dyn Session>, StoreError> {
                let connection = self.pool.acquire().await.map_err(|error| map("connecting", error))?;
                Ok(Box::new($session { connection }))
            }

            pub(super) async fn begin(&self) -> Result<Box<dyn Session>, StoreError> {
                let transaction = self.pool.begin().await.map_err(|error| map("connecting", error))?;
                Ok(Box::new($transaction { transaction }))
            }

            pub(super) async fn check(&self) -> Result<(), StoreError> {
                let checked = sqlx::query("SELECT id FROM projects LIMIT 1").execute(&self.pool).await;
                checked.map(|_| ()).map_err(|error| map("checking the database", error))
            }

            pub(super) async fn close(&self) {
                self.pool.close().await;
            }

            async fn migrate(&self) -> Result<(), StoreError> {
                let failed = |error| map("migrating the database", error);
                let mut connection = self.pool.acquire().await.map_err(failed)?;
                connection.execute($lock).await.map_err(failed)?;
                let migrated = super::migrate::run($dialect, &mut *connection).await;
                connection.execute($unlock).await.map_err(failed)?;
                migrated
            }
        }

        #[derive(Debug)]
        struct $session {
            connection: sqlx::pool::PoolConnection<$kind>,
        }

        #[derive(Debug)]
        struct $transaction {
            transaction: sqlx::Transaction<'static, $kind>,
        }

        impl $session {
            async fn end(self) -> Result<(), StoreError> {
                Ok(())
            }
        }

        impl $transaction {
            async fn end(self) -> Result<(), StoreError> {
                self.transaction.commit().await.map_err(|error| map("committing", error))
            }
        }

        session!($session, connection, $kind, $dialect, $row);
        session!($transaction, transaction, $kind, $dialect, $row);
    };
}
pub(super) use server_database;

/// How long to wait for a connection before the request is answered that the database is not available, in seconds.
pub(super) const PATIENCE: u64 = 10;

/// What kept a pool from connecting at the start: of a server that cannot be reached, the pool says no more than that it
/// waited in vain.
pub(super) async fn reason<C: sqlx::Connection>(options: &C::Options, error: sqlx::Error) -> sqlx::Error {
    if !matches!(error, sqlx::Error::PoolTimedOut) {
        return error;
    }
    match tokio::time::timeout(std::time::Duration::from_secs(2), C::connect_with(options)).await {
        Ok(Err(reason)) => reason,
        _ => error,
    }
}

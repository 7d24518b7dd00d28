//! What PostgreSQL and MySQL/MariaDB have in common: a pool of connections, and transactions of the server's own.

use std::task::Poll;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use harbor_core::{StoreError, StoreErrorKind};
use sqlx::Connection;
use tokio::sync::OwnedSemaphorePermit;

use super::error::map;
use super::session::{Row, Session};
use super::statement::{Statement, Value};

/// How long to wait for the start of a server that starts together with this one.
const START: Duration = Duration::from_secs(10);

/// How long to wait before the start is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// How long to wait for a free connection of a busy pool.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a server may take to let us in, or to say that a connection is still good.
pub(super) const PROMPT: Duration = Duration::from_millis(2500);

/// How long it may take to give a connection back: one that is not free by then is closed.
pub(super) const RELEASE: Duration = Duration::from_secs(1);

/// Connections unused for less are taken to be good without asking.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// How long a statement, and a transaction, may take until the server is taken to be gone without a word. The servers are told of
/// shorter limits, so that one that is alive says so itself, and the connection stays.
const SILENCE: Duration = Duration::from_secs(30);

/// Makes the database and session types for one of them.
macro_rules! server_database {
    ($database:ident, $session:ident, $transaction:ident, $kind:ty, $dialect:expr, $row:path) => {
        /// A pool of connections to the server.
        #[derive(Debug)]
        pub(super) struct $database {
            pool: sqlx::Pool<$kind>,
            door: Door,
        }

        impl $database {
            fn new(pool: sqlx::Pool<$kind>, connections: u32) -> Self {
                Self { pool, door: Door::new(connections) }
            }

            pub(super) async fn read(&self) -> Result<Box<dyn Session>, StoreError> {
                let entered = self.door.enter(self.pool.acquire()).await;
                let (turn, connection) = entered.inspect_err(|_| self.forget())?;
                Ok(Box::new(Limited::each(turn, $session { connection })))
            }

            pub(super) async fn begin(&self) -> Result<Box<dyn Session>, StoreError> {
                let entered = self.door.enter(self.pool.begin()).await;
                let (turn, transaction) = entered.inspect_err(|_| self.forget())?;
                Ok(Box::new(Limited::whole(turn, $transaction { transaction })))
            }

            /// Throws the unused connections away: where one fell silent, the others are not to be tried one by one.
            fn forget(&self) {
                while let Some(connection) = self.pool.try_acquire() {
                    drop(connection.detach());
                }
            }

            pub(super) async fn check(&self) -> Result<(), StoreError> {
                self.read().await?.fetch(&crate::sql::rows::LOOK, Vec::new()).await.map(|_| ())
            }

            pub(super) async fn close(&self) {
                self.pool.close().await;
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

/// Sets what both pools have in common.
macro_rules! pool_options {
    ($options:ty, $connections:expr) => {
        <$options>::new()
            .max_connections($connections)
            .acquire_timeout(PROMPT)
            .test_before_acquire(false)
            .before_acquire(|connection, unused| {
                Box::pin(async move {
                    if unused.idle_for > FRESH {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            // Rolls back what was not committed. A silent server must not keep the pool's place for ever.
            .after_release(|connection, _| {
                Box::pin(async move {
                    match tokio::time::timeout(RELEASE, connection.ping()).await {
                        Ok(answer) => answer.map(|()| true),
                        Err(_) => Err(sqlx::Error::PoolTimedOut),
                    }
                })
            })
    };
}
pub(super) use pool_options;

/// Lets in as many as there are connections. The pool could do that too, but it has one limit for waiting behind others, which
/// may be long, and for waiting for the server, which must not.
#[derive(Debug)]
pub(super) struct Door {
    turns: std::sync::Arc<tokio::sync::Semaphore>,
    /// When the server was last found to be out of reach, if it was not reached since.
    failed: std::sync::Mutex<Option<Instant>>,
}

impl Door {
    pub(super) fn new(connections: u32) -> Self {
        let turns = tokio::sync::Semaphore::new(connections as usize);
        Self { turns: std::sync::Arc::new(turns), failed: std::sync::Mutex::default() }
    }

    /// Waits for a turn and then for a connection. Who waits behind somebody who finds the server out of reach need not try.
    pub(super) async fn enter<T>(
        &self,
        connect: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<(OwnedSemaphorePermit, T), StoreError> {
        let began = Instant::now();
        let turn = std::sync::Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(PATIENCE, turn).await.map_err(|_| silent("waiting for a turn"))?;
        let turn = turn.map_err(|_| silent("connecting"))?;
        if self.failed().is_some_and(|failed| failed > began) {
            return Err(silent("connecting, as somebody else did"));
        }
        // What goes beyond the pool's own limit is the beginning of a transaction.
        let connected = tokio::time::timeout(PROMPT * 2, briskly(connect)).await;
        let connected = connected.map_or(Err(sqlx::Error::PoolTimedOut), |connected| connected);
        *self.failed() = if connected.is_ok() { None } else { Some(Instant::now()) };
        Ok((turn, connected.map_err(|error| map("connecting", error))?))
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// How often somebody who is let in goes on, of the times that they would let others go on first.
const BRISK: usize = 40;

/// Lets others have fewer turns in between. PostgreSQL's password is hashed thousands of times (RFC 5802, `Hi`), and the driver lets
/// everybody else have a turn after each five: among many who have much to do, to be let in would take longer than anybody waits.
async fn briskly<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| {
        let mut turns = (0..BRISK).map(|_| work.as_mut().poll(context));
        turns.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

/// A session whose statements have a limit on the time that they take, and all of them together in a transaction: nobody waits for
/// ever for what it has locked, and for the numbers that it took. After that it is only good for dropping, and its connection with it.
#[derive(Debug)]
pub(super) struct Limited<S> {
    session: S,
    until: Option<Instant>,
    _turn: OwnedSemaphorePermit,
}

impl<S> Limited<S> {
    /// Each statement has the limit for itself.
    pub(super) const fn each(turn: OwnedSemaphorePermit, session: S) -> Self {
        Self { session, until: None, _turn: turn }
    }

    /// The whole transaction has it, from now on.
    pub(super) fn whole(turn: OwnedSemaphorePermit, session: S) -> Self {
        Self { session, until: Some(Instant::now() + SILENCE), _turn: turn }
    }

    /// How long the next statement may take.
    fn left(&self) -> Duration {
        self.until.map_or(SILENCE, |until| until.saturating_duration_since(Instant::now()))
    }
}

#[async_trait]
impl<S: Session> Session for Limited<S> {
    async fn fetch(
        &mut self,
        statement: &'static Statement,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        within("reading", self.left(), self.session.fetch(statement, values)).await
    }

    async fn fetch_built(&mut self, statement: String, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        within("reading", self.left(), self.session.fetch_built(statement, values)).await
    }

    async fn execute(
        &mut self,
        statement: &'static Statement,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        within("writing", self.left(), self.session.execute(statement, values)).await
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        within("committing", self.left(), Box::new(self.session).commit()).await
    }
}

async fn within<T>(
    doing: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(limit, work).await.map_err(|_| silent(doing))?
}

fn silent(doing: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("{doing}: the database does not answer"))
}

/// A first connection, for the migrations, which may take as long as they need. A server that starts together with this one
/// is waited for.
pub(super) async fn first_connection<C: Connection>(options: &C::Options) -> Result<C, sqlx::Error> {
    let until = Instant::now() + START;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, C::connect_with(options)).await {
            Ok(Err(error)) if is_starting(&error) && left > PAUSE => {
                tokio::time::sleep(PAUSE).await;
            }
            Ok(outcome) => return outcome,
            Err(_) => return Err(sqlx::Error::PoolTimedOut),
        }
    }
}

fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.is_transient_in_connect_phase(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_let_in_waits_for_few_turns_of_others() {
        let (others, counted) =
            (std::sync::atomic::AtomicUsize::new(0), std::sync::atomic::Ordering::Relaxed);
        let password = briskly(async {
            for _ in 0..4096 / 5 {
                tokio::task::yield_now().await;
            }
        });
        let others_work = async {
            loop {
                others.fetch_add(1, counted);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { () = password => {} () = others_work => {} }
        let turns = others.load(counted);
        assert!((10..100).contains(&turns), "{turns}");
    }
}

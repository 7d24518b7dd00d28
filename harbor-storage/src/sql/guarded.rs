//! A session that ends with its first failure.

use harbor_core::{StoreError, StoreErrorKind};

use super::session::{Row, Session};
use super::statement::{Statement, Value};

/// After a statement failed, the databases differ: SQLite goes on as if it had not been, PostgreSQL refuses every further
/// statement but lets the commit seem to work, and MySQL may have left the transaction and go on without one. Here nothing
/// goes on, in any of them.
#[derive(Debug)]
pub(super) struct Guarded {
    pub(super) session: Box<dyn Session>,
    pub(super) failed: bool,
}

impl Guarded {
    pub(super) async fn fetch(
        &mut self,
        statement: &'static Statement,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        self.enter()?;
        let done = self.session.fetch(statement, values).await;
        self.leave(done)
    }

    pub(super) async fn fetch_built(
        &mut self,
        statement: String,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        self.enter()?;
        let done = self.session.fetch_built(statement, values).await;
        self.leave(done)
    }

    pub(super) async fn execute(
        &mut self,
        statement: &'static Statement,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        self.enter()?;
        let done = self.session.execute(statement, values).await;
        self.leave(done)
    }

    pub(super) async fn defer(
        &mut self,
        statement: &'static Statement,
        values: Vec<Value>,
    ) -> Result<(), StoreError> {
        self.enter()?;
        let done = self.session.defer(statement, values).await;
        self.leave(done)
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.enter()?;
        self.session.commit().await
    }

    /// A call that is given up half-way leaves the mark behind as well: nobody knows how far it came.
    fn enter(&mut self) -> Result<(), StoreError> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(StoreError::new(StoreErrorKind::Other, "the transaction has failed already"));
        }
        Ok(())
    }

    fn leave<T>(&mut self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        self.failed = done.is_err();
        done
    }
}

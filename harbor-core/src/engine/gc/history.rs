//! Runs of garbage collection: use cases.

use super::CollectGarbage;
use crate::access::permission::{
    GarbageCollectionCreate, GarbageCollectionList, GarbageCollectionRead, GarbageCollectionStop,
    GarbageCollectionUpdate,
};
use crate::access::{Action, Authorized, InSystem};
use crate::engine::Harbor;
use crate::engine::gate::contended;
use crate::engine::jobs::{Rhythm, TaskLog};
use crate::job::Job as _;
use crate::meta::{Execution, ExecutionId, ExecutionKey, ExecutionScope, Listed, Schedule, Trigger};
use crate::query::Query;
use crate::{Error, Result};

/// How many blobs a run may delete at a time.
const WORKERS: std::ops::RangeInclusive<u32> = 1..=10;

/// Use cases of garbage collection: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Gc<'a> {
    harbor: &'a Harbor,
}

/// The proof that somebody may make, or change, what garbage collection does.
pub trait GcChange: Action<Scope = InSystem> + sealed::Sealed {}
impl GcChange for GarbageCollectionCreate {}
impl GcChange for GarbageCollectionUpdate {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::GarbageCollectionCreate {}
    impl Sealed for super::GarbageCollectionUpdate {}
}

impl<'a> Gc<'a> {
    pub(in crate::engine) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    /// Sets a run going; yields the key of its execution. One runs at a time, and others wait.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a number of workers that is not 1 to 10; as the stores fail.
    pub async fn run<A: GcChange>(&self, proof: &Authorized<A>, job: CollectGarbage) -> Result<ExecutionId> {
        checked(job)?;
        contended!(async {
            let mut write = self.harbor.write(proof).await?;
            let id = write.start(&job, 0, Trigger::Manual).await?;
            write.audit("garbage collection").await?;
            write.commit().await.map(|()| id)
        })
    }

    /// Makes the schedule of runs, or replaces the one that there is.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a time that is none, or a number of workers that is not 1 to 10; as the stores fail.
    pub async fn schedule<A: GcChange>(
        &self,
        proof: &Authorized<A>,
        rhythm: &Rhythm,
        job: CollectGarbage,
    ) -> Result<()> {
        checked(job)?;
        contended!(async {
            let mut write = self.harbor.write(proof).await?;
            write.schedule(0, rhythm, &job).await?;
            write.audit("garbage collection schedule").await?;
            write.commit().await
        })
    }

    /// Takes the schedule away. Nothing when there is none.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn unschedule<A: GcChange>(&self, proof: &Authorized<A>) -> Result<()> {
        contended!(async {
            let mut write = self.harbor.write(proof).await?;
            write.unschedule(CollectGarbage::KIND, 0).await?;
            write.audit("garbage collection schedule").await?;
            write.commit().await
        })
    }

    /// The schedule of runs, if there is one.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn scheduled(&self, _proof: &Authorized<GarbageCollectionRead>) -> Result<Option<Schedule>> {
        Ok(self.harbor.read().await?.schedule(CollectGarbage::KIND, 0).await?)
    }

    /// A page of the runs, the latest first.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn list(
        &self,
        _proof: &Authorized<GarbageCollectionList>,
        query: &Query<ExecutionKey>,
    ) -> Result<Listed<Execution>> {
        Ok(self.harbor.read().await?.executions(&scope(), query).await?)
    }

    /// A run.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the stores fail.
    pub async fn get(
        &self,
        _proof: &Authorized<GarbageCollectionRead>,
        id: ExecutionId,
    ) -> Result<Execution> {
        self.harbor.execution_of(&scope(), id).await
    }

    /// The log of a run, which a reader may follow.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the stores fail.
    pub async fn log(
        &self,
        _proof: &Authorized<GarbageCollectionRead>,
        id: ExecutionId,
        follow: bool,
    ) -> Result<TaskLog> {
        self.harbor.execution_of(&scope(), id).await?;
        self.harbor.log_of_execution(id, follow).await
    }

    /// Stops a run, wherever it is. What it deleted is deleted. One that is over stays as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the stores fail.
    pub async fn stop(&self, proof: &Authorized<GarbageCollectionStop>, id: ExecutionId) -> Result<()> {
        self.harbor.stop_execution(proof, &scope(), id).await
    }
}

fn scope() -> ExecutionScope {
    ExecutionScope::of(CollectGarbage::KIND, 0)
}

fn checked(job: CollectGarbage) -> Result<()> {
    if WORKERS.contains(&job.workers) {
        return Ok(());
    }
    Err(Error::BadRequest(format!("workers must be 1 to 10, and not {}", job.workers)))
}

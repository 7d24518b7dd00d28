//! What the whole system does from time to time, one run at a time: garbage collection, purges of the audit log. Use cases.

use std::fmt;
use std::marker::PhantomData;

use super::Harbor;
use super::gate::contended;
use super::jobs::{Rhythm, TaskLog};
use crate::Result;
use crate::access::{Action, Authorized, InSystem};
use crate::job::Job;
use crate::meta::{Execution, ExecutionId, ExecutionKey, ExecutionScope, Listed, Schedule, Trigger};
use crate::query::Query;

/// A kind of jobs of the whole system, with the permissions that its runs need.
pub trait SystemJob: Job + Clone {
    /// To set a run going, and to make the schedule.
    type Create: RunChange<Self>;
    /// To change the schedule.
    type Update: RunChange<Self>;
    /// To list runs.
    type List: Action<Scope = InSystem>;
    /// To see a run, its log and the schedule.
    type Read: Action<Scope = InSystem>;
    /// To stop a run.
    type Stop: Action<Scope = InSystem>;

    /// What the audit log calls it.
    const CALLED: &'static str;

    /// Whether it can be run so.
    ///
    /// # Errors
    /// [`Error::BadRequest`](crate::Error::BadRequest) says what is wrong with it.
    fn check(&self) -> Result<()>;
}

/// The permission to make, or to change, what a kind of jobs does.
pub trait RunChange<J>: Action<Scope = InSystem> {}

/// Use cases of a kind of jobs of the whole system: a cheap borrow.
pub struct Runs<'a, J> {
    harbor: &'a Harbor,
    kind: PhantomData<fn() -> J>,
}

impl Harbor {
    /// The use cases of a kind of jobs of the whole system: [`CollectGarbage`](super::CollectGarbage),
    /// [`PurgeAudit`](super::PurgeAudit).
    #[must_use]
    pub const fn runs<J: SystemJob>(&self) -> Runs<'_, J> {
        Runs { harbor: self, kind: PhantomData }
    }
}

impl<J: SystemJob> Runs<'_, J> {
    /// Sets a run going; yields the key of its execution. One runs at a time, and others wait.
    ///
    /// # Errors
    /// As [`SystemJob::check`]; as the stores fail.
    pub async fn run<A: RunChange<J>>(&self, proof: &Authorized<A>, job: &J) -> Result<ExecutionId> {
        job.check()?;
        contended!(async {
            let mut write = self.harbor.write(proof).await?;
            let id = write.start(job, 0, Trigger::Manual).await?;
            write.audit(J::CALLED).await?;
            write.commit().await.map(|()| id)
        })
    }

    /// Makes the schedule of runs, or replaces the one that there is.
    ///
    /// # Errors
    /// [`Error::BadRequest`](crate::Error::BadRequest) for a time that is none; as [`SystemJob::check`]; as the stores fail.
    pub async fn schedule<A: RunChange<J>>(
        &self,
        proof: &Authorized<A>,
        rhythm: &Rhythm,
        job: &J,
    ) -> Result<()> {
        job.check()?;
        contended!(async {
            let mut write = self.harbor.write(proof).await?;
            write.schedule(0, rhythm, job).await?;
            write.audit(format!("{} schedule", J::CALLED)).await?;
            write.commit().await
        })
    }

    /// Takes the schedule away. Nothing when there is none.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn unschedule<A: RunChange<J>>(&self, proof: &Authorized<A>) -> Result<()> {
        contended!(async {
            let mut write = self.harbor.write(proof).await?;
            write.unschedule(J::KIND, 0).await?;
            write.audit(format!("{} schedule", J::CALLED)).await?;
            write.commit().await
        })
    }

    /// The schedule of runs, if there is one.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn scheduled(&self, _proof: &Authorized<J::Read>) -> Result<Option<Schedule>> {
        Ok(self.harbor.read().await?.schedule(J::KIND, 0).await?)
    }

    /// A page of the runs, the latest first.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn list(
        &self,
        _proof: &Authorized<J::List>,
        query: &Query<ExecutionKey>,
    ) -> Result<Listed<Execution>> {
        Ok(self.harbor.read().await?.executions(&scope::<J>(), query).await?)
    }

    /// A run.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound); as the stores fail.
    pub async fn get(&self, _proof: &Authorized<J::Read>, id: ExecutionId) -> Result<Execution> {
        self.harbor.execution_of(&scope::<J>(), id).await
    }

    /// The log of a run, which a reader may follow.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound); as the stores fail.
    pub async fn log(&self, _proof: &Authorized<J::Read>, id: ExecutionId, follow: bool) -> Result<TaskLog> {
        self.harbor.execution_of(&scope::<J>(), id).await?;
        self.harbor.log_of_execution(id, follow).await
    }

    /// Stops a run, wherever it is. What it deleted is deleted. One that is over stays as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound); as the stores fail.
    pub async fn stop(&self, proof: &Authorized<J::Stop>, id: ExecutionId) -> Result<()> {
        self.harbor.stop_execution(proof, &scope::<J>(), id).await
    }
}

fn scope<J: Job>() -> ExecutionScope {
    ExecutionScope::of(J::KIND, 0)
}

impl<J> Clone for Runs<'_, J> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<J> Copy for Runs<'_, J> {}

impl<J: Job> fmt::Debug for Runs<'_, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runs").field("kind", &J::KIND).finish_non_exhaustive()
    }
}

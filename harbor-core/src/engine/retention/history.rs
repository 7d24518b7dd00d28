//! Runs of a policy of retention: use cases.

use super::{Retain, RetentionRead, RetentionUpdate, Retentions};
use crate::access::permission::{SystemConfigurationRead, TagRetentionList};
use crate::engine::gate::contended;
use crate::engine::jobs::TaskLog;
use crate::engine::proof::EitherProof;
use crate::job::Job as _;
use crate::meta::{
    Execution, ExecutionId, ExecutionKey, ExecutionScope, Listed, RetentionId, Task, TaskId, TaskKey,
    TaskScope, Trigger,
};
use crate::query::{Order, Query, Test, Value};
use crate::{Error, Result};

/// The proof that the runs of a policy may be listed.
pub type RetentionList = EitherProof<SystemConfigurationRead, TagRetentionList>;

fn scope(id: RetentionId) -> ExecutionScope {
    ExecutionScope::of(Retain::KIND, id.get())
}

impl Retentions<'_> {
    /// Sets a policy going; yields the key of its execution. `dry_run`: nothing is deleted, and it is told what would be.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the stores fail.
    pub async fn run(&self, proof: &RetentionUpdate, id: RetentionId, dry_run: bool) -> Result<ExecutionId> {
        self.one(proof, id).await?;
        contended!(async {
            let mut write = proof.write(self.harbor).await?;
            // Locked: whoever deletes it finds what it has set going.
            write.rows().retention_lock(id).await?.ok_or_else(super::not_found)?;
            let execution = write.start(&Retain::all(id, dry_run), id.get(), Trigger::Manual).await?;
            write.audit(format!("run of retention policy {}", id.get())).await?;
            write.commit().await.map(|()| execution)
        })
    }

    /// A page of the runs of a policy, the latest first.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the stores fail.
    pub async fn runs(
        &self,
        proof: &RetentionList,
        id: RetentionId,
        query: &Query<ExecutionKey>,
    ) -> Result<Listed<Execution>> {
        self.one(proof, id).await?;
        Ok(self.harbor.read().await?.executions(&scope(id), query).await?)
    }

    /// Stops a run, wherever it is. What it deleted is deleted. One that is over stays as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the stores fail.
    pub async fn stop(&self, proof: &RetentionUpdate, id: RetentionId, run: ExecutionId) -> Result<()> {
        self.one(proof, id).await?;
        match proof {
            EitherProof::System(proof) => self.harbor.stop_execution(proof, &scope(id), run).await,
            EitherProof::Project(proof) => self.harbor.stop_execution(proof, &scope(id), run).await,
        }
    }

    /// A page of the tasks of a run, one for each repository, the latest first.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the stores fail.
    pub async fn tasks(
        &self,
        proof: &RetentionList,
        id: RetentionId,
        run: ExecutionId,
        query: &Query<TaskKey>,
    ) -> Result<Listed<Task>> {
        self.one(proof, id).await?;
        self.harbor.execution_of(&scope(id), run).await?;
        let mut rows = self.harbor.read().await?;
        let scope = TaskScope { execution: Some(run), ..TaskScope::default() };
        // The first is the one that enqueues the others.
        let first = Query::default().sort(TaskKey::Id, Order::Ascending).page(1, 1);
        let first = rows.tasks(scope, &first).await?.entries.first().map_or(0, |task| task.id.get());
        let query = query.clone().filter(TaskKey::Id, Test::Above(Value::Int(first)));
        Ok(rows.tasks(scope, &query).await?)
    }

    /// The log of a task of a run, which a reader may follow.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the stores fail.
    pub async fn log(
        &self,
        proof: &RetentionRead,
        id: RetentionId,
        run: ExecutionId,
        task: TaskId,
        follow: bool,
    ) -> Result<TaskLog> {
        self.one(proof, id).await?;
        self.harbor.execution_of(&scope(id), run).await?;
        let found = self.harbor.read().await?.task(task).await?;
        found.filter(|task| task.execution == run).ok_or(Error::NotFound("task"))?;
        Ok(self.harbor.log_of(task, follow))
    }
}

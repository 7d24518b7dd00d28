//! How much is kept of what is over.

use crate::Result;
use crate::engine::Harbor;
use crate::engine::gate::contended;
use crate::meta::{Execution, ExecutionId, ExecutionStatus};

/// How many executions of a status are deleted at once that are beyond what is kept.
const TRIMMED: u32 = 100;

/// How many tasks of an execution are deleted in one transaction.
const FORGOTTEN: u32 = 200;

impl Harbor {
    /// Deletes what is beyond what is kept, of each status for itself, of the executions for the same thing as this one.
    pub(super) async fn trim(&self, ended: ExecutionId) -> Result<()> {
        let mut rows = self.read().await?;
        let Some(execution) = rows.execution(ended).await? else { return Ok(()) };
        let (kind, subject) = (execution.kind.as_str(), execution.subject);
        let rules = self.inner.kinds.get(kind).map(|kind| kind.rules).unwrap_or_default();
        let mut beyond = Vec::new();
        for status in ExecutionStatus::ALL {
            if let Some(kept) = rules.kept_of(status) {
                let some = rows.executions_beyond(kind, subject, status, kept, TRIMMED).await?;
                beyond.extend(some.into_iter().map(|id| (id, status)));
            }
        }
        drop(rows);
        for (id, status) in beyond {
            self.forget_ended(id, status).await?;
        }
        Ok(())
    }

    /// The same, for somebody whose own work is done: what it cannot delete goes with the next that ends.
    pub(super) async fn trim_or_leave(&self, ended: ExecutionId) {
        if let Err(error) = self.trim(ended).await {
            tracing::debug!(execution = ended.get(), %error, "history is trimmed later");
        }
    }

    /// Deletes an execution with its tasks, of which there may be very many: some in each transaction.
    pub(in crate::engine) async fn forget_execution(&self, id: ExecutionId) -> Result<()> {
        self.forget_if(id, |_| true).await
    }

    /// Deletes an execution that is still in a status: one that somebody has tried again meanwhile stays. What such an execution has
    /// lost by then of its other tasks is history that was to go.
    pub(super) async fn forget_ended(&self, id: ExecutionId, status: ExecutionStatus) -> Result<()> {
        self.forget_if(id, |execution| execution.status == status).await
    }

    async fn forget_if(&self, id: ExecutionId, may: impl Fn(&Execution) -> bool) -> Result<()> {
        while contended!(self.forget_some(id, &may))? {}
        Ok(())
    }

    /// Deletes some tasks of an execution, and itself with the last of them. Yields whether there is more to do.
    async fn forget_some(&self, id: ExecutionId, may: &impl Fn(&Execution) -> bool) -> Result<bool> {
        let mut write = self.write_as_system().await?;
        // Tasks are locked ahead of executions, by everybody.
        let gone = write.rows().execution_empty(id, FORGOTTEN).await?;
        match write.rows().execution_lock(id).await? {
            Some(execution) if may(&execution) => {}
            // Not committed: nothing is gone.
            _ => return Ok(false),
        }
        let more = gone == u64::from(FORGOTTEN);
        if !more {
            write.rows().execution_delete(id).await?;
        }
        write.commit().await.map(|()| more)
    }
}

//! Worker pools: the nodes that run jobs, as Harbor's API shows them.

use async_trait::async_trait;

use super::RowResult;
use crate::Timestamp;

/// A node that runs jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerPool {
    /// Its name: another one after each start.
    pub id: String,
    /// The machine that it runs on.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// How many jobs it runs at once.
    pub workers: u32,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it last said that it is there.
    pub seen_at: Timestamp,
}

/// Reads worker pools.
#[async_trait]
pub trait WorkerPoolRows {
    /// The pools that said that they are there at `since` or later, in the order of their start.
    async fn worker_pools(&mut self, since: Timestamp) -> RowResult<Vec<WorkerPool>>;
}

/// Changes worker pools.
#[async_trait]
pub trait WorkerPoolRowsMut {
    /// A pool says that it is there.
    async fn worker_pool_put(&mut self, pool: &WorkerPool) -> RowResult<()>;

    /// Forgets the pools that said nothing since a point in time.
    async fn worker_pools_forget(&mut self, before: Timestamp) -> RowResult<()>;
}

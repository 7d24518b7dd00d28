use async_trait::async_trait;
use harbor_core::meta::{WorkerPool, WorkerPoolRows, WorkerPoolRowsMut};
use harbor_core::{StoreError, Timestamp};

use super::Rows;
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

fn pool(row: &Row) -> Result<WorkerPool, StoreError> {
    let small = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(WorkerPool {
        id: row.text(0)?,
        host: row.text(1)?,
        pid: small(row.int(2)?),
        workers: small(row.int(3)?),
        started_at: Timestamp::from_micros(row.int(4)?),
        seen_at: Timestamp::from_micros(row.int(5)?),
    })
}

#[async_trait]
impl WorkerPoolRows for Rows {
    async fn worker_pools(&mut self, since: Timestamp) -> Result<Vec<WorkerPool>, StoreError> {
        let list = sql!(
            "SELECT id, host, pid, workers, started_at, seen_at FROM worker_pools WHERE seen_at >= ? \
             ORDER BY started_at, id"
        );
        self.session.fetch(list, values![since.micros()]).await?.iter().map(pool).collect()
    }
}

#[async_trait]
impl WorkerPoolRowsMut for Rows {
    async fn worker_pool_put(&mut self, pool: &WorkerPool) -> Result<(), StoreError> {
        let put = sql!(
            "INSERT INTO worker_pools (id, host, pid, workers, started_at, seen_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at"
        );
        let WorkerPool { id, host, pid, workers, started_at, seen_at } = pool;
        let parameters =
            values![id.as_str(), host.as_str(), *pid, *workers, started_at.micros(), seen_at.micros()];
        self.session.defer(put, parameters).await
    }

    async fn worker_pools_forget(&mut self, before: Timestamp) -> Result<(), StoreError> {
        let delete = sql!("DELETE FROM worker_pools WHERE seen_at < ?");
        self.session.defer(delete, values![before.micros()]).await
    }
}

use std::collections::BTreeSet;

use async_trait::async_trait;
use harbor_core::blob::Location;
use harbor_core::meta::{Garbage, GarbageId, GarbageRows, GarbageRowsMut};
use harbor_core::{StoreError, Timestamp};

use super::collect::keys;
use super::many::{OverList, many_of, over_list};
use super::{Rows, piece, piece_of};
use crate::sql::statement::{sql, values};

#[async_trait]
impl GarbageRows for Rows {
    async fn garbage_due(&mut self, now: Timestamp, limit: u32) -> Result<Vec<Garbage>, StoreError> {
        let list =
            sql!("SELECT id, location, size, attempts FROM garbage WHERE due <= ? ORDER BY due, id LIMIT ?");
        let rows = self.session.fetch(list, values![now.micros(), limit]).await?;
        let garbage = rows.iter().map(|row| {
            Ok(Garbage {
                id: GarbageId::new(row.int(0)?),
                location: Location::new(row.text(1)?),
                size: row.count(2)?,
                attempts: u32::try_from(row.int(3)?).unwrap_or(u32::MAX),
            })
        });
        garbage.collect()
    }
}

#[async_trait]
impl GarbageRowsMut for Rows {
    async fn garbage_forget(&mut self, garbage: &[GarbageId]) -> Result<Vec<GarbageId>, StoreError> {
        let ids: BTreeSet<i64> = garbage.iter().map(|id| id.get()).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let lock = over_list!("SELECT id FROM garbage WHERE id IN (", ") ORDER BY id FOR UPDATE");
        let there = self.fetch_over(lock, &[], &keys(&ids)).await?;
        let there = there.iter().map(|row| row.int(0)).collect::<Result<BTreeSet<_>, _>>()?;
        let delete = over_list!("DELETE FROM garbage WHERE id IN (", ")");
        self.defer_over(delete, &[], &keys(&ids)).await?;
        Ok(there.into_iter().map(GarbageId::new).collect())
    }

    async fn garbage_postpone(&mut self, garbage: GarbageId, due: Timestamp) -> Result<(), StoreError> {
        let update = sql!("UPDATE garbage SET due = ?, attempts = attempts + 1 WHERE id = ?");
        self.session.defer(update, values![due.micros(), garbage.get()]).await
    }
}

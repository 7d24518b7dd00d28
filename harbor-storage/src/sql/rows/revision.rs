use async_trait::async_trait;
use harbor_core::StoreError;
use harbor_core::meta::{RevisionRows, RevisionRowsMut};

use super::{Rows, first};
use crate::sql::statement::{sql, values};

#[async_trait]
impl RevisionRows for Rows {
    async fn revision(&mut self, kind: &str) -> Result<i64, StoreError> {
        let find = sql!("SELECT number FROM revisions WHERE kind = ?");
        first(self.session.fetch(find, values![kind]).await?).map_or(Ok(0), |row| row.int(0))
    }
}

#[async_trait]
impl RevisionRowsMut for Rows {
    async fn revision_count(&mut self, kind: &str) -> Result<(), StoreError> {
        let count = sql!(
            "INSERT INTO revisions (kind, number) VALUES (?, 1) \
             ON CONFLICT (kind) DO UPDATE SET number = revisions.number + 1"
        );
        self.session.defer(count, values![kind]).await
    }
}

use async_trait::async_trait;
use harbor_core::meta::{LinkId, Review, ReviewRows, ReviewRowsMut};
use harbor_core::{StoreError, Timestamp};

use super::many::{OverList, many_of, over_list};
use super::{Rows, first, piece, piece_of};
use crate::sql::session::Row;
use crate::sql::statement::{Value, sql, values};

fn review(row: &Row) -> Result<Review, StoreError> {
    Ok(Review {
        link: LinkId::new(row.int(0)?),
        due: Timestamp::from_micros(row.int(1)?),
        attempts: u32::try_from(row.int(2)?).unwrap_or(u32::MAX),
    })
}

#[async_trait]
impl ReviewRows for Rows {
    async fn reviews_due(&mut self, now: Timestamp, limit: u32) -> Result<Vec<Review>, StoreError> {
        let list =
            sql!("SELECT link_id, due, attempts FROM link_reviews WHERE due <= ? ORDER BY due LIMIT ?");
        self.session.fetch(list, values![now.micros(), limit]).await?.iter().map(review).collect()
    }

    async fn reviews_would_free(&mut self, now: Timestamp) -> Result<(u64, u64), StoreError> {
        // A blob goes when every link to it does: which is due, and which no manifest refers to, nor misses it.
        let count = sql!(
            "SELECT COUNT(*), CAST(COALESCE(SUM(f.size), 0) AS BIGINT) FROM (\
             SELECT g.size AS size FROM garbage g WHERE g.due <= ? \
             UNION ALL SELECT b.size FROM blobs b WHERE b.id IN (\
             SELECT k.blob_id FROM link_reviews p JOIN blob_links k ON k.id = p.link_id WHERE p.due <= ?) \
             AND NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = b.id AND (\
             EXISTS (SELECT 1 FROM manifest_blobs m WHERE m.link_id = l.id) \
             OR EXISTS (SELECT 1 FROM manifest_missing x WHERE x.repository_id = l.repository_id AND x.digest = b.digest) \
             OR NOT EXISTS (SELECT 1 FROM link_reviews r WHERE r.link_id = l.id AND r.due <= ?)))) f"
        );
        let now = now.micros();
        match first(self.session.fetch(count, values![now, now, now]).await?) {
            Some(row) => Ok((row.count(0)?, row.count(1)?)),
            None => Ok((0, 0)),
        }
    }
}

#[async_trait]
impl ReviewRowsMut for Rows {
    async fn review_put(&mut self, link: LinkId, due: Timestamp, reason: &str) -> Result<(), StoreError> {
        let put = sql!(
            "INSERT INTO link_reviews (link_id, due, attempts, reason) VALUES (?, ?, 0, ?) \
             ON CONFLICT (link_id) DO UPDATE SET due = excluded.due, attempts = 0, reason = excluded.reason"
        );
        self.session.defer(put, values![link.get(), due.micros(), reason]).await
    }

    async fn reviews_delete(&mut self, links: &[LinkId]) -> Result<(), StoreError> {
        let delete = over_list!("DELETE FROM link_reviews WHERE link_id IN (", ")");
        let ids: Vec<Value> = links.iter().map(|link| Value::from(link.get())).collect();
        self.defer_over(delete, &[], &ids).await
    }

    async fn review_extend(&mut self, link: LinkId, due: Timestamp) -> Result<(), StoreError> {
        let update = sql!("UPDATE link_reviews SET due = ? WHERE link_id = ? AND due < ?");
        self.session.defer(update, values![due.micros(), link.get(), due.micros()]).await
    }

    async fn review_postpone(&mut self, link: LinkId, due: Timestamp) -> Result<(), StoreError> {
        let update = sql!("UPDATE link_reviews SET due = ?, attempts = attempts + 1 WHERE link_id = ?");
        self.session.defer(update, values![due.micros(), link.get()]).await
    }
}

use std::collections::BTreeSet;

use async_trait::async_trait;
use harbor_core::meta::{BlobId, LinkId, Review, ReviewRows, ReviewRowsMut, ReviewSubject};
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::many::{MANY, OverList, many_of, over_list};
use super::{PIECE, Rows, first, piece, piece_of};
use crate::sql::session::Row;
use crate::sql::statement::{Value, sql, values};

pub(super) const LINK: i64 = 0;
pub(super) const BLOB: i64 = 1;

/// Enters subjects: as many as there are rows of parameters.
macro_rules! put {
    ($rows:expr) => {
        sql!(concat!(
            "INSERT INTO gc_reviews (kind, subject_id, due, attempts, reason) VALUES ",
            $rows,
            " ON CONFLICT (kind, subject_id) DO UPDATE SET due = excluded.due, attempts = 0, reason = excluded.reason"
        ))
    };
}

const fn key(subject: ReviewSubject) -> (i64, i64) {
    match subject {
        ReviewSubject::Link(id) => (LINK, id.get()),
        ReviewSubject::Blob(id) => (BLOB, id.get()),
    }
}

fn review(row: &Row) -> Result<Review, StoreError> {
    let id = row.int(1)?;
    let subject = match row.int(0)? {
        LINK => ReviewSubject::Link(LinkId::new(id)),
        BLOB => ReviewSubject::Blob(BlobId::new(id)),
        other => return Err(StoreError::new(StoreErrorKind::Corrupt, format!("a review of kind {other}"))),
    };
    Ok(Review {
        subject,
        due: Timestamp::from_micros(row.int(2)?),
        attempts: u32::try_from(row.int(3)?).unwrap_or(u32::MAX),
    })
}

#[async_trait]
impl ReviewRows for Rows {
    async fn reviews_due(&mut self, now: Timestamp, limit: u32) -> Result<Vec<Review>, StoreError> {
        let list = sql!(
            "SELECT kind, subject_id, due, attempts FROM gc_reviews WHERE due <= ? ORDER BY due LIMIT ?"
        );
        self.session.fetch(list, values![now.micros(), limit]).await?.iter().map(review).collect()
    }

    async fn reviews_would_free(&mut self, now: Timestamp) -> Result<(u64, u64), StoreError> {
        // A blob goes when it, or a link to it, is looked at, and every link to it goes: which is due, and which no manifest
        // refers to, nor misses it.
        let count = sql!(
            "SELECT COUNT(*), CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM blobs b WHERE b.id IN (\
             SELECT q.subject_id FROM gc_reviews q WHERE q.kind = 1 AND q.due <= ? \
             UNION SELECT k.blob_id FROM gc_reviews p JOIN blob_links k ON k.id = p.subject_id \
             WHERE p.kind = 0 AND p.due <= ?) \
             AND NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = b.id AND (\
             EXISTS (SELECT 1 FROM manifest_blobs m WHERE m.link_id = l.id) \
             OR EXISTS (SELECT 1 FROM manifest_missing x WHERE x.repository_id = l.repository_id AND x.digest = b.digest) \
             OR NOT EXISTS (SELECT 1 FROM gc_reviews r WHERE r.kind = 0 AND r.subject_id = l.id AND r.due <= ?)))"
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
    async fn review_put(
        &mut self,
        subject: ReviewSubject,
        due: Timestamp,
        reason: &str,
    ) -> Result<(), StoreError> {
        let (kind, id) = key(subject);
        self.session.defer(put!("(?, ?, ?, 0, ?)"), values![kind, id, due.micros(), reason]).await
    }

    async fn reviews_put(
        &mut self,
        subjects: &[ReviewSubject],
        due: Timestamp,
        reason: &str,
    ) -> Result<(), StoreError> {
        // No row may come twice in one statement, so what does not fill one up is put by a shorter one.
        let distinct: BTreeSet<(i64, i64)> = subjects.iter().copied().map(key).collect();
        let distinct: Vec<(i64, i64)> = distinct.into_iter().collect();
        let (long, rest) = distinct.as_chunks::<MANY>();
        let (pieces, rest) = rest.as_chunks::<PIECE>();
        let long = long.iter().map(|rows| (put!(many_of!("(?, ?, ?, 0, ?)")), rows.as_slice()));
        let pieces = pieces.iter().map(|rows| (put!(piece_of!("(?, ?, ?, 0, ?)")), rows.as_slice()));
        for (put, rows) in long.chain(pieces) {
            let row = |(kind, id): &(i64, i64)| values![*kind, *id, due.micros(), reason];
            self.session.defer(put, rows.iter().flat_map(row).collect()).await?;
        }
        for (kind, id) in rest {
            self.session.defer(put!("(?, ?, ?, 0, ?)"), values![*kind, *id, due.micros(), reason]).await?;
        }
        Ok(())
    }

    async fn reviews_delete(&mut self, subjects: &[ReviewSubject]) -> Result<(), StoreError> {
        let delete = over_list!("DELETE FROM gc_reviews WHERE kind = ? AND subject_id IN (", ")");
        for kind in [LINK, BLOB] {
            let of_kind = subjects.iter().copied().map(key).filter(|(own, _)| *own == kind);
            let ids: Vec<Value> = of_kind.map(|(_, id)| Value::from(id)).collect();
            self.defer_over(delete, &[kind.into()], &ids).await?;
        }
        Ok(())
    }

    async fn review_extend(&mut self, subject: ReviewSubject, due: Timestamp) -> Result<(), StoreError> {
        let update = sql!("UPDATE gc_reviews SET due = ? WHERE kind = ? AND subject_id = ? AND due < ?");
        let (kind, id) = key(subject);
        self.session.defer(update, values![due.micros(), kind, id, due.micros()]).await
    }

    async fn review_postpone(&mut self, subject: ReviewSubject, due: Timestamp) -> Result<(), StoreError> {
        let update =
            sql!("UPDATE gc_reviews SET due = ?, attempts = attempts + 1 WHERE kind = ? AND subject_id = ?");
        let (kind, id) = key(subject);
        self.session.defer(update, values![due.micros(), kind, id]).await
    }

    async fn review_lock(&mut self, subject: ReviewSubject) -> Result<Option<Review>, StoreError> {
        let find = sql!(
            "SELECT kind, subject_id, due, attempts FROM gc_reviews WHERE kind = ? AND subject_id = ? FOR UPDATE"
        );
        let (kind, id) = key(subject);
        first(self.session.fetch(find, values![kind, id]).await?).map(|row| review(&row)).transpose()
    }

    async fn review_delete(&mut self, subject: ReviewSubject) -> Result<(), StoreError> {
        let delete = sql!("DELETE FROM gc_reviews WHERE kind = ? AND subject_id = ?");
        let (kind, id) = key(subject);
        self.session.defer(delete, values![kind, id]).await
    }
}

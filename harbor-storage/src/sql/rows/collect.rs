//! What garbage collection does to many links and blobs at once: a statement for a piece of them, where that can be.

use std::collections::{BTreeMap, BTreeSet};

use harbor_core::meta::{Blob, BlobId, BlobReview, BlobState, LinkId, LinkReview, RepositoryId};
use harbor_core::{StoreError, Timestamp};

use super::blob::blob;
use super::review::{BLOB, LINK};
use super::{Rows, piece, rows_of};
use crate::sql::session::Row;
use crate::sql::statement::{Statement, Value, sql, values};

fn id(id: &i64) -> [Value; 1] {
    [Value::from(*id)]
}

impl Rows {
    /// The rows that a statement finds of a list of keys; it takes `before`, and then a piece of the list.
    async fn each_piece(
        &mut self,
        find: &'static Statement,
        before: Vec<Value>,
        ids: &[i64],
    ) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::with_capacity(ids.len());
        for piece in rows_of(ids, id) {
            let parameters = before.iter().cloned().chain(piece).collect();
            rows.extend(self.session.fetch(find, parameters).await?);
        }
        Ok(rows)
    }

    /// Which of these have reviews that are due, which it locks.
    async fn due_reviews(
        &mut self,
        kind: i64,
        ids: &[i64],
        now: Timestamp,
    ) -> Result<BTreeSet<i64>, StoreError> {
        let lock = sql!(concat!(
            "SELECT subject_id FROM gc_reviews WHERE kind = ? AND due <= ? AND subject_id IN (",
            piece!(),
            ") ORDER BY subject_id FOR UPDATE"
        ));
        let rows = self.each_piece(lock, values![kind, now.micros()], ids).await?;
        rows.iter().map(|row| row.int(0)).collect()
    }

    /// `links_review`, of keys in their order.
    pub(super) async fn review_links(
        &mut self,
        ids: &[i64],
        now: Timestamp,
    ) -> Result<Vec<LinkReview>, StoreError> {
        let lock = sql!(concat!(
            "SELECT id, repository_id, blob_id FROM blob_links WHERE id IN (",
            piece!(),
            ") ORDER BY id FOR UPDATE"
        ));
        let mut places = BTreeMap::new();
        for row in self.each_piece(lock, Vec::new(), ids).await? {
            places.insert(row.int(0)?, (RepositoryId::new(row.int(1)?), BlobId::new(row.int(2)?)));
        }
        let due = self.due_reviews(LINK, ids, now).await?;
        let due_ids: Vec<i64> = due.iter().copied().collect();
        let find = sql!(concat!(
            "SELECT l.id FROM blob_links l WHERE l.id IN (",
            piece!(),
            ") AND (EXISTS (SELECT 1 FROM manifest_blobs m WHERE m.link_id = l.id) \
             OR EXISTS (SELECT 1 FROM blobs b JOIN manifest_missing x ON x.digest = b.digest \
             WHERE b.id = l.blob_id AND x.repository_id = l.repository_id))"
        ));
        let referenced = self.each_piece(find, Vec::new(), &due_ids).await?;
        let referenced: BTreeSet<i64> = referenced.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
        let review = |id: i64| LinkReview {
            link: LinkId::new(id),
            place: places.get(&id).copied(),
            referenced: referenced.contains(&id),
        };
        Ok(due.into_iter().map(review).collect())
    }

    /// `links_delete`.
    pub(super) async fn delete_links(&mut self, ids: &[i64]) -> Result<(), StoreError> {
        let find = sql!(concat!(
            "SELECT l.id, r.project_id, b.digest FROM blob_links l JOIN blobs b ON b.id = l.blob_id \
             JOIN repositories r ON r.id = l.repository_id WHERE l.id IN (",
            piece!(),
            ")"
        ));
        // The links of each project to each content, in an order that is the same for everybody.
        let mut gone: BTreeMap<i64, BTreeMap<String, BTreeSet<i64>>> = BTreeMap::new();
        for row in self.each_piece(find, Vec::new(), ids).await? {
            gone.entry(row.int(1)?).or_default().entry(row.text(2)?).or_default().insert(row.int(0)?);
        }
        let delete = sql!(concat!("DELETE FROM blob_links WHERE id IN (", piece!(), ")"));
        for piece in rows_of(ids, id) {
            self.session.defer(delete, piece).await?;
        }
        for (project, content) in gone {
            let (once, more): (Vec<_>, Vec<_>) = content.into_iter().partition(|(_, links)| links.len() == 1);
            let once: Vec<String> = once.into_iter().map(|(digest, _)| digest).collect();
            self.all_went(project, &once).await?;
            for (digest, links) in more {
                for _ in links {
                    self.went(project, &digest).await?;
                }
            }
        }
        Ok(())
    }

    /// Blobs, locked, by their keys.
    async fn lock_blobs(&mut self, ids: &[i64]) -> Result<BTreeMap<i64, Blob>, StoreError> {
        let lock = sql!(concat!(
            "SELECT id, digest, size, location, state FROM blobs WHERE id IN (",
            piece!(),
            ") ORDER BY id FOR UPDATE"
        ));
        let rows = self.each_piece(lock, Vec::new(), ids).await?;
        rows.iter().map(|row| Ok((row.int(0)?, blob(row)?))).collect()
    }

    /// `blobs_review`, of keys in their order.
    pub(super) async fn review_blobs(
        &mut self,
        ids: &[i64],
        now: Timestamp,
    ) -> Result<Vec<BlobReview>, StoreError> {
        let due = self.due_reviews(BLOB, ids, now).await?;
        let due_ids: Vec<i64> = due.iter().copied().collect();
        let mut blobs = self.lock_blobs(&due_ids).await?;
        let find = sql!(concat!(
            "SELECT b.id FROM blobs b WHERE b.id IN (",
            piece!(),
            ") AND EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = b.id)"
        ));
        let linked = self.each_piece(find, Vec::new(), &due_ids).await?;
        let linked: BTreeSet<i64> = linked.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
        let review = |id: i64| BlobReview {
            id: BlobId::new(id),
            blob: blobs.remove(&id),
            linked: linked.contains(&id),
        };
        Ok(due.into_iter().map(review).collect())
    }

    /// `blobs_bury`.
    pub(super) async fn bury_blobs(&mut self, buried: &[Blob]) -> Result<Vec<BlobId>, StoreError> {
        let ids: BTreeSet<i64> = buried.iter().map(|blob| blob.id.get()).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        // The reviews first, as who condemns has them, whenever they are due.
        self.due_reviews(BLOB, &ids, Timestamp::MAX).await?;
        let now = self.lock_blobs(&ids).await?;
        let same = |blob: &&Blob| {
            now.get(&blob.id.get())
                .is_some_and(|now| now.state == BlobState::Condemned && now.location == blob.location)
        };
        let gone: Vec<i64> = buried.iter().filter(same).map(|blob| blob.id.get()).collect();
        let reviews =
            sql!(concat!("DELETE FROM gc_reviews WHERE kind = ? AND subject_id IN (", piece!(), ")"));
        let blobs = sql!(concat!("DELETE FROM blobs WHERE id IN (", piece!(), ")"));
        for piece in rows_of(&gone, id) {
            self.session.defer(blobs, piece.clone()).await?;
            let parameters = values![BLOB].into_iter().chain(piece).collect();
            self.session.defer(reviews, parameters).await?;
        }
        Ok(gone.into_iter().map(BlobId::new).collect())
    }
}

//! What garbage collection does to many links and blobs at once: a statement for all of them, where that can be.

use std::collections::{BTreeMap, BTreeSet};

use harbor_core::meta::{Blob, BlobId, BlobReview, BlobState, LinkId, LinkReview, RepositoryId};
use harbor_core::{StoreError, Timestamp};

use super::blob::blob;
use super::many::{OverList, many_of, over_list};
use super::review::{BLOB, LINK};
use super::{Rows, piece, piece_of};
use crate::sql::statement::{Value, sql};

/// What a statement over a list of keys takes.
fn keys(ids: &[i64]) -> Vec<Value> {
    ids.iter().copied().map(Value::from).collect()
}

impl Rows {
    /// Which of these have reviews that are due, which it locks.
    async fn due_reviews(
        &mut self,
        kind: i64,
        ids: &[i64],
        now: Timestamp,
    ) -> Result<BTreeSet<i64>, StoreError> {
        let lock = over_list!(
            "SELECT subject_id FROM gc_reviews WHERE kind = ? AND due <= ? AND subject_id IN (",
            ") ORDER BY subject_id FOR UPDATE"
        );
        let rows = self.fetch_over(lock, &[kind.into(), now.micros().into()], &keys(ids)).await?;
        rows.iter().map(|row| row.int(0)).collect()
    }

    /// `links_review`, of keys in their order.
    pub(super) async fn review_links(
        &mut self,
        ids: &[i64],
        now: Timestamp,
    ) -> Result<Vec<LinkReview>, StoreError> {
        let lock = over_list!(
            "SELECT id, repository_id, blob_id FROM blob_links WHERE id IN (",
            ") ORDER BY id FOR UPDATE"
        );
        let mut places = BTreeMap::new();
        for row in self.fetch_over(lock, &[], &keys(ids)).await? {
            places.insert(row.int(0)?, (RepositoryId::new(row.int(1)?), BlobId::new(row.int(2)?)));
        }
        let due = self.due_reviews(LINK, ids, now).await?;
        let due_ids: Vec<i64> = due.iter().copied().collect();
        let find = over_list!(
            "SELECT l.id FROM blob_links l WHERE l.id IN (",
            ") AND (EXISTS (SELECT 1 FROM manifest_blobs m WHERE m.link_id = l.id) \
             OR EXISTS (SELECT 1 FROM blobs b JOIN manifest_missing x ON x.digest = b.digest \
             WHERE b.id = l.blob_id AND x.repository_id = l.repository_id))"
        );
        let referenced = self.fetch_over(find, &[], &keys(&due_ids)).await?;
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
        let find = over_list!(
            "SELECT l.id, r.project_id, b.digest FROM blob_links l JOIN blobs b ON b.id = l.blob_id \
             JOIN repositories r ON r.id = l.repository_id WHERE l.id IN (",
            ")"
        );
        let links = keys(ids);
        // The links of each project to each content, in an order that is the same for everybody.
        let mut gone: BTreeMap<i64, BTreeMap<String, BTreeSet<i64>>> = BTreeMap::new();
        for row in self.fetch_over(find, &[], &links).await? {
            gone.entry(row.int(1)?).or_default().entry(row.text(2)?).or_default().insert(row.int(0)?);
        }
        let delete = over_list!("DELETE FROM blob_links WHERE id IN (", ")");
        self.defer_over(delete, &[], &links).await?;
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
        let lock = over_list!(
            "SELECT id, digest, size, location, state FROM blobs WHERE id IN (",
            ") ORDER BY id FOR UPDATE"
        );
        let rows = self.fetch_over(lock, &[], &keys(ids)).await?;
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
        let find = over_list!(
            "SELECT b.id FROM blobs b WHERE b.id IN (",
            ") AND EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = b.id)"
        );
        let linked = self.fetch_over(find, &[], &keys(&due_ids)).await?;
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
        let blobs = over_list!("DELETE FROM blobs WHERE id IN (", ")");
        let reviews = over_list!("DELETE FROM gc_reviews WHERE kind = ? AND subject_id IN (", ")");
        self.defer_over(blobs, &[], &keys(&gone)).await?;
        self.defer_over(reviews, &[BLOB.into()], &keys(&gone)).await?;
        Ok(gone.into_iter().map(BlobId::new).collect())
    }
}

//! What garbage collection does to many links at once, and to the blobs that they lead to: a statement for all of them, where that can
//! be.

use std::collections::{BTreeMap, BTreeSet};

use harbor_core::meta::{LinkId, LinkReview, RepositoryId};
use harbor_core::{StoreError, Timestamp};

use super::many::{OverList, many_of, over_list};
use super::{Rows, piece, piece_of};
use crate::sql::session::Row;
use crate::sql::statement::{Value, sql};

/// What a statement over a list of keys takes.
pub(super) fn keys(ids: &[i64]) -> Vec<Value> {
    ids.iter().copied().map(Value::from).collect()
}

/// The first column of rows, each once, in its order.
fn distinct(rows: &[Row]) -> Result<Vec<i64>, StoreError> {
    let ids: BTreeSet<i64> = rows.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
    Ok(ids.into_iter().collect())
}

impl Rows {
    /// Locks the blobs that links lead to, and then the links, of keys in their order. Yields of which repository each link is that is
    /// there.
    ///
    /// Who links to a blob has it locked: nobody comes to link to these, and of two who take the last links away the later one
    /// sees that it does.
    async fn lock_links(&mut self, ids: &[i64]) -> Result<BTreeMap<i64, i64>, StoreError> {
        // Where one transaction at a time writes, it has all the locks that there are.
        if !self.is_only_writer() {
            let led_to = over_list!("SELECT blob_id FROM blob_links WHERE id IN (", ")");
            let blobs = distinct(&self.fetch_over(led_to, &[], &keys(ids)).await?)?;
            let lock = over_list!("SELECT id FROM blobs WHERE id IN (", ") ORDER BY id FOR UPDATE");
            self.fetch_over(lock, &[], &keys(&blobs)).await?;
        }
        let lock =
            over_list!("SELECT id, repository_id FROM blob_links WHERE id IN (", ") ORDER BY id FOR UPDATE");
        let links = self.fetch_over(lock, &[], &keys(ids)).await?;
        links.iter().map(|row| Ok((row.int(0)?, row.int(1)?))).collect()
    }

    /// Which of these links a manifest refers to, or misses what they lead to.
    async fn referenced_links(&mut self, ids: &[i64]) -> Result<Vec<i64>, StoreError> {
        let find = over_list!(
            "SELECT l.id FROM blob_links l WHERE l.id IN (",
            ") AND (EXISTS (SELECT 1 FROM manifest_blobs m WHERE m.link_id = l.id) \
             OR EXISTS (SELECT 1 FROM blobs b JOIN manifest_missing x ON x.digest = b.digest \
             WHERE b.id = l.blob_id AND x.repository_id = l.repository_id))"
        );
        distinct(&self.fetch_over(find, &[], &keys(ids)).await?)
    }

    /// `links_unreferenced`, of keys in their order.
    pub(super) async fn unreferenced_links(&mut self, ids: &[i64]) -> Result<Vec<LinkId>, StoreError> {
        let links: Vec<i64> = self.lock_links(ids).await?.into_keys().collect();
        let referenced = self.referenced_links(&links).await?;
        let free = links.into_iter().filter(|id| referenced.binary_search(id).is_err());
        Ok(free.map(LinkId::new).collect())
    }

    /// Which of these have reviews that are due, which it locks.
    async fn due_reviews(&mut self, ids: &[i64], now: Timestamp) -> Result<Vec<i64>, StoreError> {
        let lock = over_list!(
            "SELECT link_id FROM link_reviews WHERE due <= ? AND link_id IN (",
            ") ORDER BY link_id FOR UPDATE"
        );
        distinct(&self.fetch_over(lock, &[now.micros().into()], &keys(ids)).await?)
    }

    /// `links_review`, of keys in their order.
    pub(super) async fn review_links(
        &mut self,
        ids: &[i64],
        now: Timestamp,
    ) -> Result<Vec<LinkReview>, StoreError> {
        let links = self.lock_links(ids).await?;
        let due = self.due_reviews(ids, now).await?;
        let referenced = self.referenced_links(&due).await?;
        let review = |id: i64| LinkReview {
            link: LinkId::new(id),
            repository: links.get(&id).copied().map(RepositoryId::new),
            referenced: referenced.binary_search(&id).is_ok(),
        };
        Ok(due.into_iter().map(review).collect())
    }

    /// `links_delete`, of keys in their order.
    pub(super) async fn delete_links(&mut self, ids: &[i64], due: Timestamp) -> Result<(), StoreError> {
        if !self.is_only_writer() {
            self.lock_links(ids).await?;
        }
        let find = over_list!(
            "SELECT l.id, b.id, r.project_id, b.digest FROM blob_links l JOIN blobs b ON b.id = l.blob_id \
             JOIN repositories r ON r.id = l.repository_id WHERE l.id IN (",
            ")"
        );
        let (mut links, mut blobs) = (BTreeSet::new(), BTreeSet::new());
        // The links of each project to each content, in an order that is the same for everybody.
        let mut gone: BTreeMap<i64, BTreeMap<String, i64>> = BTreeMap::new();
        for row in self.fetch_over(find, &[], &keys(ids)).await? {
            // A list may ask twice for its last entry.
            if links.insert(row.int(0)?) {
                blobs.insert(row.int(1)?);
                *gone.entry(row.int(2)?).or_default().entry(row.text(3)?).or_default() += 1;
            }
        }
        let links: Vec<i64> = links.into_iter().collect();
        let reviews = over_list!("DELETE FROM link_reviews WHERE link_id IN (", ")");
        self.defer_over(reviews, &[], &keys(&links)).await?;
        let delete = over_list!("DELETE FROM blob_links WHERE id IN (", ")");
        self.defer_over(delete, &[], &keys(&links)).await?;
        self.discard_blobs(&blobs.into_iter().collect::<Vec<_>>(), due).await?;
        for (project, content) in gone {
            self.all_went(project, &content.into_iter().collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// Makes garbage of those of these blobs, which are locked, to which nobody links any more.
    async fn discard_blobs(&mut self, blobs: &[i64], due: Timestamp) -> Result<(), StoreError> {
        let note = over_list!(
            "INSERT INTO garbage (location, size, due, attempts) \
             SELECT b.location, b.size, ?, 0 FROM blobs b WHERE b.id IN (",
            ") AND NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = b.id) ORDER BY b.id"
        );
        let delete = over_list!(
            "DELETE FROM blobs WHERE id IN (",
            ") AND NOT EXISTS (SELECT 1 FROM blob_links l WHERE l.blob_id = blobs.id)"
        );
        self.defer_over(note, &[due.micros().into()], &keys(blobs)).await?;
        self.defer_over(delete, &[], &keys(blobs)).await
    }
}

//! Reviews, many in a transaction: what one costs beside the transaction is little.

use super::pace::{AFTER_BYTES, AFTER_ROWS, Pace};
use super::{Freed, GcReport, Look};
use crate::engine::Harbor;
use crate::engine::gate::contended;
use crate::meta::{Blob, BlobId, BlobState, LinkId, ReviewSubject};
use crate::{Result, Timestamp};

impl Harbor {
    /// Removes those of these links that are due and that no manifest refers to, and enters their blobs into the queue. The report has
    /// what was done, also where this fails.
    pub(super) async fn review_links(
        &self,
        links: &[LinkId],
        look: Look<'_>,
        report: &mut GcReport,
    ) -> Result<()> {
        let (mut pace, mut left) = (Pace::new(self, look), links);
        while let Some(links) = pace.rows(&mut left) {
            report.links += contended!(self.review_links_once(links, &mut pace))?;
            pace.rest(AFTER_ROWS).await?;
        }
        Ok(())
    }

    async fn review_links_once(&self, links: &[LinkId], pace: &mut Pace<'_>) -> Result<u64> {
        let mut write = self.write_as_system().await?;
        pace.begin();
        let rows = write.rows();
        let due = rows.links_review(links, pace.look.as_of).await?;
        let reviewed: Vec<_> = due.iter().map(|due| ReviewSubject::Link(due.link)).collect();
        rows.reviews_delete(&reviewed).await?;
        let gone = due.iter().filter(|due| !due.referenced).filter_map(|due| Some((due.link, due.place?.1)));
        let (links, mut blobs): (Vec<LinkId>, Vec<BlobId>) = gone.unzip();
        rows.links_delete(&links).await?;
        blobs.sort_unstable();
        blobs.dedup();
        let blobs: Vec<_> = blobs.into_iter().map(ReviewSubject::Blob).collect();
        // Whoever looks next looks at them, also a run that began before this.
        rows.reviews_put(&blobs, Timestamp::default(), "unlinked").await?;
        let mut repositories: Vec<_> = due.iter().filter_map(|due| Some(due.place?.0)).collect();
        repositories.sort_unstable();
        repositories.dedup();
        // Also of links that stay: their review is over, and the cache shall know.
        repositories.into_iter().for_each(|repository| write.changed_blobs(repository));
        pace.end();
        write.commit().await?;
        Ok(links.len() as u64)
    }

    /// Deletes those of these blobs that are due and that no repository links to: condemned first, so that nobody links to them
    /// any more; then the bytes; then the rows. A crash in between leaves their entries in the queue, and the next look goes
    /// on. The report has what was done, also where this fails.
    pub(super) async fn review_blobs(
        &self,
        blobs: &[BlobId],
        look: Look<'_>,
        report: &mut GcReport,
    ) -> Result<()> {
        let mut pace = Pace::new(self, look);
        let mut condemned = self.condemn(blobs, &mut pace).await?;
        // Neighbours in the store go together: a folder waits for the disk once for all of its files.
        condemned.sort_unstable_by(|one, other| one.location.cmp(&other.location));
        let mut left = condemned.as_slice();
        while let Some(blobs) = pace.bytes(&mut left) {
            self.delete_bytes(blobs, &mut pace).await?;
            let mut left = blobs;
            while let Some(blobs) = pace.rows(&mut left) {
                let (blobs, bytes) = contended!(self.bury_once(blobs, &mut pace))?;
                report.blobs += blobs;
                report.bytes += bytes;
                pace.rest(AFTER_ROWS).await?;
            }
        }
        Ok(())
    }

    /// Marks those of these that nothing links to. Yields them, with those that were marked before.
    async fn condemn(&self, blobs: &[BlobId], pace: &mut Pace<'_>) -> Result<Vec<Blob>> {
        let (mut condemned, mut left) = (Vec::new(), blobs);
        while let Some(blobs) = pace.rows(&mut left) {
            condemned.extend(contended!(self.condemn_once(blobs, pace))?);
            pace.rest(AFTER_ROWS).await?;
        }
        Ok(condemned)
    }

    async fn delete_bytes(&self, condemned: &[Blob], pace: &mut Pace<'_>) -> Result<()> {
        let locations: Vec<_> = condemned.iter().map(|blob| blob.location.clone()).collect();
        pace.begin();
        self.inner.blobs.delete_all(&locations).await?;
        pace.end();
        locations.iter().for_each(|location| self.inner.caches.drop_small_blob(location));
        pace.rest(AFTER_BYTES).await
    }

    async fn condemn_once(&self, blobs: &[BlobId], pace: &mut Pace<'_>) -> Result<Vec<Blob>> {
        let mut write = self.write_as_system().await?;
        pace.begin();
        let rows = write.rows();
        let (mut condemned, mut kept) = (Vec::new(), Vec::new());
        for review in rows.blobs_review(blobs, pace.look.as_of).await? {
            match review.blob.filter(|_| !review.linked) {
                Some(blob) => condemned.push(blob),
                None => kept.push(ReviewSubject::Blob(review.id)),
            }
        }
        rows.reviews_delete(&kept).await?;
        let live = condemned.iter().filter(|blob| blob.state == BlobState::Live).map(|blob| blob.id);
        rows.blobs_condemn(&live.collect::<Vec<_>>()).await?;
        pace.end();
        write.commit().await?;
        Ok(condemned)
    }

    /// Deletes the rows of these; yields how many went, and how many bytes they had.
    async fn bury_once(&self, blobs: &[Blob], pace: &mut Pace<'_>) -> Result<(u64, u64)> {
        let mut write = self.write_as_system().await?;
        pace.begin();
        let gone = write.rows().blobs_bury(blobs).await?;
        let went = blobs.iter().filter(|blob| gone.contains(&blob.id));
        let (count, bytes) = (gone.len() as u64, went.map(|blob| blob.size).sum::<u64>());
        if let Some(running) = pace.look.running {
            let add = |freed: &mut Freed| freed.add(Freed { purged_blobs: count, ..Freed::of_bytes(bytes) });
            running.count(&mut write, add).await?;
        }
        pace.end();
        write.commit().await?;
        Ok((count, bytes))
    }
}

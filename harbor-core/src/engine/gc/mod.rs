//! Garbage collection: online, by review queue, in small transactions.
//!
//! Each change that may orphan something enters it into the queue with a time to look. Workers take what is due, lock it,
//! check again, and only then delete: bytes first, then rows. The cost follows what changed, not what exists.

mod history;
mod run;

use std::time::Duration;

pub use history::{Gc, GcChange};
pub use run::{CollectGarbage, Freed};

use futures_util::{StreamExt as _, stream};

use super::Harbor;
use super::gate::contended;
use crate::access::Authorized;
use crate::access::permission::GarbageCollectionCreate;
use crate::blob::UploadId;
use crate::meta::{Blob, BlobId, BlobState, LinkId, Review, ReviewSubject, Upload};
use crate::{Error, Result, Timestamp};

/// How much is looked at in one batch.
const BATCH: u32 = 100;

/// The principal of an upload that is over but whose bytes are still to be removed: no actor has this name.
const ENDED: &str = "";

/// How long after a failure an upload is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// The longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// What a run of garbage collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GcReport {
    /// Entries of the queue and idle uploads that were looked at.
    pub reviewed: u64,
    /// Links of repositories to blobs that were removed.
    pub links: u64,
    /// Blobs that were deleted.
    pub blobs: u64,
    /// Bytes that were freed.
    pub bytes: u64,
    /// Upload sessions that had expired.
    pub uploads: u64,
    /// Entries that failed and will be looked at again.
    pub failed: u64,
}

impl GcReport {
    fn add(&mut self, other: Self) {
        self.reviewed += other.reviewed;
        self.links += other.links;
        self.blobs += other.blobs;
        self.bytes += other.bytes;
        self.uploads += other.uploads;
        self.failed += other.failed;
    }
}

impl Harbor {
    /// Looks at everything that is due, now.
    ///
    /// # Errors
    /// As the metadata store fails. What fails for one entry is counted, and that entry is tried again later.
    pub async fn collect_garbage(&self, _proof: Authorized<GarbageCollectionCreate>) -> Result<GcReport> {
        let mut total = GcReport::default();
        loop {
            let batch = self.gc_batch(1).await?;
            total.add(batch);
            if batch.reviewed == 0 {
                return Ok(total);
            }
        }
    }

    /// Looks at the next due entries, at so many at a time. A batch that reviewed nothing had nothing due.
    pub(super) async fn gc_batch(&self, workers: u32) -> Result<GcReport> {
        let mut report = self.expire_uploads().await?;
        self.forget_events().await?;
        let due = self.read().await?.reviews_due(self.now(), BATCH).await?;
        let reviews = stream::iter(due).map(|review| self.review_or_postpone(review));
        let mut reviews = reviews.buffer_unordered(workers.max(1) as usize);
        while let Some(done) = reviews.next().await {
            report.add(done?);
        }
        Ok(report)
    }

    async fn review_or_postpone(&self, review: Review) -> Result<GcReport> {
        let looked = GcReport { reviewed: 1, ..GcReport::default() };
        match self.review(review).await {
            Ok(done) => Ok(GcReport { reviewed: 1, ..done }),
            Err(error) => {
                tracing::warn!(subject = ?review.subject, %error, "a review failed and will be tried again");
                self.postpone(review).await?;
                Ok(GcReport { failed: 1, ..looked })
            }
        }
    }

    async fn review(&self, review: Review) -> Result<GcReport> {
        match review.subject {
            ReviewSubject::Link(link) => contended!(self.review_link(link)),
            ReviewSubject::Blob(blob) => self.review_blob(blob).await,
        }
    }

    async fn postpone(&self, review: Review) -> Result<()> {
        let wait = Duration::from_secs(10).saturating_mul(1 << review.attempts.min(13)).min(LONGEST_WAIT);
        let mut write = self.write_as_system().await?;
        let due = write.now().plus(wait);
        write.rows().review_postpone(review.subject, due).await?;
        write.commit().await
    }

    /// Removes a link that no manifest refers to, and enters its blob into the queue.
    async fn review_link(&self, link: LinkId) -> Result<GcReport> {
        let subject = ReviewSubject::Link(link);
        let mut write = self.write_as_system().await?;
        let now = write.now();
        let rows = write.rows();
        // The link ahead of its entry, as a push has it: whoever locks in another order waits for one who waits for it.
        let linked = rows.link_lock(link).await?;
        // Another node settled it, or a push moved it on since the queue was read.
        if rows.review_lock(subject).await?.is_none_or(|review| review.due > now) {
            return Ok(GcReport::default());
        }
        rows.review_delete(subject).await?;
        let mut report = GcReport::default();
        if let Some((repository, blob)) = linked {
            if !rows.link_is_referenced(link).await? {
                rows.link_delete(link).await?;
                rows.review_put(ReviewSubject::Blob(blob), now, "unlinked").await?;
                report.links = 1;
            }
            // Also when it stays: its review is over, and the cache shall know.
            write.changed_blobs(repository);
        }
        write.commit().await?;
        Ok(report)
    }

    /// Deletes a blob that no repository links to: condemned first, so that nobody links to it any more; then the bytes;
    /// then the row. A crash in between leaves the queue's entry, and the next look goes on.
    async fn review_blob(&self, id: BlobId) -> Result<GcReport> {
        let Some(blob) = contended!(self.condemn(id))? else { return Ok(GcReport::default()) };
        self.inner.blobs.delete(&blob.location).await?;
        self.inner.caches.drop_small_blob(&blob.location);
        let gone = contended!(self.bury(&blob))?;
        Ok(GcReport {
            blobs: u64::from(gone),
            bytes: if gone { blob.size } else { 0 },
            ..GcReport::default()
        })
    }

    /// Marks the blob when nothing links to it. `None` when it is to be kept, or was settled.
    async fn condemn(&self, id: BlobId) -> Result<Option<Blob>> {
        let subject = ReviewSubject::Blob(id);
        let mut write = self.write_as_system().await?;
        let now = write.now();
        let rows = write.rows();
        if rows.review_lock(subject).await?.is_none_or(|review| review.due > now) {
            return Ok(None);
        }
        let blob = rows.blob_lock(id).await?;
        let linked = rows.blob_is_linked(id).await?;
        let Some(blob) = blob.filter(|_| !linked) else {
            rows.review_delete(subject).await?;
            write.commit().await?;
            return Ok(None);
        };
        if blob.state == BlobState::Live {
            rows.blob_condemn(id).await?;
        }
        write.commit().await?;
        Ok(Some(blob))
    }

    /// Deletes the row of a blob whose bytes are gone, unless a push revived it with bytes of its own.
    async fn bury(&self, blob: &Blob) -> Result<bool> {
        let mut write = self.write_as_system().await?;
        let rows = write.rows();
        // Its entry first, as who condemns has it.
        rows.review_lock(ReviewSubject::Blob(blob.id)).await?;
        let now = rows.blob_lock(blob.id).await?;
        let gone = now.is_some_and(|now| now.state == BlobState::Condemned && now.location == blob.location);
        if gone {
            rows.blob_delete(blob.id).await?;
            rows.review_delete(ReviewSubject::Blob(blob.id)).await?;
        }
        write.commit().await?;
        Ok(gone)
    }

    /// Ends uploads that nobody wrote to for long.
    async fn expire_uploads(&self) -> Result<GcReport> {
        let now = self.now();
        let idle_since = now.minus(self.inner.settings.upload_expiry);
        let idle = self.read().await?.uploads_idle(idle_since, now, BATCH).await?;
        let mut report = GcReport::default();
        for upload in idle {
            // Somebody is writing to it at this moment.
            let _lease = match self.lease(upload.id).await {
                Err(Error::UploadBusy) => continue,
                lease => lease?,
            };
            report.reviewed += 1;
            match self.end_upload(upload.id).await {
                Ok(()) => report.uploads += 1,
                Err(error) => {
                    report.failed += 1;
                    tracing::warn!(upload = %upload.id, %error, "an expired upload was not removed");
                    self.postpone_expiry(upload.id, idle_since.plus(RETRY)).await?;
                }
            }
        }
        // What failed stays due, and must not keep the worker from sleeping.
        report.reviewed -= report.failed;
        Ok(report)
    }

    /// Moves an upload that cannot be removed behind the others, which shall not wait for it.
    async fn postpone_expiry(&self, id: UploadId, touched: Timestamp) -> Result<()> {
        let mut write = self.write_as_system().await?;
        if let Some(upload) = write.rows().upload(id).await? {
            write.rows().upload_save(&upload, touched).await?;
        }
        write.commit().await
    }

    /// Removes an upload whose lease the caller has: its bytes first, for its row is what knows of them.
    ///
    /// Ahead of both, the row is marked, so that nobody goes on with it. One that is gone is left alone: its bytes may have
    /// become a blob, in a transaction whose answer was lost, or since the caller saw it.
    pub(super) async fn end_upload(&self, id: UploadId) -> Result<()> {
        match contended!(self.mark_ended(id))? {
            Some(upload) => self.remove_ended(&upload).await,
            None => Ok(()),
        }
    }

    /// As [`Harbor::end_upload`], for somebody who is content to know that the upload is over: bytes that cannot be removed
    /// at the moment are left to the expiry of uploads.
    pub(super) async fn cancel_upload(&self, id: UploadId) -> Result<()> {
        if let Some(upload) = contended!(self.mark_ended(id))?
            && let Err(error) = self.remove_ended(&upload).await
        {
            tracing::warn!(upload = %id, %error, "the bytes of a cancelled upload are left to expire");
        }
        Ok(())
    }

    async fn remove_ended(&self, upload: &Upload) -> Result<()> {
        let id = upload.id;
        self.inner.blobs.discard(id, &upload.driver_state).await.map_err(Error::from)?;
        let mut write = self.write_as_system().await?;
        write.rows().upload_delete(id).await?;
        write.commit().await
    }

    /// The row as it is now, with the driver's last checkpoint.
    async fn mark_ended(&self, id: UploadId) -> Result<Option<Upload>> {
        self.inner.caches.drop_upload(id);
        let mut write = self.write_as_system().await?;
        let Some(upload) = write.rows().upload(id).await? else { return Ok(None) };
        let ended = Upload { principal: ENDED.to_owned(), ..upload };
        // As if it had been idle for ever: what fails after this is tried again soon.
        if !write.rows().upload_save(&ended, Timestamp::default()).await? {
            return Ok(None);
        }
        write.commit().await?;
        Ok(Some(ended))
    }
}

//! Garbage collection: online, by review queue, in small transactions.
//!
//! Each change that may leave a link without a manifest enters it into the queue with a time to look. Workers take what is due, lock
//! it, check again, and only then delete it, and the row of the blob to which nobody links any more with it: from then on its bytes
//! are garbage, which no push and no pull finds. They are deleted next, and forgotten last. The cost follows what changed, not what
//! exists.

mod asked;
mod batch;
mod pace;
mod run;
mod sweep;

use std::time::Duration;

pub(super) use asked::Asked;
pub use run::{CollectGarbage, Freed};

use futures_util::{Stream, StreamExt as _, future, stream};

use super::Harbor;
use super::gate::contended;
use crate::access::Authorized;
use crate::access::permission::GarbageCollectionCreate;
use crate::blob::UploadId;
use crate::job::{Job as _, Running};
use crate::meta::{Garbage, LinkId, Review, Sharing, TaskStatus, Upload};
use crate::{Error, Result, Timestamp};

/// How many entries of the queue are looked at in one batch.
const BATCH: u32 = 4096;

/// How many idle uploads are.
const UPLOADS: u32 = 100;

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
    /// Entries of the queue, garbage, and idle uploads that were looked at.
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

/// What is looked at, and for whom.
#[derive(Clone, Copy, Debug)]
struct Look<'a> {
    /// What is due later than that is left.
    as_of: Timestamp,
    /// The run whose figures it is in, if it is one's.
    running: Option<&'a Running>,
    /// Whether it is left to a run, where there is one: a worker's is.
    stands_aside: bool,
}

impl Look<'_> {
    /// What failed is tried again later, by whoever it is then: it is told. Unless it is the turn of another worker, for which all stays
    /// as it is.
    ///
    /// # Errors
    /// The error, then; and as the metadata store fails.
    async fn is_still_ours(&self, error: Error, tell: impl FnOnce(&Error)) -> Result<()> {
        match self.running {
            Some(running) if !running.is_current().await? => Err(error),
            _ => {
                tell(&error);
                Ok(())
            }
        }
    }
}

/// How long something is left alone that failed so often before.
fn wait_after(attempts: u32) -> Duration {
    Duration::from_secs(10).saturating_mul(1 << attempts.min(13)).min(LONGEST_WAIT)
}

/// In as many parts of about the same length.
fn shared_out<T: Send + 'static>(mut all: Vec<T>, parts: usize) -> impl Stream<Item = Vec<T>> {
    let each = all.len().div_ceil(parts).max(1);
    let mut shares = Vec::with_capacity(parts);
    while !all.is_empty() {
        let rest = all.split_off(each.min(all.len()));
        shares.push(std::mem::replace(&mut all, rest));
    }
    stream::iter(shares)
}

/// What these did together.
async fn sum(mut shares: impl Stream<Item = Result<GcReport>> + Unpin) -> Result<GcReport> {
    let mut report = GcReport::default();
    while let Some(done) = shares.next().await {
        report.add(done?);
    }
    Ok(report)
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
    pub async fn collect_garbage(&self, proof: Authorized<GarbageCollectionCreate>) -> Result<GcReport> {
        self.collect_garbage_with(proof, 1).await
    }

    /// The same, at so many batches at a time.
    ///
    /// # Errors
    /// As [`Harbor::collect_garbage`].
    pub async fn collect_garbage_with(
        &self,
        _proof: Authorized<GarbageCollectionCreate>,
        workers: u32,
    ) -> Result<GcReport> {
        self.collect(workers, None).await
    }

    /// Looks at everything that is due, or was when a run began, which is told after each batch what was done so far. The workers stand
    /// aside meanwhile, so that the figures have all that went.
    async fn collect(&self, workers: u32, running: Option<&Running>) -> Result<GcReport> {
        let _alone = self.inner.collecting.lock().await;
        let mut total = GcReport::default();
        loop {
            let as_of = running.map_or_else(|| self.now(), run::as_of);
            let batch = self.gc_batch(workers, Look { as_of, running, stands_aside: false }).await?;
            total.add(batch);
            if batch.reviewed == 0 {
                return Ok(total);
            }
            if let Some(running) = running {
                running.progress(format!("{} blobs, {} bytes", total.blobs, total.bytes));
            }
        }
    }

    /// A batch of the worker, unless somebody else collects: on this node, or in a run anywhere.
    pub(super) async fn gc_online(&self) -> Result<GcReport> {
        match self.inner.collecting.try_lock() {
            Ok(_alone) => {
                self.gc_batch(1, Look { as_of: self.now(), running: None, stands_aside: true }).await
            }
            Err(_) => Ok(GcReport::default()),
        }
    }

    /// Whether a run is under way, or is about to be begun, or begun again: until somebody had the time for it, since its last worker or
    /// since this registry was opened.
    pub(super) async fn is_run(&self) -> Result<bool> {
        let (kind, priority) = (CollectGarbage::KIND, CollectGarbage::rules().priority);
        let has_time =
            |at: Timestamp| at.max(self.inner.opened).plus(self.inner.settings.job_lease) > self.now();
        let mut rows = self.read().await?;
        // In this order: one that begins, or is given back, between two of the questions is seen by the next one.
        for status in [TaskStatus::Waiting, TaskStatus::Running, TaskStatus::Waiting] {
            let due = rows.task_next_due(status, priority, &[kind]).await?;
            if due.is_some_and(|due| has_time(due) && (status == TaskStatus::Running || due <= self.now())) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks at the next due entries, at so many batches at a time. One that reviewed nothing had nothing due, or nothing is collected
    /// now.
    async fn gc_batch(&self, workers: u32, look: Look<'_>) -> Result<GcReport> {
        if self.collects_no_more().await? {
            return Ok(GcReport::default());
        }
        let mut report = self.expire_uploads().await?;
        self.forget_events().await?;
        self.forget_trash().await?;
        let (links, garbage) = self.due(look).await?;
        if !(links.is_empty() && garbage.is_empty()) && look.stands_aside && self.is_run().await? {
            return Ok(report);
        }
        // Where writers take turns, several would only take them from one another, and from everybody else.
        let exclusive = self.inner.metadata.sharing() == Sharing::Exclusive;
        let workers = if exclusive { 1 } else { workers.max(1) as usize };
        // What became garbage just now is the next batch's, so that a batch is as long as it says. And side by side: one works in the
        // database and the other in the blob store, and each rests while the other works.
        let reviews = shared_out(links, workers).map(|links| self.review_all(links, look));
        let sweeps = shared_out(garbage, workers).map(|garbage| self.sweep_all(garbage, look));
        let (reviews, sweeps) = (reviews.buffer_unordered(workers), sweeps.buffer_unordered(workers));
        let (reviewed, swept) = future::join(sum(reviews), sum(sweeps)).await;
        report.add(reviewed?);
        report.add(swept?);
        Ok(report)
    }

    /// What is to be looked at next.
    async fn due(&self, look: Look<'_>) -> Result<(Vec<Review>, Vec<Garbage>)> {
        let mut rows = self.read().await?;
        Ok((rows.reviews_due(look.as_of, BATCH).await?, rows.garbage_due(look.as_of, BATCH).await?))
    }

    /// Looks at these entries together; and, when that fails, at each by itself, so that one that fails holds up no other.
    async fn review_all(&self, due: Vec<Review>, look: Look<'_>) -> Result<GcReport> {
        let links: Vec<LinkId> = due.iter().map(|review| review.link).collect();
        let mut report = GcReport { reviewed: due.len() as u64, ..GcReport::default() };
        if let Err(error) = self.review_links(&links, look, &mut report).await {
            tracing::debug!(%error, "links are looked at one by one");
            for review in due {
                self.review_one(review, look, &mut report).await?;
            }
        }
        Ok(report)
    }

    async fn review_one(&self, review: Review, look: Look<'_>, report: &mut GcReport) -> Result<()> {
        if self.collects_no_more().await? {
            return Ok(());
        }
        let Err(error) = self.review_links(&[review.link], look, report).await else { return Ok(()) };
        look.is_still_ours(error, |error| {
            tracing::warn!(link = review.link.get(), %error, "a link could not be looked at, and will be again");
        })
        .await?;
        let wait = wait_after(review.attempts);
        contended!(async {
            let mut write = self.write_as_system().await?;
            let due = write.now().plus(wait);
            write.rows().review_postpone(review.link, due).await?;
            write.commit().await
        })?;
        report.failed += 1;
        Ok(())
    }

    /// Ends uploads that nobody wrote to for long.
    async fn expire_uploads(&self) -> Result<GcReport> {
        let now = self.now();
        let idle_since = now.minus(self.inner.settings.upload_expiry);
        let idle = self.read().await?.uploads_idle(idle_since, now, UPLOADS).await?;
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
        contended!(async {
            let mut write = self.write_as_system().await?;
            if let Some(upload) = write.rows().upload(id).await? {
                write.rows().upload_save(&upload, touched).await?;
            }
            write.commit().await
        })
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

//! Deleting the bytes of what is garbage.
//!
//! The bytes go first, for their row is what knows of them; a crash in between leaves the row, and they are deleted once more, which
//! does no harm.

use super::pace::{AFTER_BYTES, AFTER_ROWS, Pace};
use super::{Freed, GcReport, Look, wait_after};
use crate::Result;
use crate::engine::Harbor;
use crate::engine::gate::contended;
use crate::meta::{Garbage, GarbageId};

impl Harbor {
    /// Deletes these together; and, when that fails, each by itself, so that one that fails holds up no other.
    pub(super) async fn sweep_all(&self, mut garbage: Vec<Garbage>, look: Look<'_>) -> Result<GcReport> {
        // It may have come to be so while links were looked at.
        if self.collects_no_more().await? {
            return Ok(GcReport::default());
        }
        let mut report = GcReport { reviewed: garbage.len() as u64, ..GcReport::default() };
        // Neighbours in the store go together: a folder waits for the disk once for all of its files.
        garbage.sort_unstable_by(|one, other| one.location.cmp(&other.location));
        if let Err(error) = self.sweep(&garbage, look, &mut report).await {
            tracing::debug!(%error, "garbage is deleted one by one");
            for one in &garbage {
                self.sweep_one(one, look, &mut report).await?;
            }
        }
        Ok(report)
    }

    async fn sweep_one(&self, garbage: &Garbage, look: Look<'_>, report: &mut GcReport) -> Result<()> {
        if self.collects_no_more().await? {
            return Ok(());
        }
        let Err(error) = self.sweep(std::slice::from_ref(garbage), look, report).await else { return Ok(()) };
        look.is_still_ours(error, |error| {
            let location = garbage.location.as_str();
            tracing::warn!(location, %error, "garbage could not be deleted, and will be tried again");
        })
        .await?;
        let wait = wait_after(garbage.attempts);
        contended!(async {
            let mut write = self.write_as_system().await?;
            let due = write.now().plus(wait);
            write.rows().garbage_postpone(garbage.id, due).await?;
            write.commit().await
        })?;
        report.failed += 1;
        Ok(())
    }

    /// The report has what was done, also where this fails.
    async fn sweep(&self, garbage: &[Garbage], look: Look<'_>, report: &mut GcReport) -> Result<()> {
        let (mut pace, mut left) = (Pace::new(self, look), garbage);
        while let Some(deleted) = pace.forgotten(&mut left) {
            let mut left = deleted;
            while let Some(step) = pace.bytes(&mut left) {
                self.delete_bytes(step, &mut pace).await?;
            }
            // Of what is deleted by halves nothing is forgotten yet.
            if !left.is_empty() {
                return Ok(());
            }
            let (blobs, bytes) = contended!(self.forget_once(deleted, &mut pace))?;
            report.blobs += blobs;
            report.bytes += bytes;
            pace.rest(AFTER_ROWS).await?;
        }
        Ok(())
    }

    async fn delete_bytes(&self, garbage: &[Garbage], pace: &mut Pace<'_>) -> Result<()> {
        let locations: Vec<_> = garbage.iter().map(|one| one.location.clone()).collect();
        pace.begin();
        self.inner.blobs.delete_all(&locations).await?;
        pace.end();
        locations.iter().for_each(|location| self.inner.caches.drop_small_blob(location));
        pace.rest(AFTER_BYTES).await
    }

    /// Forgets these, whose bytes are gone; yields how many were not forgotten yet, and how many bytes they had.
    async fn forget_once(&self, garbage: &[Garbage], pace: &mut Pace<'_>) -> Result<(u64, u64)> {
        let mut write = self.write_as_system().await?;
        pace.begin();
        let ids: Vec<GarbageId> = garbage.iter().map(|one| one.id).collect();
        let gone = write.rows().garbage_forget(&ids).await?;
        let went = garbage.iter().filter(|one| gone.binary_search(&one.id).is_ok());
        let (count, bytes) = (gone.len() as u64, went.map(|one| one.size).sum::<u64>());
        if let Some(running) = pace.look.running {
            let add = |freed: &mut Freed| freed.add(Freed { purged_blobs: count, ..Freed::of_bytes(bytes) });
            running.count(&mut write, add).await?;
        }
        write.commit().await?;
        pace.end();
        Ok((count, bytes))
    }
}

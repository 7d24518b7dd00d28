//! One writer at a time for each upload of this process, also when a call was cancelled half-way.
//!
//! A future that is dropped stops at once, but what it has begun goes on: a system call in the blocking pool, a request
//! that is on its way. When a client breaks off and comes back at once, that remainder must not meet the next writer. So
//! each writer takes a [`Ticket`]; work is done while [holding](Ticket::hold) the upload's lane, and only by the newest
//! ticket.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use harbor_core::blob::UploadId;
use harbor_core::{StoreError, StoreErrorKind};

/// The lanes in use. For the whole process, because two instances of a driver may be open over one store; names of
/// uploads are unique for ever, so nobody meets a stranger here.
static LANES: LazyLock<Mutex<HashMap<UploadId, Weak<Lane>>>> = LazyLock::new(Mutex::default);

#[derive(Debug, Default)]
struct Lane {
    newest: AtomicU64,
    turn: tokio::sync::Mutex<()>,
}

/// The right to work on an upload, until somebody else takes one.
#[derive(Debug)]
pub(super) struct Ticket {
    upload: UploadId,
    lane: Arc<Lane>,
    number: u64,
}

impl Ticket {
    /// Takes over the upload.
    pub(super) fn take(upload: UploadId) -> Self {
        let mut lanes = lanes();
        if lanes.len() == lanes.capacity() {
            // Of two that are dropped in the same moment, neither sees itself as the last.
            lanes.retain(|_, lane| lane.strong_count() > 0);
        }
        let entry = lanes.entry(upload).or_default();
        let lane = entry.upgrade().unwrap_or_else(|| {
            let lane = Arc::new(Lane::default());
            *entry = Arc::downgrade(&lane);
            lane
        });
        let number = lane.newest.fetch_add(1, Ordering::SeqCst) + 1;
        Self { upload, lane, number }
    }

    /// Waits for whoever is at work and keeps others off until the guard is dropped.
    ///
    /// # Errors
    /// `Conflict` when a newer ticket was taken.
    #[cfg(any(test, feature = "s3", feature = "azure", feature = "gcs"))]
    pub(super) async fn hold(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, StoreError> {
        let turn = self.lane.turn.lock().await;
        self.still_newest().map(|()| turn)
    }

    /// As [`Self::hold`], on a thread that may block.
    ///
    /// # Errors
    /// `Conflict` when a newer ticket was taken.
    pub(super) fn hold_blocking(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, StoreError> {
        let turn = self.lane.turn.blocking_lock();
        self.still_newest().map(|()| turn)
    }

    fn still_newest(&self) -> Result<(), StoreError> {
        if self.lane.newest.load(Ordering::SeqCst) == self.number {
            return Ok(());
        }
        let context = format!("upload {}: another writer took over", self.upload);
        Err(StoreError::new(StoreErrorKind::Conflict, context))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut lanes = lanes();
        // Nobody can take a reference to the lane while the table is locked.
        if Arc::strong_count(&self.lane) == 1 {
            lanes.remove(&self.upload);
        }
    }
}

fn lanes() -> MutexGuard<'static, HashMap<UploadId, Weak<Lane>>> {
    LANES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newer_ticket_ends_the_older() {
        let upload = UploadId::random();
        let first = Ticket::take(upload);
        let turn = first.hold().await.unwrap();
        let second = Ticket::take(upload);
        // The second waits for the work that the first has begun.
        assert!(futures_util::FutureExt::now_or_never(second.hold()).is_none());
        drop(turn);
        assert_eq!(first.hold().await.unwrap_err().kind(), StoreErrorKind::Conflict);
        drop(second.hold().await.unwrap());
    }

    #[tokio::test]
    async fn nothing_stays_in_the_table() {
        let upload = UploadId::random();
        let (first, second) = (Ticket::take(upload), Ticket::take(upload));
        drop(first);
        assert!(lanes().contains_key(&upload));
        drop(second);
        assert!(!lanes().contains_key(&upload));
    }
}

//! The review queue of garbage collection: what may have become an orphan, and when to look.

use async_trait::async_trait;

use super::{BlobId, LinkId, RowResult};
use crate::Timestamp;

/// What is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReviewSubject {
    /// A link that perhaps no manifest refers to.
    Link(LinkId),
    /// A blob that perhaps no repository links to.
    Blob(BlobId),
}

/// An entry of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Review {
    /// What is to be looked at.
    pub subject: ReviewSubject,
    /// When.
    pub due: Timestamp,
    /// How often it was tried in vain.
    pub attempts: u32,
}

/// Reads the queue.
#[async_trait]
pub trait ReviewRows {
    /// Up to `limit` entries that are due at `now`, the longest due first.
    async fn reviews_due(&mut self, now: Timestamp, limit: u32) -> RowResult<Vec<Review>>;

    /// How many blobs would go, and how many bytes they have, if everything were looked at that is due at `now`.
    async fn reviews_would_free(&mut self, now: Timestamp) -> RowResult<(u64, u64)>;
}

/// Changes the queue.
#[async_trait]
pub trait ReviewRowsMut {
    /// Enters a subject, or moves its entry to `due` and forgets its attempts: never ignored, so no wake-up is lost.
    async fn review_put(&mut self, subject: ReviewSubject, due: Timestamp, reason: &str) -> RowResult<()>;

    /// The same of several subjects.
    async fn reviews_put(
        &mut self,
        subjects: &[ReviewSubject],
        due: Timestamp,
        reason: &str,
    ) -> RowResult<()>;

    /// Takes the entries of several subjects out.
    async fn reviews_delete(&mut self, subjects: &[ReviewSubject]) -> RowResult<()>;

    /// Moves the entry of a subject to `due`, when there is one that is due earlier.
    async fn review_extend(&mut self, subject: ReviewSubject, due: Timestamp) -> RowResult<()>;

    /// Moves an entry to `due` after a failure, and counts the attempt.
    async fn review_postpone(&mut self, subject: ReviewSubject, due: Timestamp) -> RowResult<()>;

    /// The entry of a subject, locked.
    async fn review_lock(&mut self, subject: ReviewSubject) -> RowResult<Option<Review>>;

    /// Takes an entry out.
    async fn review_delete(&mut self, subject: ReviewSubject) -> RowResult<()>;
}

//! The review queue of garbage collection: links that perhaps no manifest refers to any more, and when to look.

use async_trait::async_trait;

use super::{LinkId, RowResult};
use crate::Timestamp;

/// An entry of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Review {
    /// What is to be looked at.
    pub link: LinkId,
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

    /// How many blobs would go, and how many bytes they have, if everything were looked at that is due at `now`, and all
    /// [`Garbage`](super::Garbage) deleted that is.
    async fn reviews_would_free(&mut self, now: Timestamp) -> RowResult<(u64, u64)>;
}

/// Changes the queue.
#[async_trait]
pub trait ReviewRowsMut {
    /// Enters a link, or moves its entry to `due` and forgets its attempts: never ignored, so no wake-up is lost.
    async fn review_put(&mut self, link: LinkId, due: Timestamp, reason: &str) -> RowResult<()>;

    /// Takes the entries of several links out.
    async fn reviews_delete(&mut self, links: &[LinkId]) -> RowResult<()>;

    /// Moves the entry of a link to `due`, when there is one that is due earlier.
    async fn review_extend(&mut self, link: LinkId, due: Timestamp) -> RowResult<()>;

    /// Moves an entry to `due` after a failure, and counts the attempt.
    async fn review_postpone(&mut self, link: LinkId, due: Timestamp) -> RowResult<()>;
}

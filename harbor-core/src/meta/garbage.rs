//! Bytes in the blob store that no row names any more.

use async_trait::async_trait;

use super::{GarbageId, RowResult};
use crate::Timestamp;
use crate::blob::Location;

/// Bytes that were a blob's, and are to be deleted. Nothing refers to them, and nothing ever will: a push of the same content brings a
/// location of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garbage {
    /// Its key.
    pub id: GarbageId,
    /// Where the bytes are, unless they were deleted and nobody could say so.
    pub location: Location,
    /// How many there are.
    pub size: u64,
    /// How often it was tried in vain to delete them.
    pub attempts: u32,
}

/// Reads what is to be deleted.
#[async_trait]
pub trait GarbageRows {
    /// Up to `limit` that are due at `now`, the longest due first.
    async fn garbage_due(&mut self, now: Timestamp, limit: u32) -> RowResult<Vec<Garbage>>;
}

/// Changes what is to be deleted: it comes from [`links_delete`](super::BlobRowsMut::links_delete).
#[async_trait]
pub trait GarbageRowsMut {
    /// Forgets bytes that are deleted. Yields those that nobody else had forgotten, in the order of keys.
    async fn garbage_forget(&mut self, garbage: &[GarbageId]) -> RowResult<Vec<GarbageId>>;

    /// Moves it to `due` after a failure, and counts the attempt.
    async fn garbage_postpone(&mut self, garbage: GarbageId, due: Timestamp) -> RowResult<()>;
}

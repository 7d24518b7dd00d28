//! Drivers of [`BlobStore`](harbor_core::blob::BlobStore): where the bytes are kept.

mod folder;
mod lane;
mod memory;

use harbor_core::{StoreError, StoreErrorKind};
use tokio::task::JoinError;

pub use folder::FolderBlobs;
pub use memory::MemoryBlobs;

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    joined(tokio::task::spawn_blocking(work).await)
}

/// The outcome of a task: one that panicked or was stopped has failed.
fn joined<T>(outcome: Result<Result<T, StoreError>, JoinError>) -> Result<T, StoreError> {
    outcome.unwrap_or_else(|error| {
        Err(StoreError::new(StoreErrorKind::Other, "a background task ended").with_source(error))
    })
}

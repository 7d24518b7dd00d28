//! Drivers of [`BlobStore`]: where the bytes are kept.
//!
//! [`open`] takes an address; [`FolderBlobs`], [`MemoryBlobs`] and [`ObjectBlobs`] have constructors with options.

mod address;
mod folder;
mod lane;
mod memory;
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
mod object;
#[cfg(feature = "backup")]
mod shelf;

use std::sync::Arc;

use harbor_core::blob::BlobStore;
use harbor_core::{StoreError, StoreErrorKind};
use tokio::task::JoinError;

pub use folder::FolderBlobs;
pub use harbor_core::access::Secret;
pub use memory::MemoryBlobs;
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
pub use object::ObjectBlobs;
#[cfg(feature = "azure")]
pub use object::azure::AzureOptions;
#[cfg(feature = "gcs")]
pub use object::gcs::GcsOptions;
#[cfg(feature = "s3")]
pub use object::s3::S3Options;
#[cfg(feature = "backup")]
pub use shelf::{Shelf, Shelved};

/// Opens the blob store at an address:
///
/// | address | store |
/// |---|---|
/// | `file:PATH` | a folder |
/// | `memory:` | memory: all is lost at the end |
/// | `s3://BUCKET/PREFIX?endpoint=…&region=…` | S3; credentials as the AWS SDKs find them (`AWS_ACCESS_KEY_ID`, …) |
/// | `az://CONTAINER/PREFIX?endpoint=…&account=…` | Azure Blob Storage; credentials from `AZURE_STORAGE_ACCOUNT_KEY`, … |
/// | `gs://BUCKET/PREFIX?endpoint=…` | Google Cloud Storage; credentials from `GOOGLE_SERVICE_ACCOUNT`, … |
///
/// The last three also take `signed_urls=true`, to send clients to the store itself for reading.
///
/// # Errors
/// When the address is none of these, or the store cannot be opened.
pub async fn open(address: &str) -> Result<Arc<dyn BlobStore>, StoreError> {
    address::Address::parse(address)?.open().await
}

/// Opens the blob store at an address, as [`open`] does, to look at all that is in it.
///
/// # Errors
/// As [`open`]; and for `memory:`, in which nothing is that another process put there.
#[cfg(feature = "backup")]
pub async fn open_shelf(address: &str) -> Result<Arc<dyn Shelf>, StoreError> {
    address::Address::parse(address)?.open_shelf().await
}

/// Opens the blob store at an address, as [`open_shelf`] does, where there is one: nothing is made.
///
/// # Errors
/// As [`open_shelf`]; `NotFound` for a folder that is none.
#[cfg(feature = "backup")]
pub async fn open_there(address: &str) -> Result<Arc<dyn Shelf>, StoreError> {
    address::Address::parse(address)?.open_there().await
}

/// Which store an address names, whatever else it says: the kind, and a hash of where it is.
///
/// # Errors
/// When the address is none.
#[cfg(feature = "backup")]
pub(crate) fn identity(address: &str) -> Result<String, StoreError> {
    Ok(address::Address::parse(address)?.identity())
}

/// A fault in what the operator configured.
fn configuration_fault(what: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::new(StoreErrorKind::Other, format!("{what} is not configured rightly")).with_source(error)
}

/// Runs `work` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    joined(tokio::task::spawn_blocking(work).await)
}

/// The outcome of a task: one that panicked or was stopped has failed.
pub(crate) fn joined<T>(outcome: Result<Result<T, StoreError>, JoinError>) -> Result<T, StoreError> {
    outcome.unwrap_or_else(|error| {
        Err(StoreError::new(StoreErrorKind::Other, "a background task ended").with_source(error))
    })
}

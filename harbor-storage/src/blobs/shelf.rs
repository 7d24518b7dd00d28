//! A blob store as who maintains it sees it: all that is in it, also what no row names.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use harbor_core::blob::{BlobStore, Location, UploadId};
use harbor_core::{StoreError, Timestamp};

/// What can be told of a store beside what [`BlobStore`] says: a registry never asks for it, for it costs as much as there is.
#[async_trait]
pub trait Shelf: BlobStore {
    /// Everything that is there: blobs, and what uploads left that are not over. In no order.
    ///
    /// # Errors
    /// As the store fails; also each entry.
    async fn list(&self) -> Result<BoxStream<'static, Result<Shelved, StoreError>>, StoreError>;

    /// Where the blob of an upload is, once it is committed.
    fn place(&self, upload: UploadId) -> Location;

    /// Puts what is at a location aside, where the registry does not find it and a person does: below `quarantine`. Yields what it
    /// is called there; nothing when there was nothing to put aside.
    ///
    /// # Errors
    /// As the store fails.
    async fn set_aside(&self, location: &Location) -> Result<Option<String>, StoreError>;

    /// Waits until all that was written is on disk, by whomever.
    ///
    /// # Errors
    /// As the store fails.
    async fn settle(&self) -> Result<(), StoreError>;
}

/// Something that is in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shelved {
    /// The upload that it is of.
    pub upload: UploadId,
    /// Where it is, when it is a blob; nothing where it is what an upload left that is not over.
    pub location: Option<Location>,
    /// How many bytes it has.
    pub size: u64,
    /// When it was written last.
    pub modified: Timestamp,
}

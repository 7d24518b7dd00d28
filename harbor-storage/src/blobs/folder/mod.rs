//! Blobs in a folder.
//!
//! # Layout
//!
//! One file per upload: `blobs/<ab>/<upload-id>.part` from its first byte until it is committed, `blobs/<ab>/<upload-id>`
//! from then until garbage collection, where `ab` are the first two digits of the upload's id. The change of name is one
//! atomic rename, so a file without `.part` is whole. The digest is not in the path, on purpose:
//!
//! * A file's name follows from the upload's row alone. Whatever moment a crash comes at, there is one file and the
//!   database knows its names; `discard` needs no notes, and a commit that failed half-way can be tried again.
//! * Each upload has a location of its own (the port asks for that), so a name made of the digest would not be unique
//!   anyway, and would not save the look into the database.
//! * A commit is one rename, one `fsync` of the file and one of its directory: no links, no second directory.
//!
//! Which digest a file holds stands in the database; `sha256sum` tells the same.
//!
//! # Durability
//!
//! `park` and `commit` return after `fdatasync` of the file (which carries its size) and `fsync` of its directory, in this
//! order: on a journalling file system the first one already commits the transaction that holds the new directory entry,
//! so the second finds nothing left to write and costs a flush of the disk's cache at most. Concurrent pushes share
//! journal commits and flushes in the kernel. The 256 directories are made, and made durable, when the store is opened.

mod body;
mod pace;
mod root;
#[cfg(feature = "backup")]
mod shelf;
mod writer;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use harbor_core::blob::{
    BlobBody, BlobStore, BlobWriter, DriverState, Location, SignOptions, Space, UploadId,
};
use harbor_core::{StoreError, StoreErrorKind};

use self::root::{Place, Root};
use super::blocking;
use super::lane::Ticket;

/// The version of this driver's state, its only byte: all else follows from the upload's id.
const STATE: u8 = 1;

/// Keeps blobs in a folder of a local (or well-behaved network) file system.
#[derive(Clone, Debug)]
pub struct FolderBlobs {
    root: Arc<Root>,
}

impl FolderBlobs {
    /// Opens the store in the folder `path`, making what is missing.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::open_root(path.into(), true).await
    }

    /// The same for as long as this program: nothing is waited for until it is on disk, so what is there after a crash of the machine
    /// is anything. For a registry whose metadata is gone with the program as well
    /// ([`SqlMetadata::in_memory`](crate::sql::SqlMetadata::in_memory)).
    ///
    /// # Errors
    /// As [`FolderBlobs::open`].
    pub async fn passing(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::open_root(path.into(), false).await
    }

    /// Opens the store in the folder `path`, and makes nothing.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    #[cfg(feature = "backup")]
    pub(super) async fn open_there(path: PathBuf) -> Result<Self, StoreError> {
        let root = blocking(move || Root::open_there(path)).await?;
        Ok(Self { root: Arc::new(root) })
    }

    async fn open_root(path: PathBuf, lasts: bool) -> Result<Self, StoreError> {
        let root = blocking(move || Root::open(path, lasts)).await?;
        Ok(Self { root: Arc::new(root) })
    }
}

fn check_state(upload: UploadId, state: &DriverState) -> Result<(), StoreError> {
    match state.as_bytes() {
        [] | [STATE] => Ok(()),
        [version, ..] if *version > STATE => {
            let context = format!("upload {upload}: its state was written by a newer version");
            Err(StoreError::new(StoreErrorKind::TooNew, context))
        }
        _ => Err(StoreError::new(StoreErrorKind::Corrupt, format!("upload {upload}: its state is none"))),
    }
}

#[async_trait]
impl BlobStore for FolderBlobs {
    fn name(&self) -> &str {
        "folder"
    }

    async fn writer(
        &self,
        upload: UploadId,
        state: &DriverState,
        offset: u64,
    ) -> Result<Box<dyn BlobWriter>, StoreError> {
        check_state(upload, state)?;
        Ok(Box::new(writer::FolderWriter::new(Arc::clone(&self.root), upload, offset)))
    }

    async fn discard(&self, upload: UploadId, state: &DriverState) -> Result<(), StoreError> {
        check_state(upload, state)?;
        let (root, ticket) = (Arc::clone(&self.root), Ticket::take(upload));
        blocking(move || {
            let _turn = ticket.hold_blocking()?;
            root.remove(&Place::of(upload))
        })
        .await
    }

    async fn open(&self, location: &Location, range: Range<u64>) -> Result<BlobBody, StoreError> {
        body::open(&self.root, Place::parse(location)?, range).await
    }

    async fn delete(&self, location: &Location) -> Result<(), StoreError> {
        let (root, place) = (Arc::clone(&self.root), Place::parse(location)?);
        blocking(move || root.remove(&place)).await
    }

    async fn delete_all(&self, locations: &[Location]) -> Result<(), StoreError> {
        let root = Arc::clone(&self.root);
        let places = locations.iter().map(Place::parse).collect::<Result<Vec<_>, _>>()?;
        blocking(move || root.remove_all(&places)).await
    }

    async fn signed_url(
        &self,
        _location: &Location,
        _options: &SignOptions,
    ) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn space(&self) -> Result<Option<Space>, StoreError> {
        let root = Arc::clone(&self.root);
        let asked = tokio::task::spawn_blocking(move || rustix::fs::fstatvfs(root.blobs())).await;
        let failed = |error: std::io::Error| StoreError::io("asking for the room in the folder", error);
        let space = asked.map_err(|error| failed(error.into()))?.map_err(|error| failed(error.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
        Ok(Some(Space { total: bytes(space.f_blocks), free: bytes(space.f_bavail) }))
    }

    async fn check(&self) -> Result<(), StoreError> {
        let root = Arc::clone(&self.root);
        blocking(move || root.probe()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every form that was ever written still loads. A new form is added; none is ever removed.
    #[test]
    fn every_state_still_loads() {
        let upload = UploadId::random();
        for state in [vec![], vec![1]] {
            check_state(upload, &DriverState::new(state)).unwrap();
        }
        let kind = |state| check_state(upload, &DriverState::new(state)).unwrap_err().kind();
        assert_eq!(kind(vec![2]), StoreErrorKind::TooNew);
        assert_eq!(kind(vec![1, 0]), StoreErrorKind::Corrupt);
        assert_eq!(kind(vec![0]), StoreErrorKind::Corrupt);
    }
}

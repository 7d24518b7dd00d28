//! Blobs in memory: for tests, and for a registry that forgets.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use harbor_core::blob::{BlobBody, BlobStore, BlobWriter, DriverState, Location, SignOptions, UploadId};
use harbor_core::oci::Digest;
use harbor_core::{StoreError, StoreErrorKind};

/// The form of this driver's state: its version and nothing else.
const STATE: &[u8] = &[1];

/// Keeps blobs in memory. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryBlobs(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    parked: HashMap<UploadId, Vec<Bytes>>,
    blobs: HashMap<String, Bytes>,
}

impl MemoryBlobs {
    /// A store that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many blobs and parked uploads it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        let contents = self.contents();
        contents.parked.len() + contents.blobs.len()
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for MemoryBlobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryBlobs").field("count", &self.count()).finish()
    }
}

fn key(upload: UploadId) -> String {
    format!("memory/{upload}")
}

fn missing(what: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, format!("{what} is not in memory"))
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    fn name(&self) -> &str {
        "memory"
    }

    async fn writer(
        &self,
        upload: UploadId,
        _state: &DriverState,
        offset: u64,
    ) -> Result<Box<dyn BlobWriter>, StoreError> {
        let parked = self.contents().parked.get(&upload).cloned();
        let pieces = cut(parked.unwrap_or_default(), offset).ok_or_else(|| missing(upload))?;
        Ok(Box::new(MemoryWriter { store: self.clone(), upload, pieces }))
    }

    async fn discard(&self, upload: UploadId, _state: &DriverState) -> Result<(), StoreError> {
        let mut contents = self.contents();
        contents.parked.remove(&upload);
        contents.blobs.remove(&key(upload));
        Ok(())
    }

    async fn open(&self, location: &Location, range: Range<u64>) -> Result<BlobBody, StoreError> {
        let blob = self.contents().blobs.get(location.as_str()).cloned();
        let blob = blob.ok_or_else(|| missing(location.as_str()))?;
        let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        match range.filter(|(start, end)| start <= end && *end <= blob.len()) {
            Some((start, end)) => Ok(BlobBody::whole(blob.slice(start..end))),
            None => {
                Err(StoreError::new(StoreErrorKind::Corrupt, "the blob is shorter than the range asked for"))
            }
        }
    }

    async fn delete(&self, location: &Location) -> Result<(), StoreError> {
        self.contents().blobs.remove(location.as_str());
        Ok(())
    }

    async fn signed_url(
        &self,
        _location: &Location,
        _options: &SignOptions,
    ) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The first `length` bytes of `pieces`, if there are so many.
fn cut(pieces: Vec<Bytes>, length: u64) -> Option<Vec<Bytes>> {
    let mut left = usize::try_from(length).ok()?;
    let mut kept = Vec::new();
    for piece in pieces {
        let taken = piece.len().min(left);
        left -= taken;
        kept.push(piece.slice(..taken));
    }
    (left == 0).then_some(kept)
}

struct MemoryWriter {
    store: MemoryBlobs,
    upload: UploadId,
    pieces: Vec<Bytes>,
}

impl std::fmt::Debug for MemoryWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryWriter").field("upload", &self.upload).finish_non_exhaustive()
    }
}

#[async_trait]
impl BlobWriter for MemoryWriter {
    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<Option<DriverState>, StoreError> {
        self.pieces.extend(pieces);
        Ok(None)
    }

    async fn park(self: Box<Self>) -> Result<DriverState, StoreError> {
        self.store.contents().parked.insert(self.upload, self.pieces);
        Ok(DriverState::new(STATE.to_vec()))
    }

    async fn commit(self: Box<Self>, _digest: &Digest) -> Result<Location, StoreError> {
        let blob = match <[Bytes; 1]>::try_from(self.pieces) {
            Ok([piece]) => piece,
            Err(pieces) => pieces.concat().into(),
        };
        let mut contents = self.store.contents();
        contents.parked.remove(&self.upload);
        contents.blobs.insert(key(self.upload), blob);
        Ok(Location::new(key(self.upload)))
    }
}

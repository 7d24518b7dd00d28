//! `BlobStore`: the port that a storage driver implements.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::BlobBody;
use crate::StoreError;
use crate::oci::Digest;

/// The name of an upload session. Unique for ever, so a driver may derive names of files and keys from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(uuid::Uuid);

impl UploadId {
    /// A new one, which cannot be guessed.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4())
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

/// A text that is not the name of an upload session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an upload session")]
pub struct UploadIdError;

impl FromStr for UploadId {
    type Err = UploadIdError;

    /// Only the form that [`fmt::Display`] writes: one session has one name.
    fn from_str(text: &str) -> Result<Self, UploadIdError> {
        let id = Self(uuid::Uuid::try_parse(text).map_err(|_| UploadIdError)?);
        if id.to_string() == text { Ok(id) } else { Err(UploadIdError) }
    }
}

/// Where a driver put a blob: opaque to everybody else, kept in the blob's row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location(String);

impl Location {
    /// A location; only its driver knows what the text means.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, as the database keeps it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a driver must know to go on with an upload: opaque to everybody else, kept in the session's row.
///
/// Persisted: a driver tags it with a version and reads every version that it ever wrote. Empty for an upload that
/// has not begun.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DriverState(Vec<u8>);

impl DriverState {
    /// A state; only its driver knows what the bytes mean.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, as the database keeps them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the upload has not begun.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a signed address must say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignOptions {
    /// How long the address works.
    pub valid_for: Duration,
}

impl SignOptions {
    /// An address that works for `valid_for`.
    #[must_use]
    pub const fn new(valid_for: Duration) -> Self {
        Self { valid_for }
    }
}

/// Keeps bytes. It knows nothing of repositories, and existence is not its business: the database says which
/// locations count.
///
/// # Contract
///
/// Each item is one test of the module `conformance` (feature `conformance`).
///
/// * **Round trip**: what was written and committed is read back, byte for byte, at the location that `commit` returned.
/// * **Empty**: a blob of no bytes can be committed and read.
/// * **Exact**: the blob ends where the upload ended when it was committed; reading behind that is an error. (Who reads at a
///   signed address gets all that is there.)
/// * **Ranges**: `open` yields exactly the bytes of the range, of any range within the blob.
/// * **Resume**: an upload parked at an offset goes on there, from another instance of the driver over the same store,
///   with nothing but the state that `park` returned.
/// * **Drop beyond the offset**: bytes written after the last `park`, by a writer that was dropped or whose process died,
///   are not in the blob when the upload is resumed at the offset of that `park`.
/// * **Cancelled**: a call whose future was dropped before it ended may still be at work in the background; nothing of it
///   reaches what a later writer of this process writes, or comes back after a `discard`.
/// * **Earlier state**: an upload can be resumed from the state and offset of the last stored `park` or checkpoint, also when
///   a later writer wrote and died.
/// * **Own location**: two uploads of the same content get two locations, and deleting one leaves the other. This is what
///   lets garbage collection delete a location while somebody pushes the same blob.
/// * **Large**: a blob of many parts, written in pieces of odd sizes, is whole.
/// * **Discard**: an upload that is discarded leaves nothing; discarding it again, or one that never began, is `Ok`.
/// * **Tidy**: what `tidy` removes is no part of a committed blob, whichever state of the upload it is called with.
/// * **Delete**: a deleted location cannot be opened (`NotFound`); deleting it again is `Ok`. A location that the driver
///   never wrote is refused, and leads nowhere outside the store.
/// * **Missing**: opening a location that never was is `NotFound`.
/// * **Concurrent**: many uploads at once do not disturb each other.
/// * **Durable**: `park` and `commit` return when the bytes, and the directory entries that lead to them, are on disk;
///   `discard` and `delete` when the removal is, because the row that knows of the bytes goes next.
///   (No test in a process can show it; the crash tests of the server do.)
/// * **Never listed**: nothing in this port enumerates. An orphan is known to the database, because the upload's row is
///   written before its bytes.
///
/// ```no_run
/// # async fn example(store: &dyn harbor_core::blob::BlobStore) -> Result<(), harbor_core::StoreError> {
/// use bytes::Bytes;
/// use harbor_core::blob::{DriverState, UploadId};
/// use harbor_core::oci::{Algorithm, Digest};
///
/// let mut writer = store.writer(UploadId::random(), &DriverState::default(), 0).await?;
/// writer.write(vec![Bytes::from_static(b"hello")]).await?;
/// let location = writer.commit(&Digest::of(Algorithm::Sha256, b"hello")).await?;
/// assert_eq!(store.open(&location, 0..5).await?.bytes().await?, "hello");
/// # Ok(()) }
/// ```
#[async_trait]
pub trait BlobStore: fmt::Debug + Send + Sync + 'static {
    /// A short name of the driver, for logs and metrics: `folder`, `s3`, ….
    fn name(&self) -> &str;

    /// A writer that goes on with an upload at `offset`; a new upload has an empty `state` and offset 0. The caller
    /// makes sure that there is one writer per upload: a second one of this process puts the first out of work.
    ///
    /// # Errors
    /// `NotFound` when the parked bytes are gone, here or from the first call of the writer that needs them; `Conflict` when
    /// another writer has the upload; otherwise as the store fails.
    async fn writer(
        &self,
        upload: UploadId,
        state: &DriverState,
        offset: u64,
    ) -> Result<Box<dyn BlobWriter>, StoreError>;

    /// Removes whatever an unfinished upload left, also after a `commit` whose location was never recorded.
    ///
    /// # Errors
    /// As the store fails; it can be called again.
    async fn discard(&self, upload: UploadId, state: &DriverState) -> Result<(), StoreError>;

    /// Removes what an upload that is over left beside its blob, if the driver keeps parked bytes in a place of their own.
    /// Never the blob, nor what a location leads to. What it leaves behind, `delete` of the blob removes.
    ///
    /// # Errors
    /// As the store fails; it can be called again.
    async fn tidy(&self, _upload: UploadId, _state: &DriverState) -> Result<(), StoreError> {
        Ok(())
    }

    /// Reads `range` of the blob at `location`, which lies within its size.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, ….
    async fn open(&self, location: &Location, range: Range<u64>) -> Result<BlobBody, StoreError>;

    /// Deletes the blob at `location`.
    ///
    /// # Errors
    /// As the store fails; it can be called again.
    async fn delete(&self, location: &Location) -> Result<(), StoreError>;

    /// Deletes the blobs at these locations. A driver for which each is dear may do it in fewer steps.
    ///
    /// # Errors
    /// As the store fails: some may be deleted then. It can be called again.
    async fn delete_all(&self, locations: &[Location]) -> Result<(), StoreError> {
        for location in locations {
            self.delete(location).await?;
        }
        Ok(())
    }

    /// An address at which a client can read the blob from the store itself, or `None` when this store has none.
    ///
    /// # Errors
    /// When an address cannot be signed.
    async fn signed_url(
        &self,
        location: &Location,
        options: &SignOptions,
    ) -> Result<Option<String>, StoreError>;

    /// How much room there is, where the store knows: `None` for one without an end, such as an object store.
    ///
    /// # Errors
    /// As the store fails.
    async fn space(&self) -> Result<Option<Space>, StoreError> {
        Ok(None)
    }

    /// Whether the store can be reached and written to, for health checks.
    ///
    /// # Errors
    /// What is wrong.
    async fn check(&self) -> Result<(), StoreError>;
}

/// How much room a store has, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What is left for this process.
    pub free: u64,
}

/// Takes the bytes of one upload. Dropping it is no loss beyond the last `park`.
#[async_trait]
pub trait BlobWriter: fmt::Debug + Send {
    /// Appends `pieces`, in order; what fails in the background is told by a later call. After an error the writer is only
    /// good for dropping.
    ///
    /// `Some(state)` is a checkpoint: the driver has begun something in the store that a crash would orphan, and the
    /// caller must record the state (with the offset that it had recorded before) ahead of the next call.
    ///
    /// # Errors
    /// `Conflict` when another writer took the upload over; `Full`, `Unavailable`, ….
    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<Option<DriverState>, StoreError>;

    /// Makes everything written durable and returns what is needed to go on, on any node.
    ///
    /// # Errors
    /// As the store fails; the upload then stands where it was parked last.
    async fn park(self: Box<Self>) -> Result<DriverState, StoreError>;

    /// Makes everything written durable as a blob. `digest` is what the client states, for the driver to build a telling
    /// name from; the caller verifies it. Costs no copy of the bytes.
    ///
    /// # Errors
    /// As the store fails; the upload then stands where it was parked last. When the store had done it and only its answer
    /// was lost, going on may yield `NotFound`, and the upload is only good for `discard`.
    async fn commit(self: Box<Self>, digest: &Digest) -> Result<Location, StoreError>;
}

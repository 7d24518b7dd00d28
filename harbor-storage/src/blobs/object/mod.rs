//! Blobs in an object store: S3 and what speaks its protocol, Azure Blob Storage, Google Cloud Storage.
//!
//! # Keys
//!
//! Below the configured prefix:
//!
//! * `blobs/<upload-id>` – the blob, from its only upload. Bytes are sent straight there; nothing is ever copied, for a copy
//!   costs seconds per gibibyte and ends at 5 GiB.
//! * `blobs/<upload-id>.0` and `.1` – the remainder, smaller than a part, of a parked upload of many parts.
//!
//! All of them follow from the upload's id, so `discard` needs no list and no orphan is unknown to the database.
//!
//! # Small uploads
//!
//! Up to one part (8 MiB) an upload is a single `PUT`. When it is parked, the bytes so far are put at the final key, where
//! a longer version replaces them later; docker's POST, PATCH, PUT of a small blob is one `PUT` and one `HEAD`. Since all
//! versions of one upload agree in the bytes that were acknowledged, it does no harm if a version got there that was never
//! recorded: only as many bytes are read back as the state speaks of.
//!
//! # Large uploads
//!
//! A multipart upload begins when more than one part's worth of bytes is there, and `write` returns a checkpoint with its
//! id. Parts have 8 MiB, and twice that after every thousand parts, so that 10,000 parts are more than 5 TiB. The remainder
//! of a parked upload goes to `.0` and `.1` in turn – never over the one that the recorded state speaks of, and not to the
//! final key, because Azure forgets all parts when a whole blob is put there.
//!
//! A crash between beginning a multipart upload and recording the checkpoint leaves one that nobody knows of and that has
//! no bytes, or few. A lifecycle rule of the bucket ("abort incomplete multipart uploads after 7 days") removes those; Azure
//! does it by itself.

mod backend;
mod body;
mod fault;
mod keys;
mod parts;
mod state;
mod writer;

#[cfg(feature = "azure")]
pub(super) mod azure;
#[cfg(feature = "gcs")]
pub(super) mod gcs;
#[cfg(feature = "s3")]
pub(super) mod s3;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use harbor_core::StoreError;
use harbor_core::blob::{BlobBody, BlobStore, BlobWriter, DriverState, Location, SignOptions, UploadId};

use self::backend::Bucket;
use self::keys::Place;
use self::state::State;
use super::joined;
use super::lane::Ticket;

/// Keeps blobs in a bucket of an object store.
#[derive(Clone, Debug)]
pub struct ObjectBlobs {
    bucket: Arc<Bucket>,
}

impl ObjectBlobs {
    fn new(bucket: Bucket) -> Self {
        Self { bucket: Arc::new(bucket) }
    }
}

#[async_trait]
impl BlobStore for ObjectBlobs {
    fn name(&self) -> &str {
        self.bucket.name()
    }

    async fn writer(
        &self,
        upload: UploadId,
        state: &DriverState,
        offset: u64,
    ) -> Result<Box<dyn BlobWriter>, StoreError> {
        let state = State::load(upload, state, offset)?;
        Ok(Box::new(writer::ObjectWriter::new(Arc::clone(&self.bucket), upload, state)))
    }

    async fn discard(&self, upload: UploadId, state: &DriverState) -> Result<(), StoreError> {
        let (bucket, state) = (Arc::clone(&self.bucket), State::load_any(upload, state)?);
        let ticket = Ticket::take(upload);
        // A task of its own, so that it goes on to the end when the caller does not wait for it.
        let discarding = tokio::spawn(async move {
            let _turn = ticket.hold().await?;
            let place = Place::of(upload);
            if let Some(multipart) = &state.multipart {
                bucket.abort(&place, multipart).await?;
                bucket.remove_remainders(&place).await?;
            }
            bucket.remove(&place.key()).await
        });
        joined(discarding.await)
    }

    async fn open(&self, location: &Location, range: Range<u64>) -> Result<BlobBody, StoreError> {
        body::open(Arc::clone(&self.bucket), Place::parse(location)?.key(), range).await
    }

    async fn delete(&self, location: &Location) -> Result<(), StoreError> {
        let place = Place::parse(location)?;
        if place.has_remainders() {
            self.bucket.remove_remainders(&place).await?;
        }
        self.bucket.remove(&place.key()).await
    }

    async fn signed_url(
        &self,
        location: &Location,
        options: &SignOptions,
    ) -> Result<Option<String>, StoreError> {
        self.bucket.sign(&Place::parse(location)?.key(), options.valid_for).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.bucket.put("probe", vec!["harbor".into()]).await.map(drop)
    }
}

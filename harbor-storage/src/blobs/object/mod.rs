//! Blobs in an object store: S3 and what speaks its protocol, Azure Blob Storage, Google Cloud Storage.
//!
//! # Keys
//!
//! Below the configured prefix:
//!
//! * `blobs/<upload-id>` – the blob, from its only upload. Bytes are sent straight there; nothing is ever copied, for a copy
//!   costs seconds per gibibyte and ends at 5 GiB.
//! * `parked/<upload-id>.0` and `.1` – what is smaller than a part of an upload that was parked: its remainder.
//!
//! All of them follow from the upload's id, so `discard` needs no list and no orphan is unknown to the database.
//!
//! # Remainders
//!
//! A remainder is never at the blob's key: a node that stood still for longer than its lease would send it when another
//! has finished the upload, over the blob. (Azure besides forgets all parts when a whole blob is put at their key.) Remainders
//! go to `.0` and `.1` in turn, never over the one that the recorded state speaks of; and the state has the store's tag of
//! it, so what such a node puts over it is `Corrupt`, not content: the upload is then lost, and its client begins anew.
//! (A node that stands still in `commit` itself can still put a small blob over the one that another node has finished since.
//! The bytes differ only if the client sent others.)
//!
//! They stay until the upload is recorded as a blob, so that finishing can be tried again; then `tidy` removes them. What
//! is left when that fails goes when the blob does. A node that wakes when the upload is long gone tidies up behind itself;
//! if it dies in that moment, a remainder stays that nobody knows of. A lifecycle rule of the bucket ("remove what is below
//! `parked/` after 30 days", longer than uploads may be idle) sees to that.
//!
//! # Small uploads
//!
//! Up to one part (8 MiB) a push in one request is a single `PUT`. Docker's POST, PATCH, PUT of a small blob is a `PUT` of
//! the remainder, a `GET`, the `PUT` of the blob, and removing the remainder.
//!
//! # Large uploads
//!
//! A multipart upload begins when more than one part's worth of bytes is there, and `write` returns a checkpoint with its
//! id. Parts have 8 MiB, and twice that after every thousand parts, so that 10,000 parts are more than 5 TiB.
//!
//! A crash between beginning a multipart upload and recording the checkpoint leaves one that nobody knows of and that has
//! no bytes, or few. A lifecycle rule of the bucket ("abort incomplete multipart uploads after 7 days") removes those; Azure
//! does it by itself.

mod backend;
mod body;
mod fault;
mod keys;
mod parts;
#[cfg(feature = "backup")]
mod shelf;
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
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use harbor_core::StoreError;
use harbor_core::blob::{BlobBody, BlobStore, BlobWriter, DriverState, Location, SignOptions, UploadId};

use self::backend::Bucket;
use self::keys::Place;
use self::state::State;
use super::joined;
use super::lane::Ticket;

/// How many blobs are deleted at a time.
const DELETES: usize = 16;

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
            }
            // Also when the state speaks of none: a remainder is put before that is recorded.
            bucket.remove_all(&place).await
        });
        joined(discarding.await)
    }

    async fn tidy(&self, upload: UploadId, state: &DriverState) -> Result<(), StoreError> {
        if state.is_empty() {
            return Ok(());
        }
        self.bucket.remove_remainders(&Place::of(upload)).await
    }

    async fn open(&self, location: &Location, range: Range<u64>) -> Result<BlobBody, StoreError> {
        body::open(Arc::clone(&self.bucket), Place::parse(location)?.key(), range).await
    }

    async fn delete(&self, location: &Location) -> Result<(), StoreError> {
        self.bucket.remove_all(&Place::parse(location)?).await
    }

    async fn delete_all(&self, locations: &[Location]) -> Result<(), StoreError> {
        let places = locations.iter().map(Place::parse).collect::<Result<Vec<_>, _>>()?;
        let deletes = stream::iter(places).map(|place| async move { self.bucket.remove_all(&place).await });
        deletes.buffer_unordered(DELETES).try_collect().await
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

#[cfg(test)]
mod late;

#[cfg(all(test, feature = "s3"))]
mod tests {
    // Helpers outside of `#[test]`, where the lint does not know that this is a test.
    #![allow(clippy::unwrap_used)]

    use std::time::{Duration, Instant};

    use harbor_core::StoreErrorKind;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::s3::S3Options;
    use super::*;

    fn store(endpoint: String) -> ObjectBlobs {
        let mut options = S3Options::new("bucket");
        options.endpoint = Some(endpoint);
        options.access_key = Some("key".to_owned());
        options.secret_key = Some("hunter2".into());
        let store = ObjectBlobs::s3(&options).unwrap();
        assert!(!format!("{options:?} {store:?}").contains("hunter2"));
        store
    }

    /// The kind of the fault that a health check meets, when the server answers everything with `answer`.
    async fn kind_for(answer: Option<&'static str>) -> (StoreErrorKind, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    while connection.read(&mut request).await.is_ok_and(|length| length > 0) {
                        match answer {
                            Some(answer) => connection.write_all(answer.as_bytes()).await.unwrap(),
                            None => std::future::pending().await,
                        }
                    }
                });
            }
        });
        let start = Instant::now();
        let kind = store(endpoint).check().await.unwrap_err().kind();
        serving.abort();
        (kind, start.elapsed())
    }

    #[tokio::test]
    async fn a_store_that_is_not_there_is_unavailable_and_soon_known_to_be() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let start = Instant::now();
        let fault = store(endpoint).check().await.unwrap_err();
        assert_eq!(fault.kind(), StoreErrorKind::Unavailable, "{fault}");
        assert!(start.elapsed() < Duration::from_secs(11));
    }

    #[tokio::test]
    async fn a_store_that_says_nothing_is_unavailable_after_ten_seconds() {
        let (kind, took) = kind_for(None).await;
        assert_eq!(kind, StoreErrorKind::Unavailable);
        assert!(took < Duration::from_secs(12), "{took:?}");
    }

    #[tokio::test]
    async fn answers_have_their_kinds() {
        for (answer, expected) in [
            ("HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n", StoreErrorKind::Unavailable),
            ("HTTP/1.1 507 Insufficient Storage\r\ncontent-length: 0\r\n\r\n", StoreErrorKind::Full),
            ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", StoreErrorKind::Other),
            ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", StoreErrorKind::NotFound),
        ] {
            let (kind, took) = kind_for(Some(answer)).await;
            assert_eq!(kind, expected, "{answer}");
            assert!(took < Duration::from_secs(11), "{took:?}");
        }
    }
}

//! A blob store of one's own: here one that counts what goes through another. Its last lines prove that it keeps the port's
//! contract: the conformance suite, in one macro line, run by `cargo test`.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use harbor_core::access::AllowAll;
use harbor_core::access::permission::RepositoryPush;
use harbor_core::blob::{BlobBody, BlobStore, BlobWriter, DriverState, Location, SignOptions, UploadId};
use harbor_core::content::Incoming;
use harbor_core::oci::{Algorithm, Digest};
use harbor_core::{Harbor, StoreError};
use harbor_storage::blobs::MemoryBlobs;
use harbor_storage::sql::SqlMetadata;

#[derive(Clone, Debug, Default)]
struct Counting {
    inner: Arc<MemoryBlobs>,
    bytes: Arc<AtomicU64>,
}

#[derive(Debug)]
struct CountingWriter(Box<dyn BlobWriter>, Arc<AtomicU64>);

#[async_trait]
impl BlobStore for Counting {
    fn name(&self) -> &str {
        "counting"
    }

    async fn writer(
        &self,
        upload: UploadId,
        state: &DriverState,
        at: u64,
    ) -> Result<Box<dyn BlobWriter>, StoreError> {
        let writer = self.inner.writer(upload, state, at).await?;
        Ok(Box::new(CountingWriter(writer, Arc::clone(&self.bytes))))
    }

    async fn discard(&self, upload: UploadId, state: &DriverState) -> Result<(), StoreError> {
        self.inner.discard(upload, state).await
    }

    async fn tidy(&self, upload: UploadId, state: &DriverState) -> Result<(), StoreError> {
        self.inner.tidy(upload, state).await
    }

    async fn open(&self, location: &Location, range: Range<u64>) -> Result<BlobBody, StoreError> {
        self.inner.open(location, range).await
    }

    async fn delete(&self, location: &Location) -> Result<(), StoreError> {
        self.inner.delete(location).await
    }

    async fn signed_url(
        &self,
        location: &Location,
        options: &SignOptions,
    ) -> Result<Option<String>, StoreError> {
        self.inner.signed_url(location, options).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }
}

#[async_trait]
impl BlobWriter for CountingWriter {
    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<Option<DriverState>, StoreError> {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        self.1.fetch_add(length as u64, Ordering::Relaxed);
        self.0.write(pieces).await
    }

    async fn park(self: Box<Self>) -> Result<DriverState, StoreError> {
        self.0.park().await
    }

    async fn commit(self: Box<Self>, digest: &Digest) -> Result<Location, StoreError> {
        self.0.commit(digest).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Counting::default();
    let harbor = Harbor::builder()
        .metadata(SqlMetadata::in_memory().await?)
        .blobs(store.clone())
        .authorizer(AllowAll)
        .build()?;
    harbor.start().await?;
    let somebody = harbor.authenticate(None).await?;
    let proof = harbor.authorize::<RepositoryPush>(&somebody, &"library/thing".parse()?).await?;
    let digest = Digest::of(Algorithm::Sha256, b"hello");
    harbor.content().blob_put(proof, &digest, Incoming::whole("hello")).await?;
    assert_eq!(store.bytes.load(Ordering::Relaxed), 5);
    println!("{} bytes went through", store.bytes.load(Ordering::Relaxed));
    Ok(())
}

#[cfg(test)]
mod tests {
    use harbor_core::blob::conformance::BlobStoreFixture;

    use super::*;

    #[derive(Default)]
    struct Fixture(Counting);

    #[async_trait]
    impl BlobStoreFixture for Fixture {
        async fn open(&self) -> Arc<dyn BlobStore> {
            Arc::new(self.0.clone())
        }
    }

    harbor_core::blob_store_conformance!(Fixture::default());
}

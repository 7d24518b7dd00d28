//! A blob store whose calls fail.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use harbor_core::StoreError;
use harbor_core::blob::{BlobBody, BlobStore, BlobWriter, DriverState, Location, SignOptions, UploadId};
use harbor_core::oci::Digest;
use harbor_storage::blobs::MemoryBlobs;

use crate::faults::Faults;

#[derive(Debug)]
pub(crate) struct FaultyBlobs {
    pub(crate) inner: MemoryBlobs,
    pub(crate) faults: Faults,
}

#[async_trait]
impl BlobStore for FaultyBlobs {
    fn name(&self) -> &str {
        "faulty"
    }

    async fn writer(
        &self,
        upload: UploadId,
        state: &DriverState,
        offset: u64,
    ) -> Result<Box<dyn BlobWriter>, StoreError> {
        self.faults.before("writer")?;
        let inner = self.inner.writer(upload, state, offset).await?;
        Ok(Box::new(FaultyWriter { inner, faults: self.faults.clone() }))
    }

    async fn discard(&self, upload: UploadId, state: &DriverState) -> Result<(), StoreError> {
        self.faults.before("discard")?;
        self.inner.discard(upload, state).await?;
        self.faults.after("discard")
    }

    async fn tidy(&self, upload: UploadId, state: &DriverState) -> Result<(), StoreError> {
        self.faults.before("tidy")?;
        self.inner.tidy(upload, state).await
    }

    async fn open(&self, location: &Location, range: Range<u64>) -> Result<BlobBody, StoreError> {
        self.faults.before("open")?;
        self.inner.open(location, range).await
    }

    async fn delete(&self, location: &Location) -> Result<(), StoreError> {
        self.faults.before("delete")?;
        self.inner.delete(location).await?;
        self.faults.after("delete")
    }

    async fn signed_url(&self, _: &Location, _: &SignOptions) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.faults.before("check")
    }
}

#[derive(Debug)]
struct FaultyWriter {
    inner: Box<dyn BlobWriter>,
    faults: Faults,
}

#[async_trait]
impl BlobWriter for FaultyWriter {
    async fn write(&mut self, pieces: Vec<Bytes>) -> Result<Option<DriverState>, StoreError> {
        self.faults.before("write")?;
        // A driver of parts would say so now and then; this one always does.
        self.inner.write(pieces).await.map(|_| Some(DriverState::new(vec![1])))
    }

    async fn park(self: Box<Self>) -> Result<DriverState, StoreError> {
        self.faults.before("park")?;
        let state = self.inner.park().await?;
        self.faults.after("park").map(|()| state)
    }

    async fn commit(self: Box<Self>, digest: &Digest) -> Result<Location, StoreError> {
        self.faults.before("commit of bytes")?;
        let location = self.inner.commit(digest).await?;
        self.faults.after("commit of bytes").map(|()| location)
    }
}

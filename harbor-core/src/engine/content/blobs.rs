//! Reading and deleting blobs.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::Content;
use crate::access::Authorized;
use crate::access::permission::{ArtifactDelete, RepositoryPull};
use crate::blob::{BlobBody, SignOptions};
use crate::engine::cache::{Entry, SMALL_BLOB};
use crate::engine::gate::contended;
use crate::meta::{LinkedBlob, Repository};
use crate::oci::{ByteRange, Digest};
use crate::{Error, Result, StoreErrorKind};

/// A blob of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its digest, in the algorithm that it was pushed by.
    pub digest: Digest,
    /// Its size, in bytes.
    pub size: u64,
}

/// A blob, opened for reading.
#[derive(Debug)]
pub struct BlobRead {
    /// The blob.
    pub blob: StoredBlob,
    /// Which of its bytes these are.
    pub span: Range<u64>,
    /// Where they come from.
    pub source: BlobSource,
}

/// Where the bytes of a blob come from.
#[derive(Debug)]
pub enum BlobSource {
    /// From this process.
    Body(BlobBody),
    /// From the store itself, at this address.
    Redirect(String),
}

impl Content<'_> {
    /// What is known of a blob. A client that was told that a blob is here relies on it: the blob stays for at least half of
    /// [`Settings::gc_grace`](crate::Settings::gc_grace) from now, although nothing may refer to it yet.
    ///
    /// # Errors
    /// [`Error::NameUnknown`], [`Error::BlobUnknown`].
    pub async fn blob(&self, proof: Authorized<RepositoryPull>, digest: &Digest) -> Result<StoredBlob> {
        let repository = self.existing(proof.target()).await?;
        let linked = self.linked(&repository, digest).await?;
        let now = self.harbor.now();
        let half = self.harbor.settings().gc_grace / 2;
        if linked.review_due.is_some_and(|due| due < now.plus(half)) {
            contended!(self.hold(&repository, &linked))?;
        }
        Ok(StoredBlob { digest: linked.digest, size: linked.size })
    }

    /// Opens a blob for reading: `range` of it, or all.
    ///
    /// # Errors
    /// [`Error::NameUnknown`], [`Error::BlobUnknown`], [`Error::RangeInvalid`], or as the stores fail.
    pub async fn blob_read(
        &self,
        proof: Authorized<RepositoryPull>,
        digest: &Digest,
        range: Option<ByteRange>,
    ) -> Result<BlobRead> {
        let repository = self.existing(proof.target()).await?;
        let linked = self.linked(&repository, digest).await?;
        let span = range.map_or(Ok(0..linked.size), |range| range.resolve(linked.size))?;
        let blob = StoredBlob { digest: linked.digest, size: linked.size };
        let source = match self.source(&linked, span.clone()).await {
            Err(error) if is_missing(&error) => return Err(self.missing(&repository, digest, error).await),
            source => source?,
        };
        Ok(BlobRead { blob, span, source })
    }

    /// Why the bytes of a blob are not there: garbage collection was quicker than this read, or they are lost.
    async fn missing(&self, repository: &Repository, digest: &Digest, lost: Error) -> Error {
        let linked = match self.harbor.read().await {
            Ok(mut rows) => rows.linked_blob(repository.id, digest).await.map_err(Error::from),
            Err(error) => Err(error),
        };
        match linked {
            Ok(None) => Error::BlobUnknown(*digest),
            Ok(Some(_)) => lost,
            Err(error) => error,
        }
    }

    async fn source(&self, linked: &LinkedBlob, span: Range<u64>) -> Result<BlobSource> {
        let inner = &self.harbor.inner;
        if linked.size <= SMALL_BLOB {
            return self.small(linked, span).await.map(BlobSource::Body);
        }
        if let Some(valid_for) = inner.settings.redirect_for {
            let address = inner.blobs.signed_url(&linked.location, &SignOptions::new(valid_for)).await?;
            if let Some(address) = address {
                return Ok(BlobSource::Redirect(address));
            }
        }
        Ok(BlobSource::Body(inner.blobs.open(&linked.location, span).await?))
    }

    /// Small blobs are kept in memory: a config is on the path of every pull.
    async fn small(&self, linked: &LinkedBlob, span: Range<u64>) -> Result<BlobBody> {
        let inner = &self.harbor.inner;
        let bytes = match inner.caches.small_blob(&linked.location) {
            Some(bytes) => bytes,
            None => {
                let bytes = inner.blobs.open(&linked.location, 0..linked.size).await?.bytes().await?;
                inner.caches.keep_small_blob(linked.location.clone(), bytes.clone());
                bytes
            }
        };
        let bound = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        Ok(BlobBody::whole(bytes.slice(bound(span.start)..bound(span.end))))
    }

    /// The bytes of a blob of the repository that has at most `limit`.
    pub(in crate::engine) async fn blob_bytes(
        &self,
        repository: &Repository,
        digest: &Digest,
        limit: u64,
    ) -> Result<Bytes> {
        let linked = self.linked(repository, digest).await?;
        if linked.size > limit {
            return Err(Error::TooLarge { limit });
        }
        let whole = 0..linked.size;
        let body = match linked.size <= SMALL_BLOB {
            true => self.small(&linked, whole).await?,
            false => self.harbor.inner.blobs.open(&linked.location, whole).await?,
        };
        Ok(body.bytes().await?)
    }

    pub(in crate::engine) async fn linked(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Arc<LinkedBlob>> {
        let caches = &self.harbor.inner.caches;
        if let Some(linked) = caches.blob(repository.id, digest) {
            return Ok(linked);
        }
        let before = caches.generation();
        let linked = self.harbor.read().await?.linked_blob(repository.id, digest).await?;
        let linked = Arc::new(linked.ok_or(Error::BlobUnknown(*digest))?);
        caches.keep(before, Entry::Blob(repository.id, Arc::clone(&linked)));
        Ok(linked)
    }

    /// Puts off the review of a link that a client was told of.
    async fn hold(&self, repository: &Repository, linked: &LinkedBlob) -> Result<()> {
        let mut write = self.harbor.write_as_system().await?;
        let due = write.now().plus(self.harbor.settings().gc_grace);
        let rows = write.rows();
        if rows.link_lock(linked.link).await?.is_none() {
            return Err(Error::BlobUnknown(linked.digest));
        }
        rows.review_extend(linked.link, due).await?;
        write.changed_blob(repository.id, &linked.digest);
        write.commit().await
    }

    /// Takes a blob out of the repository. Its bytes are left to garbage collection.
    ///
    /// # Errors
    /// [`Error::NameUnknown`], [`Error::BlobUnknown`]; [`Error::InUse`] while a manifest of the repository refers to it.
    pub async fn blob_delete(&self, proof: Authorized<ArtifactDelete>, digest: &Digest) -> Result<()> {
        contended!(self.try_blob_delete(&proof, digest))
    }

    async fn try_blob_delete(&self, proof: &Authorized<ArtifactDelete>, digest: &Digest) -> Result<()> {
        let repository = self.existing(proof.target()).await?;
        let mut write = self.harbor.write(proof).await?;
        let now = write.now();
        let rows = write.rows();
        let linked = rows.linked_blob(repository.id, digest).await?.ok_or(Error::BlobUnknown(*digest))?;
        rows.blob_lock(linked.blob).await?;
        if rows.link_lock(linked.link).await?.is_none() {
            return Err(Error::BlobUnknown(*digest));
        }
        if rows.link_is_referenced(linked.link).await? {
            return Err(Error::InUse(
                "a manifest of this repository refers to the blob; delete the manifest first",
            ));
        }
        rows.links_delete(&[linked.link], now).await?;
        write.audit(format!("{}@{digest}", proof.target().name)).await?;
        write.changed_blob(repository.id, digest);
        write.commit().await?;
        self.harbor.inner.workers.wake_gc();
        Ok(())
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Store(error) if error.kind() == StoreErrorKind::NotFound)
}

//! Blobs, and the links that make them visible in a repository.

use async_trait::async_trait;

use super::{BlobId, LinkId, RepositoryId, RowResult};
use crate::Timestamp;
use crate::blob::{Location, UploadId};
use crate::oci::{Digest, RepositoryName};

/// A blob: bytes at a location. It is there as long as a repository links to it: with its last link it goes, and its bytes are
/// [`Garbage`](super::Garbage).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its key.
    pub id: BlobId,
    /// Its digest.
    pub digest: Digest,
    /// Its size, in bytes.
    pub size: u64,
    /// Where the driver put it.
    pub location: Location,
}

/// A blob as a repository sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedBlob {
    /// The link.
    pub link: LinkId,
    /// The blob.
    pub blob: BlobId,
    /// Its digest.
    pub digest: Digest,
    /// Its size, in bytes.
    pub size: u64,
    /// Where the driver put it.
    pub location: Location,
    /// When garbage collection will look at the link, unless that was settled.
    pub review_due: Option<Timestamp>,
}

/// Reads blobs and links.
#[async_trait]
pub trait BlobRows {
    /// The blob of that digest, when the repository has a link to it.
    async fn linked_blob(
        &mut self,
        repository: RepositoryId,
        digest: &Digest,
    ) -> RowResult<Option<LinkedBlob>>;

    /// Up to `limit` names of repositories that link to a blob of that digest, by name.
    async fn blob_repositories(&mut self, digest: &Digest, limit: u32) -> RowResult<Vec<RepositoryName>>;

    /// Whether any manifest of the link's repository refers to the link's blob.
    async fn link_is_referenced(&mut self, link: LinkId) -> RowResult<bool>;
}

/// What an upload brought, for [`Transaction::publish`](super::Transaction::publish).
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// The session.
    pub upload: UploadId,
    /// The repository that it belongs to.
    pub repository: RepositoryId,
    /// The digest of what it brought.
    pub digest: &'a Digest,
    /// The size of that, in bytes.
    pub size: u64,
    /// Where it is.
    pub location: &'a Location,
    /// When garbage collection shall look at the link.
    pub due: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// What came of publishing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// The blob has the upload's bytes. It is linked, and the session is over.
    Used,
    /// The blob was there before. It is linked, and the session is still there: it knows of bytes that nobody needs.
    Unused,
    /// The session is gone. The transaction must be dropped.
    Gone,
}

/// A link whose review is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkReview {
    /// The link.
    pub link: LinkId,
    /// The repository that it is of; `None` when it is gone.
    pub repository: Option<RepositoryId>,
    /// Whether a manifest refers to it, or misses what it leads to.
    pub referenced: bool,
}

/// Changes blobs and links.
///
/// Whoever locks both a blob and links to it locks the blob first, so that nobody locks anybody else out.
#[async_trait]
pub trait BlobRowsMut {
    /// Makes a blob, or yields the one of that digest that is there, and locks it. Whether it was made shows in its
    /// location.
    async fn blob_ensure(
        &mut self,
        digest: &Digest,
        size: u64,
        location: &Location,
        now: Timestamp,
    ) -> RowResult<Blob>;

    /// The blob, locked.
    async fn blob_lock(&mut self, blob: BlobId) -> RowResult<Option<Blob>>;

    /// Links a blob, which the caller has locked, to a repository; yields the link that is there, if there is one.
    async fn link_ensure(
        &mut self,
        repository: RepositoryId,
        blob: BlobId,
        now: Timestamp,
    ) -> RowResult<LinkId>;

    /// The links of the repository to blobs of these digests, locked, in the order of their keys. What is not linked is
    /// left out.
    async fn links_lock(
        &mut self,
        repository: RepositoryId,
        digests: &[Digest],
    ) -> RowResult<Vec<LinkedBlob>>;

    /// The blob and the repository of a link, the link locked.
    async fn link_lock(&mut self, link: LinkId) -> RowResult<Option<(RepositoryId, BlobId)>>;

    /// Those of these links whose reviews are due at `now`, in the order of keys: the blobs are locked, then the links, then their
    /// reviews.
    async fn links_review(&mut self, links: &[LinkId], now: Timestamp) -> RowResult<Vec<LinkReview>>;

    /// The blobs that these links lead to are locked, then the links. Yields those to which no manifest refers, in the order of keys.
    async fn links_unreferenced(&mut self, links: &[LinkId]) -> RowResult<Vec<LinkId>>;

    /// Deletes links that no manifest refers to, and their reviews. Blobs to which nobody links any more go with them: their bytes
    /// are [`Garbage`](super::Garbage) then, from `due` on. The blobs are locked, then the links.
    async fn links_delete(&mut self, links: &[LinkId], due: Timestamp) -> RowResult<()>;
}

//! Manifests: the raw bytes, in the row.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Described, LinkId, ManifestId, RepositoryId, RowResult};
use crate::Timestamp;
use crate::oci::{Digest, MediaType, Tag};

/// A manifest of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its key.
    pub id: ManifestId,
    /// Its digest, in the algorithm that it was pushed by.
    pub digest: Digest,
    /// Its media type.
    pub media_type: MediaType,
    /// The bytes, as they were pushed.
    pub payload: Bytes,
    /// The manifest that it refers to, when it has a subject.
    pub subject: Option<Digest>,
}

/// A manifest about to be stored.
#[derive(Clone, Debug)]
pub struct NewManifest<'a> {
    /// The repository.
    pub repository: RepositoryId,
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: &'a MediaType,
    /// Its artifact type, or the media type of its config.
    pub artifact_type: Option<&'a str>,
    /// The manifest that it refers to.
    pub subject: Option<Digest>,
    /// Its annotations.
    pub annotations: &'a BTreeMap<String, String>,
    /// The bytes, as they were pushed.
    pub payload: &'a Bytes,
    /// The links of the repository to the blobs that it refers to; the caller has locked them.
    pub links: &'a [LinkId],
    /// Blobs that it refers to and that the repository lacks: garbage collection keeps them once they come.
    pub missing: &'a [Digest],
    /// Manifests that it lists.
    pub children: &'a [Digest],
    /// Whether the repository must have all of those: `Conflict` when it lacks one, for the caller saw all of them.
    pub complete: bool,
    /// What it is.
    pub described: &'a Described,
    /// Now.
    pub now: Timestamp,
}

/// A manifest as its subject sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// Its key: lists are ordered by it.
    pub id: ManifestId,
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: MediaType,
    /// Its size, in bytes.
    pub size: u64,
    /// Its artifact type.
    pub artifact_type: Option<String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A manifest that lists show and no tag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Untagged {
    /// Its key.
    pub id: ManifestId,
    /// Its digest.
    pub digest: Digest,
}

/// Reads manifests.
#[async_trait]
pub trait ManifestRows {
    /// The manifest of that digest.
    async fn manifest(&mut self, repository: RepositoryId, digest: &Digest) -> RowResult<Option<Manifest>>;

    /// The manifest that the tag names.
    async fn manifest_by_tag(&mut self, repository: RepositoryId, tag: &Tag) -> RowResult<Option<Manifest>>;

    /// Which of these digests the repository has manifests of, each with its subject.
    async fn manifests_present(
        &mut self,
        repository: RepositoryId,
        digests: &[Digest],
    ) -> RowResult<Vec<(Digest, Option<Digest>)>>;

    /// Up to `limit` manifests that refer to `subject`, of that artifact type when one is given, with keys above `after`,
    /// in the order in which they were pushed. Fewer when their annotations have more than `bytes` together, for what clients
    /// wrote must not fill the memory; but at least one, when there is one. The flag tells whether there are more.
    async fn referrers(
        &mut self,
        repository: RepositoryId,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<ManifestId>,
        limit: u32,
        bytes: u64,
    ) -> RowResult<(Vec<Referrer>, bool)>;

    /// Up to `limit` manifests of a repository that lists show, that no tag names and that were pushed before a point in time,
    /// with keys above `after`, in the order of keys.
    async fn manifests_untagged(
        &mut self,
        repository: RepositoryId,
        pushed_before: Timestamp,
        after: ManifestId,
        limit: u32,
    ) -> RowResult<Vec<Untagged>>;

    /// How many bytes a manifest has; 0 for none.
    async fn manifest_size(&mut self, id: ManifestId) -> RowResult<u64>;
}

/// What became of a manifest that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It was there before.
    Before,
    /// It is there now.
    Now,
    /// It is there now, and the repository is one to people since: nobody else's manifest was seen there, nor that there had been
    /// one. Two that are stored at the same time may each be the first.
    First,
}

/// Changes manifests.
#[async_trait]
pub trait ManifestRowsMut {
    /// Stores a manifest with its references, or yields the one of that digest that is there, locked, and tells which. One that is there becomes an accessory when the new one is. `Conflict` when somebody else stores it at
    /// the same time, or deletes what it lists.
    async fn manifest_ensure(&mut self, manifest: &NewManifest<'_>) -> RowResult<(ManifestId, Stored)>;

    /// The manifest of that digest, locked.
    async fn manifest_lock(
        &mut self,
        repository: RepositoryId,
        digest: &Digest,
    ) -> RowResult<Option<ManifestId>>;

    /// Deletes a manifest with its tags and references. Yields the tags that went, and the links that it referred to, also
    /// those to blobs that came after it. The manifest is locked by the caller. `Conflict` when somebody else deletes what it
    /// lists at the same time.
    async fn manifest_delete(&mut self, manifest: ManifestId) -> RowResult<(Vec<Tag>, Vec<LinkId>)>;
}

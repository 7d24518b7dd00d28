//! Tags.

use async_trait::async_trait;

use super::{ManifestId, RepositoryId, RowResult};
use crate::Timestamp;
use crate::oci::{Digest, Tag};

/// Reads tags.
#[async_trait]
pub trait TagRows {
    /// The digest of the manifest that the tag names.
    async fn tag(&mut self, repository: RepositoryId, tag: &Tag) -> RowResult<Option<Digest>>;

    /// Up to `limit` tags that come after `after`, in the order of their bytes.
    async fn tags(
        &mut self,
        repository: RepositoryId,
        after: Option<&str>,
        limit: u32,
    ) -> RowResult<Vec<Tag>>;
}

/// What a tag was before it was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagPut {
    /// Whether it was there in a project that had rules of immutable tags in force: then the caller asks the rules.
    pub ruled: bool,
    /// Whether it was not there, or named another manifest.
    pub moved: bool,
}

/// Changes tags.
#[async_trait]
pub trait TagRowsMut {
    /// Lets a tag name a manifest that the caller has locked, whatever it named before. `Conflict` when somebody else makes the
    /// tag at the same time.
    ///
    /// Tells what it was before, all at one moment. Nobody else has made or deleted the tag since that moment.
    async fn tag_put(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
        manifest: ManifestId,
        now: Timestamp,
    ) -> RowResult<TagPut>;

    /// Lets a tag that there is not name a manifest that the caller has locked. `Conflict` when there is one, or somebody else makes it.
    async fn tag_insert(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
        manifest: ManifestId,
        now: Timestamp,
    ) -> RowResult<()>;

    /// Deletes a tag; the manifest stays. Yields the digest that it named.
    async fn tag_delete(&mut self, repository: RepositoryId, tag: &Tag) -> RowResult<Option<Digest>>;
}

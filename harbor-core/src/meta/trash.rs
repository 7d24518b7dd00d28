//! Manifests that were deleted and can still be put back: what they refer to is kept for a while.

use async_trait::async_trait;
use bytes::Bytes;

use super::{AccessoryKind, LabelId, Listed, ManifestId, RepositoryId, RowResult};
use crate::Timestamp;
use crate::oci::{Digest, MediaType, Tag};
use crate::query::{Query, keys};

/// A manifest that was deleted, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trashed {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: MediaType,
    /// What kind of artifact it said that it is, if it did.
    pub artifact_type: Option<String>,
    /// The manifest that it belongs to, if to one.
    pub subject: Option<Digest>,
    /// The tags that went with it.
    pub tags: Vec<Tag>,
    /// When it had been pushed.
    pub pushed_at: Timestamp,
    /// When it was deleted. What was deleted together has the same time.
    pub deleted_at: Timestamp,
    /// Who did it: [`Actor::principal`](crate::access::Actor::principal).
    pub deleted_by: String,
    /// When it is forgotten.
    pub until: Timestamp,
}

/// All that is needed to store it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrashedManifest {
    /// What lists show of it.
    pub entry: Trashed,
    /// Its bytes.
    pub payload: Bytes,
    /// What was read from its config, as JSON.
    pub attributes: Option<String>,
    /// The labels that were on it, by key. Some of them may be gone by now.
    pub labels: Vec<LabelId>,
    /// What it was to which other manifest.
    pub accessory: Option<(AccessoryKind, Digest)>,
}

keys! {
    /// What lists of deleted manifests are filtered and sorted by.
    pub enum TrashKey {
        /// `digest`.
        Digest: Text, "digest", "Digest", filter, sort;
        /// `push_time`.
        PushedAt: Time, "push_time", "PushTime", filter, sort;
        /// `deletion_time`.
        DeletedAt: Time, "deletion_time", "DeletionTime", filter, sort;
        /// `deleted_by`.
        DeletedBy: Text, "deleted_by", "DeletedBy", filter, sort;
    }
}

/// Reads what was deleted.
#[async_trait]
pub trait TrashRows {
    /// A page of what was deleted of a repository and is not there again; what went last first, unless the query has another order.
    async fn trash(
        &mut self,
        repository: RepositoryId,
        query: &Query<TrashKey>,
    ) -> RowResult<Listed<Trashed>>;

    /// A deleted manifest.
    async fn trashed(
        &mut self,
        repository: RepositoryId,
        digest: &Digest,
    ) -> RowResult<Option<TrashedManifest>>;

    /// Up to `limit` digests of what belonged to a manifest and was deleted at that time, in the order of keys.
    async fn trashed_of(
        &mut self,
        repository: RepositoryId,
        subject: &Digest,
        deleted_at: Timestamp,
        limit: u32,
    ) -> RowResult<Vec<Digest>>;
}

/// Changes what is known of what was deleted.
#[async_trait]
pub trait TrashRowsMut {
    /// Keeps a manifest that the caller has locked and is about to delete, with the tags that name it and the labels on it, in place of one of the same
    /// digest that was deleted before.
    async fn trash_put(
        &mut self,
        manifest: ManifestId,
        deleted_by: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> RowResult<()>;

    /// Forgets a deleted manifest.
    async fn trash_delete(&mut self, repository: RepositoryId, digest: &Digest) -> RowResult<()>;

    /// Forgets up to `limit` of those of which the time is over; yields how many.
    async fn trash_expire(&mut self, now: Timestamp, limit: u32) -> RowResult<u64>;
}

//! Policies of retention, and what they are about: artifacts and tags, with no more than rules look at.

use async_trait::async_trait;

use super::{ArtifactTag, ManifestId, ProjectId, RepositoryId, RetentionId, RowResult};
use crate::Timestamp;
use crate::oci::{Digest, Tag};
use crate::retention::Retention;

/// A policy of retention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Its key.
    pub id: RetentionId,
    /// The project that it is for; `None` for the one of all projects that have none of their own.
    pub project: Option<ProjectId>,
    /// What it says.
    pub retention: Retention,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An artifact that lists show, as retention sees it. Its tags are read by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionArtifact {
    /// Its key.
    pub id: ManifestId,
    /// Its digest.
    pub digest: Digest,
    /// When it was pushed first.
    pub pushed_at: Timestamp,
    /// When it was pulled last.
    pub pulled_at: Option<Timestamp>,
    /// Whether an index of its repository lists it.
    pub listed: bool,
    /// Whether nothing would go with it: it lists no other manifest, and has no accessory.
    pub alone: bool,
}

/// Reads policies of retention, and what they are about.
#[async_trait]
pub trait RetentionRows {
    /// The policy of that key.
    async fn retention(&mut self, id: RetentionId) -> RowResult<Option<RetentionPolicy>>;

    /// The policy of a project, or of all that have none of their own.
    async fn retention_of(&mut self, project: Option<ProjectId>) -> RowResult<Option<RetentionPolicy>>;

    /// Up to `limit` artifacts of a repository that lists show, in the order in which they were pushed, and of keys where that
    /// was at once: those behind the one of that time and key.
    async fn retention_artifacts(
        &mut self,
        repository: RepositoryId,
        after: (Timestamp, ManifestId),
        limit: u32,
    ) -> RowResult<Vec<RetentionArtifact>>;

    /// Up to `limit` tags of a repository that come after `after`, in the order of their bytes.
    async fn retention_tags(
        &mut self,
        repository: RepositoryId,
        after: Option<&str>,
        limit: u32,
    ) -> RowResult<Vec<ArtifactTag>>;

    /// A tag of a repository.
    async fn retention_tag(&mut self, repository: RepositoryId, tag: &Tag) -> RowResult<Option<ArtifactTag>>;
}

/// Changes policies of retention.
#[async_trait]
pub trait RetentionRowsMut {
    /// Makes a policy; its `id` is of no account. `Conflict` when there is one of the same project.
    async fn retention_insert(&mut self, policy: &RetentionPolicy) -> RowResult<RetentionId>;

    /// The policy of that key, locked.
    async fn retention_lock(&mut self, id: RetentionId) -> RowResult<Option<RetentionPolicy>>;

    /// Stores what a policy says now, and when it was changed. False when there is none of that key.
    async fn retention_save(&mut self, policy: &RetentionPolicy) -> RowResult<bool>;

    /// Deletes a policy. False when there is none of that key.
    async fn retention_delete(&mut self, id: RetentionId) -> RowResult<bool>;
}

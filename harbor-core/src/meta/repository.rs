//! Repositories.

use async_trait::async_trait;

use super::{LinkId, Listed, ProjectId, RepositoryId, RowResult};
use crate::Timestamp;
use crate::access::ProjectFilter;
use crate::blob::UploadId;
use crate::oci::{Digest, RepositoryName};
use crate::query::{Query, keys};

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its key.
    pub id: RepositoryId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// Its full name.
    pub name: RepositoryName,
}

/// A repository, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryEntry {
    /// The repository.
    pub repository: Repository,
    /// What its people wrote about it.
    pub description: String,
    /// How many artifacts it has, without those that lists leave out.
    pub artifacts: u64,
    /// How often one of its manifests was pulled.
    pub pulls: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

/// What lists of repositories are limited to: a filter of which the patterns were matched before, for no database can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryFilter {
    /// Those of the projects that this has as a whole. Its patterns count for nothing.
    pub projects: ProjectFilter,
    /// These as well.
    pub repositories: Vec<RepositoryId>,
}

impl From<ProjectFilter> for RepositoryFilter {
    /// No more than whole projects.
    fn from(projects: ProjectFilter) -> Self {
        Self { projects, repositories: Vec::new() }
    }
}

/// A repository whose name has to be matched with the patterns of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its key.
    pub id: RepositoryId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// Whether that is public.
    pub public: bool,
    /// Its full name.
    pub name: RepositoryName,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Where [`RepositoryRows::candidates`] are looked for, and in which order.
#[derive(Clone, Copy, Debug)]
pub enum Among<'a> {
    /// In every project, by key, after that one.
    All(RepositoryId),
    /// In these projects, by project.
    Projects(&'a [ProjectId]),
    /// In the project of that one, after it: by when they were made, and by key.
    RestAfter(&'a Candidate),
}

keys! {
    /// What lists of repositories are filtered and sorted by.
    pub enum RepositoryKey {
        /// `repository_id`.
        Id: Int, "repository_id", "RepositoryID", filter, sort;
        /// `project_id`.
        Project: Int, "project_id", "ProjectID", filter, sort;
        /// `name`.
        Name: Text, "name", "Name", filter, sort;
        /// `description`.
        Description: Text, "description", "Description", filter, sort;
        /// `pull_count`.
        Pulls: Int, "pull_count", "PullCount", filter, sort;
        /// `creation_time`.
        CreatedAt: Time, "creation_time", "CreationTime", filter, sort;
        /// `update_time`.
        UpdatedAt: Time, "update_time", "UpdateTime", filter, sort;
    }
}

/// Figures of the whole registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many public projects there are.
    pub public_projects: u64,
    /// How many others.
    pub private_projects: u64,
    /// How many repositories public projects have.
    pub public_repositories: u64,
    /// How many the others have.
    pub private_repositories: u64,
}

/// Reads repositories.
#[async_trait]
pub trait RepositoryRows {
    /// The repository of that full name.
    async fn repository(&mut self, name: &RepositoryName) -> RowResult<Option<Repository>>;

    /// Up to `limit` repositories that `filter` may have by their names, while it has not all of their projects. Those of one
    /// project come by when they were made, and by key.
    async fn candidates(
        &mut self,
        filter: &ProjectFilter,
        among: Among<'_>,
        limit: u32,
    ) -> RowResult<Vec<Candidate>>;

    /// Up to `limit` full names of repositories that hold a manifest, lie within `filter` and come after `after`, by name.
    async fn repositories(
        &mut self,
        filter: &RepositoryFilter,
        after: Option<&str>,
        limit: u32,
    ) -> RowResult<Vec<RepositoryName>>;

    /// How many repositories a project has that lists have: those that hold a manifest, or have held one that was not hidden.
    async fn repository_count(&mut self, project: ProjectId) -> RowResult<u64>;

    /// How many such repositories there are within `filter`, by project; projects that have none may be left out.
    async fn repository_counts(&mut self, filter: &RepositoryFilter) -> RowResult<Vec<(ProjectId, u64)>>;

    /// Up to `limit` repositories of a project that lists do not have, by key, after that one: what uploads made that came to
    /// nothing, or to no manifest yet.
    async fn repositories_unlisted(
        &mut self,
        project: ProjectId,
        after: RepositoryId,
        limit: u32,
    ) -> RowResult<Vec<Repository>>;

    /// The repository of that key, as lists show it.
    async fn repository_entry(&mut self, id: RepositoryId) -> RowResult<Option<RepositoryEntry>>;

    /// A page of the repositories within `filter` that hold a manifest, or have held one that was not hidden, those that were made last first unless the query has
    /// another order.
    async fn repository_entries(
        &mut self,
        filter: &RepositoryFilter,
        query: &Query<RepositoryKey>,
    ) -> RowResult<Listed<RepositoryEntry>>;

    /// How many projects there are within a filter, and how many repositories, as lists have them, within another.
    async fn figures(
        &mut self,
        projects: &ProjectFilter,
        repositories: &RepositoryFilter,
    ) -> RowResult<Figures>;

    /// How many bytes all live blobs have together.
    async fn stored_bytes(&mut self) -> RowResult<u64>;

    /// Up to `limit` digests of manifests of the repository, the youngest first: what refers to others comes ahead of them where that can be.
    async fn repository_manifests(&mut self, id: RepositoryId, limit: u32) -> RowResult<Vec<Digest>>;

    /// Up to `limit` links of the repository to blobs, by key.
    async fn repository_links(&mut self, id: RepositoryId, limit: u32) -> RowResult<Vec<LinkId>>;

    /// Up to `limit` upload sessions of the repository.
    async fn repository_uploads(&mut self, id: RepositoryId, limit: u32) -> RowResult<Vec<UploadId>>;
}

/// Changes repositories.
#[async_trait]
pub trait RepositoryRowsMut {
    /// The repository of that name, made when it is not there. `NotFound` when the project is gone.
    async fn repository_ensure(
        &mut self,
        project: ProjectId,
        name: &RepositoryName,
        now: Timestamp,
    ) -> RowResult<Repository>;

    /// Sets what is written about a repository. False when it is gone.
    async fn repository_describe(
        &mut self,
        id: RepositoryId,
        description: &str,
        now: Timestamp,
    ) -> RowResult<bool>;

    /// Takes a repository that holds no manifest out of lists, as if it had never held one; nothing when it does.
    async fn repository_unlist(&mut self, id: RepositoryId) -> RowResult<()>;

    /// Deletes a repository that has no manifests and no links. False when it was not there; `Conflict` while something belongs
    /// to it.
    async fn repository_delete(&mut self, id: RepositoryId) -> RowResult<bool>;
}

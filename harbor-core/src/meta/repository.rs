//! Repositories.

use async_trait::async_trait;

use super::{ProjectId, RepositoryId, RowResult};
use crate::Timestamp;
use crate::access::ProjectFilter;
use crate::oci::RepositoryName;

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

/// Reads repositories.
#[async_trait]
pub trait RepositoryRows {
    /// The repository of that full name.
    async fn repository(&mut self, name: &RepositoryName) -> RowResult<Option<Repository>>;

    /// Up to `limit` full names of repositories that hold a manifest, lie within `filter` and come after `after`, by name.
    async fn repositories(
        &mut self,
        filter: &ProjectFilter,
        after: Option<&str>,
        limit: u32,
    ) -> RowResult<Vec<RepositoryName>>;

    /// How many repositories a project has.
    async fn repository_count(&mut self, project: ProjectId) -> RowResult<u64>;
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
}

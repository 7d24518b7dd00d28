//! Projects: namespaces, and the unit of tenancy.

use async_trait::async_trait;

use super::{ProjectId, RowResult};
use crate::Timestamp;
use crate::oci::ProjectName;

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its incarnation.
    pub id: ProjectId,
    /// Its name, the first component of its repositories' names.
    pub name: ProjectName,
    /// Whether everybody may pull from it.
    pub public: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Reads projects.
#[async_trait]
pub trait ProjectRows {
    /// The project of that name.
    async fn project(&mut self, name: &ProjectName) -> RowResult<Option<Project>>;

    /// Up to `limit` projects whose names come after `after`, by name.
    async fn projects(&mut self, after: Option<&ProjectName>, limit: u32) -> RowResult<Vec<Project>>;
}

/// Changes projects.
#[async_trait]
pub trait ProjectRowsMut {
    /// Makes a project, or yields the one of that name that is there; the flag tells which (true: made). `Conflict` when
    /// somebody else makes it at the same time.
    async fn project_ensure(
        &mut self,
        name: &ProjectName,
        public: bool,
        now: Timestamp,
    ) -> RowResult<(Project, bool)>;

    /// Deletes a project. False when it was not there; `Conflict` while it has repositories.
    async fn project_delete(&mut self, id: ProjectId) -> RowResult<bool>;
}

//! Projects: namespaces, and the unit of tenancy.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Listed, ProjectId, RowResult, UserId};
use crate::Timestamp;
use crate::access::ProjectFilter;
use crate::oci::ProjectName;
use crate::query::{Query, keys};

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its incarnation.
    pub id: ProjectId,
    /// Its name, the first component of its repositories' names.
    pub name: ProjectName,
    /// Whether everybody may pull from it.
    pub public: bool,
    /// Who made it, when that was a user.
    pub owner: Option<UserId>,
    /// What Harbor calls its metadata: settings by name, all but `public`.
    pub metadata: BTreeMap<String, String>,
    /// Its own list of vulnerabilities that are let pass, as JSON.
    pub cve_allowlist: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

keys! {
    /// What lists of projects are filtered and sorted by.
    pub enum ProjectKey {
        /// `project_id`.
        Id: Int, "project_id", "ProjectID", filter, sort;
        /// `name`.
        Name: Text, "name", "Name", filter, sort;
        /// `public`.
        Public: Bool, "public", "Public", filter, sort;
        /// `owner`.
        Owner: Text, "owner", "OwnerName", filter, sort;
        /// `owner_id`.
        OwnerId: Int, "owner_id", "OwnerID", filter, sort;
        /// `creation_time`.
        CreatedAt: Time, "creation_time", "CreationTime", filter, sort;
        /// `update_time`.
        UpdatedAt: Time, "update_time", "UpdateTime", filter, sort;
    }
}

/// Reads projects.
#[async_trait]
pub trait ProjectRows {
    /// The project of that name.
    async fn project(&mut self, name: &ProjectName) -> RowResult<Option<Project>>;

    /// The project of that key.
    async fn project_of(&mut self, id: ProjectId) -> RowResult<Option<Project>>;

    /// A page of the projects within `filter`, by name unless the query has another order.
    async fn projects(
        &mut self,
        filter: &ProjectFilter,
        query: &Query<ProjectKey>,
    ) -> RowResult<Listed<Project>>;
}

/// Changes projects.
#[async_trait]
pub trait ProjectRowsMut {
    /// Makes a project, with a quota without a limit, or yields the one of that name that is there; the flag tells which
    /// (true: made). `Conflict` when somebody else makes it at the same time.
    async fn project_ensure(
        &mut self,
        name: &ProjectName,
        public: bool,
        now: Timestamp,
    ) -> RowResult<(Project, bool)>;

    /// The project of that key, locked.
    async fn project_lock(&mut self, id: ProjectId) -> RowResult<Option<Project>>;

    /// Stores a project that the caller has locked as it is now. Its name stays.
    async fn project_save(&mut self, project: &Project) -> RowResult<()>;

    /// Deletes a project with its members, robots, labels, rules, policy of retention and quota. False when it was not there; `Conflict` while it has repositories.
    async fn project_delete(&mut self, id: ProjectId) -> RowResult<bool>;
}

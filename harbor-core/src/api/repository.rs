use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Project;
use crate::Timestamp;

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Repository {
    /// Its key.
    pub id: i64,
    /// The project that it belongs to.
    pub project_id: i64,
    /// Its name, with the project's.
    pub name: String,
    /// What its people wrote about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How many artifacts it has.
    pub artifact_count: u64,
    /// How often one of them was pulled.
    pub pull_count: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub creation_time: Timestamp,
    /// When it was changed.
    #[schema(value_type = String, format = DateTime)]
    pub update_time: Timestamp,
}

/// What shall be another about a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RepositoryUpdate {
    /// What is written about it.
    pub description: String,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Search {
    /// Projects.
    pub project: Vec<Project>,
    /// Repositories.
    pub repository: Vec<SearchRepository>,
}

/// A repository that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchRepository {
    /// The project that it belongs to.
    pub project_id: i64,
    /// What that is called.
    pub project_name: String,
    /// Whether everybody may pull from it.
    #[serde(default)]
    pub project_public: bool,
    /// Its name, with the project's.
    pub repository_name: String,
    /// How often one of its artifacts was pulled.
    #[serde(default)]
    pub pull_count: u64,
    /// How many artifacts it has.
    #[serde(default)]
    pub artifact_count: u64,
}

/// Figures of the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Statistic {
    /// How many projects there are that are not public, of those that the caller may see.
    pub private_project_count: u64,
    /// How many repositories these have.
    pub private_repo_count: u64,
    /// How many public projects there are.
    pub public_project_count: u64,
    /// How many repositories these have.
    pub public_repo_count: u64,
    /// How many projects there are; 0 for who may not see all.
    pub total_project_count: u64,
    /// How many repositories there are; 0 for who may not see all.
    pub total_repo_count: u64,
    /// How many bytes are stored; 0 for who may not see all.
    pub total_storage_consumption: u64,
}

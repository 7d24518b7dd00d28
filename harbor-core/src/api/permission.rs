use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Permission)]
pub struct PermissionEntry {
    /// What is acted on.
    pub resource: String,
    /// What is done to it.
    pub action: String,
}

/// What robots can be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Permissions {
    /// On the whole registry.
    pub system: Vec<PermissionEntry>,
    /// In projects.
    pub project: Vec<PermissionEntry>,
}

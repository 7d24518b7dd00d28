use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PermissionEntry;
use crate::Timestamp;

/// A role that was made of permissions in projects. Harbor has no such thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CustomRole {
    /// Its number, for `role_id`.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it may do.
    pub permissions: Vec<PermissionEntry>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub creation_time: Timestamp,
    /// When it was changed.
    #[schema(value_type = String, format = DateTime)]
    pub update_time: Timestamp,
}

/// A role about to be made, or to become another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CustomRoleReq {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it may do.
    pub permissions: Vec<PermissionEntry>,
}

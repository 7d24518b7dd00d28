use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::UserGroup;

/// Somebody to be made a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ProjectMember {
    /// The role.
    pub role_id: i64,
    /// A user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_user: Option<UserEntity>,
    /// Or a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_group: Option<UserGroup>,
    /// The repositories, without the project's name, that the role is limited to, as doublestar patterns. Harbor has no such
    /// thing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
}

/// A user, by key or by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct UserEntity {
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<i64>,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectMemberEntity {
    /// Its key.
    pub id: i64,
    /// The project.
    pub project_id: i64,
    /// What the user or the group is called.
    pub entity_name: String,
    /// The role's name.
    pub role_name: String,
    /// The role.
    pub role_id: i64,
    /// The user or the group.
    pub entity_id: i64,
    /// `u` for a user, `g` for a group.
    pub entity_type: String,
    /// The repositories that the role is limited to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
}

/// A member's new role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RoleRequest {
    /// The role.
    pub role_id: i64,
    /// The repositories that it is limited to; as they are, without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repositories: Option<Vec<String>>,
}

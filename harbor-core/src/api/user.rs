use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// A user about to be made.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct UserCreationReq {
    /// The name to log in with.
    pub username: String,
    /// The password.
    pub password: String,
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What the user is called.
    pub realname: String,
    /// What to note.
    pub comment: String,
}

/// What users may change of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct UserProfile {
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What the user is called.
    pub realname: String,
    /// What to note.
    pub comment: String,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserResp {
    /// The key.
    pub user_id: i64,
    /// The name to log in with.
    pub username: String,
    /// The address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What the user is called.
    #[serde(default)]
    pub realname: String,
    /// What was noted.
    #[serde(default)]
    pub comment: String,
    /// Whether it administers the whole registry.
    pub sysadmin_flag: bool,
    /// Whether it does so by what the identity provider says.
    pub admin_role_in_auth: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub creation_time: Timestamp,
    /// When it was changed.
    #[schema(value_type = String, format = DateTime)]
    pub update_time: Timestamp,
}

/// A user who was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserSearchRespItem {
    /// The key.
    pub user_id: i64,
    /// The name.
    pub username: String,
}

/// Whether a user administers the whole registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct UserSysAdminFlag {
    /// Whether it does.
    pub sysadmin_flag: bool,
}

/// The secret that a user of an identity provider shows in a password's place.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct OidcCliSecretReq {
    /// The new one.
    pub secret: String,
}

/// A user's new password.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PasswordReq {
    /// The one before, of who changes their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_password: Option<String>,
    /// The new one.
    pub new_password: String,
}

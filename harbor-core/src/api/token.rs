use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RobotPermission;
use crate::Timestamp;

/// A personal access token about to be made. Harbor has no such thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PersonalTokenReq {
    /// What it is called.
    pub name: String,
    /// For how many days; -1 for ever.
    pub duration: i64,
    /// What it is limited to; all that its user may do, without.
    pub scopes: Vec<RobotPermission>,
}

/// A personal access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PersonalToken {
    /// Its key.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// When it ends, in seconds since the epoch; -1 for never.
    pub expires_at: i64,
    /// What it is limited to.
    pub scopes: Vec<RobotPermission>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub creation_time: Timestamp,
    /// About when it was last used.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
}

/// A personal access token that was made. It is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PersonalTokenCreated {
    /// Its key.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// The token.
    pub token: String,
    /// When it ends, in seconds since the epoch; -1 for never.
    pub expires_at: i64,
}

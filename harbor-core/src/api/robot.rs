use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// A robot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Robot {
    /// Its key.
    #[serde(default)]
    pub id: i64,
    /// Its full name, as it logs in.
    #[serde(default)]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// `system` or `project`.
    #[serde(default)]
    pub level: String,
    /// For how many days it was made; -1 for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<i64>,
    /// Whether it can be changed.
    #[serde(default)]
    pub editable: bool,
    /// Whether it may not log in.
    #[serde(default)]
    pub disable: bool,
    /// When it ends, in seconds since the epoch; -1 for never.
    #[serde(default)]
    pub expires_at: i64,
    /// What it may do.
    #[serde(default)]
    pub permissions: Vec<RobotPermission>,
    /// What made it: `local` (a user) or `robot`.
    #[serde(default)]
    pub creator_type: String,
    /// The key of who made it; 0 where they are gone.
    #[serde(default)]
    pub creator_ref: i64,
    /// When it was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<Timestamp>,
    /// When it was changed.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_time: Option<Timestamp>,
}

/// A robot about to be made.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RobotCreate {
    /// Its name, without prefix and project.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its secret; one is made without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// `system` or `project`.
    pub level: String,
    /// Whether it may not log in.
    pub disable: bool,
    /// For how many days; -1 for ever. Without it, for as many as the configuration says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<i64>,
    /// What it may do.
    pub permissions: Vec<RobotPermission>,
}

/// A robot of a project about to be made, in the older form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RobotCreateV1 {
    /// Its name, without prefix and project.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it ends, in seconds since the epoch; -1 for never; 0, or nothing, as the configuration says. It is put off to the end of a
    /// whole day of the robot's life.
    pub expires_at: Option<i64>,
    /// What it may do in the project: a resource may have `/project/<number>/` before it.
    pub access: Vec<Access>,
}

/// A robot that was made. Its secret is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RobotCreated {
    /// Its key.
    pub id: i64,
    /// Its full name, as it logs in.
    pub name: String,
    /// Its secret.
    pub secret: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub creation_time: Timestamp,
    /// When it ends, in seconds since the epoch; -1 for never.
    pub expires_at: i64,
}

/// A robot's secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RobotSec {
    /// The secret; empty for one that is made.
    pub secret: String,
    /// For how many seconds the secret before it works on, so that programs can be told the new one without an outage. Harbor
    /// has no such thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<u64>,
}

/// What a robot may do in a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RobotPermission {
    /// `system` or `project`.
    pub kind: String,
    /// `/` for the whole registry, a project's name, or `*` for all projects.
    pub namespace: String,
    /// What.
    pub access: Vec<Access>,
    /// The repositories, without the project's name, that this is limited to, as doublestar patterns. Harbor has no such thing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
}

/// One thing that a robot may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Access {
    /// What is acted on.
    pub resource: String,
    /// What is done to it.
    pub action: String,
    /// `allow`, or nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub effect: String,
}

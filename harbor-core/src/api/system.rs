use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// What there is to know of a registry. Who has not logged in sees no more than logging in takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct GeneralInfo {
    /// How people log in: `db_auth`.
    pub auth_mode: String,
    /// Whether that is the way to log in that is shown first.
    pub primary_auth_mode: bool,
    /// Whether people may make accounts for themselves.
    pub self_registration: bool,
    /// A message to all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub banner_message: Option<String>,
    /// The present.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_time: Option<Timestamp>,
    /// The host that images are named by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_url: Option<String>,
    /// The address that clients use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_url: Option<String>,
    /// Who may make projects: `everyone` or `adminonly`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_creation_restriction: Option<String>,
    /// Whether a root certificate can be downloaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_ca_root: Option<bool>,
    /// The version, as clients of Harbor read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub harbor_version: Option<String>,
    /// Where bytes are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_storage_provider_name: Option<String>,
    /// Whether nothing can be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// Whether webhooks are called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_enable: Option<bool>,
}

/// How a registry is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverallHealthStatus {
    /// `healthy` or `unhealthy`.
    pub status: String,
    /// How its parts are.
    pub components: Vec<ComponentHealthStatus>,
}

/// How a part of a registry is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComponentHealthStatus {
    /// Its name.
    pub name: String,
    /// `healthy` or `unhealthy`.
    pub status: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How much room there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SystemInfo {
    /// The stores of bytes.
    pub storage: Vec<Storage>,
}

/// How much room a store of bytes has, in bytes; 0 where it does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Storage {
    /// All of it.
    pub total: u64,
    /// What is left.
    pub free: u64,
}

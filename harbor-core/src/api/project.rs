use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// A project about to be made, or what shall be another about one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ProjectReq {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_name: Option<String>,
    /// Whether everybody may pull from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// Its settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, Option<String>>>,
    /// Its own list of vulnerabilities that are let pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cve_allowlist: Option<CveAllowlist>,
    /// How many bytes it may hold; -1 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_limit: Option<i64>,
    /// The registry that it is a proxy of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_id: Option<i64>,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// Its key.
    pub project_id: i64,
    /// Who made it.
    #[serde(default)]
    pub owner_id: i64,
    /// What that one is called.
    #[serde(default)]
    pub owner_name: String,
    /// Its name.
    pub name: String,
    /// The registry that it is a proxy of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_id: Option<i64>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub creation_time: Timestamp,
    /// When it was changed.
    #[schema(value_type = String, format = DateTime)]
    pub update_time: Timestamp,
    /// The strongest role of who asks; 0 for none.
    #[serde(default)]
    pub current_user_role_id: i64,
    /// The roles of who asks.
    #[serde(default)]
    pub current_user_role_ids: Vec<i64>,
    /// How many repositories it has.
    #[serde(default)]
    pub repo_count: u64,
    /// Its settings.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Its own list of vulnerabilities that are let pass.
    #[serde(default)]
    pub cve_allowlist: CveAllowlist,
}

/// Vulnerabilities that are let pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CVEAllowlist)]
#[serde(default)]
pub struct CveAllowlist {
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// The project that it belongs to; 0 for the whole registry's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<i64>,
    /// When it ends, in seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// The vulnerabilities.
    pub items: Vec<CveAllowlistItem>,
    /// When it was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<Timestamp>,
    /// When it was changed.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_time: Option<Timestamp>,
}

/// A vulnerability that is let pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CVEAllowlistItem)]
#[serde(default)]
pub struct CveAllowlistItem {
    /// Its name: `CVE-2014-0160`.
    pub cve_id: String,
}

/// Whether a project can be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectDeletable {
    /// Whether it can.
    pub deletable: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Figures of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ProjectSummary {
    /// How many repositories it has.
    pub repo_count: u64,
    /// How many administrators it has.
    pub project_admin_count: u64,
    /// How many maintainers it has.
    pub maintainer_count: u64,
    /// How many developers it has.
    pub developer_count: u64,
    /// How many guests it has.
    pub guest_count: u64,
    /// How many limited guests it has.
    pub limited_guest_count: u64,
    /// What it may hold, and holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<ProjectSummaryQuota>,
}

/// What a project may hold, and holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ProjectSummaryQuota {
    /// The limits, by resource: `storage` in bytes, -1 for none.
    pub hard: BTreeMap<String, i64>,
    /// What is used.
    pub used: BTreeMap<String, i64>,
}

/// Settings of a project by name: one of them, in a body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectSetting(pub BTreeMap<String, String>);

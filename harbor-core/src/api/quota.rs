use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// What a project may hold, and holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quota {
    /// Its key.
    pub id: i64,
    /// The project.
    #[serde(rename = "ref")]
    pub reference: QuotaRefObject,
    /// The limits, by resource: `storage` in bytes, -1 for none.
    pub hard: BTreeMap<String, i64>,
    /// What is used.
    pub used: BTreeMap<String, i64>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub creation_time: Timestamp,
    /// When it was changed.
    #[schema(value_type = String, format = DateTime)]
    pub update_time: Timestamp,
}

/// The project that a quota is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuotaRefObject {
    /// Its key.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Who made it.
    #[serde(default)]
    pub owner_name: String,
}

/// New limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct QuotaUpdateReq {
    /// By resource: `storage` in bytes, -1 for none.
    pub hard: BTreeMap<String, i64>,
}

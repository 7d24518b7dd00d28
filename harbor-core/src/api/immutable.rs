use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A rule of immutable tags; in the body of a request, its key is not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ImmutableRule {
    /// Its key.
    pub id: i64,
    /// A number that clients keep with it. It means nothing.
    pub priority: i64,
    /// Whether it is out of force.
    pub disabled: bool,
    /// What it does: `immutable`.
    pub action: String,
    /// What it is made from: `immutable_template`, also when it is left out.
    pub template: String,
    /// What clients keep with it. It means nothing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
    /// The tags that it is about. Only the first selector means something.
    pub tag_selectors: Vec<ImmutableSelector>,
    /// What it is about beside tags: `repository`, whose first selector means something.
    pub scope_selectors: BTreeMap<String, Vec<ImmutableSelector>>,
    /// Whether the tags may be deleted all the same; they are never moved.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_deletion: bool,
}

/// Which tags, or which repositories by their names without the project's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ImmutableSelector {
    /// `doublestar`.
    pub kind: String,
    /// Of tags `matches` or `excludes`, of repositories `repoMatches` or `repoExcludes`.
    pub decoration: String,
    /// The pattern.
    pub pattern: String,
    /// What clients keep with it. It means nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub extras: String,
}

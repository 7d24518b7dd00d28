use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Label;
use crate::Timestamp;

/// An artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Artifact {
    /// Its key.
    pub id: i64,
    /// What it is: `IMAGE`, `CHART`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The media type of its config, or its own when it has none.
    pub media_type: String,
    /// The media type of its manifest.
    pub manifest_media_type: String,
    /// The type that its manifest states, or the media type of its config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The project that it belongs to.
    pub project_id: i64,
    /// The repository that it is in.
    pub repository_id: i64,
    /// What that is called, with the project's name.
    pub repository_name: String,
    /// Its digest.
    pub digest: String,
    /// Its size and that of all that it refers to, in bytes.
    pub size: u64,
    /// When it was pushed first.
    #[schema(value_type = String, format = DateTime)]
    pub push_time: Timestamp,
    /// When it was pulled last; in the year 1 when it never was.
    #[schema(value_type = String, format = DateTime)]
    pub pull_time: Timestamp,
    /// How often it was pulled. Harbor counts for repositories alone.
    #[serde(default)]
    pub pull_count: u64,
    /// What its config says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_attrs: Option<Value>,
    /// Annotations of its manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What it lists, when it is an index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// What can be read out of it, and where.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addition_links: BTreeMap<String, AdditionLink>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// Its accessories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accessories: Vec<Accessory>,
    /// The accessories of the indexes that list it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inherited_accessories: Vec<Accessory>,
}

/// Where something can be read out of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdditionLink {
    /// The address.
    pub href: String,
    /// Whether it names a host too.
    pub absolute: bool,
}

/// An entry of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reference {
    /// The index.
    pub parent_id: i64,
    /// The manifest that is listed, when it is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_id: Option<i64>,
    /// The digest of that.
    pub child_digest: String,
    /// The platform that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Other places that have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

/// A platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Platform {
    /// The architecture.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub architecture: String,
    /// The operating system.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os: String,
    /// Its version.
    #[serde(rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// What of it must be there.
    #[serde(rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// The variant of the architecture.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tag {
    /// Its key.
    pub id: i64,
    /// The repository.
    pub repository_id: i64,
    /// The artifact that it names.
    pub artifact_id: i64,
    /// Its name.
    pub name: String,
    /// When it was set last.
    #[schema(value_type = String, format = DateTime)]
    pub push_time: Timestamp,
    /// When the artifact was last pulled by it; in the year 1 when it never was.
    #[schema(value_type = String, format = DateTime)]
    pub pull_time: Timestamp,
    /// How often something was pulled by it, whatever it named.
    #[serde(default)]
    pub pull_count: u64,
    /// Whether it can neither be moved nor deleted.
    #[serde(default)]
    pub immutable: bool,
}

/// A tag about to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewTag {
    /// Its name.
    pub name: String,
}

/// An accessory: a signature, an SBOM, …
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accessory {
    /// Its key.
    pub id: i64,
    /// The artifact that it is.
    pub artifact_id: i64,
    /// The artifact that it belongs to.
    pub subject_artifact_id: i64,
    /// The digest of that.
    pub subject_artifact_digest: String,
    /// The repository of both, with the project's name.
    pub subject_artifact_repo: String,
    /// Its size and that of all that it refers to, in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is shown as: always nothing.
    #[serde(default)]
    pub icon: String,
    /// When it was pushed.
    #[schema(value_type = String, format = DateTime)]
    pub creation_time: Timestamp,
}

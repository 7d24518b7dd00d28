use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// An artifact that was deleted and can be put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedArtifact {
    /// Its digest.
    pub digest: String,
    /// The media type of its manifest.
    pub manifest_media_type: String,
    /// The type that its manifest states, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The digest of the artifact that it belongs to, if to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The tags that went with it.
    pub tags: Vec<String>,
    /// When it had been pushed.
    #[schema(value_type = String, format = DateTime)]
    pub push_time: Timestamp,
    /// When it was deleted.
    #[schema(value_type = String, format = DateTime)]
    pub deletion_time: Timestamp,
    /// Who deleted it: `user:grace`, `robot:robot$ci`, `system`.
    pub deleted_by: String,
    /// Until when it can be put back.
    #[schema(value_type = String, format = DateTime)]
    pub restorable_until: Timestamp,
}

/// An artifact that was put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestoredArtifact {
    /// Its digest.
    pub digest: String,
    /// Its tags, and those of what came back with it.
    pub tags: Vec<String>,
    /// Tags that something else has since, which keeps them.
    pub tags_taken: Vec<String>,
    /// How many manifests came back: the artifact, what it lists, and what belongs to it.
    pub manifests: u64,
}

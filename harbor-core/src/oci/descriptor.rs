//! Content descriptors: OCI Image Specification 1.1, `descriptor.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Digest;

/// What one piece of content says of another: the members that a registry reads or writes.
///
/// Members that a client added and that are not named here are dropped, so a descriptor is only ever built for an
/// answer; stored manifests are served byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content.
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size of the content, in bytes.
    pub size: u64,
    /// Type of the artifact, when the content is a manifest that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Annotations of the content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Places outside this registry that have the content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// The platform that it is for, when the content is a manifest of an index: as the index has it, whatever that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<serde_json::Value>,
}

impl Descriptor {
    /// Whether the content may be absent here by its media type: layers that their licence keeps out of registries.
    #[must_use]
    pub fn is_non_distributable(&self) -> bool {
        self.media_type.starts_with("application/vnd.oci.image.layer.nondistributable.")
            || self.media_type.starts_with("application/vnd.docker.image.rootfs.foreign.")
    }
}

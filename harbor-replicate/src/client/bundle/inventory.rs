//! What is in a bundle.

use std::collections::{BTreeMap, BTreeSet};

use harbor_core::oci::{Digest, RepositoryName, Tag};
use serde::{Deserialize, Serialize};

/// The file.
pub(super) const FILE: &str = "contents.json";

/// Its signature.
pub(super) const SIGNATURE: &str = "contents.sig";

/// How large it may be, in bytes: hundreds of thousands of blobs. It takes a multiple of that in memory.
pub(super) const LIMIT: usize = 64 * 1024 * 1024;

/// The version that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;

/// What is in a bundle, and what it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Inventory {
    /// The version of this form.
    pub version: u32,
    /// When it was written, in seconds since 1970.
    pub created: u64,
    /// The digest of the earlier bundle's inventory that this one builds on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Digest>,
    /// The digest of the layout's `index.json`, so that whoever reads the layout sees what is listed here.
    pub index: Digest,
    /// What it has, in the order in which it is loaded.
    pub images: Vec<InventoryImage>,
    /// All configs, layers and manifests that belong to any of the images.
    pub blobs: Vec<InventoryBlob>,
}

/// An image, an index, an artifact, or what refers to one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InventoryImage {
    /// Its repository.
    #[serde(with = "text")]
    pub repository: RepositoryName,
    /// Its tag; what is named by its digest alone has none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_text")]
    pub tag: Option<Tag>,
    /// The digest of its manifest.
    pub digest: Digest,
    /// How many bytes its manifest has.
    pub size: u64,
    /// What its manifest is.
    pub media_type: String,
}

/// A config, a layer or a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InventoryBlob {
    /// Its digest.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// Whether it was left out: an earlier bundle had it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_out: bool,
    /// The repositories that this bundle, or the earlier one, brings it to.
    pub repositories: BTreeSet<String>,
}

impl Inventory {
    /// The blobs by their digests.
    #[must_use]
    pub fn by_digest(&self) -> BTreeMap<Digest, &InventoryBlob> {
        self.blobs.iter().map(|blob| (blob.digest, blob)).collect()
    }
}

/// Names as text.
mod text {
    use harbor_core::oci::RepositoryName;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(name: &RepositoryName, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(name.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<RepositoryName, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Tags as text.
mod optional_text {
    use harbor_core::oci::Tag;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(tag: &Option<Tag>, serializer: S) -> Result<S::Ok, S::Error> {
        match tag {
            Some(tag) => serializer.serialize_str(tag.as_str()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Tag>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

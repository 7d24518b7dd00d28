//! Accessories: manifests that belong to others, such as signatures and SBOMs.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;

use super::{Listed, ManifestId, RowResult};
use crate::Timestamp;
use crate::oci::{Digest, RepositoryName};
use crate::query::{Query, keys};

/// What an accessory is to its subject, as Harbor tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessoryKind {
    /// A signature of cosign.
    Cosign,
    /// A signature of notation.
    Notation,
    /// A Nydus image of the same content.
    Nydus,
    /// An SBOM that Harbor had made.
    Sbom,
    /// Anything else that names a subject.
    Subject,
}

impl AccessoryKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Cosign, Self::Notation, Self::Nydus, Self::Sbom, Self::Subject];

    /// Its name in Harbor's API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cosign => "signature.cosign",
            Self::Notation => "signature.notation",
            Self::Nydus => "accelerator.nydus",
            Self::Sbom => "sbom.harbor",
            Self::Subject => "subject.accessory",
        }
    }
}

/// A name that no kind of accessory has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kind of accessory has this name")]
pub struct AccessoryKindError;

impl FromStr for AccessoryKind {
    type Err = AccessoryKindError;

    fn from_str(name: &str) -> Result<Self, AccessoryKindError> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(AccessoryKindError)
    }
}

impl fmt::Display for AccessoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An accessory, as its subject sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accessory {
    /// Its key.
    pub id: ManifestId,
    /// What it is.
    pub kind: AccessoryKind,
    /// Its digest.
    pub digest: Digest,
    /// Its size and that of all that it refers to, in bytes.
    pub size: u64,
    /// When it was pushed.
    pub pushed_at: Timestamp,
    /// The manifest that it belongs to.
    pub subject: ManifestId,
    /// The digest of that.
    pub subject_digest: Digest,
    /// The full name of the repository of both.
    pub repository: RepositoryName,
}

keys! {
    /// What lists of accessories are filtered and sorted by.
    pub enum AccessoryKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `type`.
        Kind: Text, "type", "Type", filter, sort;
        /// `digest`.
        Digest: Text, "digest", "Digest", filter, sort;
        /// `size`.
        Size: Int, "size", "Size", filter, sort;
        /// `creation_time`.
        PushedAt: Time, "creation_time", "CreatTime", filter, sort;
    }
}

/// Reads accessories.
#[async_trait]
pub trait AccessoryRows {
    /// A page of the accessories of a manifest, by key unless the query has another order.
    async fn accessories(
        &mut self,
        subject: ManifestId,
        query: &Query<AccessoryKey>,
    ) -> RowResult<Listed<Accessory>>;

    /// The accessories of these manifests, those of each by key. Where they have too many together, each has a share of a limit,
    /// here and below.
    async fn accessories_of(&mut self, subjects: &[ManifestId]) -> RowResult<Vec<Accessory>>;

    /// Which manifests list which: for each of these, the keys of the indexes that list it, first the listed one.
    async fn parents_of(&mut self, children: &[ManifestId]) -> RowResult<Vec<(ManifestId, ManifestId)>>;
}

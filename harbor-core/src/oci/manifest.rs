//! Reading manifests: OCI Image Specification 1.1 (`manifest.md`, `image-index.md`) and Docker's schema 2.
//!
//! A manifest is looked at, never re-encoded: what a client pushed is what every client pulls.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Descriptor, Digest, MediaType};

/// The largest manifest taken, in bytes: the specification asks for at least this much.
pub const MANIFEST_LIMIT: usize = 4 * 1024 * 1024;

/// Why some bytes are not a manifest that can be stored.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Larger than [`MANIFEST_LIMIT`].
    #[error("the manifest is larger than {MANIFEST_LIMIT} bytes; move its data into blobs")]
    TooLarge,
    /// Names more than the registry takes.
    #[error("the manifest lists {actual} blobs and manifests; at most {limit} are taken")]
    TooMany {
        /// How many it lists.
        actual: usize,
        /// How many are taken.
        limit: usize,
    },
    /// Not JSON, or a member has the wrong type.
    #[error("the manifest does not read: {0}")]
    Json(#[from] serde_json::Error),
    /// `schemaVersion` is not 2.
    #[error("schemaVersion must be 2")]
    SchemaVersion,
    /// A media type that no manifest has.
    #[error("{0:?} is not the media type of a manifest that this registry knows")]
    MediaType(String),
    /// The body says one thing and the header another.
    #[error("the manifest says mediaType {body:?} and the Content-Type header {header:?}; both must agree")]
    Mismatch {
        /// The manifest's own `mediaType`.
        body: String,
        /// The request's `Content-Type`.
        header: String,
    },
    /// Both an image and an index, depending on who reads it (CVE-2021-41190).
    #[error("a manifest must not have both {0} and {1}")]
    Ambiguous(&'static str, &'static str),
    /// A member that its kind must have.
    #[error("the manifest lacks {0}")]
    Missing(&'static str),
    /// One blob cannot have two sizes.
    #[error("the manifest states two sizes for {0}")]
    TwoSizes(Box<Digest>),
    /// A media type within that is none.
    #[error("{0} is not a media type")]
    Member(&'static str),
}

/// What a manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ManifestKind {
    /// An image or artifact: a config and layers.
    Image,
    /// An index or manifest list: other manifests.
    Index,
}

/// The parts of a manifest that the registry acts on.
#[derive(Clone, Debug)]
pub struct ManifestView {
    /// Image or index.
    pub kind: ManifestKind,
    /// Its media type, from the header and the body, which agree.
    pub media_type: MediaType,
    /// `artifactType`, or for an image manifest without one the media type of its config
    /// (OCI Distribution Specification, "Listing Referrers").
    pub artifact_type: Option<String>,
    /// The config, when it is an image.
    pub config: Option<Descriptor>,
    /// The layers of an image or the blobs of an artifact; empty for an index.
    pub layers: Vec<Descriptor>,
    /// The manifests of an index; empty for an image.
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one refers to.
    pub subject: Option<Descriptor>,
    /// Annotations of the manifest itself.
    pub annotations: BTreeMap<String, String>,
}

/// Members are options so that absence and emptiness differ. A member that stands twice is an error of serde's, so two
/// readers cannot disagree on which one counts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    blobs: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl ManifestView {
    /// Reads `bytes`, which a client sent as `content_type`.
    ///
    /// # Errors
    /// [`ManifestError`] says what is wrong, for the client to read.
    pub fn parse(content_type: Option<&MediaType>, bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_LIMIT {
            return Err(ManifestError::TooLarge);
        }
        let document: Document = serde_json::from_slice(bytes)?;
        if document.schema_version != 2 {
            return Err(ManifestError::SchemaVersion);
        }
        let media_type = agreed_media_type(content_type, document.media_type.as_deref())?;
        let kind = kind_of(&media_type, &document)?;
        document.into_view(kind, media_type)
    }

    /// How many blobs and manifests it lists.
    #[must_use]
    pub fn listed(&self) -> usize {
        usize::from(self.config.is_some()) + self.layers.len() + self.manifests.len()
    }

    /// Digests of the blobs that must be in the repository for this manifest to be whole: the config and those
    /// layers that registries may distribute, each once, with the size that the manifest states.
    #[must_use]
    pub fn required_blobs(&self) -> BTreeMap<Digest, u64> {
        let distributable = self.layers.iter().filter(|layer| !layer.is_non_distributable());
        self.config.iter().chain(distributable).map(|blob| (blob.digest, blob.size)).collect()
    }
}

fn agreed_media_type(header: Option<&MediaType>, body: Option<&str>) -> Result<MediaType, ManifestError> {
    match (header, body) {
        (None, None) => Err(ManifestError::Missing("mediaType, and the request has no Content-Type")),
        (Some(header), None) => Ok(header.clone()),
        (None, Some(body)) => body.parse().map_err(|_| ManifestError::Member("mediaType")),
        (Some(header), Some(body)) if header.as_str() == body => Ok(header.clone()),
        (Some(header), Some(body)) => {
            Err(ManifestError::Mismatch { body: body.to_owned(), header: header.as_str().to_owned() })
        }
    }
}

fn kind_of(media_type: &MediaType, document: &Document) -> Result<ManifestKind, ManifestError> {
    if document.fs_layers.is_some() {
        return Err(ManifestError::MediaType("Docker schema 1".to_owned()));
    }
    if document.manifests.is_some() && document.layers.is_some() {
        return Err(ManifestError::Ambiguous("manifests", "layers"));
    }
    if document.manifests.is_some() && document.config.is_some() {
        return Err(ManifestError::Ambiguous("manifests", "config"));
    }
    match media_type.as_str() {
        MediaType::OCI_MANIFEST | MediaType::DOCKER_MANIFEST if document.config.is_none() => {
            Err(ManifestError::Missing("config"))
        }
        MediaType::OCI_MANIFEST | MediaType::DOCKER_MANIFEST if document.layers.is_none() => {
            Err(ManifestError::Missing("layers"))
        }
        MediaType::OCI_INDEX | MediaType::DOCKER_LIST if document.manifests.is_none() => {
            Err(ManifestError::Missing("manifests"))
        }
        MediaType::OCI_MANIFEST | MediaType::DOCKER_MANIFEST => Ok(ManifestKind::Image),
        MediaType::OCI_INDEX | MediaType::DOCKER_LIST => Ok(ManifestKind::Index),
        MediaType::OCI_ARTIFACT if document.manifests.is_none() => Ok(ManifestKind::Image),
        other => Err(ManifestError::MediaType(other.to_owned())),
    }
}

impl Document {
    fn into_view(self, kind: ManifestKind, media_type: MediaType) -> Result<ManifestView, ManifestError> {
        let mut layers = self.layers.unwrap_or_default();
        if media_type.as_str() == MediaType::OCI_ARTIFACT {
            layers.extend(self.blobs.unwrap_or_default());
        }
        let view = ManifestView {
            kind,
            artifact_type: self
                .artifact_type
                .filter(|artifact_type| !artifact_type.is_empty())
                .or_else(|| self.config.as_ref().map(|config| config.media_type.clone())),
            media_type,
            config: self.config,
            layers,
            manifests: self.manifests.unwrap_or_default(),
            subject: self.subject,
            annotations: self.annotations.unwrap_or_default(),
        };
        let media_type_is_one = |text: &str| text.parse::<MediaType>().is_ok();
        if view.artifact_type.as_deref().is_some_and(|text| !media_type_is_one(text)) {
            return Err(ManifestError::Member("artifactType"));
        }
        let within = view.config.iter().chain(&view.layers).chain(&view.manifests).chain(&view.subject);
        if within.into_iter().any(|descriptor| !media_type_is_one(&descriptor.media_type)) {
            return Err(ManifestError::Member("the mediaType of a descriptor"));
        }
        let listed = view.config.iter().chain(&view.layers);
        let mut sizes = BTreeMap::new();
        for blob in listed {
            if *sizes.entry(blob.digest).or_insert(blob.size) != blob.size {
                return Err(ManifestError::TwoSizes(Box::new(blob.digest)));
            }
        }
        Ok(view)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oci::Algorithm;

    fn descriptor(media_type: &str) -> serde_json::Value {
        let digest = Digest::of(Algorithm::Sha256, media_type.as_bytes());
        serde_json::json!({"digest": digest, "mediaType": media_type, "platform": {"os": "linux"}, "size": 3})
    }

    fn image() -> serde_json::Value {
        serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json"),
            "layers": [
                descriptor("application/vnd.oci.image.layer.v1.tar"),
                descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar"),
            ],
        })
    }

    fn parse(value: &serde_json::Value) -> Result<ManifestView, ManifestError> {
        ManifestView::parse(None, value.to_string().as_bytes())
    }

    #[test]
    fn image_view() {
        let view = parse(&image()).unwrap();
        assert_eq!(view.kind, ManifestKind::Image);
        assert_eq!(view.artifact_type.as_deref(), Some("application/vnd.oci.image.config.v1+json"));
        assert_eq!(view.required_blobs().len(), 2, "a non-distributable layer may be absent");
    }

    /// What we read is what the field's own crate reads.
    #[test]
    fn views_agree_with_oci_spec() {
        // Theirs asks for more of a platform than the test's descriptors have.
        let text = image().to_string().replace(r#","platform":{"os":"linux"}"#, "");
        let theirs = oci_spec::image::ImageManifest::from_reader(text.as_bytes()).unwrap();
        let ours = ManifestView::parse(None, text.as_bytes()).unwrap();
        assert_eq!(ours.config.unwrap().digest.to_string(), theirs.config().digest().to_string());
        let layers = ours.layers.iter().map(|layer| (layer.digest.to_string(), layer.size));
        let their_layers = theirs.layers().iter().map(|layer| (layer.digest().to_string(), layer.size()));
        assert!(layers.eq(their_layers));
        assert_eq!(MediaType::OCI_MANIFEST, oci_spec::image::MediaType::ImageManifest.to_string());
        assert_eq!(MediaType::OCI_INDEX, oci_spec::image::MediaType::ImageIndex.to_string());
    }

    #[test]
    fn type_confusion_is_refused() {
        let mut both = image();
        both["manifests"] = serde_json::json!([]);
        assert!(matches!(parse(&both), Err(ManifestError::Ambiguous(..))));
        let header = MediaType::from_header(MediaType::OCI_INDEX).unwrap();
        let mismatch = ManifestView::parse(Some(&header), image().to_string().as_bytes());
        assert!(matches!(mismatch, Err(ManifestError::Mismatch { .. })));
        let twice = image().to_string().replacen('{', r#"{"schemaVersion":2,"#, 1);
        assert!(matches!(ManifestView::parse(None, twice.as_bytes()), Err(ManifestError::Json(_))));
    }

    #[test]
    fn refusals() {
        let mut old = image();
        old["schemaVersion"] = 1.into();
        assert!(matches!(parse(&old), Err(ManifestError::SchemaVersion)));
        let mut bare = image();
        bare.as_object_mut().unwrap().remove("config");
        assert!(matches!(parse(&bare), Err(ManifestError::Missing("config"))));
        let mut strange = image();
        strange["layers"][0]["digest"] = "sha256:short".into();
        assert!(matches!(parse(&strange), Err(ManifestError::Json(_))));
        let huge = vec![b' '; MANIFEST_LIMIT + 1];
        assert!(matches!(ManifestView::parse(None, &huge), Err(ManifestError::TooLarge)));
        let deep = format!("{{\"schemaVersion\":2,\"x\":{}", "[".repeat(100_000));
        assert!(ManifestView::parse(None, deep.as_bytes()).is_err(), "nesting must not exhaust the stack");
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _ = ManifestView::parse(None, &bytes);
        }

        #[test]
        fn member_orders_agree(seed in 0usize..24) {
            let value = image();
            let object = value.as_object().unwrap();
            let mut members: Vec<_> = object.iter().map(|(k, v)| format!("{k:?}:{v}")).collect();
            members.rotate_left(seed % object.len());
            let text = format!("{{{}}}", members.join(","));
            let view = ManifestView::parse(None, text.as_bytes()).unwrap();
            prop_assert_eq!(view.required_blobs(), parse(&value).unwrap().required_blobs());
        }
    }
}

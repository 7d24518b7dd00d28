//! What is pushed: blobs, images, indexes, artifacts. Bytes differ from call to call and from run to run alike.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use harbor_core::oci::{Algorithm, Digest, MediaType};
use serde_json::{Value, json};

/// Both algorithms of digests.
pub const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];
/// The media type of a config.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of a layer.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The media type of the empty JSON object.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// `length` bytes that no other call yields.
#[must_use]
pub fn random(length: usize) -> Bytes {
    static SEED: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);
    let mut state = SEED.fetch_add(0x0123_4567_89ab_cdef, Ordering::Relaxed) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// A blob or a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
    /// Its digest.
    pub digest: Digest,
}

impl Piece {
    /// These bytes.
    pub fn new(algorithm: Algorithm, media_type: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { media_type: media_type.to_owned(), digest: Digest::of(algorithm, &bytes), bytes }
    }

    /// A blob of random bytes.
    #[must_use]
    pub fn blob(algorithm: Algorithm, length: usize) -> Self {
        Self::new(algorithm, LAYER, random(length))
    }

    /// A manifest of these JSON members.
    #[must_use]
    pub fn json(algorithm: Algorithm, media_type: &str, value: &Value) -> Self {
        Self::new(algorithm, media_type, value.to_string())
    }

    /// What a manifest says of it.
    #[must_use]
    pub fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

/// Blobs, and manifests that refer to them, in the order in which they can be pushed.
#[derive(Clone, Debug, Default)]
pub struct DataSet {
    /// The blobs.
    pub blobs: Vec<Piece>,
    /// The manifests; the last one is what the set is about.
    pub manifests: Vec<Piece>,
}

impl DataSet {
    /// What the set is about.
    #[must_use]
    pub fn top(&self) -> &Piece {
        self.manifests.last().expect("a manifest")
    }
}

/// Makes manifests.
#[derive(Clone, Debug)]
pub struct Maker {
    algorithm: Algorithm,
    members: Value,
    set: DataSet,
}

impl Maker {
    /// An image with a config and no layers yet.
    #[must_use]
    pub fn image(algorithm: Algorithm) -> Self {
        let config = json!({ "architecture": "amd64", "os": "linux", "seed": random(8).to_vec() });
        let config = Piece::json(algorithm, CONFIG, &config);
        Self::image_with(algorithm, MediaType::OCI_MANIFEST, config)
    }

    /// A manifest of that media type with that config.
    #[must_use]
    pub fn image_with(algorithm: Algorithm, media_type: &str, config: Piece) -> Self {
        let members = json!({
            "schemaVersion": 2, "mediaType": media_type, "config": config.descriptor(), "layers": [],
        });
        Self { algorithm, members, set: DataSet { blobs: vec![config], manifests: Vec::new() } }
    }

    /// An artifact: an image manifest with the empty config and a type.
    #[must_use]
    pub fn artifact(algorithm: Algorithm, artifact_type: &str) -> Self {
        let config = Piece::new(algorithm, EMPTY, "{}");
        Self::image_with(algorithm, MediaType::OCI_MANIFEST, config)
            .member("artifactType", artifact_type)
            .layers(1)
    }

    /// An index without manifests yet.
    #[must_use]
    pub fn index(algorithm: Algorithm) -> Self {
        Self::index_of(algorithm, MediaType::OCI_INDEX)
    }

    /// An index of that media type.
    #[must_use]
    pub fn index_of(algorithm: Algorithm, media_type: &str) -> Self {
        let members = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [] });
        Self { algorithm, members, set: DataSet::default() }
    }

    /// Adds `count` layers of random bytes.
    #[must_use]
    pub fn layers(self, count: usize) -> Self {
        (0..count).fold(self, |maker, number| {
            let layer = Piece::blob(maker.algorithm, 200 + number);
            maker.layer(layer)
        })
    }

    /// Adds a layer.
    #[must_use]
    pub fn layer(mut self, layer: Piece) -> Self {
        self.push("layers", layer.descriptor());
        self.set.blobs.push(layer);
        self
    }

    /// Adds the descriptor of a layer that the set does not have.
    #[must_use]
    pub fn absent_layer(mut self, descriptor: Value) -> Self {
        self.push("layers", descriptor);
        self
    }

    /// Adds a manifest to an index, with all that belongs to it.
    #[must_use]
    pub fn entry(mut self, set: &DataSet) -> Self {
        let mut descriptor = set.top().descriptor();
        descriptor["platform"] = json!({ "os": "linux", "architecture": "amd64" });
        self.push("manifests", descriptor);
        self.set.blobs.extend(set.blobs.iter().cloned());
        self.set.manifests.extend(set.manifests.iter().cloned());
        self
    }

    /// Adds the descriptor of a manifest that the set does not have.
    #[must_use]
    pub fn absent_entry(mut self, descriptor: Value) -> Self {
        self.push("manifests", descriptor);
        self
    }

    /// Refers to another manifest.
    #[must_use]
    pub fn subject(self, subject: &Piece) -> Self {
        self.member("subject", subject.descriptor())
    }

    /// Adds an annotation.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.members["annotations"][key] = value.into();
        self
    }

    /// Sets any member.
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members[name] = value.into();
        self
    }

    /// Changes any member.
    #[must_use]
    pub fn change(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.members);
        self
    }

    fn push(&mut self, list: &str, descriptor: Value) {
        self.members[list].as_array_mut().expect("a list").push(descriptor);
    }

    /// The set.
    #[must_use]
    pub fn done(mut self) -> DataSet {
        let media_type = self.members["mediaType"].as_str().expect("a media type").to_owned();
        self.set.manifests.push(Piece::json(self.algorithm, &media_type, &self.members));
        self.set
    }
}

/// An image with two layers.
#[must_use]
pub fn image(algorithm: Algorithm) -> DataSet {
    Maker::image(algorithm).layers(2).done()
}

/// An index of two images.
#[must_use]
pub fn index(algorithm: Algorithm) -> DataSet {
    Maker::index(algorithm).entry(&image(algorithm)).entry(&image(algorithm)).done()
}

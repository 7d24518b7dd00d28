//! The index of a layout, `index.json`: OCI Image Specification 1.1, `image-layout.md`.

use std::io;

use harbor_core::oci::{Descriptor, ManifestView, MediaType};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Manifest;

/// What names an image of a layout.
pub(super) const NAME: &str = "org.opencontainers.image.ref.name";

/// The whole name of an image, as containerd and docker write it.
pub(super) const FULL_NAME: &str = "io.containerd.image.name";

/// The file.
pub(crate) const FILE: &str = "index.json";

/// How large it may be, in bytes: tens of thousands of images. It takes a multiple of that in memory.
pub(crate) const LIMIT: usize = 16 * 1024 * 1024;

/// The file that says that a folder is a layout.
pub(super) const MARK: &str = "oci-layout";

/// What stands in it.
pub(super) const MARKED: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    image_layout_version: String,
}

/// Whether a file says that here is a layout of a version that is known.
pub(super) fn is_mark(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Mark>(bytes).is_ok_and(|mark| mark.image_layout_version.starts_with("1."))
}

/// An image that is named, or not, once its layout is written.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) manifest: Manifest,
    pub(super) name: Option<String>,
    /// The whole name, for docker.
    pub(super) full: Option<String>,
}

/// What an index says. What others wrote into it stays as they wrote it.
#[derive(Clone, Debug)]
pub(super) struct Index {
    document: Value,
}

impl Default for Index {
    fn default() -> Self {
        let document = json!({ "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": [] });
        Self { document }
    }
}

impl Index {
    /// Reads it, or tells what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let document: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let index = Self { document };
        if !index.document["manifests"].is_array() {
            return Err("it has no manifests".to_owned());
        }
        index.entries()?;
        Ok(index)
    }

    /// What it lists.
    pub(super) fn entries(&self) -> Result<Vec<Descriptor>, String> {
        serde_json::from_value(self.document["manifests"].clone()).map_err(|error| error.to_string())
    }

    /// Lists one more. A name is another's no more, and what is listed already is not listed again without one.
    pub(super) fn put(&mut self, named: &Named) {
        let entry = entry(named);
        let Some(listed) = self.document["manifests"].as_array_mut() else { return };
        // Docker's images have a tag each, and are told apart by the whole name.
        let taken = match (&named.full, &named.name) {
            (Some(full), _) => Some((FULL_NAME, full)),
            (None, name) => name.as_ref().map(|name| (NAME, name)),
        };
        let is_known = listed.iter().any(|known| known["digest"] == entry["digest"]);
        if is_known && taken.is_none() {
            return;
        }
        listed.retain(|known| {
            let has_lost = taken.is_some_and(|(key, name)| known["annotations"][key] == name.as_str());
            let has_gained = known["digest"] == entry["digest"] && !known["annotations"][NAME].is_string();
            !has_lost && !has_gained
        });
        listed.push(entry);
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.document.to_string().into_bytes()
    }

    /// The same, for a file; an error when nobody would read it any more.
    pub(super) fn written(&self) -> io::Result<Vec<u8>> {
        let bytes = self.to_bytes();
        let most = || io::Error::other(format!("it would list more images than {LIMIT} bytes have room for"));
        (bytes.len() <= LIMIT).then_some(bytes).ok_or_else(most)
    }
}

fn entry(named: &Named) -> Value {
    let manifest = &named.manifest;
    let mut entry = json!({
        "mediaType": manifest.media_type.as_str(), "digest": manifest.digest, "size": manifest.bytes.len(),
    });
    if let Some(kind) = artifact_type(&manifest.view().ok()) {
        entry["artifactType"] = kind.into();
    }
    for (key, value) in [(NAME, &named.name), (FULL_NAME, &named.full)] {
        if let Some(value) = value {
            entry["annotations"][key] = value.as_str().into();
        }
    }
    entry
}

/// The type of what refers to something, by which it is found.
fn artifact_type(view: &Option<ManifestView>) -> Option<String> {
    view.as_ref().filter(|view| view.subject.is_some())?.artifact_type.clone()
}

#[cfg(test)]
mod tests {
    use harbor_core::oci::{Algorithm, Digest};

    use super::*;

    fn named(content: &str, name: Option<&str>) -> Named {
        let manifest = Manifest {
            media_type: MediaType::OCI_MANIFEST.parse().unwrap(),
            digest: Digest::of(Algorithm::Sha256, content.as_bytes()),
            bytes: content.to_owned().into(),
        };
        Named { manifest, name: name.map(ToOwned::to_owned), full: None }
    }

    fn listed(index: &Index) -> Vec<(u64, Option<String>)> {
        let entries = index.entries().unwrap().into_iter();
        entries.map(|entry| (entry.size, entry.annotations.get(NAME).cloned())).collect()
    }

    #[test]
    fn a_name_is_of_one_image() {
        let mut index = Index::default();
        index.put(&named("a", None));
        index.put(&named("a", Some("1")));
        index.put(&named("a", None));
        assert_eq!(listed(&index), [(1, Some("1".to_owned()))]);
        index.put(&named("a", Some("2")));
        index.put(&named("bb", Some("1")));
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(listed(&index), [(1, some("2")), (2, some("1"))]);
        let read = Index::parse(&index.to_bytes()).unwrap();
        assert_eq!(listed(&read), listed(&index));
    }

    #[test]
    fn what_others_wrote_stays() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        let text = format!(
            r#"{{"schemaVersion":2,"x":1,"manifests":[{{"mediaType":"a/b","digest":"{digest}","size":7,"y":2}}]}}"#
        );
        let mut index = Index::parse(text.as_bytes()).unwrap();
        index.put(&named("a", Some("1")));
        let written: Value = serde_json::from_slice(&index.to_bytes()).unwrap();
        assert_eq!((&written["x"], &written["manifests"][0]["y"]), (&json!(1), &json!(2)));
        for wrong in ["", "[]", r#"{"manifests":7}"#, r#"{"manifests":[{"digest":"x"}]}"#] {
            assert!(Index::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(is_mark(MARKED.as_bytes()) && !is_mark(br#"{"imageLayoutVersion":"2.0.0"}"#));
    }
}

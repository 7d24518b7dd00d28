//! What an artifact is: told from its manifest and its config, once, when it is pushed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::{Map, Value};

use crate::meta::{AccessoryKind, Described, LISTED, Says};
use crate::oci::{Digest, ManifestKind, ManifestView, MediaType, Tag};

/// The type of images.
pub(super) const IMAGE: &str = "IMAGE";
/// The type of Helm charts.
pub(super) const CHART: &str = "CHART";
/// The type of WebAssembly modules.
pub(super) const WASM: &str = "WASM";
/// The type of what has no other.
const UNKNOWN: &str = "UNKNOWN";

const WASM_CONFIG: &str = "application/vnd.wasm.config.v1+json";

/// Media types with types of their own.
const KINDS: [(&str, &str); 9] = [
    ("application/vnd.oci.image.config.v1+json", IMAGE),
    ("application/vnd.docker.container.image.v1+json", IMAGE),
    (MediaType::OCI_INDEX, IMAGE),
    (MediaType::DOCKER_LIST, IMAGE),
    ("application/vnd.cncf.helm.config.v1+json", CHART),
    ("application/vnd.cnab.manifest.v1", "CNAB"),
    ("application/vnd.cncf.model.manifest.v1+json", "CNAI"),
    (WASM_CONFIG, WASM),
    (SBOM, "SBOM"),
];

const SBOM: &str = "application/vnd.goharbor.harbor.sbom.v1";

/// Artifact types, or media types of configs, of the accessories that have a name of their own.
const ACCESSORIES: [(&str, AccessoryKind); 4] = [
    ("application/vnd.dev.cosign.artifact.sig.v1+json", AccessoryKind::Cosign),
    ("application/vnd.dev.sigstore.bundle.v0.3+json", AccessoryKind::Cosign),
    ("application/vnd.cncf.notary.signature", AccessoryKind::Notation),
    (SBOM, AccessoryKind::Sbom),
];

/// The layer of a signature that cosign keeps under a tag.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation of a Nydus image's last layer.
const NYDUS: &str = "containerd.io/snapshot/nydus-bootstrap";

/// Where an index has its type that is of before there was `artifactType`.
const TYPE_OF_INDEX: &str = "org.opencontainers.artifactType";

/// What a manifest of `size` bytes is that `tags` will name. `listed`: how many bytes the manifests that it lists have, with all
/// that they refer to.
pub(in crate::engine) fn describe(view: &ManifestView, size: usize, tags: &[Tag], listed: u64) -> Described {
    let blobs = view.config.iter().chain(&view.layers).map(|blob| blob.size);
    let total = blobs.fold((size as u64).saturating_add(listed), u64::saturating_add);
    Described {
        kind: kind(view),
        config_type: config_type(view),
        // The databases count to there.
        size: total.min(i64::MAX.unsigned_abs()),
        accessory: accessory(view, tags),
        attributes: None,
        references: references(view),
    }
}

/// What it says of what it lists, as far as there is room for it.
fn references(view: &ManifestView) -> BTreeMap<Digest, Says> {
    let mut references = BTreeMap::new();
    let mut room = LISTED;
    for entry in &view.manifests {
        let says = Says {
            platform: entry.platform.clone(),
            annotations: entry.annotations.clone(),
            urls: entry.urls.clone(),
        };
        let left = serde_json::to_vec(&says).ok().and_then(|text| room.checked_sub(text.len()));
        if let (Entry::Vacant(place), Some(left)) = (references.entry(entry.digest), left) {
            place.insert(says);
            room = left;
        }
    }
    references
}

/// What Harbor calls the media type of an artifact.
fn config_type(view: &ManifestView) -> String {
    let annotated = |key: &str, value: &str| view.annotations.get(key).is_some_and(|is| is == value);
    match (&view.config, view.kind) {
        (Some(_), _)
            if annotated("module.wasm.image/variant", "compat") || annotated("run.oci.handler", "wasm") =>
        {
            WASM_CONFIG.to_owned()
        }
        (Some(config), _) => config.media_type.clone(),
        (None, ManifestKind::Index) => {
            let stated = view.annotations.get(TYPE_OF_INDEX);
            let stated = stated.filter(|stated| stated.parse::<MediaType>().is_ok());
            stated.cloned().unwrap_or_else(|| view.media_type.to_string())
        }
        (None, ManifestKind::Image) => {
            view.artifact_type.clone().unwrap_or_else(|| view.media_type.to_string())
        }
    }
}

/// Harbor's type: of the artifact type where one is stated, or else of the config.
fn kind(view: &ManifestView) -> String {
    let config = config_type(view);
    // Without one, it is the config's media type.
    let stated = view.artifact_type.as_ref();
    let stated = stated.filter(|stated| view.config.as_ref().is_none_or(|own| own.media_type != **stated));
    let of = stated.unwrap_or(&config);
    match KINDS.into_iter().find(|(known, _)| known == of) {
        Some((_, kind)) => kind.to_owned(),
        None => named_within(of).unwrap_or_else(|| UNKNOWN.to_owned()),
    }
}

/// The `x` of `application/vnd.vendor.x.config.version+json`.
fn named_within(media_type: &str) -> Option<String> {
    let (_, rest) = media_type.strip_prefix("application/vnd.")?.split_once('.')?;
    let (name, version) = rest.rsplit_once(".config.")?;
    let fits = !name.is_empty() && !version.contains('.') && version.ends_with("+json");
    fits.then(|| name.to_uppercase())
}

/// What it is to which other manifest.
fn accessory(view: &ManifestView, tags: &[Tag]) -> Option<(AccessoryKind, Digest)> {
    let Some(subject) = &view.subject else {
        let signs = view.layers.iter().any(|layer| layer.media_type == SIMPLE_SIGNING);
        let subject = tags.iter().find_map(signed_by).filter(|_| signs)?;
        return Some((AccessoryKind::Cosign, subject));
    };
    let stated = view.artifact_type.as_deref().unwrap_or_default();
    let config = view.config.as_ref().map_or("", |config| config.media_type.as_str());
    let known = ACCESSORIES.into_iter().find(|(known, _)| *known == stated || *known == config);
    let nydus = view.layers.last().is_some_and(|layer| layer.annotations.contains_key(NYDUS));
    let kind = match known {
        Some((_, kind)) => kind,
        None if nydus => AccessoryKind::Nydus,
        None => AccessoryKind::Subject,
    };
    Some((kind, subject.digest))
}

/// What a tag of cosign's signs: `sha256-<hex>.sig`.
fn signed_by(tag: &Tag) -> Option<Digest> {
    tag.as_str().strip_suffix(".sig")?.replacen('-', ":", 1).parse().ok()
}

/// Whether attributes are read from the config of an artifact of that type.
pub(in crate::engine) fn has_attributes(kind: &str) -> bool {
    kind != UNKNOWN && !kind.is_empty()
}

/// The attributes that Harbor shows of an artifact of that type with that config, as JSON. None when the config does not read,
/// for anybody may call anything a config.
pub(in crate::engine) fn attributes(kind: &str, config: &[u8]) -> Option<String> {
    let Ok(Value::Object(mut config)) = serde_json::from_slice::<Value>(config) else { return None };
    let shown = match kind {
        IMAGE | WASM => of_image(&mut config),
        _ => config,
    };
    let text = serde_json::to_string(&shown).ok()?;
    // Where JSON may have it, PostgreSQL's text may not.
    (text.len() <= LISTED && !text.contains('\0')).then_some(text)
}

fn of_image(config: &mut Map<String, Value>) -> Map<String, Value> {
    let author = author(config);
    let mut shown = Map::new();
    for name in ["architecture", "config", "created", "os"] {
        if let Some(value) = config.remove(name) {
            shown.insert(name.to_owned(), value);
        }
    }
    shown.insert("author".to_owned(), author.into());
    shown
}

/// Who made an image: what it says itself, or one of the labels that are for that.
fn author(config: &Map<String, Value>) -> String {
    let labels = config.get("config").and_then(|config| config.get("Labels"));
    let label = |name: &str| labels.and_then(|labels| labels.get(name));
    let stated = [config.get("author"), label("org.opencontainers.image.authors"), label("maintainer")];
    let mut texts = stated.into_iter().flatten().filter_map(Value::as_str);
    texts.find(|text| !text.is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oci::Algorithm;

    fn digest(text: &str) -> Digest {
        Digest::of(Algorithm::Sha256, text.as_bytes())
    }

    fn descriptor(media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": digest(media_type), "size": 10 })
    }

    fn view(members: Value) -> ManifestView {
        let mut manifest = json!({ "schemaVersion": 2 });
        manifest.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        ManifestView::parse(None, manifest.to_string().as_bytes()).unwrap()
    }

    fn image(config: &str, more: Value) -> ManifestView {
        let mut members =
            json!({ "mediaType": MediaType::OCI_MANIFEST, "config": descriptor(config), "layers": [] });
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        view(members)
    }

    #[test]
    fn types_of_configs() {
        for (config, kind) in [
            ("application/vnd.oci.image.config.v1+json", "IMAGE"),
            ("application/vnd.docker.container.image.v1+json", "IMAGE"),
            ("application/vnd.cncf.helm.config.v1+json", "CHART"),
            ("application/vnd.wasm.config.v1+json", "WASM"),
            ("application/vnd.goharbor.harbor.sbom.v1", "SBOM"),
            ("application/vnd.caicloud.model.config.v1alpha1+json", "MODEL"),
            ("application/vnd.acme.big.model.config.v1+json", "BIG.MODEL"),
            ("application/vnd.acme.model.config.v1.2+json", "UNKNOWN"),
            ("application/vnd.acme..config.v1+json", "UNKNOWN"),
            ("application/vnd.acme.model.config.v1", "UNKNOWN"),
            ("application/vnd.oci.empty.v1+json", "UNKNOWN"),
        ] {
            let described = describe(&image(config, json!({})), 0, &[], 0);
            assert_eq!((described.kind.as_str(), described.config_type.as_str()), (kind, config));
        }
    }

    #[test]
    fn types_that_are_stated() {
        let empty = "application/vnd.oci.empty.v1+json";
        let kind = |stated: &str| kind(&image(empty, json!({ "artifactType": stated })));
        assert_eq!(kind("application/vnd.cncf.model.manifest.v1+json"), "CNAI");
        assert_eq!(kind("application/spdx+json"), "UNKNOWN");
        let wasm = image(empty, json!({ "annotations": { "run.oci.handler": "wasm" } }));
        assert_eq!(describe(&wasm, 0, &[], 0).kind, "WASM");
    }

    #[test]
    fn what_an_index_says_has_a_bound() {
        let entry = |number: u64, length: usize| {
            let mut entry = descriptor(MediaType::OCI_MANIFEST);
            let digest = Digest::of(Algorithm::Sha256, &number.to_be_bytes());
            entry["digest"] = json!(digest.to_string());
            entry["annotations"] = json!({ "key": "x".repeat(length) });
            (digest, entry)
        };
        let entries = [entry(1, LISTED / 2), entry(2, LISTED / 2), entry(3, LISTED), entry(4, 100)];
        let manifests: Vec<Value> = entries.iter().map(|(_, entry)| entry.clone()).collect();
        let members = json!({ "mediaType": MediaType::OCI_INDEX, "manifests": manifests });
        let said = describe(&view(members), 0, &[], 0).references;
        let kept = entries.map(|(digest, _)| said.contains_key(&digest));
        assert_eq!(kept, [true, false, false, true]);
        assert!(serde_json::to_vec(&said.into_values().collect::<Vec<_>>()).unwrap().len() < LISTED + 9);
    }

    #[test]
    fn indexes() {
        let platform = json!({ "os": "linux", "architecture": "arm64" });
        let mut entry = descriptor(MediaType::OCI_MANIFEST);
        entry["platform"] = platform.clone();
        let members = json!({ "mediaType": MediaType::OCI_INDEX, "manifests": [entry] });
        let described = describe(&view(members.clone()), 100, &[], 1000);
        assert_eq!(
            (described.kind.as_str(), described.config_type.as_str()),
            ("IMAGE", MediaType::OCI_INDEX)
        );
        assert_eq!(described.size, 1100);
        let says = described.references.values().next().unwrap();
        assert_eq!(says.platform.as_ref(), Some(&platform));
        let mut cnab = members;
        cnab["annotations"] = json!({ TYPE_OF_INDEX: "application/vnd.cnab.manifest.v1" });
        assert_eq!(describe(&view(cnab), 0, &[], 0).kind, "CNAB");
    }

    #[test]
    fn sizes_do_not_overflow() {
        let mut layer = descriptor("application/vnd.oci.image.layer.v1.tar");
        layer["size"] = u64::MAX.into();
        let all = image("application/vnd.oci.image.config.v1+json", json!({ "layers": [layer] }));
        assert_eq!(describe(&all, 1, &[], 5).size, i64::MAX.unsigned_abs());
    }

    #[test]
    fn accessories_by_subject() {
        let empty = "application/vnd.oci.empty.v1+json";
        let subject = descriptor("the subject");
        let subject_digest = digest("the subject");
        let mut named = subject;
        named["mediaType"] = MediaType::OCI_MANIFEST.into();
        for (stated, kind) in [
            ("application/vnd.dev.cosign.artifact.sig.v1+json", AccessoryKind::Cosign),
            ("application/vnd.dev.sigstore.bundle.v0.3+json", AccessoryKind::Cosign),
            ("application/vnd.cncf.notary.signature", AccessoryKind::Notation),
            ("application/vnd.goharbor.harbor.sbom.v1", AccessoryKind::Sbom),
            ("application/spdx+json", AccessoryKind::Subject),
        ] {
            let by_type = image(empty, json!({ "artifactType": stated, "subject": named }));
            assert_eq!(accessory(&by_type, &[]), Some((kind, subject_digest)), "{stated}");
            let by_config = image(stated, json!({ "subject": named }));
            assert_eq!(accessory(&by_config, &[]), Some((kind, subject_digest)), "{stated}");
        }
        let mut last = descriptor("application/vnd.oci.image.layer.v1.tar");
        last["annotations"] = json!({ NYDUS: "true" });
        let nydus = image(empty, json!({ "subject": named, "layers": [last] }));
        assert_eq!(accessory(&nydus, &[]).map(|(kind, _)| kind), Some(AccessoryKind::Nydus));
    }

    #[test]
    fn accessories_by_tag() {
        let signed = digest("signed");
        let layers = json!({ "layers": [descriptor(SIMPLE_SIGNING)] });
        let signature = image("application/vnd.oci.image.config.v1+json", layers);
        let tag = |suffix: &str| format!("sha256-{}{suffix}", signed.hex()).parse::<Tag>().unwrap();
        assert_eq!(accessory(&signature, &[tag(".sig")]), Some((AccessoryKind::Cosign, signed)));
        for other in [tag(".att"), tag(".sbom"), tag(""), "a.sig".parse().unwrap()] {
            assert_eq!(accessory(&signature, &[other]), None);
        }
        let plain = image("application/vnd.oci.image.config.v1+json", json!({}));
        assert_eq!(accessory(&plain, &[tag(".sig")]), None);
    }

    #[test]
    fn attributes_of_images_and_others() {
        let config = json!({ "architecture": "arm64", "os": "linux", "created": "2020-01-01T00:00:00Z",
            "config": { "Labels": { "maintainer": "somebody" } }, "rootfs": {}, "history": [] });
        let shown: Value =
            serde_json::from_str(&attributes(IMAGE, config.to_string().as_bytes()).unwrap()).unwrap();
        assert_eq!(shown["author"], "somebody");
        assert_eq!(shown["architecture"], "arm64");
        assert!(shown.get("rootfs").is_none() && shown.get("history").is_none());
        let chart = br#"{"name":"app","version":"1.0"}"#;
        assert_eq!(attributes(CHART, chart).as_deref(), Some(r#"{"name":"app","version":"1.0"}"#));
        for wrong in [&b"[]"[..], b"", b"no JSON"] {
            assert_eq!(attributes(CHART, wrong), None);
        }
        let large = json!({ "name": "x".repeat(LISTED) }).to_string();
        assert_eq!(attributes(CHART, large.as_bytes()), None);
        assert!(!has_attributes(UNKNOWN) && has_attributes("MODEL"));
    }
}

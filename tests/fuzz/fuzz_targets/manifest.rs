//! Manifests: reading one never panics, whatever it is said to be, and what is read keeps the rules of its kind.
#![no_main]

use harbor_core::oci::{ManifestKind, ManifestView, MediaType};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let types = [
        None,
        Some(MediaType::OCI_MANIFEST),
        Some(MediaType::OCI_INDEX),
        Some(MediaType::DOCKER_MANIFEST),
        Some(MediaType::DOCKER_LIST),
        Some(MediaType::OCI_ARTIFACT),
    ];
    for media_type in types {
        let media_type = media_type.map(|text| MediaType::from_header(text).expect("a constant"));
        if let Ok(view) = ManifestView::parse(media_type.as_ref(), bytes) {
            // CVE-2021-41190: nothing is both.
            assert!(view.kind == ManifestKind::Image || (view.layers.is_empty() && view.config.is_none()));
            assert!(view.kind == ManifestKind::Index || view.manifests.is_empty());
            assert!(view.required_blobs().len() <= view.layers.len() + 1);
            assert!(media_type.is_none_or(|media_type| media_type == view.media_type));
        }
    }
});

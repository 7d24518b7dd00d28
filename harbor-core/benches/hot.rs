//! The hot functions: what every request runs. `cargo bench -p harbor-core`.

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use harbor_core::blob::Hasher;
use harbor_core::oci::{Algorithm, Digest, ManifestView, Route};

fn main() {
    divan::main();
}

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[divan::bench]
fn route_manifest_by_tag() -> bool {
    Route::parse(black_box("/v2/library/alpine/manifests/latest")).is_ok()
}

#[divan::bench]
fn route_blob() -> bool {
    Route::parse(black_box(
        "/v2/library/alpine/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ))
    .is_ok()
}

#[divan::bench]
fn digest_parse() -> bool {
    black_box(DIGEST).parse::<Digest>().is_ok()
}

#[divan::bench]
fn digest_print(bencher: Bencher<'_, '_>) {
    let digest = Digest::of(Algorithm::Sha256, b"");
    bencher.bench(|| black_box(&digest).to_string());
}

/// A manifest of as many layers.
#[divan::bench(args = [3, 30, 120])]
fn manifest_view(bencher: Bencher<'_, '_>, layers: usize) {
    let layer = format!(
        r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{DIGEST}","size":123456}}"#
    );
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{layer},"layers":[{}]}}"#,
        vec![layer.as_str(); layers].join(",")
    );
    let bytes = Bytes::from(text);
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench(|| ManifestView::parse(None, black_box(&bytes)).is_ok());
}

#[divan::bench(args = [Algorithm::Sha256, Algorithm::Sha512])]
fn digest_stream(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let piece = vec![7; 1024 * 1024];
    bencher.counter(BytesCount::new(piece.len())).bench(|| {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(black_box(&piece));
        hasher.finish()
    });
}

#[divan::bench]
fn hash_state_saved_and_restored() -> bool {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(b"some bytes");
    Hasher::restore(black_box(&hasher.save())).is_some()
}

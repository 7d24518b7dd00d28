//! The hot functions: what every request runs. `cargo bench -p harbor-core`.

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use harbor_core::Timestamp;
use harbor_core::blob::Hasher;
use harbor_core::oci::{Algorithm, Digest, ManifestView, Route};
use harbor_core::retention::{By, Candidate, Evaluation, Rule, Template};
use harbor_core::selector::{KIND, Of, Selector};

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

/// So many artifacts with a tag each, and fifteen rules.
#[divan::bench(args = [1_000, 10_000, 100_000], sample_count = 10)]
fn retention(bencher: Bencher<'_, '_>, artifacts: i64) {
    let selector = |of, word, pattern: &str| Selector::parse(of, KIND, word, pattern, "").ok();
    let rule = |number: u32| {
        let template = Template::ALL[number as usize % Template::ALL.len()];
        let tags = selector(Of::Tags, "matches", &format!("{{v{number}.*,release-*-{number}}}"));
        let repositories = selector(Of::Repositories, "repoMatches", "**");
        Rule::new(template, Some(number * 100), Vec::from_iter(tags), Vec::from_iter(repositories))
    };
    let rules: Vec<Rule> = (0..15).map(rule).collect();
    let candidate = |number: i64| {
        let at = Timestamp::from_micros((number * 7_919) % artifacts * 1_000_000);
        let tag = format!("v{}.{number}", number % 20).parse();
        tag.map(|tag| Candidate::new(at, Some(at)).tag(tag, at, None)).ok()
    };
    let candidates: Vec<Candidate> = (0..artifacts).filter_map(candidate).collect();
    bencher.counter(divan::counter::ItemsCount::new(candidates.len())).bench(|| {
        let now = Timestamp::from_micros(artifacts * 1_000_000);
        let mut evaluation = Evaluation::new(rules.iter().enumerate(), By::Artifact, now);
        candidates.iter().for_each(|candidate| evaluation.add(black_box(candidate)));
        evaluation.finish()
    });
}

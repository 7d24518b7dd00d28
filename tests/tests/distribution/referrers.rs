//! end-12: what refers to a manifest.

use harbor_core::oci::{Algorithm, Digest, MediaType};
use harbor_tests::content::{self, ALGORITHMS, CONFIG, DataSet, Maker, Piece};
use harbor_tests::{Answer, TestRegistry};
use serde_json::{Value, json};

use super::{REPO, REPO2};

super::on_every_store! {
    nothing_refers_to_what_is_unknown;
    a_digest_that_is_none_is_refused;
    referrers_are_described;
    the_type_of_an_image_is_its_configs;
    referrers_are_filtered_by_type;
    referrers_may_come_before_their_subject;
    referrers_stay_when_their_subject_goes;
    a_deleted_referrer_is_gone;
    referrers_are_of_their_repository;
    a_long_list_has_pages;
    the_referrers_tag_is_listed_too;
    an_index_refers_too;
}

const SBOM: &str = "application/vnd.example.sbom.v1";
const SIGNATURE: &str = "application/vnd.example.signature.v1";

fn path(subject: &Digest) -> String {
    format!("/v2/{REPO}/referrers/{subject}")
}

fn manifests(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.need("Content-Type"), MediaType::OCI_INDEX);
    let body = answer.json();
    assert_eq!((&body["schemaVersion"], &body["mediaType"]), (&json!(2), &json!(MediaType::OCI_INDEX)));
    body["manifests"].as_array().expect("a list").clone()
}

fn digests(answer: &Answer) -> Vec<String> {
    let mut digests: Vec<String> =
        manifests(answer).iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect();
    digests.sort();
    digests
}

fn sorted<'a>(sets: impl IntoIterator<Item = &'a DataSet>) -> Vec<String> {
    let mut digests: Vec<String> = sets.into_iter().map(|set| set.top().digest.to_string()).collect();
    digests.sort();
    digests
}

async fn nothing_refers_to_what_is_unknown(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let subject = Piece::blob(algorithm, 9).digest;
        assert!(manifests(&registry.anon().get(&path(&subject)).await).is_empty(), "no such repository");
    }
    let image = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, None, &image).await;
    assert!(manifests(&registry.anon().get(&path(&image.top().digest)).await).is_empty());
}

async fn a_digest_that_is_none_is_refused(registry: &TestRegistry) {
    for digest in ["sha256:short", "latest", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        let target = format!("/v2/{REPO}/referrers/{digest}");
        registry.anon().get(&target).await.expect_error(400, "DIGEST_INVALID");
    }
}

async fn referrers_are_described(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let image = content::image(algorithm);
        registry.admin().push(REPO, None, &image).await;
        let artifact = Maker::artifact(algorithm, SBOM).subject(image.top());
        let artifact = artifact.annotation("org.example.key", "value \"quoted\" \u{1f980}").done();
        registry.admin().push(REPO, None, &artifact).await;
        let listed = manifests(&registry.anon().get(&path(&image.top().digest)).await);
        let mut expected = artifact.top().descriptor();
        expected["artifactType"] = SBOM.into();
        expected["annotations"] = json!({ "org.example.key": "value \"quoted\" \u{1f980}" });
        assert_eq!(listed, [expected]);
    }
}

async fn the_type_of_an_image_is_its_configs(registry: &TestRegistry) {
    let subject = content::image(Algorithm::Sha256);
    let image = Maker::image(Algorithm::Sha256).layers(1).subject(subject.top()).done();
    registry.admin().push(REPO, None, &subject).await;
    registry.admin().push(REPO, None, &image).await;
    let listed = manifests(&registry.anon().get(&path(&subject.top().digest)).await);
    assert_eq!(listed[0]["artifactType"], CONFIG);
}

async fn referrers_are_filtered_by_type(registry: &TestRegistry) {
    let subject = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, None, &subject).await;
    let make = |kind: &str| Maker::artifact(Algorithm::Sha256, kind).subject(subject.top()).done();
    let sets = [make(SBOM), make(SBOM), make(SIGNATURE)];
    for set in &sets {
        registry.admin().push(REPO, None, set).await;
    }
    let all = registry.anon().get(&path(&subject.top().digest)).await;
    assert_eq!(digests(&all), sorted(&sets));
    assert_eq!(all.header("OCI-Filters-Applied"), None);
    for (kind, expected) in [(SBOM, &sets[..2]), (SIGNATURE, &sets[2..]), ("application/vnd.none", &[])] {
        let answer = registry.anon().get(&path(&subject.top().digest)).query("artifactType", kind).await;
        assert_eq!(digests(&answer), sorted(expected), "{kind}");
        assert_eq!(answer.need("OCI-Filters-Applied"), "artifactType");
    }
}

async fn referrers_may_come_before_their_subject(registry: &TestRegistry) {
    let subject = content::image(Algorithm::Sha256);
    let artifact = Maker::artifact(Algorithm::Sha256, SBOM).subject(subject.top()).done();
    for blob in &artifact.blobs {
        registry.admin().push_blob(REPO, blob).await;
    }
    let put = registry.admin().push_manifest(REPO, artifact.top().digest, artifact.top());
    assert_eq!(put.await.expect_status(201).need("OCI-Subject"), subject.top().digest.to_string());
    let listed = registry.anon().get(&path(&subject.top().digest)).await;
    assert_eq!(digests(&listed), sorted([&artifact]));
    registry.admin().push(REPO, None, &subject).await;
    let listed = registry.anon().get(&path(&subject.top().digest)).await;
    assert_eq!(digests(&listed), sorted([&artifact]));
}

async fn referrers_stay_when_their_subject_goes(registry: &TestRegistry) {
    let subject = content::image(Algorithm::Sha256);
    let artifact = Maker::artifact(Algorithm::Sha256, SBOM).subject(subject.top()).done();
    registry.admin().push(REPO, None, &subject).await;
    registry.admin().push(REPO, None, &artifact).await;
    let manifest = format!("/v2/{REPO}/manifests/{}", subject.top().digest);
    registry.admin().delete(&manifest).await.expect_status(202);
    let listed = registry.anon().get(&path(&subject.top().digest)).await;
    assert_eq!(digests(&listed), sorted([&artifact]));
}

async fn a_deleted_referrer_is_gone(registry: &TestRegistry) {
    let subject = content::image(Algorithm::Sha256);
    let artifact = Maker::artifact(Algorithm::Sha256, SBOM).subject(subject.top()).done();
    registry.admin().push(REPO, None, &subject).await;
    registry.admin().push(REPO, None, &artifact).await;
    let manifest = format!("/v2/{REPO}/manifests/{}", artifact.top().digest);
    registry.admin().delete(&manifest).await.expect_status(202);
    assert!(manifests(&registry.anon().get(&path(&subject.top().digest)).await).is_empty());
}

async fn referrers_are_of_their_repository(registry: &TestRegistry) {
    let subject = content::image(Algorithm::Sha256);
    let artifact = Maker::artifact(Algorithm::Sha256, SBOM).subject(subject.top()).done();
    registry.admin().push(REPO, None, &subject).await;
    registry.admin().push(REPO2, None, &artifact).await;
    assert!(manifests(&registry.anon().get(&path(&subject.top().digest)).await).is_empty());
}

async fn a_long_list_has_pages(registry: &TestRegistry) {
    let subject = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, None, &subject).await;
    // A page is cut by bytes, so that a client that takes 4 MiB can read it.
    let text = "x".repeat(900_000);
    let make = |kind: &str, number: usize| {
        let artifact = Maker::artifact(Algorithm::Sha256, kind).subject(subject.top());
        artifact.annotation("text", &text).annotation("number", &number.to_string()).done()
    };
    let sets: Vec<DataSet> =
        (0..6).map(|number| make(if number % 2 == 0 { SBOM } else { SIGNATURE }, number)).collect();
    for set in &sets {
        registry.admin().push(REPO, None, set).await;
    }
    for (kind, expected) in [(None, sorted(&sets)), (Some(SBOM), sorted(sets.iter().step_by(2)))] {
        let mut seen = Vec::new();
        let mut pages = 0;
        let mut at = Some(match kind {
            Some(kind) => format!("{}?artifactType={kind}", path(&subject.top().digest)),
            None => path(&subject.top().digest),
        });
        while let Some(target) = at {
            let answer = registry.anon().get(&target).await;
            assert!(answer.body.len() < 4 * 1024 * 1024);
            assert_eq!(answer.header("OCI-Filters-Applied").is_some(), kind.is_some());
            seen.extend(digests(&answer));
            at = answer.next();
            pages += 1;
        }
        seen.sort();
        assert!(pages > 1, "{pages}");
        assert_eq!(seen, expected, "each once");
    }
}

async fn the_referrers_tag_is_listed_too(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let subject = content::image(algorithm);
        let named = Maker::artifact(algorithm, SBOM).subject(subject.top()).done();
        let listed = Maker::artifact(algorithm, SIGNATURE).done();
        for set in [&subject, &named, &listed] {
            registry.admin().push(REPO, None, set).await;
        }
        // What a client that knows no referrers API keeps: both, whether they name their subject or not.
        let entry = |set: &DataSet, kind: &str| {
            let mut descriptor = set.top().descriptor();
            descriptor["artifactType"] = kind.into();
            descriptor
        };
        let index = Maker::index(Algorithm::Sha256)
            .absent_entry(entry(&named, SBOM))
            .absent_entry(entry(&listed, SIGNATURE))
            .done();
        let digest = subject.top().digest;
        let tag: String = format!("{}-{:.64}", digest.algorithm(), digest.hex());
        registry.admin().push_manifest(REPO, &tag, index.top()).await.expect_status(201);
        assert_eq!(digests(&registry.anon().get(&path(&digest)).await), sorted([&named, &listed]));
        let signatures = registry.anon().get(&path(&digest)).query("artifactType", SIGNATURE).await;
        assert_eq!(digests(&signatures), sorted([&listed]));
    }
}

async fn an_index_refers_too(registry: &TestRegistry) {
    let subject = content::index(Algorithm::Sha256);
    let typed = Maker::index(Algorithm::Sha256).member("artifactType", SBOM).subject(subject.top()).done();
    let plain = Maker::index(Algorithm::Sha256).subject(subject.top()).annotation("seed", "1").done();
    for set in [&subject, &typed, &plain] {
        registry.admin().push(REPO, None, set).await;
    }
    let answer = registry.anon().get(&path(&subject.top().digest)).await;
    assert_eq!(digests(&answer), sorted([&typed, &plain]));
    for entry in manifests(&answer) {
        assert_eq!(entry["mediaType"], MediaType::OCI_INDEX);
        let is_typed = entry["digest"] == typed.top().digest.to_string();
        assert_eq!(entry["artifactType"], if is_typed { json!(SBOM) } else { Value::Null });
    }
}

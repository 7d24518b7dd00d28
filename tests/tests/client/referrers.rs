//! Referrers: end-12, and the lists that clients keep by tag.

use std::collections::HashMap;
use std::sync::Mutex;

use harbor_core::oci::{Algorithm, Digest, MediaType, Tag};
use harbor_replicate::client::{Credential, Error, Repository};
use harbor_tests::TestRegistry;
use harbor_tests::content::{self, DataSet, Maker};

use super::double::{Came, Double, Reply};
use super::{REPO, at, by, media_type, push, repository};

const SBOM: &str = "application/vnd.example.sbom";
const SIGNATURE: &str = "application/vnd.example.signature";

fn referrer(kind: &str, subject: &DataSet) -> DataSet {
    Maker::artifact(Algorithm::Sha256, kind).subject(subject.top()).annotation("a", kind).done()
}

async fn listed(app: &Repository, subject: &DataSet, kind: Option<&str>) -> Vec<Digest> {
    let listed = app.referrers(&subject.top().digest, kind).all().await.unwrap();
    listed.iter().map(|entry| entry.digest).collect()
}

#[tokio::test]
async fn the_registry_lists_what_refers() {
    let registry = TestRegistry::in_memory().await;
    let (app, subject) = (repository(&registry), content::image(Algorithm::Sha256));
    push(&app, "a", &subject).await;
    assert_eq!(listed(&app, &subject, None).await, []);
    let (sbom, signature) = (referrer(SBOM, &subject), referrer(SIGNATURE, &subject));
    for set in [&sbom, &signature] {
        for blob in &set.blobs {
            app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
        }
        let top = set.top();
        let put = app.manifest_put(&by(top.digest), &media_type(top), top.bytes.clone()).await.unwrap();
        assert_eq!(put.subject, Some(subject.top().digest));
    }
    let mut both = vec![sbom.top().digest, signature.top().digest];
    let mut all = listed(&app, &subject, None).await;
    both.sort();
    all.sort();
    assert_eq!(all, both);
    assert_eq!(listed(&app, &subject, Some(SBOM)).await, [sbom.top().digest]);
    assert_eq!(listed(&app, &subject, Some("application/none")).await, []);
    // The registry has understood, so no tag was made.
    let tags = app.tags(None).all().await.unwrap();
    assert_eq!(tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["a"]);
    registry.close().await;
}

/// A registry that knows manifests and no referrers.
async fn old() -> (Double, Repository) {
    let kept: Mutex<HashMap<String, (String, Vec<u8>)>> = Mutex::default();
    let double = Double::start(move |came: &Came| {
        let path = came.path().to_owned();
        if !path.contains("/manifests/") {
            return Reply::status(404).with("404 page not found");
        }
        match came.method.as_str() {
            "PUT" => {
                let kind = came.header("content-type").unwrap().to_owned();
                kept.lock().unwrap().insert(path, (kind, came.body.clone()));
                Reply::status(201)
            }
            _ => match kept.lock().unwrap().get(&path) {
                Some((kind, body)) => Reply::body(body.clone()).header("Content-Type", kind),
                None => Reply::error(404, "MANIFEST_UNKNOWN"),
            },
        }
    })
    .await;
    let app = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    (double, app)
}

#[tokio::test]
async fn where_the_registry_has_no_list_clients_keep_one() {
    let (_double, app) = old().await;
    let subject = content::image(Algorithm::Sha256);
    assert_eq!(listed(&app, &subject, None).await, []);
    let (sbom, signature) = (referrer(SBOM, &subject), referrer(SIGNATURE, &subject));
    for set in [&sbom, &signature, &sbom] {
        let top = set.top();
        let put = app.manifest_put(&by(top.digest), &media_type(top), top.bytes.clone()).await.unwrap();
        assert_eq!(put.subject, None);
    }
    assert_eq!(listed(&app, &subject, None).await, [sbom.top().digest, signature.top().digest]);
    assert_eq!(listed(&app, &subject, Some(SIGNATURE)).await, [signature.top().digest]);
    let entries = app.referrers(&subject.top().digest, Some(SBOM)).all().await.unwrap();
    assert_eq!(entries[0].size, sbom.top().bytes.len() as u64);
    assert_eq!(entries[0].annotations["a"], SBOM);
    // The list is an index under the tag that the specification names.
    let tag = super::tag(Tag::of_referrers(&subject.top().digest).as_str());
    assert_eq!(app.manifest(&tag).await.unwrap().media_type.as_str(), MediaType::OCI_INDEX);
}

#[tokio::test]
async fn what_goes_wrong_is_not_an_empty_list() {
    let subject = content::image(Algorithm::Sha256);
    for (api, by_tag) in [
        (Reply::error(403, "DENIED"), Reply::error(404, "MANIFEST_UNKNOWN")),
        (Reply::error(404, "NAME_UNKNOWN"), Reply::error(403, "DENIED")),
        (Reply::error(404, "NAME_UNKNOWN"), Reply::body("[").header("Content-Type", MediaType::OCI_INDEX)),
        (Reply::body("<html>"), Reply::error(404, "MANIFEST_UNKNOWN")),
    ] {
        let double =
            Double::start(
                move |came| {
                    if came.path().contains("/referrers/") { api.clone() } else { by_tag.clone() }
                },
            )
            .await;
        let app = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
        let outcome = app.referrers(&subject.top().digest, None).all().await;
        assert!(matches!(outcome, Err(Error::Refused(_) | Error::BadAnswer { .. })), "{outcome:?}");
    }
}

fn index(entries: &[serde_json::Value]) -> Reply {
    let body =
        serde_json::json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": entries});
    Reply::body(body.to_string()).header("Content-Type", MediaType::OCI_INDEX)
}

#[tokio::test]
async fn pages_and_filters() {
    let subject = content::image(Algorithm::Sha256);
    let (sbom, signature) = (referrer(SBOM, &subject), referrer(SIGNATURE, &subject));
    let entry = |set: &DataSet, kind: Option<&str>| {
        let mut entry = set.top().descriptor();
        if let Some(kind) = kind {
            entry["artifactType"] = kind.into();
        }
        entry
    };
    let typed = [entry(&sbom, Some(SBOM)), entry(&signature, Some(SIGNATURE))];
    let untyped = entry(&sbom, None);
    let double = Double::start(move |came| match came.query("page").first().map(String::as_str) {
        None => index(&typed[..1]).header("Link", "<?page=2>; rel=next"),
        Some("2") => index(&typed[1..]).header("Link", "<?page=3>; rel=next"),
        // Left out what is of another type, although its entries do not tell.
        _ => index(std::slice::from_ref(&untyped)).header("OCI-Filters-Applied", "artifactType"),
    })
    .await;
    let app = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    let (one, two) = (sbom.top().digest, signature.top().digest);
    assert_eq!(listed(&app, &subject, None).await, [one, two, one]);
    assert_eq!(listed(&app, &subject, Some(SIGNATURE)).await, [two, one]);
    assert_eq!(double.came()[3].query("artifactType"), [SIGNATURE]);
}

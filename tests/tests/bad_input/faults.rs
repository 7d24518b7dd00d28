//! Stores that fail: the client is told so, and nothing else.

use std::sync::Arc;

use harbor_core::StoreErrorKind;
use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, DataSet, Piece};
use harbor_tests::faults::{CANARY, FailingBlobs, FailingMetadata, Switch};
use harbor_tests::{Answer, BackEnd, TestRegistry};

use super::REPO;

const KINDS: [(StoreErrorKind, &[u16]); 6] = [
    (StoreErrorKind::Other, &[500]),
    (StoreErrorKind::Corrupt, &[500]),
    (StoreErrorKind::TooNew, &[500]),
    (StoreErrorKind::NotFound, &[500]),
    (StoreErrorKind::Unavailable, &[503]),
    (StoreErrorKind::Full, &[507]),
];

/// Fails unless the answer is one of these and tells nothing but the request's number.
#[track_caller]
fn is_silent(answer: &Answer, statuses: &[u16]) {
    assert!(statuses.contains(&answer.status), "{answer}");
    let text = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
    for secret in [CANARY, "canary", "password", "/var/lib", "src/", "panicked", "StoreError"] {
        assert!(!text.contains(secret), "{secret} in {answer}");
    }
    assert_eq!(answer.codes(), ["UNKNOWN"]);
    assert!(text.contains(answer.need("X-Request-Id")), "{answer}");
    assert_eq!(answer.status == 503, answer.header("Retry-After").is_some(), "{answer}");
}

/// Everything that asks a store.
async fn ask(
    registry: &TestRegistry,
    set: &DataSet,
    [at, given_up]: [&str; 2],
    of_metadata: bool,
) -> Vec<Answer> {
    let admin = registry.admin();
    let blob = Piece::blob(Algorithm::Sha256, 100);
    let mut answers = vec![
        admin
            .post(&format!("/v2/{REPO}/blobs/uploads/?digest={}", blob.digest))
            .body(blob.bytes.clone())
            .await,
        admin.patch(at).body("more").await,
        admin.put(at).query("digest", blob.digest).body(blob.bytes.clone()).await,
    ];
    if of_metadata {
        answers.push(admin.delete(given_up).await);
        let other = "library/other";
        answers.extend([
            admin.post(&format!("/v2/{REPO}/blobs/uploads/")).await,
            admin.get(at).await,
            admin.get(&format!("/v2/{other}/blobs/{}", blob.digest)).await,
            admin.get(&format!("/v2/{other}/manifests/latest")).await,
            admin.get(&format!("/v2/{other}/manifests/{}", set.top().digest)).await,
            admin.get(&format!("/v2/{other}/tags/list")).await,
            admin.get(&format!("/v2/{other}/referrers/{}", set.top().digest)).await,
            admin.get("/v2/_catalog").await,
            admin.get("/v2/unknown/app/tags/list").await,
            admin.push_manifest(REPO, "latest", set.top()).await,
            admin.delete(&format!("/v2/{REPO}/manifests/{}", set.top().digest)).await,
            admin.delete(&format!("/v2/{REPO}/manifests/latest")).await,
            admin.delete(&format!("/v2/{REPO}/blobs/{}", set.blobs[0].digest)).await,
            admin.post(&format!("/v2/{REPO}/blobs/uploads/?mount={}", blob.digest)).await,
        ]);
    } else {
        // A layer: what describes an artifact was read when it was pushed, and may be remembered.
        answers.push(admin.get(&format!("/v2/{REPO}/blobs/{}", set.blobs[1].digest)).await);
    }
    answers
}

#[tokio::test]
async fn a_blob_store_that_fails_tells_clients_nothing() {
    for (kind, statuses) in KINDS {
        let switch = Switch::new(kind);
        let of_store = switch.clone();
        let builder = TestRegistry::builder(BackEnd::Memory)
            .wrap_blobs(move |inner| Arc::new(FailingBlobs { inner, switch: of_store }));
        let registry = builder.start().await;
        let set = content::image(Algorithm::Sha256);
        registry.admin().push(REPO, Some("latest"), &set).await;
        let (at, given_up) = (registry.admin().begin(REPO).await, registry.admin().begin(REPO).await);
        registry.admin().patch(&at).body("begun").await.expect_status(202);
        switch.set(true);
        for answer in ask(&registry, &set, [&at, &given_up], false).await {
            is_silent(&answer, statuses);
        }
        // What the blob store is not needed for works on. Bytes of a cancelled upload are left to expire.
        registry.admin().delete(&given_up).await.expect_status(204);
        registry.anon().get(&format!("/v2/{REPO}/manifests/latest")).await.expect_status(200);
        registry.anon().head(&format!("/v2/{REPO}/blobs/{}", set.blobs[0].digest)).await.expect_status(200);
        switch.set(false);
        registry.anon().get(&format!("/v2/{REPO}/blobs/{}", set.blobs[0].digest)).await.expect_status(200);
        assert_eq!(
            registry.admin().get(&at).await.expect_status(204).need("Range"),
            "0-4",
            "nothing was lost"
        );
    }
}

#[tokio::test]
async fn a_metadata_store_that_fails_tells_clients_nothing() {
    for (kind, statuses) in KINDS {
        let switch = Switch::new(kind);
        let of_store = switch.clone();
        let builder = TestRegistry::builder(BackEnd::Memory)
            .wrap_metadata(move |inner| Arc::new(FailingMetadata { inner, switch: of_store }));
        let registry = builder.start().await;
        let set = content::image(Algorithm::Sha256);
        registry.admin().push(REPO, Some("latest"), &set).await;
        let (at, given_up) = (registry.admin().begin(REPO).await, registry.admin().begin(REPO).await);
        registry.admin().patch(&at).body("begun").await.expect_status(202);
        switch.set(true);
        for answer in ask(&registry, &set, [&at, &given_up], true).await {
            is_silent(&answer, statuses);
        }
        switch.set(false);
        assert_eq!(
            registry.admin().get(&at).await.expect_status(204).need("Range"),
            "0-4",
            "nothing was lost"
        );
        registry.anon().get(&format!("/v2/{REPO}/manifests/latest")).await.expect_status(200);
    }
}

#[tokio::test]
async fn a_writer_that_another_one_put_out_of_work_is_told_so() {
    let switch = Switch::new(StoreErrorKind::Conflict);
    let of_store = switch.clone();
    let builder = TestRegistry::builder(BackEnd::Memory)
        .wrap_blobs(move |inner| Arc::new(FailingBlobs { inner, switch: of_store }));
    let registry = builder.start().await;
    let (admin, blob) = (registry.admin(), Piece::blob(Algorithm::Sha256, 100));
    let at = admin.begin(REPO).await;
    switch.set(true);
    for call in [admin.patch(&at), admin.put(&at).query("digest", blob.digest)] {
        let answer = call.body(blob.bytes.clone()).await.expect_error(409, "BLOB_UPLOAD_INVALID");
        assert_eq!(answer.need("Retry-After"), "1");
    }
    switch.set(false);
    let put = admin.put(&at).query("digest", blob.digest).body(blob.bytes.clone());
    put.await.expect_status(201);
}

#[tokio::test]
async fn health_tells_which_part_is_ill_and_not_why() {
    let switch = Switch::new(StoreErrorKind::Unavailable);
    let of_store = switch.clone();
    let builder = TestRegistry::builder(BackEnd::Memory)
        .wrap_blobs(move |inner| Arc::new(FailingBlobs { inner, switch: of_store }));
    let registry = builder.start().await;
    for ill in [false, true] {
        switch.set(ill);
        // An answer is good for a moment, so the new state shows soon, not at once.
        let shown = tokio::time::timeout(std::time::Duration::from_secs(10), async {
            loop {
                let answer = registry.anon().get("/api/v2.0/health").await.expect_status(200);
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                assert!(!text.contains(CANARY), "{answer}");
                if answer.json()["status"] == if ill { "unhealthy" } else { "healthy" } {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        });
        shown.await.expect("the state shows");
    }
    registry.anon().get("/api/v2.0/ping").await.expect_status(200);
}

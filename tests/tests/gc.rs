//! Garbage collection over HTTP: what it must keep, and what it must not.

use std::time::Duration;

use harbor_core::Clock;
use harbor_core::oci::Algorithm;
use harbor_tests::content;
use harbor_tests::{BackEnd, TestRegistry};

const REPO: &str = "library/app";
const GRACE: Duration = Duration::from_secs(1000);

async fn registry(clock: &Clock, sparse: bool) -> TestRegistry {
    let change = move |settings: &mut harbor_core::Settings| {
        settings.gc_grace = GRACE;
        // Only the tests collect.
        settings.gc_interval = Duration::from_secs(3600);
        settings.sparse_manifests = sparse;
    };
    TestRegistry::builder(BackEnd::Memory).clock(clock.clone()).settings(change).start().await
}

#[tokio::test]
async fn what_a_client_was_told_is_here_stays_also_after_its_manifest_went() {
    let clock = Clock::manual();
    let registry = registry(&clock, false).await;
    let (admin, set) = (registry.admin(), content::image(Algorithm::Sha256));
    admin.push(REPO, Some("latest"), &set).await;
    clock.advance(GRACE * 2);
    registry.collect_garbage().await;
    let blob = format!("/v2/{REPO}/blobs/{}", set.blobs[0].digest);
    admin.head(&blob).await.expect_status(200);

    admin.delete(&format!("/v2/{REPO}/manifests/{}", set.top().digest)).await.expect_status(202);
    clock.advance(GRACE * 9 / 10);
    for piece in &set.blobs {
        admin.head(&format!("/v2/{REPO}/blobs/{}", piece.digest)).await.expect_status(200);
    }
    clock.advance(GRACE * 3 / 10);
    registry.collect_garbage().await;
    admin.head(&blob).await.expect_status(200);
    admin.push_manifest(REPO, "again", set.top()).await.expect_status(201);
}

#[tokio::test]
async fn what_nothing_refers_to_goes_after_the_grace_period() {
    let clock = Clock::manual();
    let registry = registry(&clock, false).await;
    let (admin, set) = (registry.admin(), content::image(Algorithm::Sha256));
    admin.push(REPO, Some("latest"), &set).await;
    admin.delete(&format!("/v2/{REPO}/manifests/{}", set.top().digest)).await.expect_status(202);
    clock.advance(GRACE - Duration::from_secs(1));
    assert_eq!(registry.collect_garbage().await.blobs, 0);
    clock.advance(Duration::from_secs(2));
    let report = registry.collect_garbage().await;
    assert_eq!((report.links, report.blobs), (set.blobs.len() as u64, set.blobs.len() as u64));
    admin.head(&format!("/v2/{REPO}/blobs/{}", set.blobs[0].digest)).await.expect_status(404);
    assert_eq!(registry.collect_garbage().await.reviewed, 0, "nothing is left to look at");
}

#[tokio::test]
async fn blobs_that_came_after_a_sparse_manifest_stay_with_it_and_go_with_it() {
    let clock = Clock::manual();
    let registry = registry(&clock, true).await;
    let (admin, set) = (registry.admin(), content::image(Algorithm::Sha256));
    admin.push_manifest(REPO, "sparse", set.top()).await.expect_status(201);
    for piece in &set.blobs {
        let path = format!("/v2/{REPO}/blobs/uploads/?digest={}", piece.digest);
        admin.post(&path).body(piece.bytes.clone()).await.expect_status(201);
    }
    clock.advance(GRACE * 2);
    assert_eq!(registry.collect_garbage().await.blobs, 0, "the manifest refers to them");
    admin.delete(&format!("/v2/{REPO}/manifests/{}", set.top().digest)).await.expect_status(202);
    clock.advance(GRACE * 2);
    assert_eq!(registry.collect_garbage().await.blobs, set.blobs.len() as u64);
}

#[tokio::test]
async fn a_long_last_is_read_as_far_as_names_go() {
    let registry = TestRegistry::in_memory().await;
    let set = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, Some("latest"), &set).await;
    let list = async |last: String| {
        let answer = registry.admin().get(&format!("/v2/{REPO}/tags/list?last={last}")).await;
        answer.expect_status(200).json()["tags"].clone()
    };
    assert_eq!(list("a".repeat(20_000)).await, serde_json::json!(["latest"]));
    assert_eq!(list("z".repeat(20_000)).await, serde_json::json!([]));
}

//! Query parameters.

use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, Piece};
use harbor_tests::{BackEnd, TestRegistry};

use super::{DIGEST, REPO};

on_stores!(strange_parameters_are_ignored_or_refused);

async fn strange_parameters_are_ignored_or_refused(stores: BackEnd) {
    let registry = TestRegistry::start(stores).await;
    registry.admin().push(REPO, Some("latest"), &content::image(Algorithm::Sha256)).await;
    for (query, status) in [
        ("", 200),
        ("&&&", 200),
        ("unknown=1", 200),
        ("ns=docker.io", 200),
        ("n", 400),
        ("n=1&n=x", 200),
        ("n=x&n=1", 400),
        ("n=%31", 200),
        ("n=0x10", 400),
        ("n=+1", 400),
        ("n=1%00", 400),
        ("n=%ff", 400),
        ("last=%00", 200),
        ("last=%ff%fe", 200),
        ("last=%27%20OR%20%271%27=%271", 200),
        ("last=%25", 200),
        ("last=latest", 200),
    ] {
        let answer = registry.admin().get(&format!("/v2/{REPO}/tags/list?{query}")).await;
        assert_eq!(answer.status, status, "{query}: {answer}");
    }
    // A quote in `last` is a text like any other: what follows it in order is listed, and nothing more.
    let answer = registry.admin().get(&format!("/v2/{REPO}/tags/list?last=z%27%20OR%20%271%27=%271")).await;
    assert_eq!(answer.json()["tags"], serde_json::json!([]));
}

on_stores!(a_page_of_referrers_comes_from_a_link);

async fn a_page_of_referrers_comes_from_a_link(stores: BackEnd) {
    let registry = TestRegistry::start(stores).await;
    // Without a repository nobody asks the store.
    registry.admin().push(REPO, None, &content::image(Algorithm::Sha256)).await;
    let target = format!("/v2/{REPO}/referrers/{DIGEST}");
    for after in ["", "x", "-", "1.5", "99999999999999999999", "1;x"] {
        registry.admin().get(&target).query("after", after).await.expect_error(400, "UNSUPPORTED");
    }
    for after in ["0", "-1", "9223372036854775807"] {
        registry.admin().get(&target).query("after", after).await.expect_status(200);
    }
    for kind in ["", "'", "%", "a/b", "\u{1f980}", "a/\u{e9}", "a/b\0", &"x".repeat(10_000)] {
        registry.admin().get(&target).query("artifactType", kind).await.expect_status(200);
    }
}

#[tokio::test]
async fn the_first_of_two_digests_counts() {
    let registry = TestRegistry::in_memory().await;
    let (blob, other) = (Piece::blob(Algorithm::Sha256, 10), Piece::blob(Algorithm::Sha256, 10));
    let call = |first: &Piece, second: &Piece| {
        let call = registry.admin().post(&format!("/v2/{REPO}/blobs/uploads/"));
        call.query("digest", first.digest).query("digest", second.digest).body(blob.bytes.clone())
    };
    call(&other, &blob).await.expect_error(400, "DIGEST_INVALID");
    assert_eq!(call(&blob, &other).await.expect_status(201).digest(), blob.digest);
    for missing in [&other] {
        let path = format!("/v2/{REPO}/blobs/{}", missing.digest);
        registry.admin().get(&path).await.expect_error(404, "BLOB_UNKNOWN");
    }
}

#[tokio::test]
async fn too_many_tags_at_once_are_refused() {
    let registry = TestRegistry::in_memory().await;
    let set = content::image(Algorithm::Sha256);
    registry.admin().push(REPO, None, &set).await;
    let call = registry.admin().push_manifest(REPO, set.top().digest, set.top());
    let call = (0..101).fold(call, |call, number| call.query("tag", format!("v{number}")));
    call.await.expect_error(400, "UNSUPPORTED");
}

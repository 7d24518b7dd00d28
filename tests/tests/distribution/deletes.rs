//! end-9 and end-10: deleting tags, manifests and blobs.

use std::time::Duration;

use harbor_core::Clock;
use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, ALGORITHMS, Piece};
use harbor_tests::{RegistryBuilder, TestRegistry};
use serde_json::json;

use super::{REPO, REPO2};

super::on_every_store! {
    deleting_a_tag_keeps_its_manifest;
    deleting_a_manifest_takes_its_tags;
    deleting_a_manifest_keeps_its_blobs_for_a_while with manual_clock;
    a_blob_that_a_manifest_needs_is_not_deleted;
    a_deleted_blob_can_be_pushed_again;
    what_was_deleted_can_be_pushed_again;
    deleting_twice_finds_nothing;
    a_blob_without_a_manifest_goes_after_the_grace with manual_clock;
    an_abandoned_upload_goes_after_its_time with manual_clock;
}

fn manual_clock(builder: RegistryBuilder) -> RegistryBuilder {
    builder.clock(Clock::manual())
}

fn manifest(reference: impl std::fmt::Display) -> String {
    format!("/v2/{REPO}/manifests/{reference}")
}

fn blob(piece: &Piece) -> String {
    format!("/v2/{REPO}/blobs/{}", piece.digest)
}

async fn deleting_a_tag_keeps_its_manifest(registry: &TestRegistry) {
    let (admin, set) = (registry.admin(), content::image(Algorithm::Sha256));
    admin.push(REPO, Some("one"), &set).await;
    admin.push(REPO, Some("two"), &set).await;
    admin.delete(&manifest("one")).await.expect_status(202);
    admin.get(&manifest("one")).await.expect_error(404, "MANIFEST_UNKNOWN");
    for reference in ["two".to_owned(), set.top().digest.to_string()] {
        assert_eq!(admin.get(&manifest(reference)).await.expect_status(200).body, set.top().bytes);
    }
    assert_eq!(admin.get(&format!("/v2/{REPO}/tags/list")).await.json()["tags"], json!(["two"]));
}

async fn deleting_a_manifest_takes_its_tags(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, set, other) = (registry.admin(), content::image(algorithm), content::image(algorithm));
        admin.push(REPO, None, &set).await;
        admin.push(REPO, None, &other).await;
        let tagged =
            admin.push_manifest(REPO, set.top().digest, set.top()).query("tag", "one").query("tag", "two");
        tagged.await.expect_status(201);
        let tagged = admin.push_manifest(REPO, other.top().digest, other.top()).query("tag", "other");
        tagged.await.expect_status(201);
        admin.delete(&manifest(set.top().digest)).await.expect_status(202);
        for reference in ["one".to_owned(), "two".to_owned(), set.top().digest.to_string()] {
            admin.get(&manifest(&reference)).await.expect_error(404, "MANIFEST_UNKNOWN");
            admin.head(&manifest(&reference)).await.expect_status(404);
        }
        assert_eq!(admin.get(&format!("/v2/{REPO}/tags/list")).await.json()["tags"], json!(["other"]));
    }
}

async fn deleting_a_manifest_keeps_its_blobs_for_a_while(registry: &TestRegistry) {
    let (admin, set, other) =
        (registry.admin(), content::image(Algorithm::Sha256), content::image(Algorithm::Sha256));
    admin.push(REPO, None, &set).await;
    admin.push(REPO, None, &other).await;
    let grace = registry.harbor.settings().gc_grace;
    registry.clock.advance(grace * 3);
    registry.collect_garbage().await;
    admin.delete(&manifest(set.top().digest)).await.expect_status(202);
    registry.collect_garbage().await;
    for piece in &set.blobs {
        assert_eq!(admin.get(&blob(piece)).await.expect_status(200).body, piece.bytes);
    }
    registry.clock.advance(grace + Duration::from_secs(1));
    registry.collect_garbage().await;
    for piece in &set.blobs {
        admin.get(&blob(piece)).await.expect_error(404, "BLOB_UNKNOWN");
    }
    for piece in &other.blobs {
        assert_eq!(admin.get(&blob(piece)).await.expect_status(200).body, piece.bytes);
    }
}

async fn a_blob_that_a_manifest_needs_is_not_deleted(registry: &TestRegistry) {
    let (admin, set) = (registry.admin(), content::image(Algorithm::Sha256));
    admin.push(REPO, None, &set).await;
    for piece in &set.blobs {
        admin.delete(&blob(piece)).await.expect_error(409, "DENIED");
        admin.get(&blob(piece)).await.expect_status(200);
    }
    admin.delete(&manifest(set.top().digest)).await.expect_status(202);
    for piece in &set.blobs {
        admin.delete(&blob(piece)).await.expect_status(202);
    }
}

async fn a_deleted_blob_can_be_pushed_again(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, piece) = (registry.admin(), Piece::blob(algorithm, 200_000));
        for _ in 0..3 {
            admin.push_blob(REPO, &piece).await;
            assert_eq!(admin.get(&blob(&piece)).await.expect_status(200).body, piece.bytes);
            admin.delete(&blob(&piece)).await.expect_status(202);
            admin.get(&blob(&piece)).await.expect_error(404, "BLOB_UNKNOWN");
            admin.head(&blob(&piece)).await.expect_status(404);
        }
    }
}

async fn what_was_deleted_can_be_pushed_again(registry: &TestRegistry) {
    let (admin, set) = (registry.admin(), content::index(Algorithm::Sha256));
    for _ in 0..3 {
        admin.push(REPO, Some("latest"), &set).await;
        assert_eq!(admin.get(&manifest("latest")).await.expect_status(200).digest(), set.top().digest);
        for piece in set.manifests.iter().rev() {
            admin.delete(&manifest(piece.digest)).await.expect_status(202);
        }
        admin.get(&manifest("latest")).await.expect_error(404, "MANIFEST_UNKNOWN");
    }
}

async fn deleting_twice_finds_nothing(registry: &TestRegistry) {
    let (admin, set, piece) =
        (registry.admin(), content::image(Algorithm::Sha256), Piece::blob(Algorithm::Sha256, 1));
    admin.push(REPO, Some("tag"), &set).await;
    admin.push_blob(REPO, &piece).await;
    for target in [manifest("tag"), manifest(set.top().digest)] {
        admin.delete(&target).await.expect_status(202);
        admin.delete(&target).await.expect_error(404, "MANIFEST_UNKNOWN");
    }
    admin.delete(&blob(&piece)).await.expect_status(202);
    admin.delete(&blob(&piece)).await.expect_error(404, "BLOB_UNKNOWN");
    for noun in ["manifests", "blobs"] {
        let nowhere = format!("/v2/{REPO2}/{noun}/{}", piece.digest);
        admin.delete(&nowhere).await.expect_error(404, "NAME_UNKNOWN");
    }
}

async fn a_blob_without_a_manifest_goes_after_the_grace(registry: &TestRegistry) {
    let (admin, piece) = (registry.admin(), Piece::blob(Algorithm::Sha256, 100_000));
    admin.push_blob(REPO, &piece).await;
    let grace = registry.harbor.settings().gc_grace;
    registry.clock.advance(grace - Duration::from_secs(1));
    registry.collect_garbage().await;
    admin.get(&blob(&piece)).await.expect_status(200);
    registry.clock.advance(Duration::from_secs(2));
    let report = registry.collect_garbage().await;
    assert_eq!(report.failed, 0, "{report:?}");
    admin.get(&blob(&piece)).await.expect_error(404, "BLOB_UNKNOWN");
}

async fn an_abandoned_upload_goes_after_its_time(registry: &TestRegistry) {
    let admin = registry.admin();
    let at = admin.begin(REPO).await;
    admin.patch(&at).body("some bytes").await.expect_status(202);
    let expiry = registry.harbor.settings().upload_expiry;
    registry.clock.advance(expiry - Duration::from_secs(1));
    registry.collect_garbage().await;
    admin.get(&at).await.expect_status(204);
    registry.clock.advance(Duration::from_secs(2));
    registry.collect_garbage().await;
    admin.get(&at).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

//! Clients that are sent to the object store itself, with a signed address.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use std::time::Duration;

use harbor_core::oci::Algorithm;
use harbor_tests::content::Piece;
use harbor_tests::{BackEnd, TestRegistry};
use url::Url;

/// Blobs up to this size are served by the registry itself.
const SMALL: usize = 64 * 1024;

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: `tests/run --services` prints it"))
}

/// A registry whose blobs are in S3.
async fn served(signed_urls: bool, redirect_for: Option<Duration>) -> TestRegistry {
    let address = format!("s3://{}/{}", setting("HARBOR_TEST_S3_BUCKET"), uuid::Uuid::new_v4());
    let mut address = Url::parse(&address).unwrap();
    address
        .query_pairs_mut()
        .append_pair("endpoint", &setting("HARBOR_TEST_S3_ENDPOINT"))
        .append_pair("region", &setting("HARBOR_TEST_S3_REGION"))
        .append_pair("signed_urls", &signed_urls.to_string());
    let blobs = harbor_storage::blobs::open(address.as_str()).await.unwrap();
    TestRegistry::builder(BackEnd::Memory)
        .wrap_blobs(|_| blobs)
        .settings(|settings| settings.redirect_for = redirect_for)
        .start()
        .await
}

#[tokio::test]
#[ignore = "needs an S3 server"]
async fn large_blobs_are_fetched_from_the_store() {
    let registry = served(true, Some(Duration::from_secs(60))).await;
    let (admin, anon) = (registry.admin(), registry.anon());
    for (length, redirected) in [(0, false), (SMALL, false), (SMALL + 1, true), (10_000_000, true)] {
        let blob = Piece::blob(Algorithm::Sha256, length);
        admin.push_blob("library/app", &blob).await;
        let path = format!("/v2/library/app/blobs/{}", blob.digest);
        let head = anon.head(&path).await.expect_status(200);
        assert_eq!(head.need("Content-Length"), length.to_string());
        let answer = anon.get(&path).await;
        if !redirected {
            assert_eq!(answer.expect_status(200).body, blob.bytes);
            continue;
        }
        let answer = answer.expect_status(307);
        assert_eq!((answer.digest(), answer.body.len()), (blob.digest, 0));
        let address = answer.need("Location");
        assert!(address.starts_with(&setting("HARBOR_TEST_S3_ENDPOINT")), "{address}");
        assert!(address.contains("X-Amz-Signature=") && address.contains("X-Amz-Expires=60"), "{address}");
        // A cache must not keep an address that stops to work, or give it to somebody else.
        let kept = answer.header("Cache-Control").unwrap_or_default();
        assert!(kept.is_empty() || kept.contains("no-store"), "{kept}");
        let served = anon.get(address).await.expect_status(200);
        assert!(served.body == blob.bytes, "the store has the blob's bytes");
        let part = anon.get(address).header("Range", "bytes=10-19").await.expect_status(206);
        assert_eq!(part.body, blob.bytes.slice(10..20));
        // A range is redirected too: the client asks the store for it.
        let part = anon.get(&path).header("Range", "bytes=10-19").await.expect_status(307);
        let part = anon.get(part.need("Location")).header("Range", "bytes=10-19").await.expect_status(206);
        assert_eq!(part.body, blob.bytes.slice(10..20));
    }
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs an S3 server"]
async fn nobody_is_redirected_who_may_not_pull() {
    let registry = served(true, Some(Duration::from_secs(60))).await;
    registry.project("secret", false).await;
    let blob = Piece::blob(Algorithm::Sha256, SMALL * 2);
    registry.admin().push_blob("secret/app", &blob).await;
    let path = format!("/v2/secret/app/blobs/{}", blob.digest);
    registry.anon().get(&path).await.expect_error(401, "UNAUTHORIZED");
    registry.admin().get(&path).await.expect_status(307);
    let absent = Piece::blob(Algorithm::Sha256, SMALL * 2).digest;
    let absent = format!("/v2/secret/app/blobs/{absent}");
    registry.admin().get(&absent).await.expect_error(404, "BLOB_UNKNOWN");
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs an S3 server"]
async fn without_both_settings_the_registry_serves_all() {
    for (signed_urls, redirect_for) in [(true, None), (false, Some(Duration::from_secs(60)))] {
        let registry = served(signed_urls, redirect_for).await;
        let blob = Piece::blob(Algorithm::Sha256, SMALL * 2);
        registry.admin().push_blob("library/app", &blob).await;
        let path = format!("/v2/library/app/blobs/{}", blob.digest);
        assert_eq!(registry.anon().get(&path).await.expect_status(200).body, blob.bytes);
        registry.close().await;
    }
}

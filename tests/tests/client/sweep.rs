//! Wherever it breaks, and whenever it is dropped: what comes of it is whole, or is not there.

use std::time::Duration;

use harbor_core::oci::Algorithm;
use harbor_replicate::client::{CopyOptions, Repository};
use harbor_tests::TestRegistry;
use harbor_tests::content::{DataSet, Maker, Piece};

use super::breaker::{Breaker, Way};
use super::{REPO, admin, at, by, push, repository, tag};

/// An image with a layer that goes in one request, and one that is streamed.
fn image() -> DataSet {
    let (small, large) = (Piece::blob(Algorithm::Sha256, 20_000), Piece::blob(Algorithm::Sha256, 1_000_000));
    Maker::image(Algorithm::Sha256).layer(small).layer(large).done()
}

async fn is_there(app: &Repository, set: &DataSet) {
    assert_eq!(app.manifest(&by(set.top().digest)).await.unwrap().bytes, set.top().bytes);
    for blob in &set.blobs {
        let pulled = app.blob(&blob.digest, Some(blob.bytes.len() as u64)).await.unwrap();
        assert!(pulled.bytes(1_000_000).await.unwrap() == blob.bytes);
    }
}

#[tokio::test]
async fn wherever_a_connection_breaks_everything_arrives() {
    let registry = TestRegistry::in_memory().await;
    let mut broken = 0;
    for way in [Way::Up, Way::Down] {
        for after in [0, 300, 500, 700, 1000, 1500, 2500, 5000, 15_000, 40_000, 300_000, 900_000] {
            for times in [1, 3] {
                let breaker = Breaker::start(registry.address(), way, after, times).await;
                let app = at(breaker.address, admin(&registry)).repository(REPO.parse().unwrap());
                let set = image();
                push(&app, "a", &set).await;
                assert_eq!(app.tags(Some(1)).all().await.unwrap().len(), 1);
                is_there(&app, &set).await;
                assert_eq!(app.manifest(&tag("a")).await.unwrap().digest, set.top().digest);
                broken += times - breaker.left();
            }
        }
    }
    assert!(broken > 40, "it broke {broken} times only");
    registry.close().await;
}

#[tokio::test]
async fn a_copy_that_is_dropped_is_gone_on_with_by_the_next() {
    let (one, other) = (TestRegistry::in_memory().await, TestRegistry::in_memory().await);
    let (from, to) = (repository(&one), repository(&other));
    let (set, latest) = (image(), "latest".parse().unwrap());
    push(&from, "a", &set).await;
    let mut dropped = 0;
    for patience in (0..).map(Duration::from_millis) {
        let (options, name) = (CopyOptions::default(), tag("a"));
        let copy = from.copy_to(&name, &to, Some(&latest), &options);
        if let Ok(copied) = tokio::time::timeout(patience, copy).await {
            copied.unwrap();
            break;
        }
        dropped += 1;
        // Whoever sees the tag sees everything.
        if to.manifest_head(&tag("latest")).await.unwrap().is_some() {
            is_there(&to, &set).await;
        }
    }
    assert!(dropped > 3, "it was dropped {dropped} times only");
    is_there(&to, &set).await;
    one.close().await;
    other.close().await;
}

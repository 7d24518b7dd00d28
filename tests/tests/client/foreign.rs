//! A registry that is not ours: Debian's docker-registry.

use harbor_core::oci::Algorithm;
use harbor_replicate::client::{Credential, PushOptions, Pushed, Repository};
use harbor_tests::content::{self, Maker, Piece};

use super::breaker::{Breaker, Way};
use super::{at, by, media_type, push, tag};

fn address() -> std::net::SocketAddr {
    let address = std::env::var("HARBOR_TEST_DOCKER_REGISTRY");
    let address = address.expect("HARBOR_TEST_DOCKER_REGISTRY: `tests/run --services` prints it");
    address.parse().unwrap()
}

/// A repository of its own for each test.
pub(crate) fn repository() -> Repository {
    let name = format!("client/{}", uuid::Uuid::new_v4());
    at(address(), Credential::Anonymous).repository(name.parse().unwrap())
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn images_go_there_and_come_back() {
    let app = repository();
    app.registry().ping().await.unwrap();
    let set = content::index(Algorithm::Sha256);
    push(&app, "latest", &set).await;
    for manifest in &set.manifests {
        let pulled = app.manifest(&by(manifest.digest)).await.unwrap();
        assert_eq!((pulled.bytes, pulled.media_type), (manifest.bytes.clone(), media_type(manifest)));
    }
    for blob in &set.blobs {
        let pulled = app.blob(&blob.digest, Some(blob.bytes.len() as u64)).await.unwrap();
        assert_eq!(pulled.bytes(10_000).await.unwrap(), blob.bytes);
    }
    let head = app.manifest_head(&tag("latest")).await.unwrap().unwrap();
    assert_eq!(head.digest, Some(set.top().digest));
    assert!(app.registry().catalog(Some(2)).all().await.unwrap().contains(app.name()));
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn blobs_of_all_sizes_by_all_ways() {
    let app = repository();
    for length in [0, 1, 1000, 600_000, 5_000_000] {
        for chunk in [None, Some(1_000_000)] {
            let blob = Piece::blob(Algorithm::Sha256, length);
            let options = PushOptions::default().chunk(chunk);
            app.blob_push(&blob.digest, &blob.bytes, &options).await.unwrap();
            let pulled = app.blob(&blob.digest, Some(length as u64)).await.unwrap();
            assert!(pulled.bytes(length).await.unwrap() == blob.bytes, "{length} {chunk:?}");
        }
    }
    let blob = Piece::blob(Algorithm::Sha256, 100_000);
    app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    let part = app.blob_range(&blob.digest, 10..70_000).await.unwrap().bytes(70_000).await.unwrap();
    assert_eq!(part, blob.bytes.slice(10..70_000));
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn what_breaks_is_taken_up() {
    let blob = Piece::blob(Algorithm::Sha256, 5_000_000);
    let name = repository().name().clone();
    // It loses a session whose request broke: then it is begun anew, so it must not break too often.
    for chunk in [None, Some(1_000_000)] {
        let breaker = Breaker::start(address(), Way::Up, 2_500_000, 2).await;
        let app = at(breaker.address, Credential::Anonymous).repository(name.clone());
        let options = PushOptions::default().chunk(chunk);
        assert_eq!(app.blob_push(&blob.digest, &blob.bytes, &options).await.unwrap(), Pushed::Sent);
        assert_eq!(breaker.left(), 0);
        if chunk.is_none() {
            app.blob_delete(&blob.digest).await.unwrap();
        }
    }
    let breaker = Breaker::start(address(), Way::Down, 400_000, 8).await;
    let app = at(breaker.address, Credential::Anonymous).repository(name);
    let pulled = app.blob(&blob.digest, None).await.unwrap().bytes(5_000_000).await.unwrap();
    assert!(pulled == blob.bytes && breaker.left() == 0);
    assert!(breaker.carried() < 8_000_000, "{}", breaker.carried());
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn mounts_and_sessions() {
    let (app, other) = (repository(), repository());
    let blob = Piece::blob(Algorithm::Sha256, 1000);
    app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    assert!(other.blob_mount(&blob.digest, app.name()).await.unwrap());
    assert!(other.blob_head(&blob.digest).await.unwrap().is_some());
    let absent = Piece::blob(Algorithm::Sha256, 1000);
    assert!(!other.blob_mount(&absent.digest, app.name()).await.unwrap());
    let options = PushOptions::default().mount_from(app.name().clone());
    assert_eq!(other.blob_push(&absent.digest, &absent.bytes, &options).await.unwrap(), Pushed::Sent);
    let upload = app.upload_begin().await.unwrap();
    assert_eq!(app.upload_status(&upload).await.unwrap().unwrap().offset(), 0);
    app.upload_cancel(upload.clone()).await.unwrap();
    assert_eq!(app.upload_status(&upload).await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn tags_and_deletes() {
    let (app, set) = (repository(), content::image(Algorithm::Sha256));
    for number in 0..5 {
        push(&app, &format!("v{number}"), &set).await;
    }
    let tags = app.tags(Some(2)).all().await.unwrap();
    assert_eq!(tags.len(), 5);
    app.manifest_delete(&by(set.top().digest)).await.unwrap();
    assert_eq!(app.manifest_head(&tag("v1")).await.unwrap(), None);
    assert!(app.manifest_delete(&by(set.top().digest)).await.unwrap_err().is_absent());
    app.blob_delete(&set.blobs[0].digest).await.unwrap();
    // It deletes no tags alone, and says so.
    let refused = app.tag_delete(&"v1".parse().unwrap()).await.unwrap_err();
    assert!(refused.status().is_some(), "{refused}");
}

#[tokio::test]
#[ignore = "needs docker-registry"]
async fn referrers_are_kept_by_tag() {
    let (app, subject) = (repository(), content::image(Algorithm::Sha256));
    push(&app, "a", &subject).await;
    let kind = "application/vnd.example.sbom";
    let set = Maker::artifact(Algorithm::Sha256, kind).subject(subject.top()).done();
    for blob in &set.blobs {
        app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    }
    let top = set.top();
    let put = app.manifest_put(&by(top.digest), &media_type(top), top.bytes.clone()).await.unwrap();
    assert_eq!(put.subject, None, "it has no list of referrers");
    let listed = app.referrers(&subject.top().digest, Some(kind)).all().await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.digest).collect::<Vec<_>>(), [top.digest]);
    assert_eq!(app.referrers(&subject.top().digest, Some("application/x")).all().await.unwrap(), []);
}

//! Manifests: end-3, end-7, end-9.

use harbor_core::oci::{Algorithm, Digest, MANIFEST_LIMIT, MediaType};
use harbor_replicate::client::{Credential, Error, Manifest, Repository};
use harbor_tests::TestRegistry;
use harbor_tests::content::{self, ALGORITHMS, DataSet};

use super::double::{Double, Reply};
use super::{REPO, at, by, media_type, push, repository, tag};

#[tokio::test]
async fn what_is_pushed_is_pulled_byte_for_byte() {
    let registry = TestRegistry::in_memory().await;
    let app = repository(&registry);
    for (algorithm, name) in ALGORITHMS.into_iter().zip(["one", "two"]) {
        let set = content::index(algorithm);
        push(&app, name, &set).await;
        for manifest in &set.manifests {
            let pulled = app.manifest(&by(manifest.digest)).await.unwrap();
            assert_eq!((pulled.digest, &pulled.bytes), (manifest.digest, &manifest.bytes));
            assert_eq!(pulled.media_type, media_type(manifest));
            let head = app.manifest_head(&by(manifest.digest)).await.unwrap().unwrap();
            assert_eq!((head.digest, head.size), (Some(manifest.digest), Some(manifest.bytes.len() as u64)));
            assert_eq!(head.media_type, Some(media_type(manifest)));
        }
        let tagged = app.manifest(&tag(name)).await.unwrap();
        assert_eq!(tagged.bytes, set.top().bytes);
        assert_eq!(tagged.view().unwrap().manifests.len(), 2);
    }
    registry.close().await;
}

#[tokio::test]
async fn what_is_not_there_is_absent_and_no_failure() {
    let registry = TestRegistry::in_memory().await;
    let app = repository(&registry);
    assert!(app.manifest(&tag("none")).await.unwrap_err().is_absent());
    assert_eq!(app.manifest_head(&tag("none")).await.unwrap(), None);
    let error = app.manifest(&tag("none")).await.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert!(refusal.request_id.is_some(), "{refusal:?}");
    assert!(refusal.path == format!("/v2/{REPO}/manifests/none") && refusal.method == "GET", "{refusal:?}");
    registry.close().await;
}

#[tokio::test]
async fn tags_and_manifests_are_deleted() {
    let registry = TestRegistry::in_memory().await;
    let (app, set) = (repository(&registry), content::image(Algorithm::Sha256));
    push(&app, "a", &set).await;
    push(&app, "b", &set).await;
    app.tag_delete(&"a".parse().unwrap()).await.unwrap();
    assert_eq!(app.manifest_head(&tag("a")).await.unwrap(), None);
    assert!(app.manifest_head(&tag("b")).await.unwrap().is_some(), "the manifest stays");
    app.manifest_delete(&by(set.top().digest)).await.unwrap();
    assert_eq!(app.manifest_head(&tag("b")).await.unwrap(), None);
    assert!(app.manifest_delete(&by(set.top().digest)).await.unwrap_err().is_absent());
    registry.close().await;
}

#[tokio::test]
async fn a_wrong_digest_is_not_pushed() {
    let registry = TestRegistry::in_memory().await;
    let (app, set) = (repository(&registry), content::image(Algorithm::Sha256));
    push(&app, "a", &set).await;
    let other = by(Digest::of(Algorithm::Sha256, b"other"));
    let put = app.manifest_put(&other, &media_type(set.top()), set.top().bytes.clone()).await;
    assert!(matches!(put, Err(Error::Digest { .. })), "{put:?}");
    let huge = app.manifest_put(&tag("huge"), &media_type(set.top()), vec![b' '; MANIFEST_LIMIT + 1]).await;
    assert!(matches!(huge, Err(Error::TooLarge { .. })), "{huge:?}");
    // What the registry refuses, it refuses with its reasons.
    let absent = content::Maker::image(Algorithm::Sha256).layers(1).done();
    let refused = app.manifest_put(&tag("c"), &media_type(absent.top()), absent.top().bytes.clone()).await;
    let refused = refused.unwrap_err();
    assert!(refused.refusal().unwrap().has_code("MANIFEST_BLOB_UNKNOWN"), "{refused}");
    registry.close().await;
}

/// A repository whose manifests are all answered so.
async fn answering(reply: Reply) -> (Double, Repository) {
    let double = Double::start(move |_| reply.clone()).await;
    let app = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    (double, app)
}

fn image() -> DataSet {
    content::image(Algorithm::Sha256)
}

async fn pulled(reply: Reply, set: &DataSet) -> [Result<Manifest, Error>; 2] {
    let (_double, app) = answering(reply).await;
    [app.manifest(&tag("a")).await, app.manifest(&by(set.top().digest)).await]
}

#[tokio::test]
async fn other_bytes_are_not_taken() {
    let (set, other) = (image(), image());
    let typed = |body: &[u8]| Reply::body(body).header("Content-Type", MediaType::OCI_MANIFEST);
    // The header is right and the body is not: both references notice.
    let lies = typed(&other.top().bytes).header("Docker-Content-Digest", set.top().digest);
    for outcome in pulled(lies, &set).await {
        assert!(matches!(outcome, Err(Error::Digest { .. })), "{outcome:?}");
    }
    // Both are of another manifest: who asked by digest notices.
    let other_reply = typed(&other.top().bytes).header("Docker-Content-Digest", other.top().digest);
    let [by_tag, by_digest] = pulled(other_reply, &set).await;
    assert_eq!(by_tag.unwrap().digest, other.top().digest);
    assert!(matches!(by_digest, Err(Error::Digest { .. })), "{by_digest:?}");
    // A digest that cannot be checked is not taken for none.
    let strange =
        typed(&set.top().bytes).header("Docker-Content-Digest", "md5:d41d8cd98f00b204e9800998ecf8427e");
    for outcome in pulled(strange, &set).await {
        assert!(matches!(outcome, Err(Error::BadAnswer { .. })), "{outcome:?}");
    }
    // Without the header, what is asked by digest is checked, and what is asked by tag is told.
    let [by_tag, by_digest] = pulled(typed(&set.top().bytes), &set).await;
    assert_eq!((by_tag.unwrap().digest, by_digest.unwrap().digest), (set.top().digest, set.top().digest));
}

#[tokio::test]
async fn a_manifest_without_a_type_says_itself_what_it_is() {
    let set = image();
    for reply in [
        Reply::body(set.top().bytes.clone()),
        Reply::body(set.top().bytes.clone()).header("Content-Type", "application/json; charset=utf-8"),
    ] {
        for outcome in pulled(reply, &set).await {
            assert_eq!(outcome.unwrap().media_type.as_str(), MediaType::OCI_MANIFEST);
        }
    }
    let [by_tag, _] = pulled(Reply::body("{}"), &set).await;
    assert!(matches!(by_tag, Err(Error::BadAnswer { .. })), "{by_tag:?}");
}

#[tokio::test]
async fn what_is_too_large_is_not_read_to_its_end() {
    let huge = vec![b' '; MANIFEST_LIMIT + 1];
    for reply in [Reply::body(huge.clone()), Reply::body(huge).chunked()] {
        for outcome in pulled(reply, &image()).await {
            assert!(matches!(outcome, Err(Error::TooLarge { .. })), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_manifest_that_breaks_off_is_asked_for_again() {
    let set = image();
    let bytes = set.top().bytes.clone();
    let broken = std::sync::atomic::AtomicUsize::new(2);
    let double = Double::start(move |_| {
        let reply = Reply::body(bytes.clone()).header("Content-Type", MediaType::OCI_MANIFEST);
        let left = broken.fetch_update(
            std::sync::atomic::Ordering::SeqCst,
            std::sync::atomic::Ordering::SeqCst,
            |left| left.checked_sub(1),
        );
        if left.is_ok() { reply.cut(bytes.len() / 2) } else { reply }
    })
    .await;
    let app = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    assert_eq!(app.manifest(&tag("a")).await.unwrap().bytes, set.top().bytes);
    assert_eq!(double.came().len(), 3);
    let accept = double.came()[0].header("accept").unwrap().to_owned();
    for kind in
        [MediaType::OCI_INDEX, MediaType::OCI_MANIFEST, MediaType::DOCKER_LIST, MediaType::DOCKER_MANIFEST]
    {
        assert!(accept.contains(kind), "{accept}");
    }
}

#[tokio::test]
async fn a_registry_that_stored_something_else_is_told() {
    let (set, other) = (image(), Digest::of(Algorithm::Sha256, b"other"));
    let (_double, app) = answering(Reply::status(201).header("Docker-Content-Digest", other)).await;
    let put = app.manifest_put(&tag("a"), &media_type(set.top()), set.top().bytes.clone()).await;
    assert!(matches!(put, Err(Error::Digest { .. })), "{put:?}");
}

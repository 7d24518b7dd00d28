//! Limits: what fits is taken, what does not is refused and leaves nothing behind.
#![cfg(feature = "sqlite")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::stream;
use harbor_core::access::Actor;
use harbor_core::access::permission::{QuotaList, QuotaUpdate, RepositoryPush, SystemQuotaRead};
use harbor_core::content::{Incoming, UploadOptions};
use harbor_core::meta::{QuotaId, QuotaKey, UNLIMITED};
use harbor_core::query::{Order, Query};
use harbor_core::{ConfigKey, Error};
use harbor_storage::sql::SqlMetadata;

use super::kit::{Registry, assert_full, digest, manifest, name};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

async fn registry(limit: i64) -> Registry {
    let registry = Registry::new(Arc::new(SqlMetadata::in_memory().await.unwrap()), |_| {});
    let quota = registry.create(&Actor::administrator("admin"), "one", Some(limit)).await.unwrap();
    assert_eq!((quota.hard, quota.used), (limit, 0));
    registry
}

async fn used(registry: &Registry) -> u64 {
    registry.quota("one").await.unwrap().used
}

/// How many upload sessions there are.
async fn sessions(registry: &Registry) -> usize {
    let mut rows = registry.store.read().await.unwrap();
    let far = harbor_core::Timestamp::from_micros(i64::MAX);
    rows.uploads_idle(far, far, 100).await.unwrap().len()
}

#[tokio::test]
async fn up_to_the_limit_and_not_beyond() {
    let registry = registry(4 * KIB as i64).await;
    let blobs: Vec<Vec<u8>> = (0..5).map(|number| vec![number; KIB]).collect();
    for blob in &blobs[..4] {
        registry.push("one/a", blob).await.unwrap();
    }
    let text = "adding 1.0 KiB of storage resource, which when updated to current usage of 4.0 KiB will exceed \
                the configured upper limit of 4.0 KiB.";
    assert_full(registry.push("one/a", &blobs[4]).await, text);
    assert_full(registry.push("one/b", &blobs[4]).await, text);
    assert_eq!((used(&registry).await, sessions(&registry).await), (4096, 0));
    // What is here already takes no room.
    registry.push("one/a", &blobs[0]).await.unwrap();
    registry.push("one/b", &blobs[0]).await.unwrap();
    assert!(registry.mount("one/b", "one/a", &blobs[1]).await.unwrap());
    assert_eq!(used(&registry).await, 4096);
    // Its bytes are gone with it, so that it can be pushed when there is room.
    registry.limit("one", 5 * KIB as i64).await.unwrap();
    registry.push("one/a", &blobs[4]).await.unwrap();
    assert_eq!(used(&registry).await, 5 * 1024);
}

#[tokio::test]
async fn mounts_and_manifests() {
    let registry = registry(1500).await;
    registry.create(&Actor::anonymous(), "two", None).await.unwrap();
    let (layer, other) = (vec![1; KIB], vec![2; KIB]);
    for blob in [&layer, &other] {
        registry.push("two/a", blob).await.unwrap();
    }
    assert!(registry.mount("one/a", "two/a", &layer).await.unwrap());
    let text = "adding 1.0 KiB of storage resource, which when updated to current usage of 1.0 KiB will exceed \
                the configured upper limit of 1.5 KiB.";
    assert_full(registry.mount("one/a", "two/a", &other).await, text);
    let image = manifest(0, &[&layer]);
    registry.limit("one", 1024 + image.len() as i64 - 1).await.unwrap();
    let refused = registry.push_manifest("one/a", image.clone()).await;
    assert!(matches!(refused, Err(Error::QuotaExceeded { used: 1024, .. })), "{refused:?}");
    assert_eq!(used(&registry).await, 1024);
    registry.limit("one", 1024 + image.len() as i64).await.unwrap();
    registry.push_manifest("one/a", image.clone()).await.unwrap();
    registry.push_manifest("one/a", image.clone()).await.unwrap();
    assert_eq!(used(&registry).await, 1024 + image.len() as u64);
}

#[tokio::test]
async fn deletion_and_collection_free() {
    let registry = registry(2 * KIB as i64).await;
    let (layer, other) = (vec![1; KIB], vec![2; KIB]);
    registry.push("one/a", &layer).await.unwrap();
    let image = manifest(0, &[&layer]);
    registry.push_manifest("one/a", image.clone()).await.unwrap();
    registry.push("one/a", &other).await.unwrap_err();
    registry.delete_manifest("one/a", &image).await.unwrap();
    assert_eq!(used(&registry).await, 1024);
    registry.collect().await;
    assert_eq!(used(&registry).await, 0);
    registry.push("one/a", &layer).await.unwrap();
    registry.push("one/b", &other).await.unwrap();
    registry.delete_blob("one/b", &other).await.unwrap();
    assert_eq!(used(&registry).await, 1024);
}

/// A limit below what is there: nothing more, but what is there stays, and goes.
#[tokio::test]
async fn a_limit_below_what_is_there() {
    let registry = registry(UNLIMITED).await;
    let blob = vec![1; KIB];
    registry.push("one/a", &blob).await.unwrap();
    registry.limit("one", 1).await.unwrap();
    registry.push("one/a", &[2]).await.unwrap_err();
    registry.push("one/b", &blob).await.unwrap();
    for repository in ["one/a", "one/b"] {
        registry.delete_blob(repository, &blob).await.unwrap();
    }
    registry.push("one/a", &[2]).await.unwrap();
    assert_eq!(used(&registry).await, 1);
}

/// A body of that announced length, which tells whether anybody asked for it.
fn watched(content: Vec<u8>) -> (Incoming, Arc<AtomicBool>) {
    let asked = Arc::new(AtomicBool::new(false));
    let (length, tell) = (content.len() as u64, Arc::clone(&asked));
    let body = stream::once(async move {
        tell.store(true, Ordering::SeqCst);
        Ok(Bytes::from(content))
    });
    (Incoming::new(Some(length), body), asked)
}

#[tokio::test]
async fn what_has_no_room_is_refused_before_it_comes() {
    let registry = registry(3 * MIB as i64).await;
    let (small, large) = (vec![1; 2 * MIB], vec![2; 2 * MIB]);
    registry.push("one/a", &small).await.unwrap();
    let text = "adding 2.0 MiB of storage resource, which when updated to current usage of 2.0 MiB will exceed \
                the configured upper limit of 3.0 MiB.";
    let (body, asked) = watched(large.clone());
    assert_full(registry.push_as("one/b", &digest(&large), body).await, text);
    assert!(!asked.load(Ordering::SeqCst), "the bytes came for nothing");
    // Without the announcement they come, and go.
    let body = Incoming::new(None, stream::iter([Ok(Bytes::from(large.clone()))]));
    assert_full(registry.push_as("one/b", &digest(&large), body).await, text);
    // What the project has is taken, whatever its length.
    let (body, _) = watched(small.clone());
    registry.push_as("one/b", &digest(&small), body).await.unwrap();
    assert_eq!((used(&registry).await, sessions(&registry).await), (2 * MIB as u64, 0));
}

#[tokio::test]
async fn uploads_in_pieces() {
    let registry = registry(3 * MIB as i64).await;
    let (actor, name) = (Actor::anonymous(), name("one/a"));
    let push = async || registry.harbor.authorize::<RepositoryPush>(&actor, &name).await.unwrap();
    let content = registry.harbor.content();
    // A piece that would not fit by itself is not taken, and the session stands where it stood.
    let upload = content.upload_start(push().await, UploadOptions::default()).await.unwrap();
    let (body, asked) = watched(vec![1; 4 * MIB]);
    let refused = content.upload_append(push().await, upload.id, None, body).await;
    assert!(matches!(refused, Err(Error::QuotaExceeded { .. })), "{refused:?}");
    assert!(!asked.load(Ordering::SeqCst));
    assert_eq!(content.upload_status(push().await, upload.id).await.unwrap().offset, 0);
    // One whose sum does not fit ends with its last piece, and nothing of it is left.
    registry.push("one/b", &vec![9; 2 * MIB]).await.unwrap();
    let half = vec![1; MIB];
    for _ in 0..2 {
        let body = Incoming::whole(half.clone());
        content.upload_append(push().await, upload.id, None, body).await.unwrap();
    }
    let whole = digest(&[half.clone(), half].concat());
    let refused = content.upload_finish(push().await, upload.id, None, &whole, Incoming::empty()).await;
    assert!(matches!(refused, Err(Error::QuotaExceeded { .. })), "{refused:?}");
    let gone = content.upload_status(push().await, upload.id).await;
    assert!(matches!(gone, Err(Error::UploadUnknown)), "{gone:?}");
    assert_eq!((used(&registry).await, sessions(&registry).await), (2 * MIB as u64, 0));
}

#[tokio::test]
async fn what_new_projects_may_hold() {
    let store = Arc::new(SqlMetadata::in_memory().await.unwrap());
    let registry = Registry::new(store, |settings| {
        settings.configuration.insert(ConfigKey::StoragePerProject, 1000.into());
    });
    let (admin, user) = (Actor::administrator("admin"), Actor::anonymous());
    for (number, (actor, asked, granted)) in [
        (&user, None, 1000),
        (&user, Some(0), 1000),
        (&user, Some(500), 500),
        (&user, Some(1000), 1000),
        (&user, Some(1001), 1000),
        (&user, Some(UNLIMITED), 1000),
        (&admin, None, 1000),
        (&admin, Some(5000), 5000),
        (&admin, Some(UNLIMITED), UNLIMITED),
    ]
    .into_iter()
    .enumerate()
    {
        let quota = registry.create(actor, &format!("p{number}"), asked).await.unwrap();
        assert_eq!(quota.hard, granted, "{number}");
    }
    let refused = registry.create(&admin, "refused", Some(-2)).await;
    assert!(matches!(refused, Err(Error::BadRequest(_))), "{refused:?}");
}

#[tokio::test]
async fn use_cases() {
    let registry = registry(1000).await;
    registry.create(&Actor::anonymous(), "two", None).await.unwrap();
    registry.push("two/a", b"content").await.unwrap();
    let (harbor, admin) = (&registry.harbor, Actor::administrator("admin"));
    let proof = harbor.authorize::<QuotaList>(&admin, ()).await.unwrap();
    let query = Query::<QuotaKey>::default().sort(QuotaKey::Used, Order::Descending);
    let listed = harbor.quotas().list(&proof, &query).await.unwrap();
    let found: Vec<_> =
        listed.entries.iter().map(|quota| (quota.project_name.as_str(), quota.used)).collect();
    assert_eq!((found, listed.total), (vec![("two", 7), ("one", 0)], 2));
    let proof = harbor.authorize::<SystemQuotaRead>(&admin, ()).await.unwrap();
    let id = listed.entries[0].id;
    assert_eq!(harbor.quotas().get(&proof, id).await.unwrap(), listed.entries[0]);
    let nowhere = harbor.quotas().get(&proof, QuotaId::new(9_999)).await;
    assert!(matches!(nowhere, Err(Error::NotFound(_))), "{nowhere:?}");
    for (id, hard, status) in [(id, 0, 400), (id, -2, 400), (QuotaId::new(9_999), 5, 404)] {
        let proof = harbor.authorize::<QuotaUpdate>(&admin, ()).await.unwrap();
        assert_eq!(harbor.quotas().set(proof, id, hard).await.unwrap_err().status(), status);
    }
    assert!(harbor.authorize::<QuotaUpdate>(&Actor::user("somebody"), ()).await.is_err());
    registry.limit("two", 7).await.unwrap();
    assert_eq!(registry.quota("two").await.unwrap().hard, 7);
    registry.push("two/a", b"x").await.unwrap_err();
}

//! After whatever was done in whatever order, what is counted is what is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use harbor_core::Error;
use harbor_core::access::Actor;
use harbor_core::meta::MetadataStore;
use proptest::prelude::*;

use super::kit::{Registry, digest, manifest, name, project};

const REPOSITORIES: [&str; 4] = ["one/a", "one/b", "two/a", "two/b"];
const PROJECTS: [&str; 2] = ["one", "two"];
const CONTENTS: usize = 4;
const MANIFESTS: usize = 3;

/// Something that clients do. Numbers tell which repository, and which content or manifest.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Push(usize, usize),
    Mount(usize, usize, usize),
    DeleteBlob(usize, usize),
    PutManifest(usize, usize),
    DeleteManifest(usize, usize),
    Collect,
}

fn content(number: usize) -> Vec<u8> {
    // Content 0 is manifest 0: one that is pushed as a blob too.
    if number == 0 { payload(0) } else { vec![b'a' + number as u8; 10 * number] }
}

fn payload(number: usize) -> Vec<u8> {
    let layers: Vec<Vec<u8>> = (1..=1 + number).map(content).collect();
    manifest(number, &layers.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

pub(crate) fn deed() -> impl Strategy<Value = Deed> {
    let repository = || 0..REPOSITORIES.len();
    prop_oneof![
        6 => (repository(), 0..CONTENTS).prop_map(|(to, what)| Deed::Push(to, what)),
        3 => (repository(), repository(), 0..CONTENTS).prop_map(|(to, from, what)| Deed::Mount(to, from, what)),
        2 => (repository(), 0..CONTENTS).prop_map(|(to, what)| Deed::DeleteBlob(to, what)),
        5 => (repository(), 0..MANIFESTS).prop_map(|(to, what)| Deed::PutManifest(to, what)),
        3 => (repository(), 0..MANIFESTS).prop_map(|(to, what)| Deed::DeleteManifest(to, what)),
        2 => Just(Deed::Collect),
    ]
}

async fn perform(registry: &Registry, deed: &Deed) {
    let done = match *deed {
        Deed::Push(to, what) => registry.push(REPOSITORIES[to], &content(what)).await,
        Deed::Mount(to, from, what) => {
            registry.mount(REPOSITORIES[to], REPOSITORIES[from], &content(what)).await.map(|_| ())
        }
        Deed::DeleteBlob(to, what) => registry.delete_blob(REPOSITORIES[to], &content(what)).await,
        Deed::PutManifest(to, what) => registry.push_manifest(REPOSITORIES[to], payload(what)).await,
        Deed::DeleteManifest(to, what) => registry.delete_manifest(REPOSITORIES[to], &payload(what)).await,
        Deed::Collect => {
            registry.collect().await;
            Ok(())
        }
    };
    match done {
        Ok(())
        | Err(
            Error::NameUnknown
            | Error::BlobUnknown(_)
            | Error::ManifestUnknown(_)
            | Error::ManifestBlobUnknown(_)
            | Error::InUse(_)
            | Error::Contended
            | Error::QuotaExceeded { .. },
        ) => {}
        Err(error) => panic!("{deed:?}: {error}"),
    }
}

/// What a project holds, by looking at everything that could be there.
async fn looked_up(store: &dyn MetadataStore, project: &str) -> u64 {
    let mut rows = store.read().await.unwrap();
    let mut held = BTreeMap::new();
    for full in REPOSITORIES.iter().filter(|full| full.split('/').next() == Some(project)) {
        let Some(repository) = rows.repository(&name(full)).await.unwrap() else { continue };
        for content in (0..CONTENTS).map(content) {
            if let Some(blob) = rows.linked_blob(repository.id, &digest(&content)).await.unwrap() {
                held.insert(blob.digest, blob.size);
            }
        }
        for payload in (0..MANIFESTS).map(payload) {
            if let Some(found) = rows.manifest(repository.id, &digest(&payload)).await.unwrap() {
                held.insert(found.digest, found.payload.len() as u64);
            }
        }
    }
    held.values().sum()
}

async fn check(registry: &Registry, after: &dyn std::fmt::Debug) {
    for name in PROJECTS {
        let found = looked_up(&*registry.store, name).await;
        let quota = registry.quota(name).await.unwrap();
        assert_eq!(quota.used, found, "of {name} after {after:?}");
        assert!(quota.hard < 0 || quota.used <= quota.hard.unsigned_abs(), "{name} is above its limit");
        let id = registry.store.read().await.unwrap().project(&project(name)).await.unwrap().unwrap().id;
        let mut rows = registry.store.read().await.unwrap();
        for content in (0..CONTENTS).map(content) {
            let held = rows.content_is_held(id, &digest(&content)).await.unwrap();
            assert!(!held || found > 0);
        }
    }
}

async fn registry(store: Arc<dyn MetadataStore>, limit: Option<i64>) -> Registry {
    let registry = Registry::new(store, |_| {});
    let admin = Actor::administrator("admin");
    registry.create(&admin, "one", limit).await.unwrap();
    registry.create(&admin, "two", None).await.unwrap();
    registry
}

/// Does one thing after the other.
async fn in_turn(store: Arc<dyn MetadataStore>, limit: Option<i64>, deeds: &[Deed]) {
    let registry = registry(store, limit).await;
    for (number, deed) in deeds.iter().enumerate() {
        perform(&registry, deed).await;
        check(&registry, &&deeds[..=number]).await;
    }
}

/// Does several things at a time.
pub(crate) async fn at_once(store: Arc<dyn MetadataStore>, limit: Option<i64>, deeds: &[Deed]) {
    let registry = Arc::new(registry(store, limit).await);
    for some in deeds.chunks(8) {
        let done = some.iter().cloned().map(|deed| {
            let registry = Arc::clone(&registry);
            tokio::spawn(async move { perform(&registry, &deed).await })
        });
        for done in join_all(done.collect::<Vec<_>>()).await {
            done.unwrap();
        }
        check(&registry, &some).await;
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

#[cfg(feature = "sqlite")]
mod in_sqlite {
    use harbor_storage::sql::SqlMetadata;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn histories(deeds in prop::collection::vec(deed(), 1..40), limit in prop::option::of(100..900_i64)) {
            runtime().block_on(async {
                in_turn(Arc::new(SqlMetadata::in_memory().await.unwrap()), limit, &deeds).await;
            });
        }

        #[test]
        fn histories_at_once(deeds in prop::collection::vec(deed(), 8..64), limit in prop::option::of(100..900_i64)) {
            runtime().block_on(async {
                at_once(Arc::new(SqlMetadata::in_memory().await.unwrap()), limit, &deeds).await;
            });
        }
    }
}

//! After whatever was done in whatever order, what is counted is what is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use harbor_core::access::Actor;
use harbor_core::meta::{MetadataStore, Quota};
use harbor_core::oci::Tag;
use harbor_core::{Error, Result};
use proptest::prelude::*;

use super::artifacts::index;
use super::kit::{Registry, digest, manifest, name, project};

const REPOSITORIES: [&str; 4] = ["one/a", "one/b", "two/a", "two/b"];
const PROJECTS: [&str; 2] = ["one", "two"];
const CONTENTS: usize = 4;
/// The last two are indexes.
const MANIFESTS: usize = 5;
const IMAGES: usize = 3;
const TAGS: usize = 2;

/// Something that clients do. Numbers tell which repository, and which content, manifest, tag, or thing that was deleted.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Push(usize, usize),
    Mount(usize, usize, usize),
    DeleteBlob(usize, usize),
    PutManifest(usize, usize),
    PutTagged(usize, usize, usize),
    DeleteManifest(usize, usize),
    Tag(usize, usize, usize),
    DeleteTag(usize, usize),
    Copy(usize, usize, usize),
    DeleteArtifact(usize, usize),
    Restore(usize, usize),
    DeleteRepository(usize),
    Limit(usize, i64),
    Collect,
}

fn content(number: usize) -> Vec<u8> {
    // Content 0 is manifest 0: one that is pushed as a blob too.
    if number == 0 { payload(0) } else { vec![b'a' + number as u8; 10 * number] }
}

fn payload(number: usize) -> Vec<u8> {
    if number >= IMAGES {
        let first = number - IMAGES;
        return index(number, &[payload(first), payload(first + 1)]);
    }
    let layers: Vec<Vec<u8>> = (1..=1 + number).map(content).collect();
    manifest(number, &layers.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn tag(number: usize) -> Tag {
    format!("tag-{number}").parse().unwrap()
}

/// A limit: mostly of about what is there, and sometimes none.
pub(crate) fn limit() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 100..3000_i64, 1 => Just(-1)]
}

pub(crate) fn deed() -> impl Strategy<Value = Deed> {
    let repository = || 0..REPOSITORIES.len();
    let some = || 0..MANIFESTS;
    prop_oneof![
        8 => (repository(), 0..CONTENTS).prop_map(|(to, what)| Deed::Push(to, what)),
        3 => (repository(), repository(), 0..CONTENTS).prop_map(|(to, from, what)| Deed::Mount(to, from, what)),
        2 => (repository(), 0..CONTENTS).prop_map(|(to, what)| Deed::DeleteBlob(to, what)),
        6 => (repository(), some()).prop_map(|(to, what)| Deed::PutManifest(to, what)),
        4 => (repository(), some(), 0..TAGS).prop_map(|(to, what, tag)| Deed::PutTagged(to, what, tag)),
        2 => (repository(), some()).prop_map(|(to, what)| Deed::DeleteManifest(to, what)),
        2 => (repository(), some(), 0..TAGS).prop_map(|(to, what, tag)| Deed::Tag(to, what, tag)),
        1 => (repository(), 0..TAGS).prop_map(|(to, tag)| Deed::DeleteTag(to, tag)),
        4 => (repository(), repository(), some()).prop_map(|(to, from, what)| Deed::Copy(to, from, what)),
        3 => (repository(), some()).prop_map(|(to, what)| Deed::DeleteArtifact(to, what)),
        4 => (repository(), some()).prop_map(|(to, what)| Deed::Restore(to, what)),
        1 => repository().prop_map(Deed::DeleteRepository),
        1 => (0..PROJECTS.len(), limit()).prop_map(|(of, hard)| Deed::Limit(of, hard)),
        1 => Just(Deed::Collect),
    ]
}

/// As clients do: first what a manifest needs, then itself.
async fn push_whole(registry: &Registry, repository: &str, what: usize, as_tag: &Tag) -> Result<()> {
    let images = if what < IMAGES { vec![what] } else { vec![what - IMAGES, what - IMAGES + 1] };
    for image in images {
        for layer in 1..=1 + image {
            registry.push(repository, &content(layer)).await?;
        }
        registry.push_manifest(repository, payload(image)).await?;
    }
    registry.push_tagged(repository, payload(what), as_tag).await
}

async fn attempt(registry: &Registry, deed: &Deed) -> Result<()> {
    match *deed {
        Deed::Push(to, what) => registry.push(REPOSITORIES[to], &content(what)).await,
        Deed::Mount(to, from, what) => {
            registry.mount(REPOSITORIES[to], REPOSITORIES[from], &content(what)).await.map(|_| ())
        }
        Deed::DeleteBlob(to, what) => registry.delete_blob(REPOSITORIES[to], &content(what)).await,
        Deed::PutManifest(to, what) => registry.push_manifest(REPOSITORIES[to], payload(what)).await,
        Deed::PutTagged(to, what, as_tag) => push_whole(registry, REPOSITORIES[to], what, &tag(as_tag)).await,
        Deed::DeleteManifest(to, what) => registry.delete_manifest(REPOSITORIES[to], &payload(what)).await,
        Deed::Tag(to, what, as_tag) => {
            registry.tag(REPOSITORIES[to], digest(&payload(what)), &tag(as_tag)).await
        }
        Deed::DeleteTag(to, of_tag) => registry.delete_tag(REPOSITORIES[to], &tag(of_tag)).await,
        Deed::Copy(to, from, what) => {
            registry.copy(REPOSITORIES[to], REPOSITORIES[from], digest(&payload(what))).await
        }
        Deed::DeleteArtifact(to, what) => {
            registry.delete_artifact(REPOSITORIES[to], digest(&payload(what))).await
        }
        Deed::Restore(to, which) => registry.restore(REPOSITORIES[to], which).await,
        Deed::DeleteRepository(to) => registry.delete_repository(REPOSITORIES[to]).await,
        Deed::Limit(of, hard) => registry.limit(PROJECTS[of], hard).await,
        Deed::Collect => {
            registry.collect().await;
            Ok(())
        }
    }
}

/// Tells whether it could be done.
async fn perform(registry: &Registry, deed: &Deed) -> bool {
    match attempt(registry, deed).await {
        Ok(()) => true,
        Err(
            Error::NameUnknown
            | Error::NotFound(_)
            | Error::BlobUnknown(_)
            | Error::ManifestUnknown(_)
            | Error::ManifestBlobUnknown(_)
            | Error::InUse(_)
            | Error::Referenced(_)
            | Error::Conflict(_)
            | Error::Precondition(_)
            | Error::Contended
            // The repository was deleted during a push.
            | Error::UploadBusy
            | Error::UploadUnknown
            | Error::QuotaExceeded { .. },
        ) => false,
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

async fn quotas(registry: &Registry) -> Vec<Quota> {
    let mut quotas = Vec::new();
    for name in PROJECTS {
        quotas.push(registry.quota(name).await.unwrap());
    }
    quotas
}

/// The most that a project may hold after some deeds: what it held, or what any limit since then had room for.
fn most(project: usize, before: &Quota, deeds: &[Deed]) -> u64 {
    let set = deeds.iter().filter_map(|deed| match deed {
        Deed::Limit(of, hard) if *of == project => Some(*hard),
        _ => None,
    });
    let room = |hard: i64| u64::try_from(hard).unwrap_or(u64::MAX);
    set.chain([before.hard]).map(room).max().unwrap_or_default().max(before.used)
}

/// What is counted is what is there, and nothing was added beyond a limit. `deeds` are those since the quotas were `before`.
async fn check(registry: &Registry, before: &[Quota], deeds: &[Deed]) {
    let after = quotas(registry).await;
    for (number, name) in PROJECTS.iter().enumerate() {
        let found = looked_up(&*registry.store, name).await;
        assert_eq!(after[number].used, found, "of {name} after {deeds:?}");
        let most = most(number, &before[number], deeds);
        assert!(found <= most, "{name} has {found}, above {most}, after {deeds:?}");
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

/// Does one thing after the other; yields what could be done.
async fn in_turn(store: Arc<dyn MetadataStore>, limit: Option<i64>, deeds: &[Deed]) -> Vec<Deed> {
    let registry = registry(store, limit).await;
    let mut done = Vec::new();
    for deed in deeds {
        let before = quotas(&registry).await;
        if perform(&registry, deed).await {
            done.push(deed.clone());
        }
        check(&registry, &before, std::slice::from_ref(deed)).await;
    }
    done
}

/// Does several things at a time.
pub(crate) async fn at_once(store: Arc<dyn MetadataStore>, limit: Option<i64>, deeds: &[Deed]) {
    let registry = Arc::new(registry(store, limit).await);
    for some in deeds.chunks(8) {
        let before = quotas(&registry).await;
        let done = some.iter().cloned().map(|deed| {
            let registry = Arc::clone(&registry);
            tokio::spawn(async move { perform(&registry, &deed).await })
        });
        for done in join_all(done.collect::<Vec<_>>()).await {
            done.unwrap();
        }
        check(&registry, &before, some).await;
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

#[cfg(feature = "sqlite")]
mod in_sqlite {
    use std::mem::discriminant;

    use harbor_storage::sql::SqlMetadata;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::*;

    /// Histories of what is always refused would prove nothing: each kind of deed is done in some.
    #[test]
    fn each_can_be_done() {
        let mut runner = TestRunner::deterministic();
        let one = |runner: &mut TestRunner| deed().new_tree(runner).unwrap().current();
        let kinds: Vec<_> = (0..400).map(|_| one(&mut runner)).collect();
        let mut never: Vec<&Deed> = Vec::new();
        for deed in &kinds {
            if !never.iter().any(|known| discriminant(*known) == discriminant(deed)) {
                never.push(deed);
            }
        }
        assert_eq!(never.len(), 14, "a kind of deeds is never made");
        for _ in 0..24 {
            let deeds: Vec<_> = (0..80).map(|_| one(&mut runner)).collect();
            let done = runtime().block_on(async {
                in_turn(Arc::new(SqlMetadata::in_memory().await.unwrap()), None, &deeds).await
            });
            never.retain(|kind| !done.iter().any(|deed| discriminant(deed) == discriminant(*kind)));
            if never.is_empty() {
                return;
            }
        }
        panic!("never done: {never:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn histories(deeds in prop::collection::vec(deed(), 1..40), limit in prop::option::of(limit())) {
            runtime().block_on(async {
                in_turn(Arc::new(SqlMetadata::in_memory().await.unwrap()), limit, &deeds).await;
            });
        }

        #[test]
        fn histories_at_once(deeds in prop::collection::vec(deed(), 8..64), limit in prop::option::of(limit())) {
            runtime().block_on(async {
                at_once(Arc::new(SqlMetadata::in_memory().await.unwrap()), limit, &deeds).await;
            });
        }
    }
}

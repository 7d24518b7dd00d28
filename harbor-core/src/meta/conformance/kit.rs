//! Rows to test with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::MetadataFixture;
use crate::blob::{DriverState, Location, UploadId};
use crate::meta::{
    Blob, Described, LinkId, ManifestId, MetadataStore, NewManifest, Project, Reads, Repository,
    RepositoryId, Stored, Transaction, Upload,
};
use crate::oci::{Algorithm, Digest, MediaType, ProjectName, RepositoryName, Tag};
use crate::{StoreError, StoreErrorKind, Timestamp};

/// A transaction that waits for a lock shows it by not getting on for this long.
pub(super) const WAITS: Duration = Duration::from_millis(400);

/// What does not wait is through by then, on a machine that has much else to do.
pub(super) const AT_ONCE: Duration = Duration::from_secs(4);

pub(super) type Store = Arc<dyn MetadataStore>;

/// A point in time, told by a small number.
pub(super) const fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + micros)
}

pub(super) fn digest(content: impl AsRef<[u8]>) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_ref())
}

pub(super) fn project_name(name: &str) -> ProjectName {
    name.parse().unwrap()
}

pub(super) fn name(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

pub(super) fn tag(tag: &str) -> Tag {
    tag.parse().unwrap()
}

pub(super) fn location(name: &str) -> Location {
    Location::new(format!("test/{name}"))
}

pub(super) fn media_type() -> MediaType {
    MediaType::OCI_MANIFEST.parse().unwrap()
}

pub(super) async fn read(store: &Store) -> Box<dyn Reads> {
    store.read().await.unwrap()
}

pub(super) async fn begin(store: &Store) -> Box<dyn Transaction> {
    store.begin().await.unwrap()
}

pub(super) async fn project(store: &Store, name: &str) -> Project {
    let mut rows = begin(store).await;
    let (project, _) = rows.project_ensure(&project_name(name), false, at(0)).await.unwrap();
    rows.commit().await.unwrap();
    project
}

/// A repository, with its project.
pub(super) async fn repository(store: &Store, full: &str) -> Repository {
    let project = project(store, full.split('/').next().unwrap()).await;
    let mut rows = begin(store).await;
    let repository = rows.repository_ensure(project.id, &name(full), at(0)).await.unwrap();
    rows.commit().await.unwrap();
    repository
}

/// A live blob of content that is its name.
pub(super) async fn blob(store: &Store, content: &str) -> Blob {
    let mut rows = begin(store).await;
    let size = content.len() as u64;
    let blob = rows.blob_ensure(&digest(content), size, &location(content), at(0)).await.unwrap();
    rows.commit().await.unwrap();
    blob
}

/// A blob that is linked to the repository.
pub(super) async fn linked(store: &Store, repository: RepositoryId, content: &str) -> (Blob, LinkId) {
    let blob = blob(store, content).await;
    let mut rows = begin(store).await;
    let link = rows.link_ensure(repository, blob.id, at(0)).await.unwrap();
    rows.commit().await.unwrap();
    (blob, link)
}

/// What a manifest says beside its bytes.
#[derive(Default)]
pub(super) struct Says {
    pub(super) artifact_type: Option<&'static str>,
    pub(super) subject: Option<Digest>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) links: Vec<LinkId>,
    pub(super) missing: Vec<Digest>,
    pub(super) children: Vec<Digest>,
    pub(super) complete: bool,
    pub(super) described: Described,
    pub(super) pushed: i64,
}

/// Stores a manifest in an open transaction.
pub(super) async fn put(
    rows: &mut dyn Transaction,
    repository: RepositoryId,
    payload: &Bytes,
    says: &Says,
) -> Result<(ManifestId, Stored), StoreError> {
    let media_type = media_type();
    let manifest = NewManifest {
        repository,
        digest: digest(payload),
        media_type: &media_type,
        artifact_type: says.artifact_type,
        subject: says.subject,
        annotations: &says.annotations,
        payload,
        links: &says.links,
        missing: &says.missing,
        children: &says.children,
        complete: says.complete,
        described: &says.described,
        now: at(says.pushed),
    };
    rows.manifest_ensure(&manifest).await
}

/// Stores a manifest of bytes that are its name.
pub(super) async fn manifest(
    store: &Store,
    repository: RepositoryId,
    payload: &str,
    says: &Says,
) -> ManifestId {
    let mut rows = begin(store).await;
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    let (id, _) = put(&mut *rows, repository, &payload, says).await.unwrap();
    rows.commit().await.unwrap();
    id
}

/// Lets tags name a manifest.
pub(super) async fn tagged(store: &Store, repository: RepositoryId, manifest: ManifestId, tags: &[&str]) {
    let mut rows = begin(store).await;
    for name in tags {
        rows.tag_put(repository, &tag(name), manifest, at(0)).await.unwrap();
    }
    rows.commit().await.unwrap();
}

pub(super) fn new_upload(repository: RepositoryId) -> Upload {
    Upload {
        id: UploadId::random(),
        repository,
        principal: "user:somebody".to_owned(),
        offset: 0,
        hash_state: Vec::new(),
        driver_state: DriverState::default(),
    }
}

/// An upload session that was touched at `touched`.
pub(super) async fn upload(store: &Store, repository: RepositoryId, touched: Timestamp) -> Upload {
    let upload = new_upload(repository);
    let mut rows = begin(store).await;
    rows.upload_insert(&upload, touched).await.unwrap();
    rows.commit().await.unwrap();
    upload
}

/// Sets a setting in a transaction of its own.
pub(super) async fn set(store: &Store, key: &str, value: &str) {
    let mut rows = begin(store).await;
    rows.setting_put(key, value).await.unwrap();
    rows.commit().await.unwrap();
}

pub(super) async fn setting(store: &Store, key: &str) -> Option<String> {
    read(store).await.setting(key).await.unwrap()
}

/// A call was refused, with that kind.
#[track_caller]
pub(super) fn assert_kind<T: std::fmt::Debug>(outcome: Result<T, StoreError>, kind: StoreErrorKind) {
    match outcome {
        Err(error) => assert_eq!(error.kind(), kind, "{error}"),
        Ok(value) => panic!("this should have been refused as {kind:?}, and was {value:?}"),
    }
}

/// A change was refused, with that kind: at once, or at the latest by the commit.
pub(super) async fn assert_refused<T: std::fmt::Debug>(
    rows: Box<dyn Transaction>,
    outcome: Result<T, StoreError>,
    kind: StoreErrorKind,
) {
    match outcome {
        Ok(_) => assert_kind(rows.commit().await, kind),
        refused => {
            assert_kind(refused, kind);
            assert!(rows.commit().await.is_err(), "a transaction that failed was committed");
        }
    }
}

/// A store with a repository in it.
pub(super) async fn store_with(fixture: &dyn MetadataFixture, full: &str) -> (Store, Repository) {
    let store = fixture.open().await;
    let repository = repository(&store, full).await;
    (store, repository)
}

//! Reading rows from SQLite in a file, as a server on one node does; and the rows of a push, without the disk's part. `cargo bench -p harbor-storage --bench rows`.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up fails by panicking")]

use std::sync::Arc;

use divan::{Bencher, black_box};
use harbor_core::Timestamp;
use harbor_core::access::ProjectFilter;
use harbor_core::blob::{DriverState, Location, UploadId};
use harbor_core::meta::{MetadataStore, NewManifest, Publish, Published, RepositoryId, Upload};
use harbor_core::oci::{Algorithm, Digest, MediaType, RepositoryName};
use harbor_storage::sql::SqlMetadata;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

struct Seeded {
    runtime: Runtime,
    store: SqlMetadata,
    repository: RepositoryId,
    name: RepositoryName,
    digest: Digest,
    _folder: tempfile::TempDir,
}

/// One repository with so many tags of one manifest.
fn seeded(tags: usize) -> Seeded {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let name: RepositoryName = "library/bench".parse().expect("a name");
    let payload = bytes::Bytes::from_static(b"{}");
    let digest = Digest::of(Algorithm::Sha256, &payload);
    let (store, repository) = runtime.block_on(async {
        let store = SqlMetadata::sqlite(&folder.path().join("bench.db")).await.expect("a store");
        let now = Timestamp::from_micros(1);
        let mut rows = store.begin().await.expect("a transaction");
        let (project, _) =
            rows.project_ensure(&"library".parse().expect("a name"), true, now).await.expect("a project");
        let repository = rows.repository_ensure(project.id, &name, now).await.expect("a repository").id;
        let manifest = NewManifest {
            repository,
            digest,
            media_type: &MediaType::from_header(MediaType::OCI_MANIFEST).expect("a media type"),
            artifact_type: None,
            subject: None,
            annotations: &Default::default(),
            payload: &payload,
            links: &[],
            missing: &[],
            children: &[],
            complete: false,
            described: &Default::default(),
            now,
        };
        let (id, _) = rows.manifest_ensure(&manifest).await.expect("a manifest");
        for number in 0..tags {
            let tag = format!("tag-{number:06}").parse().expect("a tag");
            rows.tag_put(repository, &tag, id, now).await.expect("a tag's row");
        }
        rows.commit().await.expect("a commit");
        (store, repository)
    });
    Seeded { runtime, store, repository, name, digest, _folder: folder }
}

#[divan::bench(args = [1_000, 100_000])]
fn tags_page_of_100(bencher: Bencher<'_, '_>, tags: usize) {
    let seeded = seeded(tags);
    bencher.bench(|| {
        seeded.runtime.block_on(async {
            let mut rows = seeded.store.read().await.expect("a reader");
            rows.tags(black_box(seeded.repository), Some("tag-000500"), 100).await.expect("tags").len()
        })
    });
}

#[divan::bench]
fn repository_by_name(bencher: Bencher<'_, '_>) {
    let seeded = seeded(1);
    bencher.bench(|| {
        seeded.runtime.block_on(async {
            let mut rows = seeded.store.read().await.expect("a reader");
            rows.repository(black_box(&seeded.name)).await.expect("a row").is_some()
        })
    });
}

#[divan::bench]
fn manifest_by_digest(bencher: Bencher<'_, '_>) {
    let seeded = seeded(1);
    bencher.bench(|| {
        seeded.runtime.block_on(async {
            let mut rows = seeded.store.read().await.expect("a reader");
            rows.manifest(seeded.repository, black_box(&seeded.digest)).await.expect("a row").is_some()
        })
    });
}

#[divan::bench]
fn catalog_page(bencher: Bencher<'_, '_>) {
    let seeded = seeded(1);
    bencher.bench(|| {
        seeded.runtime.block_on(async {
            let mut rows = seeded.store.read().await.expect("a reader");
            rows.repositories(black_box(&ProjectFilter::All.into()), None, 100).await.expect("names").len()
        })
    });
}

/// A store in memory, so that what is measured is not the disk, with one repository.
fn empty() -> (Runtime, Arc<SqlMetadata>, RepositoryId) {
    let runtime = Runtime::new().expect("a runtime");
    let (store, repository) = runtime.block_on(async {
        let store = SqlMetadata::in_memory().await.expect("a store");
        let now = Timestamp::from_micros(1);
        let mut rows = store.begin().await.expect("a transaction");
        let name = "library".parse().expect("a name");
        let (project, _) = rows.project_ensure(&name, true, now).await.expect("a project");
        let name = "library/bench".parse().expect("a name");
        let repository = rows.repository_ensure(project.id, &name, now).await.expect("a repository").id;
        rows.commit().await.expect("a commit");
        (store, repository)
    });
    (runtime, Arc::new(store), repository)
}

/// The rows of a push of 1 KiB that nobody has yet, in two transactions.
async fn push(store: &SqlMetadata, repository: RepositoryId) {
    let upload = Upload {
        id: UploadId::random(),
        repository,
        principal: "user:somebody".to_owned(),
        offset: 0,
        hash_state: vec![0; 100],
        driver_state: DriverState::default(),
    };
    let (now, due) = (Timestamp::from_micros(1), Timestamp::from_micros(2));
    let mut rows = store.begin().await.expect("a transaction");
    rows.upload_insert(&upload, now).await.expect("a session");
    rows.commit().await.expect("a commit");
    let name = upload.id.to_string();
    let (digest, location) = (Digest::of(Algorithm::Sha256, name.as_bytes()), Location::new(name));
    let mut rows = store.begin().await.expect("a transaction");
    let publish =
        Publish { upload: upload.id, repository, digest: &digest, size: 1024, location: &location, due, now };
    assert_eq!(rows.publish(&publish).await.expect("a blob"), Published::Used);
    rows.commit().await.expect("a commit");
}

#[divan::bench(sample_count = 200, sample_size = 100)]
fn push_alone(bencher: Bencher<'_, '_>) {
    let (runtime, store, repository) = empty();
    bencher.bench(|| runtime.block_on(push(&store, repository)));
}

#[divan::bench(sample_count = 200, sample_size = 10)]
fn push_64_at_once(bencher: Bencher<'_, '_>) {
    let (runtime, store, repository) = empty();
    bencher.bench(|| {
        let pushes = (0..64).map(|_| {
            let store = Arc::clone(&store);
            async move { push(&store, repository).await }
        });
        runtime.block_on(async {
            let pushes: Vec<_> = pushes.map(|push| tokio::spawn(push)).collect();
            for push in pushes {
                push.await.expect("a push");
            }
        });
    });
}

/// A tag that is moved, as in each push of a tag that is there, in a project without rules of immutable tags.
#[divan::bench(sample_count = 200, sample_size = 100)]
fn tag_moved(bencher: Bencher<'_, '_>) {
    let seeded = seeded(1_000);
    let (tag, now) = ("tag-000500".parse().expect("a tag"), Timestamp::from_micros(2));
    let id = seeded.runtime.block_on(async {
        let mut rows = seeded.store.read().await.expect("a reader");
        rows.manifest(seeded.repository, &seeded.digest).await.expect("a row").expect("a manifest").id
    });
    bencher.bench(|| {
        seeded.runtime.block_on(async {
            let mut rows = seeded.store.begin().await.expect("a transaction");
            rows.tag_put(seeded.repository, black_box(&tag), id, now).await.expect("a tag's row");
            // Without a commit: not the disk is measured.
            assert!(rows.tag(seeded.repository, &tag).await.expect("a row").is_some());
        });
    });
}

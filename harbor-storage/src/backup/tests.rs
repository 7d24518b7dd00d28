//! What the suites over a whole registry do not reach: snapshots of earlier schemas, and of none.

use harbor_core::StoreErrorKind;
use harbor_core::blob::{BlobStore as _, DriverState, UploadId};
use harbor_core::meta::MetadataStore as _;
use harbor_core::oci::{Algorithm, Digest};

use super::*;
use crate::blobs::FolderBlobs;
use crate::sql::SqlMetadata;
use crate::sql::plain::{Access, Plain};
use crate::sql::schema;

fn place(folder: &std::path::Path) -> Place {
    let (database, blobs) = (folder.join("registry.db"), folder.join("blobs"));
    Place { database: format!("sqlite:{}", database.display()), blobs: format!("file:{}", blobs.display()) }
}

fn nobody(_: &Step) {}

/// A registry as the program of schema version 2 had it, with one blob.
async fn earlier(folder: &std::path::Path) -> Place {
    let place = place(folder);
    let store = FolderBlobs::open(folder.join("blobs")).await.unwrap();
    let digest = Digest::of(Algorithm::Sha256, b"hello");
    let mut writer = store.writer(UploadId::random(), &DriverState::default(), 0).await.unwrap();
    writer.write(vec!["hello".into()]).await.unwrap();
    let location = writer.commit(&digest).await.unwrap();
    let mut database = Plain::open(&place.database, Access::Make).await.unwrap();
    database.migrate(Some(2)).await.unwrap();
    database
        .run(&format!(
            "INSERT INTO projects (id, name, is_public, created_at) VALUES (7, 'one', 0, 5);
             INSERT INTO repositories (id, project_id, name, created_at) VALUES (1, 7, 'one/a', 0);
             INSERT INTO blobs (id, digest, size, location, state, created_at) VALUES
                 (1, '{digest}', 5, '{}', 0, 0), (2, 'sha256:garbage', 5, 'x', 0, 0);
             INSERT INTO blob_links (repository_id, blob_id, created_at) VALUES (1, 1, 0);
             DELETE FROM sqlite_sequence WHERE name = 'projects';
             INSERT INTO sqlite_sequence (name, seq) VALUES ('projects', 40);",
            location.as_str()
        ))
        .await
        .unwrap();
    database.close().await.unwrap();
    place
}

/// Taken without a migration of it, and brought up to date where it is restored.
#[tokio::test]
async fn a_registry_of_an_earlier_schema_comes_back_as_one_of_this() {
    let folder = tempfile::tempdir().unwrap();
    let from = earlier(&folder.path().join("from")).await;
    let backup = BackupFolder::create(folder.path().join("backup")).unwrap();
    let taken = backup.take(&from, &nobody).await.unwrap();
    assert_eq!((taken.manifest.schema, taken.manifest.blobs, taken.copied), (2, 1, 1));
    let mut database = Plain::open(&from.database, Access::Read).await.unwrap();
    assert_eq!(schema::standing(&mut database).await.unwrap(), schema::Standing::Version(2));
    database.close().await.unwrap();

    let to = place(&folder.path().join("to"));
    let restored = backup.restore(&RestoreOptions::default(), &to, &nobody).await.unwrap();
    assert_eq!((restored.rows, restored.copied), (4, 1));
    let metadata = SqlMetadata::connect(&to.database).await.unwrap();
    metadata.check().await.unwrap();
    metadata.close().await;
    let mut database = Plain::open(&to.database, Access::Write).await.unwrap();
    let newest = schema::Standing::Version(schema::newest_version());
    assert_eq!(schema::standing(&mut database).await.unwrap(), newest);
    let tables = schema::tables(2).await.unwrap();
    let projects = tables.iter().find(|table| table.name == "projects").unwrap();
    assert_eq!(projects.last_key(&mut database).await.unwrap(), Some(40), "none of these is given again");
    database.close().await.unwrap();
    // What later schemas count is counted of what came back.
    let checked = crate::check::check(&to, &crate::check::CheckOptions::default()).await.unwrap();
    let figures: Vec<_> = checked.findings.iter().filter(|finding| finding.kind == "figure").collect();
    assert!(figures.is_empty(), "{figures:?}");
}

#[tokio::test]
async fn a_snapshot_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let from = earlier(&folder.path().join("from")).await;
    let backup = BackupFolder::create(folder.path().join("backup")).unwrap();
    let mut manifest = backup.take(&from, &nobody).await.unwrap().manifest;
    let kind = async |manifest: &Manifest| {
        manifest.write(&backup.snapshot(&manifest.id)).unwrap();
        let to = place(&folder.path().join("to"));
        backup.restore(&RestoreOptions::default(), &to, &nobody).await.unwrap_err().kind()
    };
    manifest.schema = 99;
    assert_eq!(kind(&manifest).await, StoreErrorKind::TooNew);
    manifest.schema = 3;
    assert_eq!(kind(&manifest).await, StoreErrorKind::Corrupt, "these are not the tables of that");
    manifest.schema = 2;
    manifest.format += 1;
    assert_eq!(kind(&manifest).await, StoreErrorKind::TooNew);
    assert!(!folder.path().join("to").exists(), "nothing was begun");
}

/// Runs statements, in the midst of something that does not wait.
fn beside(place: &Place, statements: String) {
    let database = place.database.clone();
    let run = async move {
        let mut database = Plain::open(&database, Access::Write).await.unwrap();
        database.run(&statements).await.unwrap();
        database.close().await.unwrap();
    };
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime().block_on(run)).join().unwrap();
}

/// A blob comes after the first look, and is gone when the database was read: with its rows, as garbage collection does it, or without.
async fn collected(with_rows: bool) -> (Result<Taken, harbor_core::StoreError>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let from = earlier(&folder.path().join("from")).await;
    let backup = BackupFolder::create(folder.path().join("backup")).unwrap();
    let digest = Digest::of(Algorithm::Sha256, b"later");
    let again = std::sync::atomic::AtomicUsize::new(0);
    let told = |step: &Step| match step {
        Step::Blob { .. } => beside(
            &from,
            format!(
                "INSERT INTO blobs (id, digest, size, location, state, created_at) VALUES (3, '{digest}', 5, \
                 'blobs/ab/abababab-1111-4222-8333-444444444444', 0, 0); \
                 INSERT INTO blob_links (repository_id, blob_id, created_at) VALUES (1, 3, 0);"
            ),
        ),
        Step::Table { name, .. } if name == "blobs" && with_rows => {
            beside(
                &from,
                "DELETE FROM blob_links WHERE blob_id = 3; DELETE FROM blobs WHERE id = 3".to_owned(),
            );
        }
        Step::Again { blobs } => {
            assert_eq!(*blobs, 1);
            again.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        Step::Table { .. } => {}
    };
    let taken = backup.take(&from, &told).await;
    assert_eq!(backup.ids().unwrap().len(), usize::from(taken.is_ok()));
    (taken, again.into_inner())
}

#[tokio::test]
async fn what_was_collected_meanwhile_is_not_waited_for() {
    let (taken, again) = collected(true).await;
    assert_eq!((taken.unwrap().manifest.blobs, again), (1, 1));
}

#[tokio::test]
async fn what_is_lost_is_told() {
    let (taken, again) = collected(false).await;
    let error = taken.unwrap_err();
    assert_eq!((error.kind(), again), (StoreErrorKind::Corrupt, 1), "{error}");
}

/// Each time that the database is read it names another blob, which is gone by then.
#[tokio::test]
async fn what_is_always_collected_meanwhile_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let from = earlier(&folder.path().join("from")).await;
    let backup = BackupFolder::create(folder.path().join("backup")).unwrap();
    let (number, again) = (std::sync::Mutex::new(2), std::sync::atomic::AtomicUsize::new(0));
    let next = || {
        let mut number = number.lock().unwrap();
        let (old, new) = (*number, *number + 1);
        *number = new;
        let digest = Digest::of(Algorithm::Sha256, new.to_string().as_bytes());
        beside(
            &from,
            format!(
                "DELETE FROM blob_links WHERE blob_id = {old}; DELETE FROM blobs WHERE id = {old}; \
                 INSERT INTO blobs (id, digest, size, location, state, created_at) VALUES ({new}, '{digest}', 5, \
                 'blobs/ab/abababab-1111-4222-8333-444444444444', 0, 0); \
                 INSERT INTO blob_links (repository_id, blob_id, created_at) VALUES (1, {new}, 0);"
            ),
        );
    };
    let told = |step: &Step| match step {
        Step::Blob { .. } => next(),
        Step::Table { name, .. } if name == "blobs" => next(),
        Step::Again { .. } => {
            again.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        Step::Table { .. } => {}
    };
    let error = backup.take(&from, &told).await.unwrap_err();
    assert_eq!((error.kind(), again.into_inner()), (StoreErrorKind::Busy, 9), "{error}");
    assert_eq!(backup.ids().unwrap(), Vec::<String>::new());
}

/// One that does not read keeps nobody from the others; but nobody knows which blobs it names.
#[tokio::test]
async fn a_damaged_snapshot_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let from = earlier(&folder.path().join("from")).await;
    let backup = BackupFolder::create(folder.path().join("backup")).unwrap();
    let first = backup.take(&from, &nobody).await.unwrap().manifest;
    let newest = backup.take(&from, &nobody).await.unwrap().manifest;
    let options = RestoreOptions::default();
    assert_eq!(backup.chosen(&options).unwrap(), newest);
    std::fs::write(backup.snapshot(&newest.id).join("manifest.json"), "").unwrap();
    assert_eq!(backup.chosen(&options).unwrap(), first);
    let (whole, damaged) = backup.snapshots_that_read().unwrap();
    assert_eq!((whole, damaged.len()), (vec![first.clone()], 1));
    assert_eq!((&damaged[0].0, damaged[0].1.kind()), (&newest.id, StoreErrorKind::Corrupt));
    let this = RestoreOptions { snapshot: Some(newest.id.clone()), at: None };
    assert_eq!(backup.chosen(&this).unwrap_err().kind(), StoreErrorKind::Corrupt);
    let refused = backup.prune(1).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Corrupt);
    let folder_of_it = backup.snapshot(&newest.id);
    assert!(refused.to_string().contains(&folder_of_it.display().to_string()), "{refused}");
    std::fs::write(backup.snapshot(&first.id).join("manifest.json"), "").unwrap();
    assert_eq!(backup.chosen(&options).unwrap_err().kind(), StoreErrorKind::Corrupt, "no one reads");
}

/// Who writes keeps others from it.
#[tokio::test]
async fn one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let from = earlier(&folder.path().join("from")).await;
    let backup = BackupFolder::create(folder.path().join("backup")).unwrap();
    let held = backup.hold().unwrap();
    assert_eq!(backup.take(&from, &nobody).await.unwrap_err().kind(), StoreErrorKind::Conflict);
    assert_eq!(backup.verify(&[]).await.unwrap_err().kind(), StoreErrorKind::Conflict);
    drop(held);
    let shared = backup.share().unwrap();
    backup.verify(&[]).await.unwrap();
    assert_eq!(backup.prune(1).await.unwrap_err().kind(), StoreErrorKind::Conflict);
    drop(shared);
    backup.take(&from, &nobody).await.unwrap();
}

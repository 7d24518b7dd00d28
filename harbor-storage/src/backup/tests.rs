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

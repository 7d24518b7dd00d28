//! The row methods of upload sessions.

use super::MetadataFixture;
use super::kit::{assert_refused, at, begin, new_upload, read, store_with, upload};
use crate::StoreErrorKind;
use crate::blob::{DriverState, UploadId};
use crate::meta::Upload;

/// `upload_insert` opens a session; one of that name is refused: `Conflict`.
pub async fn upload_insert(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let session = upload(&store, repository.id, at(0)).await;
    let mut rows = read(&store).await;
    assert_eq!(rows.upload(session.id).await.unwrap(), Some(session.clone()));
    assert_eq!(rows.upload(UploadId::random()).await.unwrap(), None);
    drop(rows);
    let mut rows = begin(&store).await;
    let refused = rows.upload_insert(&session, at(1)).await;
    assert_refused(rows, refused, StoreErrorKind::Conflict).await;
}

/// `upload_save` records how far a session is; false when it is gone.
pub async fn upload_save(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let other = upload(&store, repository.id, at(0)).await;
    let session = Upload {
        offset: 1 << 62,
        hash_state: (0..=255).collect(),
        driver_state: DriverState::new(vec![0xff; 70_000]),
        principal: "robot:other".to_owned(),
        ..upload(&store, repository.id, at(0)).await
    };
    let mut rows = begin(&store).await;
    assert!(rows.upload_save(&session, at(1)).await.unwrap());
    assert!(rows.upload_save(&session, at(1)).await.unwrap(), "saved again without a change");
    assert!(!rows.upload_save(&new_upload(repository.id), at(1)).await.unwrap());
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.upload(session.id).await.unwrap(), Some(session));
    assert_eq!(rows.upload(other.id).await.unwrap(), Some(other));
}

/// `upload_lease` belongs to one holder until it runs out.
pub async fn upload_lease(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let id = upload(&store, repository.id, at(0)).await.id;
    let mut rows = begin(&store).await;
    assert!(rows.upload_lease(id, "one", at(1), at(10)).await.unwrap());
    assert!(rows.upload_lease(id, "one", at(2), at(20)).await.unwrap(), "the holder renews it");
    assert!(!rows.upload_lease(id, "other", at(19), at(30)).await.unwrap(), "it is held");
    assert!(rows.upload_lease(id, "other", at(20), at(30)).await.unwrap(), "it ran out");
    assert!(!rows.upload_lease(id, "one", at(21), at(40)).await.unwrap(), "another has it now");
    assert!(!rows.upload_lease(UploadId::random(), "one", at(21), at(40)).await.unwrap(), "it is gone");
}

/// `upload_release` gives the lease back, when the holder has it.
pub async fn upload_release(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let id = upload(&store, repository.id, at(0)).await.id;
    let mut rows = begin(&store).await;
    assert!(rows.upload_lease(id, "one", at(1), at(10)).await.unwrap());
    rows.upload_release(id, "other").await.unwrap();
    assert!(!rows.upload_lease(id, "other", at(2), at(10)).await.unwrap(), "not the other's to give back");
    rows.upload_release(id, "one").await.unwrap();
    assert!(rows.upload_lease(id, "other", at(2), at(10)).await.unwrap());
}

/// `upload_delete` ends a session; false when it is gone.
pub async fn upload_delete(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let (one, other) =
        (upload(&store, repository.id, at(0)).await, upload(&store, repository.id, at(0)).await);
    let mut rows = begin(&store).await;
    assert!(rows.upload_delete(one.id).await.unwrap());
    assert!(!rows.upload_delete(one.id).await.unwrap());
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.upload(one.id).await.unwrap(), None);
    assert_eq!(rows.upload(other.id).await.unwrap(), Some(other));
}

/// `uploads_idle`: not written to since, and held by nobody.
pub async fn uploads_idle(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let old = upload(&store, repository.id, at(1)).await;
    let older = upload(&store, repository.id, at(0)).await;
    let held = upload(&store, repository.id, at(0)).await;
    let written = upload(&store, repository.id, at(0)).await;
    upload(&store, repository.id, at(100)).await;
    let mut rows = begin(&store).await;
    assert!(rows.upload_lease(held.id, "one", at(2), at(200)).await.unwrap());
    assert!(rows.upload_save(&written, at(60)).await.unwrap());
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    let idle = rows.uploads_idle(at(50), at(150), 9).await.unwrap();
    assert_eq!(idle, [older.clone(), old.clone()], "the longest idle first");
    assert_eq!(rows.uploads_idle(at(50), at(150), 1).await.unwrap(), [older]);
    let late = rows.uploads_idle(at(50), at(200), 9).await.unwrap();
    assert_eq!(late.len(), 3, "a lease that ran out holds nothing");
    assert_eq!(rows.uploads_idle(at(1), at(150), 9).await.unwrap().len(), 1);
}

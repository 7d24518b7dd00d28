//! Clauses about what is removed.

use bytes::Bytes;

use super::BlobStoreFixture;
use super::content::content;
use super::session::{Session, assert_holds, push, read};
use crate::StoreErrorKind;
use crate::blob::{DriverState, Location, UploadId};

const MIB: usize = 1_048_576;

/// *Discard*: an upload that never began leaves nothing to discard, and that is well.
pub async fn discard_of_nothing(fixture: &dyn BlobStoreFixture) {
    let store = fixture.open().await;
    let upload = UploadId::random();
    store.discard(upload, &DriverState::default()).await.unwrap();
    store.discard(upload, &DriverState::default()).await.unwrap();
}

/// *Discard*: a parked upload is gone afterwards.
pub async fn discard_after_park(fixture: &dyn BlobStoreFixture) {
    let before = fixture.count().await;
    for size in [0, 10, MIB] {
        let mut session = Session::new(fixture);
        session.append(&content(1, size)).await;
        discard_twice(fixture, &session).await;
        if size > 0 {
            assert_eq!(go_on(fixture, &session, size).await, Err(StoreErrorKind::NotFound));
        }
    }
    assert_eq!(fixture.count().await, before);
}

/// *Discard*: so is one that was committed, but whose location was never recorded.
pub async fn discard_after_commit(fixture: &dyn BlobStoreFixture) {
    let before = fixture.count().await;
    for (parked, size) in [(0, 10), (10, 0), (10, MIB)] {
        let store = fixture.open().await;
        let mut session = Session::new(fixture);
        if parked > 0 {
            session.append(&content(1, parked)).await;
        }
        let (id, state) = (session.id, session.state.clone());
        let (whole, location) = session.finish(&content(2, size)).await;
        store.discard(id, &state).await.unwrap();
        store.discard(id, &state).await.unwrap();
        assert_gone(fixture, &location, whole.len()).await;
    }
    assert_eq!(fixture.count().await, before);
}

/// *Discard*, of an upload of many parts: parked, dropped, and committed.
pub async fn discard_of_large(fixture: &dyn BlobStoreFixture) {
    let before = fixture.count().await;
    let mut session = Session::new(fixture);
    session.append(&content(1, 19 * MIB)).await;
    discard_twice(fixture, &session).await;
    assert_eq!(go_on(fixture, &session, 19 * MIB).await, Err(StoreErrorKind::NotFound));

    let mut session = Session::new(fixture);
    session.append(&content(2, 10 * MIB)).await;
    let mut writer = session.writer().await;
    session.feed(&mut writer, &content(3, 10 * MIB)).await;
    drop(writer);
    discard_twice(fixture, &session).await;

    let mut session = Session::new(fixture);
    session.append(&content(4, 10 * MIB)).await;
    let (id, state) = (session.id, session.state.clone());
    let (whole, location) = session.finish(&content(5, MIB)).await;
    fixture.open().await.discard(id, &state).await.unwrap();
    assert_gone(fixture, &location, whole.len()).await;
    assert_eq!(fixture.count().await, before);
}

/// *Discard*: what a writer of this process had begun does not come back afterwards.
pub async fn discard_stops_the_writer(fixture: &dyn BlobStoreFixture) {
    let before = fixture.count().await;
    let store = fixture.open().await;
    for _ in 0..8 {
        let upload = UploadId::random();
        let mut writer = store.writer(upload, &DriverState::default(), 0).await.unwrap();
        writer.write(vec![content(1, MIB)]).await.unwrap();
        drop(writer);
        store.discard(upload, &DriverState::default()).await.unwrap();
    }
    assert_eq!(fixture.count().await, before);
}

/// *Tidy*: the blob is whole afterwards, and deleting it leaves nothing.
pub async fn tidy(fixture: &dyn BlobStoreFixture) {
    let before = fixture.count().await;
    let store = fixture.open().await;
    for (parked, last) in [(0, 10), (10, 0), (10, 10), (9 * MIB, MIB)] {
        let mut session = Session::new(fixture);
        if parked > 0 {
            session.append(&content(1, parked)).await;
        }
        let (id, states) = (session.id, [DriverState::default(), session.state.clone()]);
        let (whole, location) = session.finish(&content(2, last)).await;
        for state in &states {
            store.tidy(id, state).await.unwrap();
            assert_holds(&store, &location, &whole).await;
        }
        store.delete(&location).await.unwrap();
    }
    assert_eq!(fixture.count().await, before);
}

/// *Delete*: a deleted location cannot be opened; deleting it again is well, and others stay.
pub async fn delete(fixture: &dyn BlobStoreFixture) {
    let before = fixture.count().await;
    let store = fixture.open().await;
    for size in [0, 100, 10 * MIB] {
        let mut session = Session::new(fixture);
        session.append(&content(1, size)).await;
        let (whole, location) = session.finish(&content(2, size)).await;
        let other = push(fixture, &Bytes::from_static(b"other")).await;
        store.delete(&location).await.unwrap();
        store.delete(&location).await.unwrap();
        assert_gone(fixture, &location, whole.len()).await;
        assert_eq!(read(&store, &other, 5).await, "other");
        store.delete(&other).await.unwrap();
    }
    assert_eq!(fixture.count().await, before);
}

/// *Delete*, of many: all of them are gone, whether they were there or not, and others stay.
pub async fn delete_all(fixture: &dyn BlobStoreFixture) {
    let before = fixture.count().await;
    let store = fixture.open().await;
    let mut locations = Vec::new();
    for number in 0..30 {
        locations.push(push(fixture, &content(number, 10)).await);
    }
    let stays = locations.split_off(25);
    store.delete_all(&[]).await.unwrap();
    store.delete(&locations[3]).await.unwrap();
    for _ in 0..2 {
        store.delete_all(&locations).await.unwrap();
    }
    for location in &locations {
        assert_gone(fixture, location, 10).await;
    }
    for (location, number) in stays.iter().zip(25..) {
        assert_eq!(read(&store, location, 10).await, content(number, 10));
    }
    store.delete_all(&stays).await.unwrap();
    assert_eq!(fixture.count().await, before);
}

/// A location that the driver never wrote is refused or not found, and nothing outside the store is touched.
pub async fn delete_of_nonsense(fixture: &dyn BlobStoreFixture) {
    let store = fixture.open().await;
    for text in ["", "/", "..", "../../etc/passwd", "blobs/../../x", "/etc/passwd", "blobs/\0", "%2e%2e/x"] {
        let location = Location::new(text);
        assert!(store.open(&location, 0..1).await.is_err(), "{text:?} was opened");
        // Deleting what never was is as well as refusing it.
        drop(store.delete(&location).await);
    }
}

async fn discard_twice(fixture: &dyn BlobStoreFixture, session: &Session<'_>) {
    for _ in 0..2 {
        fixture.open().await.discard(session.id, &session.state).await.unwrap();
    }
}

async fn assert_gone(fixture: &dyn BlobStoreFixture, location: &Location, size: usize) {
    let fault = fixture.open().await.open(location, 0..size as u64).await.map(|_| ()).unwrap_err();
    assert_eq!(fault.kind(), StoreErrorKind::NotFound, "{fault}");
}

/// Takes an upload up again and commits it: the kind of the fault that this meets, wherever it comes.
async fn go_on(
    fixture: &dyn BlobStoreFixture,
    session: &Session<'_>,
    offset: usize,
) -> Result<(), StoreErrorKind> {
    let store = fixture.open().await;
    let mut writer = store.writer(session.id, &session.state, offset as u64).await.map_err(|e| e.kind())?;
    writer.write(vec![Bytes::from_static(b"x")]).await.map_err(|e| e.kind())?;
    let digest = crate::oci::Digest::of(crate::oci::Algorithm::Sha256, b"whatever");
    writer.commit(&digest).await.map(|_| ()).map_err(|e| e.kind())
}

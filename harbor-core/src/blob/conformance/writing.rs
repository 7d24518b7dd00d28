//! Clauses about writing in one go.

use bytes::Bytes;
use futures_util::future::join_all;

use super::BlobStoreFixture;
use super::content::content;
use super::session::{Session, assert_holds, push};
use crate::blob::{DriverState, UploadId};
use crate::oci::{Algorithm, Digest};

/// *Round trip*: what was written is read back, for sizes around every limit that a driver may have.
pub async fn round_trip(fixture: &dyn BlobStoreFixture) {
    for size in
        [1, 2, 4_095, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, 1_048_577, 8_388_608, 8_388_609]
    {
        let content = content(size as u64, size);
        let location = push(fixture, &content).await;
        assert_holds(&fixture.open().await, &location, &content).await;
    }
}

/// *Round trip*, with a digest of the longer algorithm.
pub async fn sha512(fixture: &dyn BlobStoreFixture) {
    let (store, content) = (fixture.open().await, content(512, 1_000));
    let mut writer = store.writer(UploadId::random(), &DriverState::default(), 0).await.unwrap();
    writer.write(vec![content.clone()]).await.unwrap();
    let location = writer.commit(&Digest::of(Algorithm::Sha512, &content)).await.unwrap();
    assert_holds(&store, &location, &content).await;
}

/// *Empty*: a blob of no bytes can be committed and read.
pub async fn empty(fixture: &dyn BlobStoreFixture) {
    let location = push(fixture, &Bytes::new()).await;
    assert_holds(&fixture.open().await, &location, &Bytes::new()).await;
}

/// *Round trip*: a call of `write` may bring nothing.
pub async fn empty_pieces(fixture: &dyn BlobStoreFixture) {
    let (store, digest) = (fixture.open().await, Digest::of(Algorithm::Sha256, b"hello"));
    let mut writer = store.writer(UploadId::random(), &DriverState::default(), 0).await.unwrap();
    for pieces in [vec![], vec![Bytes::new()], vec!["he".into(), Bytes::new(), "llo".into()], vec![]] {
        writer.write(pieces).await.unwrap();
    }
    let location = writer.commit(&digest).await.unwrap();
    assert_holds(&store, &location, &"hello".into()).await;
}

/// *Large*: a blob of many parts, written in pieces of odd sizes, is whole.
pub async fn large(fixture: &dyn BlobStoreFixture) {
    let content = content(26, 26 * 1_048_576 + 4_321);
    let location = push(fixture, &content).await;
    assert_holds(&fixture.open().await, &location, &content).await;
}

/// *Own location*: two uploads of the same content get two locations, and deleting one leaves the other.
pub async fn own_location(fixture: &dyn BlobStoreFixture) {
    let (store, content) = (fixture.open().await, content(2, 70_000));
    let (first, second) = (push(fixture, &content).await, push(fixture, &content).await);
    assert_ne!(first, second);
    store.delete(&first).await.unwrap();
    assert_holds(&store, &second, &content).await;
}

/// *Concurrent*: many uploads at once do not disturb each other.
pub async fn concurrent(fixture: &dyn BlobStoreFixture) {
    join_all((0..24).map(|seed| async move {
        let content = content(100 + seed, 1_000 + 40_003 * usize::try_from(seed).unwrap());
        let mut session = Session::new(fixture);
        session.append(&content.slice(..500)).await;
        session.finish_and_compare(&content.slice(500..)).await;
    }))
    .await;
}

/// A store that works says so, and the driver has a name.
pub async fn healthy(fixture: &dyn BlobStoreFixture) {
    let store = fixture.open().await;
    assert!(!store.name().is_empty());
    store.check().await.unwrap();
}

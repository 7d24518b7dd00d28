//! The row methods of what is to be deleted.

use super::MetadataFixture;
use super::kit::{Store, at, begin, linked, read, store_with};
use crate::meta::{Blob, Garbage, GarbageId};

/// Blobs to which nobody links any more, as many as that, each as long as its number says.
async fn unlinked(store: &Store, fixture: &dyn MetadataFixture, many: usize, due: i64) -> Vec<Blob> {
    let (_, home) = store_with(fixture, "one/two").await;
    let mut blobs = Vec::new();
    for number in 1..=many {
        let (blob, link) = linked(store, home.id, &"x".repeat(number)).await;
        let mut rows = begin(store).await;
        rows.links_delete(&[link], at(due)).await.unwrap();
        rows.commit().await.unwrap();
        blobs.push(blob);
    }
    blobs
}

async fn due(store: &Store, now: i64, limit: u32) -> Vec<Garbage> {
    read(store).await.garbage_due(at(now), limit).await.unwrap()
}

/// `garbage_due`: with the bytes of what went, the longest due first, up to a limit.
pub async fn garbage_due(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    assert_eq!(due(&store, 9, 9).await, []);
    let blobs = unlinked(&store, fixture, 3, 5).await;
    assert_eq!(due(&store, 4, 9).await, []);
    let found = due(&store, 9, 9).await;
    let says = |one: &Garbage| (one.location.clone(), one.size, one.attempts);
    let expected: Vec<_> = blobs.iter().map(|blob| (blob.location.clone(), blob.size, 0)).collect();
    assert_eq!(found.iter().map(says).collect::<Vec<_>>(), expected);
    assert_eq!(due(&store, 9, 2).await, found[..2]);
}

/// `garbage_postpone` moves it to a later time, and counts the attempt.
pub async fn garbage_postpone(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    unlinked(&store, fixture, 2, 5).await;
    let found = due(&store, 9, 9).await;
    for until in [20, 30] {
        let mut rows = begin(&store).await;
        rows.garbage_postpone(found[0].id, at(until)).await.unwrap();
        rows.garbage_postpone(GarbageId::new(9_999), at(until)).await.unwrap();
        rows.commit().await.unwrap();
    }
    assert_eq!(due(&store, 29, 9).await, found[1..]);
    assert_eq!(due(&store, 30, 9).await, [found[1].clone(), Garbage { attempts: 2, ..found[0].clone() }]);
}

/// `garbage_forget`: of many, those that nobody else had forgotten. Of two at once, each is one's.
pub async fn garbage_forget(fixture: &dyn MetadataFixture) {
    let (store, other) = (fixture.open().await, fixture.open().await);
    unlinked(&store, fixture, 40, 5).await;
    let ids: Vec<GarbageId> = due(&store, 9, 99).await.iter().map(|one| one.id).collect();
    let mut asked: Vec<GarbageId> = ids[1..].iter().rev().copied().collect();
    asked.extend([ids[5], GarbageId::new(9_999)]);
    let mut rows = begin(&store).await;
    assert_eq!(rows.garbage_forget(&asked[..20]).await.unwrap(), ids[20..]);
    let beside = asked.clone();
    let beside = tokio::spawn(async move {
        let mut rows = begin(&other).await;
        let gone = rows.garbage_forget(&beside).await.unwrap();
        rows.commit().await.unwrap();
        gone
    });
    tokio::time::sleep(super::kit::WAITS).await;
    rows.commit().await.unwrap();
    assert_eq!(beside.await.unwrap(), ids[1..20]);
    let mut rows = begin(&store).await;
    assert_eq!(rows.garbage_forget(&asked).await.unwrap(), []);
    assert_eq!(rows.garbage_forget(&[]).await.unwrap(), []);
    rows.commit().await.unwrap();
    assert_eq!(due(&store, 9, 9).await.iter().map(|one| one.id).collect::<Vec<_>>(), ids[..1]);
}

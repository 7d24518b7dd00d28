//! The row methods of the review queue.

use super::MetadataFixture;
use super::kit::{Store, at, begin, read};
use crate::Timestamp;
use crate::meta::{BlobId, LinkId, Review, ReviewSubject};

const LINK: ReviewSubject = ReviewSubject::Link(LinkId::new(1));
const BLOB: ReviewSubject = ReviewSubject::Blob(BlobId::new(1));

async fn enter(store: &Store, subject: ReviewSubject, due: Timestamp) {
    let mut rows = begin(store).await;
    rows.review_put(subject, due, "test").await.unwrap();
    rows.commit().await.unwrap();
}

async fn entry(store: &Store, subject: ReviewSubject) -> Option<Review> {
    begin(store).await.review_lock(subject).await.unwrap()
}

/// `reviews_due`, the longest due first, up to a limit.
pub async fn reviews_due(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    for (number, due) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
        enter(&store, ReviewSubject::Link(LinkId::new(number)), at(due)).await;
    }
    let mut rows = read(&store).await;
    let mut due = async |now, limit| -> Vec<i64> {
        let due = rows.reviews_due(at(now), limit).await.unwrap();
        due.iter().map(|review| review.due.micros() - at(0).micros()).collect()
    };
    assert_eq!(due(30, 9).await, [10, 20, 30]);
    assert_eq!(due(30, 2).await, [10, 20]);
    assert_eq!(due(9, 9).await, [0; 0]);
}

/// `review_put` enters a subject, or moves its entry, to an earlier time too, and forgets its attempts.
pub async fn review_put(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    enter(&store, LINK, at(10)).await;
    enter(&store, BLOB, at(20)).await;
    let mut rows = begin(&store).await;
    rows.review_postpone(LINK, at(30)).await.unwrap();
    rows.commit().await.unwrap();
    enter(&store, LINK, at(5)).await;
    assert_eq!(entry(&store, LINK).await, Some(Review { subject: LINK, due: at(5), attempts: 0 }));
    assert_eq!(entry(&store, BLOB).await, Some(Review { subject: BLOB, due: at(20), attempts: 0 }));
}

/// `review_extend` moves an entry to a later time only, and makes none.
pub async fn review_extend(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    enter(&store, LINK, at(10)).await;
    let mut rows = begin(&store).await;
    rows.review_extend(LINK, at(5)).await.unwrap();
    assert_eq!(rows.review_lock(LINK).await.unwrap().unwrap().due, at(10));
    rows.review_extend(LINK, at(50)).await.unwrap();
    assert_eq!(rows.review_lock(LINK).await.unwrap().unwrap().due, at(50));
    rows.review_extend(BLOB, at(50)).await.unwrap();
    assert_eq!(rows.review_lock(BLOB).await.unwrap(), None);
}

/// `review_postpone` moves an entry and counts the attempt.
pub async fn review_postpone(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    enter(&store, BLOB, at(10)).await;
    let mut rows = begin(&store).await;
    rows.review_postpone(BLOB, at(20)).await.unwrap();
    rows.review_postpone(BLOB, at(15)).await.unwrap();
    rows.review_postpone(LINK, at(15)).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(entry(&store, BLOB).await, Some(Review { subject: BLOB, due: at(15), attempts: 2 }));
    assert_eq!(entry(&store, LINK).await, None);
}

/// `review_lock`: who wants the entry too waits, and sees that it was settled.
pub async fn review_lock(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    enter(&store, LINK, at(10)).await;
    let mut rows = begin(&store).await;
    rows.review_lock(LINK).await.unwrap().unwrap();
    let other = fixture.open().await;
    let waiting = tokio::spawn(async move { entry(&other, LINK).await });
    tokio::time::sleep(super::kit::WAITS).await;
    assert!(!waiting.is_finished(), "two workers have the same entry");
    rows.review_delete(LINK).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap(), None);
}

/// `review_delete` takes an entry out.
pub async fn review_delete(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    enter(&store, LINK, at(10)).await;
    enter(&store, BLOB, at(10)).await;
    let mut rows = begin(&store).await;
    rows.review_delete(LINK).await.unwrap();
    rows.review_delete(LINK).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(entry(&store, LINK).await, None);
    assert!(entry(&store, BLOB).await.is_some());
}

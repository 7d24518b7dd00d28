//! The row methods of the review queue.

use super::MetadataFixture;
use super::kit::{Store, at, begin, read};
use crate::Timestamp;
use crate::meta::{LinkId, Review};

const LINK: LinkId = LinkId::new(1);
const OTHER: LinkId = LinkId::new(2);

async fn enter(store: &Store, link: LinkId, due: Timestamp) {
    let mut rows = begin(store).await;
    rows.review_put(link, due, "test").await.unwrap();
    rows.commit().await.unwrap();
}

async fn entry(store: &Store, link: LinkId) -> Option<Review> {
    let queue = read(store).await.reviews_due(at(1_000), 1_000).await.unwrap();
    queue.into_iter().find(|review| review.link == link)
}

/// `reviews_due`, the longest due first, up to a limit.
pub async fn reviews_due(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    for (number, due) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
        enter(&store, LinkId::new(number), at(due)).await;
    }
    let mut rows = read(&store).await;
    let mut due = async |now, limit| -> Vec<(i64, i64)> {
        let due = rows.reviews_due(at(now), limit).await.unwrap();
        due.iter().map(|review| (review.link.get(), review.due.micros() - at(0).micros())).collect()
    };
    assert_eq!(due(30, 9).await, [(2, 10), (3, 20), (1, 30)]);
    assert_eq!(due(30, 2).await, [(2, 10), (3, 20)]);
    assert_eq!(due(9, 9).await, [(0, 0); 0]);
}

/// `review_put` enters a link, or moves its entry, to an earlier time too, and forgets its attempts.
pub async fn review_put(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    enter(&store, LINK, at(10)).await;
    enter(&store, OTHER, at(20)).await;
    let mut rows = begin(&store).await;
    rows.review_postpone(LINK, at(30)).await.unwrap();
    rows.commit().await.unwrap();
    enter(&store, LINK, at(5)).await;
    assert_eq!(entry(&store, LINK).await, Some(Review { link: LINK, due: at(5), attempts: 0 }));
    assert_eq!(entry(&store, OTHER).await, Some(Review { link: OTHER, due: at(20), attempts: 0 }));
}

/// `review_extend` moves an entry to a later time only, and makes none.
pub async fn review_extend(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    enter(&store, LINK, at(10)).await;
    for (until, due) in [(5, 10), (50, 50)] {
        let mut rows = begin(&store).await;
        rows.review_extend(LINK, at(until)).await.unwrap();
        rows.review_extend(OTHER, at(until)).await.unwrap();
        rows.commit().await.unwrap();
        assert_eq!(entry(&store, LINK).await.unwrap().due, at(due));
        assert_eq!(entry(&store, OTHER).await, None);
    }
}

/// `review_postpone` moves an entry and counts the attempt.
pub async fn review_postpone(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    enter(&store, LINK, at(10)).await;
    let mut rows = begin(&store).await;
    rows.review_postpone(LINK, at(20)).await.unwrap();
    rows.review_postpone(LINK, at(15)).await.unwrap();
    rows.review_postpone(OTHER, at(15)).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(entry(&store, LINK).await, Some(Review { link: LINK, due: at(15), attempts: 2 }));
    assert_eq!(entry(&store, OTHER).await, None);
}

/// `reviews_delete` takes entries out, and no others.
pub async fn reviews_delete(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let links: Vec<LinkId> = (1..=300).map(LinkId::new).collect();
    for link in [LINK, links[150], links[299]] {
        enter(&store, link, at(10)).await;
    }
    let mut rows = begin(&store).await;
    rows.reviews_delete(&links[..299]).await.unwrap();
    rows.reviews_delete(&[]).await.unwrap();
    rows.commit().await.unwrap();
    let left = read(&store).await.reviews_due(at(1_000), 9).await.unwrap();
    assert_eq!(left, [Review { link: links[299], due: at(10), attempts: 0 }]);
}

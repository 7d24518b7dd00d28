//! The row methods that garbage collection uses of many links and blobs at once.

use super::MetadataFixture;
use super::kit::{Says, Store, WAITS, at, begin, linked, location, manifest, read, store_with};
use crate::meta::{Blob, BlobId, BlobState, LinkId, LinkReview, RepositoryId, ReviewSubject};

/// More than one statement takes.
const MANY: usize = 40;

/// Links to blobs of which each is as long as its number says.
async fn many(store: &Store, repository: RepositoryId) -> Vec<(Blob, LinkId)> {
    let mut made = Vec::new();
    for number in 0..MANY {
        made.push(linked(store, repository, &"x".repeat(number + 1)).await);
    }
    made
}

async fn put(store: &Store, subjects: &[ReviewSubject], due: i64) {
    let mut rows = begin(store).await;
    rows.reviews_put(subjects, at(due), "test").await.unwrap();
    rows.commit().await.unwrap();
}

async fn due(store: &Store) -> Vec<ReviewSubject> {
    let due = read(store).await.reviews_due(at(1_000), 1_000).await.unwrap();
    due.into_iter().map(|review| review.subject).collect()
}

/// `links_review`: those that are due, with where they lead and whether a manifest holds them.
pub async fn links_review(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let made = many(&store, repository.id).await;
    let links: Vec<LinkId> = made.iter().map(|(_, link)| *link).collect();
    let holds = Says { links: vec![links[3], links[20]], missing: vec![made[5].0.digest], ..Says::default() };
    manifest(&store, repository.id, "holds", &holds).await;
    let gone = LinkId::new(99_999);
    let all: Vec<_> = links.iter().chain([&gone]).map(|link| ReviewSubject::Link(*link)).collect();
    put(&store, &all, 10).await;
    put(&store, &[ReviewSubject::Link(links[7])], 30).await;
    let mut rows = begin(&store).await;
    let mut asked: Vec<LinkId> = links.iter().rev().copied().chain([gone, LinkId::new(88_888)]).collect();
    asked.push(links[1]);
    let found = rows.links_review(&asked, at(20)).await.unwrap();
    let mut expected = Vec::new();
    for (number, (blob, link)) in made.iter().enumerate().filter(|(number, _)| *number != 7) {
        let (place, referenced) = (Some((repository.id, blob.id)), [3, 5, 20].contains(&number));
        expected.push(LinkReview { link: *link, place, referenced });
    }
    expected.push(LinkReview { link: gone, place: None, referenced: false });
    assert_eq!(found, expected);
    assert!(rows.links_review(&[], at(20)).await.unwrap().is_empty());
}

/// `links_delete`, `reviews_put` and `reviews_delete`: all of them, and the project holds no more than what stays.
pub async fn links_delete(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let made = many(&store, repository.id).await;
    let (stays, go) = made.split_first().unwrap();
    let links: Vec<LinkId> = go.iter().map(|(_, link)| *link).collect();
    let subjects: Vec<_> = links.iter().map(|link| ReviewSubject::Link(*link)).collect();
    put(&store, &subjects, 10).await;
    put(&store, &[ReviewSubject::Link(stays.1), ReviewSubject::Blob(BlobId::new(links[0].get()))], 10).await;
    let mut rows = begin(&store).await;
    rows.reviews_delete(&subjects).await.unwrap();
    rows.links_delete(&links).await.unwrap();
    rows.links_delete(&[]).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.usage(repository.project).await.unwrap().used, 1);
    for (number, (blob, _)) in made.iter().enumerate() {
        assert_eq!(rows.blob_is_linked(blob.id).await.unwrap(), number == 0, "{number}");
    }
    let mut left = due(&store).await;
    left.sort_by_key(|subject| matches!(subject, ReviewSubject::Blob(_)));
    let kept = [ReviewSubject::Link(stays.1), ReviewSubject::Blob(BlobId::new(links[0].get()))];
    assert_eq!(left, kept);
}

/// `blobs_review`, `blobs_condemn` and `blobs_bury`: condemned, and gone unless somebody gave them other bytes.
pub async fn blobs_bury(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let made = many(&store, repository.id).await;
    let ids: Vec<BlobId> = made.iter().map(|(blob, _)| blob.id).collect();
    let subjects: Vec<_> = ids.iter().map(|id| ReviewSubject::Blob(*id)).collect();
    put(&store, &subjects, 10).await;
    put(&store, &[subjects[9], ReviewSubject::Blob(BlobId::new(77_777))], 10).await;
    let mut rows = begin(&store).await;
    // All but the first are linked no more.
    let links: Vec<LinkId> = made[1..].iter().map(|(_, link)| *link).collect();
    rows.links_delete(&links).await.unwrap();
    let asked: Vec<BlobId> = ids.iter().rev().copied().chain([BlobId::new(77_777)]).collect();
    let found = rows.blobs_review(&asked, at(20)).await.unwrap();
    assert_eq!(found.len(), MANY + 1);
    for (review, (number, (blob, _))) in found.iter().zip(made.iter().enumerate()) {
        assert_eq!((review.id, review.linked), (blob.id, number == 0));
        assert_eq!(review.blob.as_ref(), Some(blob));
    }
    assert_eq!((found[MANY].id, &found[MANY].blob), (BlobId::new(77_777), &None));
    assert!(rows.blobs_review(&asked, at(5)).await.unwrap().is_empty(), "none is due yet");
    rows.blobs_condemn(&ids[1..]).await.unwrap();
    rows.commit().await.unwrap();
    let mut condemned: Vec<Blob> = Vec::new();
    for id in &ids {
        condemned.extend(begin(&store).await.blob_lock(*id).await.unwrap());
    }
    let is_condemned = |blob: &Blob| blob.state == BlobState::Condemned;
    assert!(condemned[1..].iter().all(is_condemned) && !is_condemned(&condemned[0]));
    // One is pushed again meanwhile.
    let mut rows = begin(&store).await;
    rows.blob_lock(ids[2]).await.unwrap();
    rows.blob_revive(ids[2], &location("again")).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    let gone = rows.blobs_bury(&condemned).await.unwrap();
    rows.commit().await.unwrap();
    let expected: Vec<BlobId> = ids.iter().copied().filter(|id| *id != ids[0] && *id != ids[2]).collect();
    assert_eq!(gone, expected);
    let mut left = due(&store).await;
    left.retain(|subject| subjects.contains(subject));
    left.sort_by_key(|subject| subjects.iter().position(|known| known == subject));
    assert_eq!(left, [subjects[0], subjects[2]]);
    let mut rows = begin(&store).await;
    assert!(
        rows.blob_lock(ids[2]).await.unwrap().is_some() && rows.blob_lock(ids[3]).await.unwrap().is_none()
    );
}

/// `links_review`: who pushes what is looked at waits until it is settled.
pub async fn links_review_locks(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let (blob, link) = linked(&store, repository.id, "content").await;
    put(&store, &[ReviewSubject::Link(link)], 10).await;
    let mut rows = begin(&store).await;
    assert_eq!(rows.links_review(&[link], at(20)).await.unwrap().len(), 1);
    let other = fixture.open().await;
    let waiting = tokio::spawn(async move {
        let mut rows = begin(&other).await;
        rows.links_lock(repository.id, &[blob.digest]).await.unwrap().len()
    });
    tokio::time::sleep(WAITS).await;
    assert!(!waiting.is_finished(), "a push relies on a link that goes");
    rows.links_delete(&[link]).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap(), 0);
}

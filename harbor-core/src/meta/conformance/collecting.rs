//! The row methods that garbage collection uses of many links at once.

use futures_util::future::join_all;

use super::MetadataFixture;
use super::contention::persist;
use super::kit::{Says, Store, WAITS, at, begin, linked, manifest, read, repository, store_with};
use crate::meta::{Blob, LinkId, LinkReview, RepositoryId};

/// More than one statement takes.
const MANY: usize = 140;

/// Links to blobs of which each is as long as its number says.
async fn many(store: &Store, repository: RepositoryId) -> Vec<(Blob, LinkId)> {
    let mut made = Vec::new();
    for number in 0..MANY {
        made.push(linked(store, repository, &"x".repeat(number + 1)).await);
    }
    made
}

async fn put(store: &Store, links: &[LinkId], due: i64) {
    let mut rows = begin(store).await;
    for link in links {
        rows.review_put(*link, at(due), "test").await.unwrap();
    }
    rows.commit().await.unwrap();
}

/// The sizes of what is to be deleted.
async fn garbage(store: &Store) -> Vec<u64> {
    let due = read(store).await.garbage_due(at(0), 1_000).await.unwrap();
    due.iter().map(|garbage| garbage.size).collect()
}

/// `links_review`: those that are due, with where they lead and whether a manifest holds them.
pub async fn links_review(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let made = many(&store, repository.id).await;
    let links: Vec<LinkId> = made.iter().map(|(_, link)| *link).collect();
    let holds = Says { links: vec![links[3], links[20]], missing: vec![made[5].0.digest], ..Says::default() };
    manifest(&store, repository.id, "holds", &holds).await;
    let gone = LinkId::new(99_999);
    put(&store, &links, 10).await;
    put(&store, &[gone], 10).await;
    put(&store, &[links[7]], 30).await;
    let mut rows = begin(&store).await;
    let mut asked: Vec<LinkId> = links.iter().rev().copied().chain([gone, LinkId::new(88_888)]).collect();
    asked.push(links[1]);
    let found = rows.links_review(&asked, at(20)).await.unwrap();
    let mut expected = Vec::new();
    for (number, link) in links.iter().enumerate().filter(|(number, _)| *number != 7) {
        let referenced = [3, 5, 20].contains(&number);
        expected.push(LinkReview { link: *link, repository: Some(repository.id), referenced });
    }
    expected.push(LinkReview { link: gone, repository: None, referenced: false });
    assert_eq!(found, expected);
    assert!(rows.links_review(&[], at(20)).await.unwrap().is_empty());
}

/// `links_delete`: all of them, their reviews and their blobs. The project holds no more than what stays, and all other bytes are to be
/// deleted.
pub async fn links_delete(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let made = many(&store, repository.id).await;
    let (stays, go) = made.split_first().unwrap();
    let mut links: Vec<LinkId> = go.iter().map(|(_, link)| *link).collect();
    put(&store, &links, 10).await;
    put(&store, &[stays.1], 10).await;
    links.reverse();
    links.extend([links[1], LinkId::new(88_888)]);
    let mut rows = begin(&store).await;
    rows.links_delete(&links, at(0)).await.unwrap();
    rows.links_delete(&[], at(0)).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.usage(repository.project).await.unwrap().used, 1);
    assert_eq!(rows.stored_bytes().await.unwrap(), 1);
    let due = rows.reviews_due(at(1_000), 1_000).await.unwrap();
    assert_eq!(due.iter().map(|review| review.link).collect::<Vec<_>>(), [stays.1]);
    drop(rows);
    let mut sizes = garbage(&store).await;
    sizes.sort_unstable();
    assert_eq!(sizes, go.iter().map(|(blob, _)| blob.size).collect::<Vec<_>>());
    let mut rows = begin(&store).await;
    assert_eq!(rows.blob_lock(stays.0.id).await.unwrap().as_ref(), Some(&stays.0));
    assert_eq!(rows.blob_lock(go[0].0.id).await.unwrap(), None);
}

/// `links_unreferenced`: those that are there and that no manifest holds, whether they are to be looked at or not.
pub async fn links_unreferenced(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let made = many(&store, repository.id).await;
    let mut links: Vec<LinkId> = made.iter().map(|(_, link)| *link).collect();
    let holds = Says { links: vec![links[3]], missing: vec![made[5].0.digest], ..Says::default() };
    manifest(&store, repository.id, "holds", &holds).await;
    put(&store, &links[..9], 10).await;
    let mut asked: Vec<LinkId> = links.iter().rev().copied().collect();
    asked.extend([links[1], LinkId::new(88_888)]);
    let mut rows = begin(&store).await;
    let found = rows.links_unreferenced(&asked).await.unwrap();
    links.remove(5);
    links.remove(3);
    assert_eq!(found, links);
    assert!(rows.links_unreferenced(&[]).await.unwrap().is_empty());
}

/// `links_delete`: a blob stays until its last link goes, and its content is another blob when it comes again.
pub async fn links_delete_until_the_last(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let elsewhere = repository(&store, "elsewhere/two").await;
    let (blob, first) = linked(&store, one.id, "content").await;
    let (_, second) = linked(&store, elsewhere.id, "content").await;
    for (link, left) in [(first, 1), (second, 0)] {
        let mut rows = begin(&store).await;
        rows.links_delete(&[link], at(0)).await.unwrap();
        rows.commit().await.unwrap();
        let homes = read(&store).await.blob_repositories(&blob.digest, 9).await.unwrap();
        assert_eq!((homes.len(), garbage(&store).await.len()), (left, 1 - left));
    }
    let (again, _) = linked(&store, one.id, "content").await;
    assert_ne!(again.id, blob.id);
    assert_eq!(garbage(&store).await, [blob.size]);
}

/// `links_delete`: of many that take links to the same blobs away at once, one sees that it takes the last.
pub async fn links_delete_at_once(fixture: &dyn MetadataFixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    let mut links = vec![Vec::new(); 8];
    for (number, links) in links.iter_mut().enumerate() {
        let home = repository(&one, &format!("one/r{number}")).await;
        for size in 1..=5 {
            links.push(linked(&one, home.id, &"x".repeat(size)).await.1);
        }
    }
    let deletes = links.into_iter().enumerate().map(|(number, links)| {
        let store = if number % 2 == 0 { Store::clone(&one) } else { Store::clone(&other) };
        async move {
            persist(async || {
                let mut rows = begin(&store).await;
                rows.links_delete(&links, at(0)).await?;
                rows.commit().await
            })
            .await;
        }
    });
    join_all(deletes).await;
    let mut sizes = garbage(&one).await;
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2, 3, 4, 5]);
    assert_eq!(read(&one).await.stored_bytes().await.unwrap(), 0);
}

/// `links_review`: who pushes what is looked at waits until it is settled.
pub async fn links_review_locks(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let (blob, link) = linked(&store, repository.id, "content").await;
    put(&store, &[link], 10).await;
    let mut rows = begin(&store).await;
    assert_eq!(rows.links_review(&[link], at(20)).await.unwrap().len(), 1);
    let other = fixture.open().await;
    let waiting = tokio::spawn(async move {
        let mut rows = begin(&other).await;
        rows.links_lock(repository.id, &[blob.digest]).await.unwrap().len()
    });
    tokio::time::sleep(WAITS).await;
    assert!(!waiting.is_finished(), "a push relies on a link that goes");
    rows.links_delete(&[link], at(0)).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap(), 0);
}

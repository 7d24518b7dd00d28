//! The row methods of the links of repositories to blobs.

use super::MetadataFixture;
use super::kit::{
    Says, assert_kind, assert_refused, at, begin, blob, digest, linked, manifest, read, repository,
    store_with,
};
use crate::StoreErrorKind;
use crate::meta::{BlobId, LinkId, RepositoryId};

/// `linked_blob`: only where there is a link, and with the time of its review.
pub async fn linked_blob(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let other = super::kit::repository(&store, "one/other").await;
    let (blob, link) = linked(&store, repository.id, "content").await;
    let mut rows = begin(&store).await;
    let found = rows.linked_blob(repository.id, &blob.digest).await.unwrap().unwrap();
    assert_eq!((found.link, found.blob, found.digest, found.size), (link, blob.id, blob.digest, blob.size));
    assert_eq!((found.location, found.review_due), (blob.location, None));
    rows.review_put(link, at(9), "test").await.unwrap();
    let found = rows.linked_blob(repository.id, &blob.digest).await.unwrap().unwrap();
    assert_eq!(found.review_due, Some(at(9)));
    assert_eq!(rows.linked_blob(other.id, &blob.digest).await.unwrap(), None);
    assert_eq!(rows.linked_blob(repository.id, &digest("other")).await.unwrap(), None);
}

/// `link_ensure` links, and then yields the link that is there.
pub async fn link_ensure(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let other = super::kit::repository(&store, "one/other").await;
    let (blob, link) = linked(&store, repository.id, "content").await;
    let mut rows = begin(&store).await;
    assert_eq!(rows.link_ensure(repository.id, blob.id, at(1)).await.unwrap(), link);
    let second = rows.link_ensure(other.id, blob.id, at(1)).await.unwrap();
    assert_ne!(second, link);
    assert_eq!(rows.link_lock(second).await.unwrap(), Some((other.id, blob.id)));
}

/// `link_ensure` to something that is not there is refused: `Conflict`.
pub async fn link_ensure_of_nothing(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let blob = blob(&store, "content").await;
    let mut rows = begin(&store).await;
    assert_kind(rows.link_ensure(repository.id, BlobId::new(9_999), at(0)).await, StoreErrorKind::Conflict);
    drop(rows);
    let mut rows = begin(&store).await;
    assert_kind(rows.link_ensure(RepositoryId::new(9_999), blob.id, at(0)).await, StoreErrorKind::Conflict);
}

/// `link_lock` yields what the link joins.
pub async fn link_lock(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let (blob, link) = linked(&store, repository.id, "content").await;
    let mut rows = begin(&store).await;
    assert_eq!(rows.link_lock(link).await.unwrap(), Some((repository.id, blob.id)));
    assert_eq!(rows.link_lock(LinkId::new(9_999)).await.unwrap(), None);
}

/// `links_lock`: many digests at once, in the order of keys, without those that are not linked.
pub async fn links_lock(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let other = super::kit::repository(&store, "one/other").await;
    let mut wanted = vec![digest("nowhere")];
    let mut links = Vec::new();
    // More than any driver asks for in one statement, and not a round number.
    for number in 0..37 {
        let (blob, link) = linked(&store, repository.id, &format!("layer {number}")).await;
        wanted.push(blob.digest);
        links.push(link);
    }
    let (elsewhere, _) = linked(&store, other.id, "elsewhere").await;
    wanted.push(elsewhere.digest);
    wanted.reverse();
    let mut rows = begin(&store).await;
    let locked = rows.links_lock(repository.id, &wanted).await.unwrap();
    assert_eq!(locked.iter().map(|blob| blob.link).collect::<Vec<_>>(), links);
    assert!(locked.iter().all(|blob| wanted.contains(&blob.digest)));
    assert_eq!(rows.links_lock(repository.id, &[]).await.unwrap(), []);
}

/// `link_is_referenced` by a manifest of the repository.
pub async fn link_is_referenced(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let (_, link) = linked(&store, repository.id, "content").await;
    assert!(!read(&store).await.link_is_referenced(link).await.unwrap());
    let says = Says { links: vec![link], ..Says::default() };
    let manifest = manifest(&store, repository.id, "a manifest", &says).await;
    assert!(read(&store).await.link_is_referenced(link).await.unwrap());
    let mut rows = begin(&store).await;
    rows.manifest_delete(manifest).await.unwrap();
    assert!(!rows.link_is_referenced(link).await.unwrap());
}

/// `link_is_referenced`, by a manifest that came ahead of its blob; one of another repository does not count.
pub async fn link_is_referenced_by_sparse(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let other = repository(&store, "one/other").await;
    let says = Says { missing: vec![digest("late")], ..Says::default() };
    manifest(&store, one.id, "a manifest", &says).await;
    let (_, link) = linked(&store, one.id, "late").await;
    let (_, elsewhere) = linked(&store, other.id, "late").await;
    let mut rows = read(&store).await;
    assert!(rows.link_is_referenced(link).await.unwrap());
    assert!(!rows.link_is_referenced(elsewhere).await.unwrap());
}

/// `links_delete` takes the blob out of the repository, and of no other.
pub async fn links_delete_of_one(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let other = repository(&store, "one/other").await;
    let (blob, link) = linked(&store, one.id, "content").await;
    linked(&store, other.id, "content").await;
    let mut rows = begin(&store).await;
    rows.links_delete(&[link], at(0)).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.linked_blob(one.id, &blob.digest).await.unwrap(), None);
    assert!(rows.linked_blob(other.id, &blob.digest).await.unwrap().is_some());
}

/// `links_delete` of a link that a manifest refers to is refused: `Conflict`.
pub async fn links_delete_of_referenced(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let (_, link) = linked(&store, repository.id, "content").await;
    manifest(&store, repository.id, "a manifest", &Says { links: vec![link], ..Says::default() }).await;
    let mut rows = begin(&store).await;
    let refused = rows.links_delete(&[link], at(0)).await;
    assert_refused(rows, refused, StoreErrorKind::Conflict).await;
}

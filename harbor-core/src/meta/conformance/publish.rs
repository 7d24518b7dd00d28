//! `Transaction::publish`.

use tokio::time::sleep;

use super::MetadataFixture;
use super::kit::{
    Store, WAITS, at, begin, blob, digest, linked, location, new_upload, read, repository, store_with, upload,
};
use crate::StoreErrorKind;
use crate::blob::{Location, UploadId};
use crate::meta::{Publish, Published, RepositoryId, Transaction};
use crate::oci::Digest;

fn brought<'a>(
    upload: UploadId,
    repository: RepositoryId,
    digest: &'a Digest,
    location: &'a Location,
) -> Publish<'a> {
    Publish { upload, repository, digest, size: 7, location, due: at(9), now: at(1) }
}

/// The time at which the link of the repository to the content will be looked at.
async fn due(store: &Store, repository: RepositoryId, content: &Digest) -> Option<crate::Timestamp> {
    let found = read(store).await.linked_blob(repository, content).await.unwrap();
    found.expect("a link").review_due
}

/// New content: its row has the upload's bytes, it is linked and will be looked at, and the session is over.
pub async fn publish_first(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let (session, bystander) =
        (upload(&store, repository.id, at(0)).await, upload(&store, repository.id, at(0)).await);
    let (content, place) = (digest("content"), location("first"));
    let mut rows = begin(&store).await;
    let publish = brought(session.id, repository.id, &content, &place);
    assert_eq!(rows.publish(&publish).await.unwrap(), Published::Used);
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    let found = rows.linked_blob(repository.id, &content).await.unwrap().unwrap();
    assert_eq!((found.digest, found.size, found.location), (content, 7, place));
    assert_eq!(found.review_due, Some(at(9)));
    assert_eq!(rows.upload(session.id).await.unwrap(), None);
    assert_eq!(rows.upload(bystander.id).await.unwrap(), Some(bystander));
}

/// Content that the repository has: it keeps its bytes, its review is put off, and the session stays.
pub async fn publish_again(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let (made, link) = linked(&store, repository.id, "content").await;
    let mut rows = begin(&store).await;
    rows.review_put(link, at(3), "test").await.unwrap();
    rows.commit().await.unwrap();
    let session = upload(&store, repository.id, at(0)).await;
    let mut rows = begin(&store).await;
    let place = location("second");
    let publish = brought(session.id, repository.id, &made.digest, &place);
    assert_eq!(rows.publish(&publish).await.unwrap(), Published::Unused);
    rows.commit().await.unwrap();
    assert_eq!(due(&store, repository.id, &made.digest).await, Some(at(9)));
    let mut rows = begin(&store).await;
    assert_eq!(rows.upload(session.id).await.unwrap(), Some(session));
    assert_eq!(rows.blob_lock(made.id).await.unwrap(), Some(made));
}

/// Content that another repository has: it is linked to this one too, and the other's review stands.
pub async fn publish_other_repository(fixture: &dyn MetadataFixture) {
    let (store, first) = store_with(fixture, "one/two").await;
    let second = repository(&store, "one/other").await;
    let (made, link) = linked(&store, first.id, "content").await;
    let session = upload(&store, second.id, at(0)).await;
    let mut rows = begin(&store).await;
    let place = location("second");
    let publish = brought(session.id, second.id, &made.digest, &place);
    assert_eq!(rows.publish(&publish).await.unwrap(), Published::Unused);
    rows.commit().await.unwrap();
    assert_eq!(due(&store, second.id, &made.digest).await, Some(at(9)));
    assert_eq!(due(&store, first.id, &made.digest).await, None);
    let found = read(&store).await.linked_blob(second.id, &made.digest).await.unwrap().unwrap();
    assert_eq!((found.blob, found.location), (made.id, made.location));
    assert_ne!(found.link, link);
}

/// A session that is gone is told of, whether the content is there or not.
pub async fn publish_without_session(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let (made, _) = linked(&store, repository.id, "there").await;
    let (gone, place) = (new_upload(repository.id).id, location("second"));
    for content in [digest("new"), made.digest] {
        let mut rows = begin(&store).await;
        let publish = brought(gone, repository.id, &content, &place);
        assert_eq!(rows.publish(&publish).await.unwrap(), Published::Gone);
    }
    assert_eq!(read(&store).await.linked_blob(repository.id, &digest("new")).await.unwrap(), None);
}

/// The blob is locked: who wants to collect it waits, and sees that it is linked. To a repository that is not there nothing
/// is linked: `Conflict`.
pub async fn publish_locks(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let made = blob(&store, "content").await;
    let session = upload(&store, repository.id, at(0)).await;
    let place = location("second");
    let mut push: Box<dyn Transaction> = begin(&store).await;
    let publish = brought(session.id, repository.id, &made.digest, &place);
    push.publish(&publish).await.unwrap();
    let other = fixture.open().await;
    let collector = tokio::spawn(async move {
        let mut rows = begin(&other).await;
        rows.blob_lock(made.id).await.unwrap();
        rows.blob_repositories(&made.digest, 1).await.unwrap()
    });
    sleep(WAITS).await;
    assert!(!collector.is_finished(), "the collector did not wait for the push");
    push.commit().await.unwrap();
    assert_eq!(collector.await.unwrap(), [repository.name], "the collector did not see the new link");
    let session = upload(&store, repository.id, at(0)).await;
    let mut rows = begin(&store).await;
    let nowhere = Publish { repository: RepositoryId::new(9_999), upload: session.id, ..publish };
    super::kit::assert_kind(rows.publish(&nowhere).await, StoreErrorKind::Conflict);
}

//! The row methods of blobs.

use tokio::time::sleep;

use super::MetadataFixture;
use super::kit::{WAITS, at, begin, blob, digest, linked, location, name, read, repository, store_with};
use crate::meta::BlobId;
use crate::oci::{Algorithm, Digest};

/// `blob_ensure` makes a blob, and then yields it as it is, by digest.
pub async fn blob_ensure(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let long = Digest::of(Algorithm::Sha512, b"content");
    let mut rows = begin(&store).await;
    // The largest size that there is.
    let size = i64::MAX.unsigned_abs();
    let made = rows.blob_ensure(&long, size, &location("one"), at(0)).await.unwrap();
    assert_eq!((made.digest, made.size), (long, size));
    assert_eq!(made.location, location("one"));
    assert_eq!(rows.blob_ensure(&long, size, &location("other"), at(1)).await.unwrap(), made);
    let short = rows.blob_ensure(&digest("content"), 7, &location("short"), at(0)).await.unwrap();
    assert_ne!(short.id, made.id);
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    assert_eq!(rows.blob_ensure(&long, size, &location("other"), at(2)).await.unwrap(), made);
}

/// `blob_lock` yields the blob, if it is there.
pub async fn blob_lock(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let made = blob(&store, "content").await;
    let mut rows = begin(&store).await;
    assert_eq!(rows.blob_lock(made.id).await.unwrap(), Some(made));
    assert_eq!(rows.blob_lock(BlobId::new(9_999)).await.unwrap(), None);
}

/// `blob_ensure` locks the blob that it yields: who wants to collect it waits, and sees that it is linked.
pub async fn blob_locks_wait(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let made = blob(&store, "content").await;
    let mut push = begin(&store).await;
    push.blob_ensure(&made.digest, made.size, &location("second"), at(1)).await.unwrap();
    let other = fixture.open().await;
    let collector = tokio::spawn(async move {
        let mut rows = begin(&other).await;
        rows.blob_lock(made.id).await.unwrap();
        rows.blob_repositories(&made.digest, 1).await.unwrap()
    });
    sleep(WAITS).await;
    assert!(!collector.is_finished(), "the collector did not wait for the push");
    push.link_ensure(repository.id, made.id, at(1)).await.unwrap();
    push.commit().await.unwrap();
    assert_eq!(collector.await.unwrap(), [repository.name], "the collector did not see the new link");
}

/// `blob_repositories`, by name, up to a limit.
pub async fn blob_repositories(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    for full in ["b/a", "a/b", "c/c"] {
        let repository = repository(&store, full).await;
        linked(&store, repository.id, "content").await;
    }
    let other = repository(&store, "a/a").await;
    linked(&store, other.id, "other").await;
    let mut rows = read(&store).await;
    let all = rows.blob_repositories(&digest("content"), 9).await.unwrap();
    assert_eq!(all, [name("a/b"), name("b/a"), name("c/c")]);
    assert_eq!(rows.blob_repositories(&digest("content"), 2).await.unwrap(), [name("a/b"), name("b/a")]);
    assert_eq!(rows.blob_repositories(&digest("nowhere"), 2).await.unwrap(), []);
}

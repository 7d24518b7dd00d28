//! Clauses about what lists leave out, when those who change it want the same rows at once.

use bytes::Bytes;
use tokio::time::sleep;

use super::MetadataFixture;
use super::artifacts::{lists, pushed, shown};
use super::contention::persist;
use super::kit::{
    Says, Store, WAITS, assert_kind, at, begin, digest, manifest, put, read, store_with, tag, tagged,
};
use crate::meta::{ManifestId, RepositoryId, Transaction};
use crate::{StoreError, StoreErrorKind};

/// One change of what is listed and tagged, in a transaction that its caller opened.
#[derive(Clone, Debug)]
enum Step {
    /// Stores a manifest that lists these.
    Push(&'static str, &'static [&'static str]),
    /// Deletes the manifest of that content.
    Delete(&'static str),
    /// Deletes it, and stores it anew.
    Renew(&'static str),
    /// Lets the tag name the manifest of that content.
    Name(&'static str, &'static str),
    /// Deletes the tag.
    Untag(&'static str),
}

async fn locked(
    rows: &mut dyn Transaction,
    repository: RepositoryId,
    content: &str,
) -> Result<ManifestId, StoreError> {
    Ok(rows.manifest_lock(repository, &digest(content)).await?.unwrap())
}

async fn take(rows: &mut dyn Transaction, repository: RepositoryId, step: &Step) -> Result<(), StoreError> {
    match step {
        Step::Push(content, children) => {
            let says = if children.is_empty() { pushed("IMAGE", 1, 1) } else { lists(children, 1) };
            put(rows, repository, &Bytes::from_static(content.as_bytes()), &says).await.map(drop)
        }
        Step::Delete(content) => {
            let id = locked(rows, repository, content).await?;
            rows.manifest_delete(id).await.map(drop)
        }
        Step::Renew(content) => {
            let id = locked(rows, repository, content).await?;
            rows.manifest_delete(id).await?;
            put(rows, repository, &Bytes::from_static(content.as_bytes()), &pushed("IMAGE", 1, 1))
                .await
                .map(drop)
        }
        Step::Name(name, content) => {
            let id = locked(rows, repository, content).await?;
            rows.tag_put(repository, &tag(name), id, at(2)).await.map(drop)
        }
        Step::Untag(name) => rows.tag_delete(repository, &tag(name)).await.map(drop),
    }
}

/// Takes the second step while the transaction of the first is open, and once more when that makes it fail.
async fn beside(fixture: &dyn MetadataFixture, repository: RepositoryId, first: Step, second: Step) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    let mut rows = begin(&one).await;
    take(&mut *rows, repository, &first).await.unwrap();
    let waiting = persist(async || {
        let mut rows = begin(&other).await;
        take(&mut *rows, repository, &second).await?;
        rows.commit().await
    });
    let finishing = async {
        sleep(WAITS).await;
        rows.commit().await.unwrap();
    };
    tokio::join!(waiting, finishing);
}

/// The same both ways round: each in a repository of its own, which `made` fills and of which `expected` is shown in the end.
async fn both_ways(
    fixture: &dyn MetadataFixture,
    made: impl AsyncFn(&Store, RepositoryId),
    steps: [Step; 2],
    expected: &[&str],
) {
    for turned in [false, true] {
        let (store, repository) = store_with(fixture, if turned { "two/ways" } else { "one/way" }).await;
        made(&store, repository.id).await;
        let [mut first, mut second] = steps.clone();
        if turned {
            std::mem::swap(&mut first, &mut second);
        }
        beside(fixture, repository.id, first.clone(), second.clone()).await;
        let mut rows = read(&store).await;
        let mut ids = Vec::new();
        for content in expected {
            ids.extend(rows.artifact(repository.id, &digest(content)).await.unwrap().map(|found| found.id));
        }
        drop(rows);
        ids.sort_unstable();
        assert_eq!(shown(&store, &repository).await, ids, "{second:?} beside {first:?}");
    }
}

/// An index is not stored when a manifest that it lists, and that must be there, is deleted at the same time.
pub async fn index_beside_delete(fixture: &dyn MetadataFixture) {
    let (one, repository) = store_with(fixture, "one/two").await;
    let other = fixture.open().await;
    let child = manifest(&one, repository.id, "child", &pushed("IMAGE", 1, 1)).await;
    manifest(&one, repository.id, "stays", &pushed("IMAGE", 1, 1)).await;
    let mut first = begin(&one).await;
    assert_eq!(locked(&mut *first, repository.id, "child").await.unwrap(), child);
    assert_eq!(first.artifact_is_held(child).await.unwrap(), (false, false));
    let second = tokio::spawn(async move {
        let mut rows = begin(&other).await;
        let index = Says { complete: true, ..lists(&["child", "stays"], 2) };
        put(&mut *rows, repository.id, &"index".into(), &index).await?;
        rows.commit().await
    });
    sleep(WAITS).await;
    first.manifest_delete(child).await.unwrap();
    first.commit().await.unwrap();
    assert_kind(second.await.unwrap(), StoreErrorKind::Conflict);
    let complete = Says { complete: true, ..lists(&["stays"], 2) };
    let index = manifest(&one, repository.id, "index", &complete).await;
    assert_eq!(shown(&one, &repository).await, [index]);
}

/// What a tag leaves is hidden when an index that lists it comes at the same time.
pub async fn untagged_beside_index(fixture: &dyn MetadataFixture) {
    let made = async |store: &Store, repository| {
        let child = manifest(store, repository, "child", &pushed("IMAGE", 1, 1)).await;
        manifest(store, repository, "other", &pushed("IMAGE", 1, 1)).await;
        tagged(store, repository, child, &["latest"]).await;
    };
    let index = Step::Push("index", &["child"]);
    both_ways(fixture, made, [index.clone(), Step::Untag("latest")], &["index", "other"]).await;
}

/// The same when the tag moves away.
pub async fn tag_moved_beside_index(fixture: &dyn MetadataFixture) {
    let made = async |store: &Store, repository| {
        let child = manifest(store, repository, "child", &pushed("IMAGE", 1, 1)).await;
        manifest(store, repository, "other", &pushed("IMAGE", 1, 1)).await;
        tagged(store, repository, child, &["latest"]).await;
    };
    let index = Step::Push("index", &["child"]);
    both_ways(fixture, made, [index.clone(), Step::Name("latest", "other")], &["index", "other"]).await;
}

/// Of two that move a tag, the later one hides what the earlier one let it name.
pub async fn tag_moved_beside_move(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    for content in ["before", "child", "after"] {
        manifest(&store, repository.id, content, &pushed("IMAGE", 1, 1)).await;
    }
    let index = manifest(&store, repository.id, "index", &lists(&["child"], 1)).await;
    let mut rows = begin(&store).await;
    let before = locked(&mut *rows, repository.id, "before").await.unwrap();
    let after = locked(&mut *rows, repository.id, "after").await.unwrap();
    drop(rows);
    tagged(&store, repository.id, before, &["latest"]).await;
    let steps = [Step::Name("latest", "child"), Step::Name("latest", "after")];
    let [first, second] = steps;
    beside(fixture, repository.id, first, second).await;
    assert_eq!(shown(&store, &repository).await, [before, after, index]);
    let found = read(&store).await.tag(repository.id, &tag("latest")).await.unwrap();
    assert_eq!(found, Some(digest("after")));
}

/// Many may move one tag at once: each gets through, and what it names in the end is the one that is shown.
pub async fn tag_moved_by_many(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    const CONTENTS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    manifest(&store, repository.id, "first", &pushed("IMAGE", 1, 1)).await;
    let index = manifest(&store, repository.id, "index", &lists(&CONTENTS, 1)).await;
    let mut rows = begin(&store).await;
    take(&mut *rows, repository.id, &Step::Name("latest", "first")).await.unwrap();
    rows.commit().await.unwrap();
    let mut pushes = Vec::new();
    for content in CONTENTS {
        let store = fixture.open().await;
        pushes.push(tokio::spawn(async move {
            let mut rows = begin(&store).await;
            take(&mut *rows, repository.id, &Step::Push(content, &[])).await?;
            take(&mut *rows, repository.id, &Step::Name("latest", content)).await?;
            rows.commit().await
        }));
    }
    for push in pushes {
        push.await.unwrap().unwrap();
    }
    let mut rows = read(&store).await;
    let named = rows.artifact_by_tag(repository.id, &tag("latest")).await.unwrap().unwrap().id;
    let first = rows.artifact(repository.id, &digest("first")).await.unwrap().unwrap().id;
    drop(rows);
    assert_eq!(shown(&store, &repository).await, [first, index, named]);
}

/// What comes while an index that lists it goes is shown.
pub async fn manifest_beside_index_delete(fixture: &dyn MetadataFixture) {
    let made = async |store: &Store, repository| {
        manifest(store, repository, "index", &lists(&["late", "never"], 1)).await;
    };
    both_ways(fixture, made, [Step::Delete("index"), Step::Push("late", &[])], &["late"]).await;
}

/// What comes while an index that lists it comes is hidden.
pub async fn manifest_beside_index(fixture: &dyn MetadataFixture) {
    let made = async |_: &Store, _| {};
    let index = Step::Push("index", &["late", "never"]);
    both_ways(fixture, made, [index, Step::Push("late", &[])], &["index"]).await;
}

/// What is deleted and comes anew while an index that lists it goes is shown.
pub async fn child_anew_beside_index_delete(fixture: &dyn MetadataFixture) {
    let made = async |store: &Store, repository| {
        manifest(store, repository, "child", &pushed("IMAGE", 1, 1)).await;
        manifest(store, repository, "index", &lists(&["child"], 1)).await;
    };
    both_ways(fixture, made, [Step::Renew("child"), Step::Delete("index")], &["child"]).await;
}

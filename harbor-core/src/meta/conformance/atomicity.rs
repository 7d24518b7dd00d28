//! Clauses about transactions: atomic, isolated, and of no harm to each other.

use futures_util::future::join_all;

use super::MetadataFixture;
use super::kit::{
    AT_ONCE, Store, assert_kind, at, begin, linked, name, project, project_name, put, read, repository, set,
    setting, store_with,
};
use crate::StoreErrorKind;
use crate::meta::{LinkId, RepositoryId};

/// A store that works says so, has a name, and can be opened again.
pub async fn healthy(fixture: &dyn MetadataFixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    assert!(!one.name().is_empty());
    assert_eq!(one.sharing(), other.sharing());
    one.check().await.unwrap();
    other.check().await.unwrap();
    set(&one, "seen", "by both").await;
    assert_eq!(setting(&other, "seen").await.as_deref(), Some("by both"));
}

/// *Atomic*: one that is committed changes everything.
pub async fn committed(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    let (project, made) = rows.project_ensure(&project_name("one"), true, at(1)).await.unwrap();
    let repository = rows.repository_ensure(project.id, &name("one/two"), at(1)).await.unwrap();
    rows.setting_put("three", "four").await.unwrap();
    rows.commit().await.unwrap();
    assert!(made);
    let mut rows = read(&store).await;
    assert_eq!(rows.project(&project_name("one")).await.unwrap(), Some(project));
    assert_eq!(rows.repository(&name("one/two")).await.unwrap(), Some(repository));
    assert_eq!(rows.setting("three").await.unwrap().as_deref(), Some("four"));
}

/// *Atomic*: one that is dropped changes nothing, and is in nobody's way.
pub async fn dropped(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    for _ in 0..40 {
        let mut rows = begin(&store).await;
        rows.project_ensure(&project_name("gone"), true, at(1)).await.unwrap();
        rows.setting_put("gone", "gone").await.unwrap();
        drop(rows);
    }
    set(&store, "stays", "here").await;
    assert_eq!(read(&store).await.project(&project_name("gone")).await.unwrap(), None);
    assert_eq!(setting(&store, "gone").await, None);
    assert_eq!(setting(&store, "stays").await.as_deref(), Some("here"));
}

/// *Atomic*: one in which a method failed changes nothing, also when its caller commits it all the same.
pub async fn failed(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    rows.setting_put("before", "lost").await.unwrap();
    let refused = rows.link_ensure(RepositoryId::new(77), crate::meta::BlobId::new(77), at(0)).await;
    assert_kind(refused, StoreErrorKind::Conflict);
    let _ = rows.setting_put("after", "lost").await;
    assert!(rows.setting("before").await.is_err(), "a transaction that failed goes on");
    assert!(rows.commit().await.is_err(), "a transaction that failed was committed");
    assert_eq!(setting(&store, "before").await, None);
    assert_eq!(setting(&store, "after").await, None);
}

/// *Isolated*: nobody reads what is not committed.
pub async fn isolated(fixture: &dyn MetadataFixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    set(&one, "key", "old").await;
    let mut rows = begin(&one).await;
    rows.setting_put("key", "new").await.unwrap();
    rows.project_ensure(&project_name("new"), true, at(1)).await.unwrap();
    for store in [&one, &other] {
        assert_eq!(setting(store, "key").await.as_deref(), Some("old"));
        assert_eq!(read(store).await.project(&project_name("new")).await.unwrap(), None);
    }
    rows.commit().await.unwrap();
    for store in [&one, &other] {
        assert_eq!(setting(store, "key").await.as_deref(), Some("new"));
        assert!(read(store).await.project(&project_name("new")).await.unwrap().is_some());
    }
}

/// A transaction reads what it wrote; and what is read with sees what was committed when a method is called.
pub async fn read_in_a_transaction(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut reads = read(&store).await;
    assert_eq!(reads.setting("key").await.unwrap(), None);
    let mut rows = begin(&store).await;
    rows.setting_put("key", "one").await.unwrap();
    assert_eq!(rows.setting("key").await.unwrap().as_deref(), Some("one"));
    rows.setting_put("key", "two").await.unwrap();
    assert_eq!(rows.setting("key").await.unwrap().as_deref(), Some("two"));
    rows.commit().await.unwrap();
    assert_eq!(reads.setting("key").await.unwrap().as_deref(), Some("two"));
}

/// *Reads do not wait* for a writer, not even for one with much to write.
pub async fn reads_do_not_wait(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let mut rows = begin(&store).await;
    let payload = vec![b'x'; 4 * 1024 * 1024].into();
    put(&mut *rows, repository.id, &payload, &Default::default()).await.unwrap();
    for number in 0..200 {
        rows.setting_put(&format!("key{number}"), &"long ".repeat(1_000)).await.unwrap();
    }
    let reading = async {
        assert_eq!(setting(&store, "key7").await, None);
        assert!(read(&store).await.repository(&name("one/two")).await.unwrap().is_some());
        store.check().await.unwrap();
    };
    tokio::time::timeout(AT_ONCE, reading).await.expect("a read waited for a writer");
    rows.commit().await.unwrap();
    assert!(setting(&store, "key7").await.is_some());
}

/// *Atomic*: a statement that fails in one transaction does not hurt those beside it.
pub async fn failing_neighbour(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let (_, link) = linked(&store, repository.id, "a layer").await;
    let writes = (0..60).map(|number| {
        let store = Store::clone(&store);
        async move {
            if number % 3 == 0 {
                fail(&store, link, number).await;
            } else {
                set(&store, &format!("key{number}"), "kept").await;
            }
        }
    });
    join_all(writes).await;
    for number in 0..60 {
        let found = setting(&store, &format!("key{number}")).await;
        assert_eq!(found.is_some(), number % 3 != 0, "key{number}");
    }
}

/// Writes something and then fails, in one way or another.
async fn fail(store: &Store, link: LinkId, number: u32) {
    let mut rows = begin(store).await;
    rows.setting_put(&format!("key{number}"), "lost").await.unwrap();
    let outcome = match number % 2 {
        0 => rows.link_ensure(RepositoryId::new(77), crate::meta::BlobId::new(77), at(0)).await.map(|_| ()),
        _ => {
            let mut upload = super::kit::new_upload(RepositoryId::new(1));
            upload.offset = u64::MAX;
            rows.upload_insert(&upload, at(0)).await
        }
    };
    assert!(outcome.is_err(), "{link:?}");
}

/// *Atomic*, of many at once: exactly those that were committed are there.
pub async fn group_commit(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let parent = project(&store, "parent").await;
    repository(&store, "parent/first").await;
    let writes = (0_u64..100).map(|number| {
        let store = Store::clone(&store);
        tokio::spawn(async move {
            let full = name(&format!("parent/r{number}"));
            let mut rows = begin(&store).await;
            rows.repository_ensure(parent.id, &full, at(0)).await.unwrap();
            tokio::task::yield_now().await;
            rows.setting_put(&format!("key{number}"), "here").await.unwrap();
            // Half of them, without a pattern.
            let kept = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63 == 0;
            if kept {
                rows.commit().await.unwrap();
            }
            (number, kept)
        })
    });
    for outcome in join_all(writes).await {
        let (number, kept) = outcome.unwrap();
        assert_eq!(setting(&store, &format!("key{number}")).await.is_some(), kept, "{number}");
        let found = read(&store).await.repository(&name(&format!("parent/r{number}"))).await.unwrap();
        assert_eq!(found.is_some(), kept, "{number}");
    }
}

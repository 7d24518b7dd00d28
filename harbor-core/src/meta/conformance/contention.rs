//! Clauses about transactions that want the same rows.

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::MetadataFixture;
use super::kit::{
    AT_ONCE, Says, Store, WAITS, at, begin, blob, digest, linked, location, name, project, project_name, put,
    read, repository, set, setting, store_with, upload,
};
use crate::meta::{BlobId, Sharing, Stored, Topic};
use crate::{StoreError, StoreErrorKind};

/// *Isolated*: who wants a locked row waits, and then sees what the holder made of it. An exclusive store may let its
/// transactions take turns from the beginning.
pub async fn lock_waits(fixture: &dyn MetadataFixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    let home = repository(&one, "one/two").await;
    let (blob, link) = linked(&one, home.id, "a layer").await;
    let mut holder = begin(&one).await;
    holder.blob_lock(blob.id).await.unwrap().unwrap();
    let waiting = tokio::spawn(async move {
        let mut rows = begin(&other).await;
        rows.blob_lock(blob.id).await.unwrap()
    });
    sleep(WAITS).await;
    assert!(!waiting.is_finished(), "a second transaction got a locked row");
    holder.links_delete(&[link], at(0)).await.unwrap();
    holder.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap(), None, "what was read after the wait is old");
}

/// *Isolated*: transactions that lock the same rows in the same order all get through, and none is lost.
pub async fn locks_of_one_order(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let mut digests = Vec::new();
    for number in 0..5 {
        digests.push(linked(&store, repository.id, &format!("layer {number}")).await.0.digest);
    }
    set(&store, "count", "0").await;
    let writers = (0..20).map(|number| {
        let (store, mut digests) = (Store::clone(&store), digests.clone());
        digests.rotate_left(number % 5);
        tokio::spawn(async move {
            let mut rows = begin(&store).await;
            rows.links_lock(repository.id, &digests).await.unwrap();
            let count: u32 = rows.setting("count").await.unwrap().unwrap().parse().unwrap();
            rows.setting_put("count", &(count + 1).to_string()).await.unwrap();
            rows.commit().await.unwrap();
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(setting(&store, "count").await.as_deref(), Some("20"));
}

/// `announce` is heard by the other processes that listen, and by nobody who announced it, where the store carries word.
pub async fn announced(fixture: &dyn MetadataFixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    one.announce(Topic::Jobs).await.unwrap();
    let heard = (one.announcements().await.unwrap(), other.announcements().await.unwrap());
    let (Some(mut own), Some(mut there)) = heard else {
        other.announce(Topic::Events).await.unwrap();
        return;
    };
    for topic in [Topic::Events, Topic::Jobs] {
        one.announce(topic).await.unwrap();
        assert_eq!(timeout(AT_ONCE, there.next()).await.unwrap().unwrap(), topic);
    }
    other.announce(Topic::Jobs).await.unwrap();
    assert_eq!(timeout(AT_ONCE, own.next()).await.unwrap().unwrap(), Topic::Jobs, "its own are not heard");
}

/// *Isolated*: of two transactions that wait for each other one is told `Conflict`, and gets through when it tries again.
pub async fn deadlock(fixture: &dyn MetadataFixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    let (a, b) = (blob(&one, "a").await.id, blob(&one, "b").await.id);
    let (first, second) = tokio::join!(
        tokio::spawn(lock_until_it_works(one, a, b)),
        tokio::spawn(lock_until_it_works(Store::clone(&other), b, a)),
    );
    let conflicts = first.unwrap() + second.unwrap();
    if other.sharing() == Sharing::Shared {
        assert!(conflicts > 0, "nobody was told of the deadlock");
    }
}

/// Yields how often it was told `Conflict`.
async fn lock_until_it_works(store: Store, first: BlobId, second: BlobId) -> u32 {
    let mut conflicts = 0;
    loop {
        match lock_both(&store, first, second).await {
            Ok(()) => return conflicts,
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error}"),
        }
        conflicts += 1;
        assert!(conflicts < 50, "trying again does not help");
    }
}

async fn lock_both(store: &Store, first: BlobId, second: BlobId) -> Result<(), StoreError> {
    let mut rows = begin(store).await;
    rows.blob_lock(first).await?;
    sleep(WAITS / 2).await;
    rows.blob_lock(second).await?;
    rows.commit().await
}

/// Tries a transaction until no concurrent one wins.
pub(super) async fn persist<T>(mut attempt: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    for _ in 0..100 {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error}"),
        }
        sleep(std::time::Duration::from_millis(2)).await;
    }
    panic!("a transaction lost a hundred times");
}

/// Of many that make the same rows at once, one makes each, and all see the same.
pub async fn ensure_at_once(fixture: &dyn MetadataFixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    let makers = (0..24).map(|number| {
        let store = if number % 2 == 0 { Store::clone(&one) } else { Store::clone(&other) };
        async move { persist(async || ensure_all(&store, number).await).await }
    });
    let made: Vec<_> = join_all(makers).await;
    assert_eq!(made.iter().filter(|made| made.0).count(), 1, "how many made the project");
    assert!(made.iter().all(|each| each.1 == made[0].1), "all see the same rows");
}

async fn ensure_all(store: &Store, number: u32) -> Result<(bool, [i64; 4]), StoreError> {
    let mut rows = begin(store).await;
    let (project, made) = rows.project_ensure(&project_name("same"), true, at(0)).await?;
    let repository = rows.repository_ensure(project.id, &name("same/name"), at(0)).await?;
    let place = location(&number.to_string());
    let blob = rows.blob_ensure(&digest("same"), 4, &place, at(0)).await?;
    let link = rows.link_ensure(repository.id, blob.id, at(0)).await?;
    rows.review_put(link, at(1), "test").await?;
    rows.commit().await?;
    Ok((made, [project.id.get(), repository.id.get(), blob.id.get(), link.get()]))
}

/// Of many that store the same manifest at once, one stores it; the tag names it.
pub async fn manifest_at_once(fixture: &dyn MetadataFixture) {
    let (one, repository) = store_with(fixture, "one/two").await;
    let other = fixture.open().await;
    let (_, link) = linked(&one, repository.id, "a layer").await;
    let pushes = (0..24).map(|number| {
        let store = if number % 2 == 0 { Store::clone(&one) } else { Store::clone(&other) };
        let says = Says { links: vec![link], ..Says::default() };
        async move {
            persist(async || {
                let mut rows = begin(&store).await;
                let (id, stored) = put(&mut *rows, repository.id, &"same".into(), &says).await?;
                rows.tag_put(repository.id, &super::kit::tag("latest"), id, at(0)).await?;
                rows.commit().await?;
                Ok((id, stored))
            })
            .await
        }
    });
    let pushed: Vec<_> = join_all(pushes).await;
    assert_eq!(
        pushed.iter().filter(|(_, stored)| *stored != Stored::Before).count(),
        1,
        "how many stored it"
    );
    assert!(pushed.iter().all(|(id, _)| *id == pushed[0].0));
    let found = read(&one).await.tag(repository.id, &super::kit::tag("latest")).await.unwrap();
    assert_eq!(found, Some(digest("same")));
}

/// Of many that want the lease on a session at once, one gets it.
pub async fn lease_at_once(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let upload = upload(&store, repository.id, at(0)).await;
    let holders = (0..16).map(|number| {
        let store = Store::clone(&store);
        tokio::spawn(async move {
            let mut rows = begin(&store).await;
            let got =
                rows.upload_lease(upload.id, &format!("holder {number}"), at(1), at(100)).await.unwrap();
            rows.commit().await.unwrap();
            got
        })
    });
    let got = join_all(holders).await.into_iter().filter(|got| *got.as_ref().unwrap()).count();
    assert_eq!(got, 1);
}

/// Of several nodes that start at once, one wins, and all have its value.
pub async fn settings_at_once(fixture: &dyn MetadataFixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    project(&one, "warm").await;
    repository(&other, "warm/up").await;
    let claims = (0..16).map(|number| {
        let store = if number % 2 == 0 { Store::clone(&one) } else { Store::clone(&other) };
        async move {
            persist(async || {
                let mut rows = begin(&store).await;
                let value = rows.setting_claim("secret", &format!("of {number}")).await?;
                rows.commit().await?;
                Ok(value)
            })
            .await
        }
    });
    let claimed = timeout(AT_ONCE * 2, join_all(claims)).await.expect("claims wait for each other");
    assert!(claimed.iter().all(|value| *value == claimed[0]), "{claimed:?}");
    assert_eq!(setting(&one, "secret").await.as_ref(), Some(&claimed[0]));
}

//! The row methods of quotas, and the clause *Counted*.

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{sleep, timeout};

use super::MetadataFixture;
use super::kit::{
    AT_ONCE, Says, Store, WAITS, at, begin, blob, digest, linked, location, manifest, project, put, read,
    repository, store_with, upload,
};
use crate::StoreErrorKind;
use crate::meta::{
    Growth, ProjectId, Publish, Published, QuotaId, QuotaKey, RepositoryId, Sharing, UNLIMITED, Usage,
};
use crate::query::{Order, Query, Test, Value};

async fn used(store: &Store, project: ProjectId) -> u64 {
    read(store).await.usage(project).await.unwrap().used
}

/// Sets the limit of a project.
async fn limit(store: &Store, project: ProjectId, hard: i64) {
    let mut rows = begin(store).await;
    let quota = rows.quota_of(project).await.unwrap().unwrap();
    assert!(rows.quota_set(quota.id, hard, at(5)).await.unwrap());
    rows.commit().await.unwrap();
}

/// Publishes content; as often as it takes, for who loses to another transaction is told `Conflict` and tries again.
async fn publish(store: &Store, repository: RepositoryId, content: &str) -> Published {
    let session = upload(store, repository, at(0)).await;
    let (digest, location) = (digest(content), location(&session.id.to_string()));
    let (upload, size) = (session.id, content.len() as u64);
    let publish =
        Publish { upload, repository, digest: &digest, size, location: &location, due: at(9), now: at(1) };
    loop {
        let mut rows = begin(store).await;
        match rows.publish(&publish).await {
            Ok(published) => {
                rows.commit().await.unwrap();
                return published;
            }
            Err(lost) => assert_eq!(lost.kind(), StoreErrorKind::Conflict, "{lost}"),
        }
    }
}

/// *Counted*: a blob counts once in a project, however many of its repositories link to it, and in each project.
pub async fn counted_once(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let other = repository(&store, "one/other").await;
    let elsewhere = repository(&store, "elsewhere/two").await;
    let (_, link) = linked(&store, one.id, "content").await;
    assert_eq!(used(&store, one.project).await, 7);
    let (_, second) = linked(&store, other.id, "content").await;
    linked(&store, other.id, "content").await;
    assert_eq!((used(&store, one.project).await, used(&store, elsewhere.project).await), (7, 0));
    linked(&store, elsewhere.id, "content").await;
    linked(&store, elsewhere.id, "some more").await;
    assert_eq!((used(&store, one.project).await, used(&store, elsewhere.project).await), (7, 16));
    for (link, left) in [(link, 7), (second, 0)] {
        let mut rows = begin(&store).await;
        rows.links_delete(&[link], at(0)).await.unwrap();
        rows.links_delete(&[link], at(0)).await.unwrap();
        rows.commit().await.unwrap();
        assert_eq!(used(&store, one.project).await, left);
    }
    assert_eq!(used(&store, elsewhere.project).await, 16);
}

/// *Counted*: by `publish`, when the link is new to the project.
pub async fn counted_by_publish(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let other = repository(&store, "one/other").await;
    let elsewhere = repository(&store, "elsewhere/two").await;
    for (home, outcome, here, there) in [
        (&one, Published::Used, 7, 0),
        (&one, Published::Unused, 7, 0),
        (&other, Published::Unused, 7, 0),
        (&elsewhere, Published::Unused, 7, 7),
    ] {
        assert_eq!(publish(&store, home.id, "content").await, outcome);
        assert_eq!((used(&store, one.project).await, used(&store, elsewhere.project).await), (here, there));
    }
}

/// *Counted*: manifests, once per project; one that has a blob's digest is that blob.
pub async fn counted_manifests(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let other = repository(&store, "one/other").await;
    let says = Says::default();
    let first = manifest(&store, one.id, "a manifest", &says).await;
    manifest(&store, one.id, "a manifest", &says).await;
    let second = manifest(&store, other.id, "a manifest", &says).await;
    let (_, link) = linked(&store, other.id, "a manifest").await;
    assert_eq!(used(&store, one.project).await, 10);
    let mut rows = begin(&store).await;
    rows.manifest_delete(first).await.unwrap();
    rows.manifest_delete(second).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(used(&store, one.project).await, 10);
    let mut rows = begin(&store).await;
    rows.links_delete(&[link], at(0)).await.unwrap();
    // What came back in the same transaction never went.
    put(&mut *rows, one.id, &"a manifest".into(), &says).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(used(&store, one.project).await, 10);
}

/// *Counted*: what a dropped transaction did is not, and what an open one does only it sees.
pub async fn counted_when_committed(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let (kept, link) = linked(&store, repository.id, "kept").await;
    let new = blob(&store, "another").await;
    let project = repository.project;
    for commit in [false, true] {
        let mut rows = begin(&store).await;
        assert_eq!(rows.growth().await.unwrap(), []);
        rows.link_ensure(repository.id, new.id, at(0)).await.unwrap();
        rows.links_delete(&[link], at(0)).await.unwrap();
        let growth = Growth { project, bytes: 3, hard: UNLIMITED };
        assert_eq!(rows.growth().await.unwrap(), [growth]);
        assert_eq!(rows.usage(project).await.unwrap(), Usage { hard: UNLIMITED, used: 7 });
        assert_eq!(rows.usage_claim(project, true).await.unwrap(), Usage { hard: UNLIMITED, used: 7 });
        assert_eq!(used(&store, project).await, 4);
        assert!(read(&store).await.content_is_held(project, &kept.digest).await.unwrap());
        if commit {
            rows.commit().await.unwrap();
        }
    }
    assert_eq!(used(&store, project).await, 7);
    let mut rows = read(&store).await;
    assert!(rows.content_is_held(project, &new.digest).await.unwrap());
    assert!(!rows.content_is_held(project, &kept.digest).await.unwrap());
    assert!(!rows.content_is_held(ProjectId::new(9_999), &new.digest).await.unwrap());
}

/// *Counted*: of many that push the same to one project at once, one is counted; also beside one that takes it away.
pub async fn counted_at_once(fixture: &dyn MetadataFixture) {
    let (one, first) = store_with(fixture, "one/r0").await;
    let other = fixture.open().await;
    for round in 0..3 {
        let mut homes = Vec::new();
        for number in 0..8 {
            homes.push(repository(&one, &format!("one/r{number}")).await.id);
        }
        let content = format!("content {round}");
        let (_, gone) = linked(&one, first.id, &content).await;
        let pushes = homes.iter().enumerate().map(|(number, home)| {
            let store = if number % 2 == 0 { Store::clone(&one) } else { Store::clone(&other) };
            let (home, content) = (*home, content.clone());
            tokio::spawn(async move { publish(&store, home, &content).await })
        });
        let pushes: Vec<_> = pushes.collect();
        // As one of them, it may lose against the others.
        loop {
            let mut rows = begin(&other).await;
            match rows.links_delete(&[gone], at(0)).await {
                Ok(()) => break rows.commit().await.unwrap(),
                Err(lost) => assert_eq!(lost.kind(), StoreErrorKind::Conflict, "{lost}"),
            }
        }
        for pushed in join_all(pushes).await {
            assert!(matches!(pushed.unwrap(), Published::Used | Published::Unused));
        }
        assert_eq!(used(&one, first.project).await, 9 * (round + 1));
    }
}

/// *Counted*: transactions that add to the same project do not wait for each other, neither before they claim room nor,
/// unless one is alone, after it. An exclusive store lets its transactions take turns from the beginning.
pub async fn additions_do_not_wait(fixture: &dyn MetadataFixture) {
    let (one, repository) = store_with(fixture, "one/two").await;
    if one.sharing() == Sharing::Exclusive {
        return;
    }
    let project = repository.project;
    limit(&one, project, 1_000).await;
    let mut open = Vec::new();
    for number in 0..6_usize {
        let content = blob(&one, &format!("content {number}")).await;
        let mut rows = begin(&one).await;
        rows.link_ensure(repository.id, content.id, at(0)).await.unwrap();
        if number % 2 == 0 {
            let claimed = timeout(AT_ONCE, rows.usage_claim(project, false)).await;
            assert_eq!(claimed.expect("a claim waits").unwrap(), Usage { hard: 1_000, used: 9 });
        }
        open.push(rows);
    }
    for rows in open {
        timeout(AT_ONCE, rows.commit()).await.expect("a commit waits").unwrap();
    }
    assert_eq!(used(&one, project).await, 54);
}

/// `usage_claim` alone waits for those that claimed before, knows what they added, and lets nobody in until it commits.
pub async fn claims_alone(fixture: &dyn MetadataFixture) {
    let (one, repository) = store_with(fixture, "one/two").await;
    if one.sharing() == Sharing::Exclusive {
        return;
    }
    let project = repository.project;
    let claim = |content: &'static str, alone| {
        let store = Store::clone(&one);
        async move {
            let content = blob(&store, content).await;
            let mut rows = begin(&store).await;
            rows.link_ensure(repository.id, content.id, at(0)).await.unwrap();
            let usage = rows.usage_claim(project, alone).await.unwrap();
            (rows, usage.used)
        }
    };
    let (beside, seen) = claim("1", false).await;
    assert_eq!(seen, 1);
    let alone = tokio::spawn(claim("22", true));
    sleep(WAITS).await;
    assert!(!alone.is_finished(), "a claim alone did not wait for one that was there");
    beside.commit().await.unwrap();
    let (alone, seen) = timeout(AT_ONCE, alone).await.unwrap().unwrap();
    assert_eq!(seen, 3);
    let later = [tokio::spawn(claim("333", false)), tokio::spawn(claim("4444", true))];
    sleep(WAITS).await;
    assert!(later.iter().all(|claim| !claim.is_finished()), "a claim did not wait for the one alone");
    alone.commit().await.unwrap();
    // Either may come first, and the other then waits until that one commits.
    let (mut last, mut later) = (0, FuturesUnordered::from_iter(later));
    while let Some(claimed) = timeout(AT_ONCE, later.next()).await.unwrap() {
        let (rows, seen) = claimed.unwrap();
        last = last.max(seen);
        rows.commit().await.unwrap();
    }
    assert!(last >= 6, "{last}");
    assert_eq!(used(&one, project).await, 10);
}

/// `quota_set` sets the limit of one project. A new project has none.
pub async fn quota_set(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (one, other) = (project(&store, "one").await, project(&store, "other").await);
    let made = read(&store).await.quota_of(one.id).await.unwrap().unwrap();
    assert_eq!(
        (made.project, made.project_name.as_str(), made.hard, made.used),
        (one.id, "one", UNLIMITED, 0)
    );
    assert_eq!((made.owner, made.owner_name.clone()), (None, None));
    assert_eq!((made.created_at, made.updated_at), (at(0), at(0)));
    limit(&store, one.id, 12).await;
    limit(&store, one.id, 12).await;
    let mut rows = begin(&store).await;
    assert!(!rows.quota_set(QuotaId::new(9_999), 12, at(1)).await.unwrap());
    drop(rows);
    let mut rows = read(&store).await;
    let found = rows.quota(made.id).await.unwrap().unwrap();
    assert_eq!((found.hard, found.created_at, found.updated_at), (12, at(0), at(5)));
    assert_eq!(rows.usage(one.id).await.unwrap(), Usage { hard: 12, used: 0 });
    assert_eq!(rows.usage(other.id).await.unwrap(), Usage { hard: UNLIMITED, used: 0 });
    assert_eq!(rows.quota(QuotaId::new(9_999)).await.unwrap(), None);
    assert_eq!(rows.quota_of(ProjectId::new(9_999)).await.unwrap(), None);
    assert_eq!(rows.usage(ProjectId::new(9_999)).await.unwrap(), Usage { hard: UNLIMITED, used: 0 });
}

/// `quotas` come filtered and in order: by what they allow, where no limit is the most, and by what is used.
pub async fn quotas_listed(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    for (name, hard, content) in [("a", 30, "1234567"), ("b", UNLIMITED, "12"), ("c", 20, "12345")] {
        let repository = repository(&store, &format!("{name}/r")).await;
        limit(&store, repository.project, hard).await;
        linked(&store, repository.id, content).await;
    }
    let listed = async |query: Query<QuotaKey>| {
        let page = read(&store).await.quotas(&query).await.unwrap();
        let names: String = page.entries.iter().map(|quota| quota.project_name.as_str()).collect();
        let used: Vec<u64> = page.entries.iter().map(|quota| quota.used).collect();
        (names, used, page.total)
    };
    let sorted = |key, order| Query::<QuotaKey>::default().sort(key, order);
    assert_eq!(listed(sorted(QuotaKey::Hard, Order::Ascending)).await.0, "cab");
    assert_eq!(listed(sorted(QuotaKey::Hard, Order::Descending)).await.0, "bac");
    assert_eq!(listed(sorted(QuotaKey::Used, Order::Descending)).await, ("acb".to_owned(), vec![7, 5, 2], 3));
    assert_eq!(
        listed(sorted(QuotaKey::Used, Order::Ascending).page(2, 2)).await,
        ("a".to_owned(), vec![7], 3)
    );
    let found = project(&store, "b").await.id.get();
    let of = Query::default().filter(QuotaKey::Project, Test::Is(Value::Int(found)));
    assert_eq!(listed(of).await, ("b".to_owned(), vec![2], 1));
}

/// `project_delete` takes the quota with it, and what is left of the sum; the next project of that name begins with none.
pub async fn quota_goes_with_project(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let old = project(&store, "one").await;
    limit(&store, old.id, 12).await;
    let quota = read(&store).await.quota_of(old.id).await.unwrap().unwrap();
    let mut rows = begin(&store).await;
    rows.usage_claim(old.id, true).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = begin(&store).await;
    assert!(rows.project_delete(old.id).await.unwrap());
    rows.commit().await.unwrap();
    let new = project(&store, "one").await;
    let mut rows = read(&store).await;
    assert_eq!(rows.quota(quota.id).await.unwrap(), None);
    assert_eq!(rows.usage(old.id).await.unwrap(), Usage { hard: UNLIMITED, used: 0 });
    assert_eq!(rows.usage(new.id).await.unwrap(), Usage { hard: UNLIMITED, used: 0 });
}

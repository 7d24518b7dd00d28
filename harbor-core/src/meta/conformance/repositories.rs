//! The row methods of repositories, beside those about their names.

use super::MetadataFixture;
use super::kit::{
    Says, Store, assert_refused, at, begin, blob, linked, manifest, project, project_name, read, repository,
    store_with, upload,
};
use crate::StoreErrorKind;
use crate::access::ProjectFilter;
use crate::meta::{Figures, RepositoryFilter, RepositoryKey};
use crate::query::{Order, Query, Test};

async fn names(store: &Store, filter: &ProjectFilter, query: &Query<RepositoryKey>) -> (String, u64) {
    let page = read(store).await.repository_entries(&filter.clone().into(), query).await.unwrap();
    let names: Vec<String> = page.entries.iter().map(|entry| entry.repository.name.to_string()).collect();
    (names.join(" "), page.total)
}

async fn filled(store: &Store, full: &str) {
    let repository = repository(store, full).await;
    manifest(store, repository.id, "content", &Says::default()).await;
}

/// `repository_entries`: those that hold something, within a filter, in orders, a page at a time.
pub async fn repository_entries(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    rows.project_ensure(&project_name("open"), true, at(0)).await.unwrap();
    rows.commit().await.unwrap();
    for full in ["one/b", "open/a", "one/a", "two/a"] {
        filled(&store, full).await;
    }
    repository(&store, "one/empty").await;
    let (one, two) = (project(&store, "one").await.id, project(&store, "two").await.id);
    let all = ProjectFilter::All;
    // All were made at the same time: the last key first.
    assert_eq!(names(&store, &all, &Query::default()).await, ("two/a one/a open/a one/b".to_owned(), 4));
    let by_name = Query::default().sort(RepositoryKey::Name, Order::Ascending);
    assert_eq!(names(&store, &all, &by_name.clone().page(1, 2)).await, ("one/a one/b".to_owned(), 4));
    assert_eq!(names(&store, &all, &by_name.clone().page(2, 3)).await, ("two/a".to_owned(), 4));
    let within = |public, projects: &[_]| ProjectFilter::Within { public, projects: projects.to_vec() };
    assert_eq!(names(&store, &within(false, &[one]), &by_name).await, ("one/a one/b".to_owned(), 2));
    assert_eq!(names(&store, &within(true, &[two]), &by_name).await, ("open/a two/a".to_owned(), 2));
    assert_eq!(names(&store, &within(true, &[]), &by_name).await, ("open/a".to_owned(), 1));
    assert_eq!(names(&store, &within(false, &[]), &by_name).await, (String::new(), 0));
    let like = by_name.filter(RepositoryKey::Name, Test::Like("/B".to_owned()));
    assert_eq!(names(&store, &all, &like).await, ("one/b".to_owned(), 1));
}

/// `repository_entry` and `repository_describe`.
pub async fn repository_describe(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let entry = async || read(&store).await.repository_entry(one.id).await.unwrap();
    let new = entry().await.unwrap();
    assert_eq!((new.repository, new.description.as_str(), new.artifacts, new.pulls), (one.clone(), "", 0, 0));
    assert_eq!((new.created_at, new.updated_at), (at(0), at(0)));
    let mut rows = begin(&store).await;
    assert!(rows.repository_describe(one.id, "Ærø 🚢", at(7)).await.unwrap());
    assert!(!rows.repository_describe(crate::meta::RepositoryId::new(9_999), "", at(7)).await.unwrap());
    rows.commit().await.unwrap();
    let changed = entry().await.unwrap();
    assert_eq!((changed.description.as_str(), changed.updated_at), ("Ærø 🚢", at(7)));
}

/// `repository_delete`, and what tells what has to go before: `Conflict` until then.
pub async fn repository_delete(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/two").await;
    let first = manifest(&store, one.id, "first", &Says::default()).await;
    let second = manifest(&store, one.id, "second", &Says::default()).await;
    let (_, link) = linked(&store, one.id, "blob").await;
    let session = upload(&store, one.id, at(0)).await;
    let mut rows = read(&store).await;
    let digests = rows.repository_manifests(one.id, 9).await.unwrap();
    assert_eq!(digests, [super::kit::digest("second"), super::kit::digest("first")]);
    assert_eq!(rows.repository_manifests(one.id, 1).await.unwrap().len(), 1);
    assert_eq!(rows.repository_links(one.id, 9).await.unwrap(), [link]);
    assert_eq!(rows.repository_uploads(one.id, 9).await.unwrap(), [session.id]);
    drop(rows);
    let mut rows = begin(&store).await;
    let refused = rows.repository_delete(one.id).await;
    assert_refused(rows, refused, StoreErrorKind::Conflict).await;
    let mut rows = begin(&store).await;
    for id in [first, second] {
        rows.manifest_delete(id).await.unwrap();
    }
    rows.links_delete(&[link], at(0)).await.unwrap();
    assert!(rows.upload_delete(session.id).await.unwrap());
    assert!(rows.repository_delete(one.id).await.unwrap() && !rows.repository_delete(one.id).await.unwrap());
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.repository(&one.name).await.unwrap(), None);
    assert_eq!(rows.repository_entry(one.id).await.unwrap(), None);
}

/// `figures` and `stored_bytes`.
pub async fn figures(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    assert_eq!(
        read(&store).await.figures(&ProjectFilter::All, &ProjectFilter::All.into()).await.unwrap(),
        Figures::default()
    );
    assert_eq!(read(&store).await.stored_bytes().await.unwrap(), 0);
    let mut rows = begin(&store).await;
    rows.project_ensure(&project_name("open"), true, at(0)).await.unwrap();
    rows.commit().await.unwrap();
    for full in ["one/a", "one/b", "open/a"] {
        filled(&store, full).await;
    }
    let empty_repository = repository(&store, "open/empty").await;
    let empty = project(&store, "empty").await.id;
    let figures = async |filter| {
        let found = read(&store).await.figures(&filter, &filter.clone().into()).await.unwrap();
        let projects = (found.public_projects, found.private_projects);
        (projects, (found.public_repositories, found.private_repositories))
    };
    assert_eq!(figures(ProjectFilter::All).await, ((1, 2), (1, 2)));
    let own = ProjectFilter::Within { public: true, projects: vec![empty] };
    assert_eq!(figures(own).await, ((1, 1), (1, 0)));
    blob(&store, "four").await;
    let (_, link) = linked(&store, empty_repository.id, "and more").await;
    assert_eq!(read(&store).await.stored_bytes().await.unwrap(), 12);
    let mut rows = begin(&store).await;
    rows.links_delete(&[link], at(0)).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.stored_bytes().await.unwrap(), 4);
}

/// A repository that held an artifact stays in lists and numbers when it is gone; one that never did is in none.
pub async fn emptied_repositories(fixture: &dyn MetadataFixture) {
    let (store, one) = store_with(fixture, "one/emptied").await;
    let artifact = manifest(&store, one.id, "content", &Says::default()).await;
    let bare = [repository(&store, "one/bare").await, repository(&store, "one/barer").await];
    let all = ProjectFilter::All;
    let state = async || {
        let mut rows = read(&store).await;
        let (listed, _) = names(&store, &all, &Query::default()).await;
        let none = crate::meta::RepositoryId::new(0);
        let figures = rows.figures(&all, &all.clone().into()).await.unwrap();
        let unlisted = rows.repositories_unlisted(one.project, none, 9).await.unwrap().len();
        (listed, rows.repository_count(one.project).await.unwrap(), figures.private_repositories, unlisted)
    };
    assert_eq!(state().await, ("one/emptied".to_owned(), 1, 1, 2));
    let mut rows = begin(&store).await;
    // While it holds something, it stays in lists.
    rows.repository_unlist(one.id).await.unwrap();
    rows.manifest_delete(artifact).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(state().await, ("one/emptied".to_owned(), 1, 1, 2));
    let mut rows = read(&store).await;
    assert_eq!(rows.repository_entry(one.id).await.unwrap().unwrap().artifacts, 0);
    let nowhere = crate::meta::ProjectId::new(9_999);
    let within = |projects: &[_], repositories: &[_]| RepositoryFilter {
        projects: ProjectFilter::Within { public: false, projects: projects.to_vec() },
        repositories: repositories.to_vec(),
    };
    for (filter, counted) in [
        (within(&[one.project, nowhere], &[]), true),
        (within(&[nowhere], &[one.id]), true),
        (within(&[nowhere], &[bare[0].id]), false),
        (within(&[], &[]), false),
        (all.clone().into(), true),
    ] {
        let counts = rows.repository_counts(&filter).await.unwrap();
        assert_eq!(counts, [(one.project, 1)][..usize::from(counted)], "{filter:?}");
    }
    assert_eq!(
        rows.repositories(&all.clone().into(), None, 9).await.unwrap(),
        [],
        "the catalogue has what can be pulled"
    );
    let unlisted = rows.repositories_unlisted(one.project, bare[0].id, 9).await.unwrap();
    assert_eq!(unlisted, [bare[1].clone()]);
    assert_eq!(rows.repositories_unlisted(one.project, one.id, 1).await.unwrap(), [bare[0].clone()]);
    drop(rows);
    let mut rows = begin(&store).await;
    rows.repository_unlist(one.id).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(state().await, (String::new(), 0, 0, 3));
}

//! Clauses about lists: in order, a page at a time.

use super::MetadataFixture;
use super::kit::{
    Says, Store, at, begin, manifest, project, project_name, read, repository, store_with, tagged,
};
use crate::access::ProjectFilter;
use crate::meta::{ProjectKey, RepositoryId};
use crate::query::{Order, Query, Test};

async fn tags_after(store: &Store, repository: RepositoryId, after: Option<&str>, limit: u32) -> Vec<String> {
    let tags = read(store).await.tags(repository, after, limit).await.unwrap();
    tags.iter().map(ToString::to_string).collect()
}

/// *Ordered*: by bytes, whatever a locale thinks of it.
pub async fn order_of_bytes(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let id = manifest(&store, repository.id, "a manifest", &Says::default()).await;
    let mut tags = ["b", "B", "a", "A", "_a", "a.b", "a-b", "a_b", "ab", "10", "9", "1.10", "1.9", "Z", "z0"];
    tagged(&store, repository.id, id, &tags).await;
    tags.sort_unstable();
    assert_eq!(tags_after(&store, repository.id, None, 100).await, tags);
}

/// *Ordered*: `tags` go on after a given one, which need not be there.
pub async fn tags_paged(fixture: &dyn MetadataFixture) {
    let (store, repository) = store_with(fixture, "one/two").await;
    let other = super::kit::repository(&store, "one/other").await;
    let id = manifest(&store, repository.id, "a manifest", &Says::default()).await;
    tagged(&store, repository.id, id, &["a", "b", "d", "e"]).await;
    let page = |after, limit| tags_after(&store, repository.id, after, limit);
    assert_eq!(page(None, 2).await, ["a", "b"]);
    assert_eq!(page(Some("b"), 2).await, ["d", "e"]);
    assert_eq!(page(Some("c"), 1).await, ["d"]);
    assert_eq!(page(Some("B"), 1).await, ["a"]);
    assert_eq!(page(Some("e"), 2).await, [""; 0]);
    assert_eq!(page(Some("no tag: ' é 🚢"), 1).await, [""; 0]);
    assert_eq!(page(Some("b\0c"), 1).await, ["d"]);
    assert_eq!(tags_after(&store, other.id, None, 2).await, [""; 0]);
}

/// `projects`: pages in order, filters, and what a filter of access leaves.
pub async fn projects_paged(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut ids = Vec::new();
    for name in ["d", "a", "a-b", "a.b", "a0", "b"] {
        ids.push(project(&store, name).await.id);
    }
    let names = async |filter: &ProjectFilter, query: Query<ProjectKey>| {
        let page = read(&store).await.projects(filter, &query).await.unwrap();
        let names: Vec<String> = page.entries.iter().map(|project| project.name.to_string()).collect();
        (names.join(" "), page.total)
    };
    let all = &ProjectFilter::All;
    let query = Query::default;
    assert_eq!(names(all, query().page(1, 4)).await, ("a a-b a.b a0".to_owned(), 6));
    assert_eq!(names(all, query().page(2, 4)).await, ("b d".to_owned(), 6));
    assert_eq!(names(all, query().page(9, 4)).await, (String::new(), 6));
    let like =
        query().filter(ProjectKey::Name, Test::Like("A".to_owned())).sort(ProjectKey::Id, Order::Descending);
    assert_eq!(names(all, like).await, ("a0 a.b a-b a".to_owned(), 4));
    let two = ProjectFilter::Within { public: false, projects: vec![ids[0], ids[5]] };
    assert_eq!(names(&two, query()).await, ("b d".to_owned(), 2));
    let none = ProjectFilter::Within { public: false, projects: Vec::new() };
    assert_eq!(names(&none, query()).await, (String::new(), 0));
}

async fn catalog(store: &Store, filter: &ProjectFilter, after: Option<&str>, limit: u32) -> Vec<String> {
    let names = read(store).await.repositories(&filter.clone().into(), after, limit).await.unwrap();
    names.iter().map(ToString::to_string).collect()
}

async fn with_a_manifest(store: &Store, full: &str) {
    let repository = repository(store, full).await;
    manifest(store, repository.id, "a manifest", &Says::default()).await;
}

/// *Ordered*: `repositories` that hold a manifest, after a given name.
pub async fn catalog_paged(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    for full in ["b/a", "a/c", "a-b/c", "a/b/c", "a/b"] {
        with_a_manifest(&store, full).await;
    }
    repository(&store, "a/empty").await;
    let all = ProjectFilter::All;
    assert_eq!(catalog(&store, &all, None, 100).await, ["a-b/c", "a/b", "a/b/c", "a/c", "b/a"]);
    assert_eq!(catalog(&store, &all, None, 2).await, ["a-b/c", "a/b"]);
    assert_eq!(catalog(&store, &all, Some("a/b"), 2).await, ["a/b/c", "a/c"]);
    assert_eq!(catalog(&store, &all, Some("a/bb"), 9).await, ["a/c", "b/a"]);
    assert_eq!(catalog(&store, &all, Some("z' OR 1=1"), 9).await, [""; 0]);
    assert_eq!(catalog(&store, &all, Some("a/c\0 é 🚢"), 9).await, ["b/a"]);
}

/// `repositories` lie within the filter.
pub async fn catalog_filtered(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    rows.project_ensure(&project_name("open"), true, at(0)).await.unwrap();
    rows.commit().await.unwrap();
    for full in ["mine/a", "open/a", "theirs/a"] {
        with_a_manifest(&store, full).await;
    }
    let (mine, theirs) = (project(&store, "mine").await.id, project(&store, "theirs").await.id);
    let within = |public, projects: &[_]| ProjectFilter::Within { public, projects: projects.to_vec() };
    assert_eq!(catalog(&store, &within(false, &[]), None, 9).await, [""; 0]);
    assert_eq!(catalog(&store, &within(true, &[]), None, 9).await, ["open/a"]);
    assert_eq!(catalog(&store, &within(false, &[mine]), None, 9).await, ["mine/a"]);
    assert_eq!(catalog(&store, &within(true, &[mine]), None, 9).await, ["mine/a", "open/a"]);
    assert_eq!(catalog(&store, &within(true, &[mine, theirs]), Some("mine/a"), 1).await, ["open/a"]);
}

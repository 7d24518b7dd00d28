//! Lists within filters that tell repositories by their names.

use super::MetadataFixture;
use super::kit::{Says, Store, at, begin, manifest, project, project_name, read, repository};
use crate::access::ProjectFilter;
use crate::meta::{
    ArtifactQuery, ArtifactScope, Figures, Project, ProjectId, Repository, RepositoryId, RepositoryKey,
};
use crate::query::{Order, Query};

const NAMES: [&str; 5] = ["db", "web", "web/a", "web/a/b", "webs"];

struct World {
    store: Store,
    projects: Vec<Project>,
    repositories: Vec<Repository>,
}

impl World {
    async fn of(fixture: &dyn MetadataFixture) -> Self {
        let store = fixture.open().await;
        let mut rows = begin(&store).await;
        rows.project_ensure(&project_name("open"), true, at(0)).await.unwrap();
        rows.commit().await.unwrap();
        let (mut projects, mut repositories) = (Vec::new(), Vec::new());
        for of in ["one", "open", "two"] {
            projects.push(project(&store, of).await);
            for name in NAMES {
                let repository = repository(&store, &format!("{of}/{name}")).await;
                manifest(&store, repository.id, "content", &Says::default()).await;
                repositories.push(repository);
            }
        }
        Self { store, projects, repositories }
    }

    fn is_public(&self, id: ProjectId) -> bool {
        self.projects.iter().any(|project| project.id == id && project.public)
    }

    /// Those that a filter has, asked one by one.
    fn had<'a>(&'a self, filter: &'a ProjectFilter) -> impl Iterator<Item = &'a Repository> {
        self.repositories.iter().filter(|one| {
            filter.has_repository(one.project, self.is_public(one.project), one.name.within_project())
        })
    }

    async fn lists_are_those_of(&self, filter: &ProjectFilter) {
        let expected: Vec<String> = self.had(filter).map(|one| one.name.to_string()).collect();
        let mut rows = read(&self.store).await;
        let by_name = Query::default().sort(RepositoryKey::Name, Order::Ascending);
        let listed = rows.repository_entries(filter, &by_name.clone().page(1, 100)).await.unwrap();
        let names: Vec<String> = listed.entries.iter().map(|one| one.repository.name.to_string()).collect();
        assert_eq!((names, listed.total), (expected.clone(), expected.len() as u64), "{filter:?}");
        let page = rows.repository_entries(filter, &by_name.page(2, 2)).await.unwrap();
        let names: Vec<String> = page.entries.iter().map(|one| one.repository.name.to_string()).collect();
        assert_eq!(page.total, expected.len() as u64, "{filter:?}");
        assert_eq!(names, expected.iter().skip(2).take(2).cloned().collect::<Vec<_>>(), "{filter:?}");
        let names = rows.repositories(filter, Some("one/web"), 100).await.unwrap();
        let after: Vec<&String> = expected.iter().filter(|name| name.as_str() > "one/web").collect();
        assert_eq!(
            names.iter().map(ToString::to_string).collect::<Vec<_>>().iter().collect::<Vec<_>>(),
            after
        );
        let mut ids: Vec<RepositoryId> = self.had(filter).map(|one| one.id).collect();
        ids.sort_unstable();
        assert_eq!(rows.repository_ids(filter).await.unwrap(), ids, "{filter:?}");
        let has = |project: &&Project| filter.has_project(project.id, project.public);
        let projects =
            |public| self.projects.iter().filter(has).filter(|one| one.public == public).count() as u64;
        let repositories =
            |public| self.had(filter).filter(|one| self.is_public(one.project) == public).count() as u64;
        let figures = Figures {
            public_projects: projects(true),
            private_projects: projects(false),
            public_repositories: repositories(true),
            private_repositories: repositories(false),
        };
        assert_eq!(rows.figures(filter, filter).await.unwrap(), figures, "{filter:?}");
        let listed = rows.projects(filter, &Query::default()).await.unwrap();
        assert_eq!(listed.total, projects(true) + projects(false), "{filter:?}");
    }
}

/// *Filtered*: whichever way filters are put together, lists have what [`ProjectFilter::has_repository`] and
/// [`ProjectFilter::has_project`] say, one by one.
pub async fn lists_within_patterns(fixture: &dyn MetadataFixture) {
    let world = World::of(fixture).await;
    let ids: Vec<ProjectId> = world.projects.iter().map(|project| project.id).collect();
    let [one, open, two] = ids[..] else { panic!("three projects") };
    let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let named = |project, texts: &[&str]| ProjectFilter::Repositories(project, patterns(texts));
    let within = |public, projects: &[_]| ProjectFilter::Within { public, projects: projects.to_vec() };
    let leaves = [
        ProjectFilter::All,
        within(false, &[]),
        within(true, &[]),
        within(true, &[two]),
        within(false, &[one, open]),
        named(Some(one), &["web/**"]),
        named(Some(open), &["db", "webs"]),
        named(None, &["*"]),
        named(None, &["none"]),
        named(Some(two), &[]),
    ];
    let few = named(None, &["web", "db"]).or(within(false, &[two]));
    for (index, left) in leaves.iter().enumerate() {
        world.lists_are_those_of(left).await;
        for right in leaves.iter().skip(index + 1).step_by(2) {
            world.lists_are_those_of(&left.clone().and(right.clone())).await;
            world.lists_are_those_of(&left.clone().or(right.clone()).and(few.clone())).await;
        }
    }
}

/// `artifacts`: of some repositories of a project.
pub async fn artifacts_of_repositories(fixture: &dyn MetadataFixture) {
    let world = World::of(fixture).await;
    let ids: Vec<RepositoryId> = world.repositories.iter().map(|one| one.id).collect();
    let project = world.projects[0].id;
    for scope in [ArtifactScope::Project(project), ArtifactScope::Latest(project)] {
        // The last is of another project.
        for (some, total) in [(vec![], 0), (vec![ids[0]], 1), (vec![ids[3], ids[1], ids[7]], 2)] {
            let query = ArtifactQuery { repositories: Some(some.clone()), ..ArtifactQuery::default() };
            let listed = read(&world.store).await.artifacts(scope, &query).await.unwrap();
            assert!(listed.entries.iter().all(|one| some.contains(&one.repository)));
            assert_eq!((listed.entries.len() as u64, listed.total), (total, total));
            let query = ArtifactQuery { query: Query::default().page(9, 1), ..query };
            assert_eq!(read(&world.store).await.artifacts(scope, &query).await.unwrap().total, total);
        }
    }
}

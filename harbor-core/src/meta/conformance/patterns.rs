//! Lists within filters that tell repositories by their names.

use std::collections::BTreeMap;

use super::MetadataFixture;
use super::kit::{Says, Store, at, begin, manifest, project, project_name, read, repository};
use crate::access::ProjectFilter;
use crate::meta::{
    Among, ArtifactQuery, ArtifactScope, Candidate, Figures, Project, ProjectId, Repository,
    RepositoryFilter, RepositoryId, RepositoryKey,
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

    /// The candidates of a filter, two at a time; by project as well as all of them, where it names its projects.
    async fn candidates(&self, filter: &ProjectFilter) -> Vec<Candidate> {
        let mut rows = read(&self.store).await;
        let (mut all, mut last) = (Vec::new(), RepositoryId::new(0));
        loop {
            let page = rows.candidates(filter, Among::All(last), 2).await.unwrap();
            last = page.last().map_or(last, |one| one.id);
            let full = page.len() == 2;
            all.extend(page);
            if !full {
                break;
            }
        }
        let Some(named) = filter.named() else { return all };
        let named: Vec<ProjectId> = named.into_iter().collect();
        let mut at_once = rows.candidates(filter, Among::Projects(&named), 100).await.unwrap();
        assert!(at_once.is_sorted_by_key(|one| one.project), "{filter:?}");
        at_once.sort_by_key(|one| one.id);
        assert_eq!(at_once, all, "{filter:?}");
        let mut of_each = Vec::new();
        let is_there = |id: &ProjectId| self.projects.iter().any(|project| project.id == *id);
        for project in named.into_iter().filter(is_there) {
            let mut page = rows.candidates(filter, Among::Projects(&[project]), 2).await.unwrap();
            while let Some(last) = page.last().cloned() {
                of_each.append(&mut page);
                page = rows.candidates(filter, Among::RestAfter(&last), 2).await.unwrap();
            }
        }
        assert!(of_each.is_sorted_by_key(|one| (one.project, one.created_at, one.id)), "{filter:?}");
        of_each.sort_by_key(|one| one.id);
        assert_eq!(of_each, all, "{filter:?}");
        all
    }

    /// The filter with its patterns matched, as the engine does. What is no candidate is told by its project.
    async fn matched(&self, filter: &ProjectFilter) -> RepositoryFilter {
        let candidates = self.candidates(filter).await;
        for one in &candidates {
            assert!(!filter.has_project(one.project, one.public), "{filter:?} {one:?}");
            assert_eq!(self.is_public(one.project), one.public);
        }
        let has =
            |one: &&Candidate| filter.has_repository(one.project, one.public, one.name.within_project());
        let repositories = candidates.iter().filter(has).map(|one| one.id).collect();
        RepositoryFilter { projects: filter.clone(), repositories }
    }

    async fn lists_are_those_of(&self, filter: &ProjectFilter) {
        let limited = &self.matched(filter).await;
        let expected: Vec<String> = self.had(filter).map(|one| one.name.to_string()).collect();
        let mut rows = read(&self.store).await;
        let by_name = Query::default().sort(RepositoryKey::Name, Order::Ascending);
        let listed = rows.repository_entries(limited, &by_name.clone().page(1, 100)).await.unwrap();
        let names: Vec<String> = listed.entries.iter().map(|one| one.repository.name.to_string()).collect();
        assert_eq!((names, listed.total), (expected.clone(), expected.len() as u64), "{filter:?}");
        let page = rows.repository_entries(limited, &by_name.page(2, 2)).await.unwrap();
        let names: Vec<String> = page.entries.iter().map(|one| one.repository.name.to_string()).collect();
        assert_eq!(page.total, expected.len() as u64, "{filter:?}");
        assert_eq!(names, expected.iter().skip(2).take(2).cloned().collect::<Vec<_>>(), "{filter:?}");
        let names = rows.repositories(limited, Some("one/web"), 100).await.unwrap();
        let after: Vec<&String> = expected.iter().filter(|name| name.as_str() > "one/web").collect();
        assert_eq!(
            names.iter().map(ToString::to_string).collect::<Vec<_>>().iter().collect::<Vec<_>>(),
            after
        );
        let counts = rows.repository_counts(limited).await.unwrap();
        let counted: BTreeMap<ProjectId, u64> = counts.into_iter().collect();
        let mut of_each = BTreeMap::new();
        self.had(filter).for_each(|one| *of_each.entry(one.project).or_insert(0) += 1);
        assert_eq!(counted, of_each, "{filter:?}");
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
        assert_eq!(rows.figures(filter, limited).await.unwrap(), figures, "{filter:?}");
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

/// *Filtered*: however many projects a filter names one by one.
pub async fn lists_within_many_projects(fixture: &dyn MetadataFixture) {
    let world = World::of(fixture).await;
    let ids = world.projects.iter().map(|project| project.id.get()).chain(1_000_000..1_002_000);
    let web = || vec!["web/**".parse().unwrap()];
    let limited = |id: i64| ProjectFilter::Repositories(Some(ProjectId::new(id)), web());
    let many = ids
        .map(limited)
        .fold(ProjectFilter::Within { public: false, projects: Vec::new() }, ProjectFilter::or);
    world.lists_are_those_of(&many).await;
    world.lists_are_those_of(&many.clone().and(ProjectFilter::only(world.projects[0].id))).await;
    world.lists_are_those_of(&many.or(ProjectFilter::Within { public: true, projects: Vec::new() })).await;
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

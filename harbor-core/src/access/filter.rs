//! What a list is limited to.

use std::collections::BTreeSet;

use super::Permission;
use super::restriction::is_whole;
use crate::meta::ProjectId;
use crate::pattern::Pattern;

/// Where somebody has a permission: in which projects, and in which repositories of others. Lists are limited to it.
///
/// What is about projects (their list, their logs) has those that a filter has all of. What is about repositories has these as
/// well that it has by their names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProjectFilter {
    /// Every project.
    All,
    /// Some projects.
    Within {
        /// Public projects are among them.
        public: bool,
        /// These are among them.
        projects: Vec<ProjectId>,
    },
    /// The repositories that match one of the patterns, which are of names without the project's: of one project, or of every
    /// one where none is named. No project is within it as a whole.
    Repositories(Option<ProjectId>, Vec<Pattern>),
    /// What any of these has.
    Any(Vec<Self>),
    /// What both have.
    Both(Box<[Self; 2]>),
}

impl ProjectFilter {
    /// One project.
    #[must_use]
    pub fn only(project: ProjectId) -> Self {
        Self::Within { public: false, projects: vec![project] }
    }

    /// Where `permission` was granted: each entry has a project, or none for every project, and the repositories that it is
    /// limited to, or none for all. `public`: in public projects everybody has it.
    #[must_use]
    pub fn granted<'a>(
        permission: Permission,
        public: bool,
        grants: impl IntoIterator<Item = (Option<ProjectId>, &'a [Pattern])>,
    ) -> Self {
        let (mut projects, mut limited) = (Vec::new(), Vec::new());
        for (project, repositories) in grants {
            match project {
                _ if !is_whole(repositories, permission) => {
                    limited.push(Self::Repositories(project, repositories.to_vec()));
                }
                None => return Self::All,
                Some(id) => projects.push(id),
            }
        }
        projects.sort_unstable();
        projects.dedup();
        limited.into_iter().fold(Self::Within { public, projects }, Self::or)
    }

    /// What this one or another has.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Any(mut these), other) => {
                these.push(other);
                Self::Any(these)
            }
            (this, other) => Self::Any(vec![this, other]),
        }
    }

    /// What this one and another have.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, one) | (one, Self::All) => one,
            (this, other) => Self::Both(Box::new([this, other])),
        }
    }

    /// Whether it has all of a project.
    #[must_use]
    pub fn has_project(&self, id: ProjectId, is_public: bool) -> bool {
        match self {
            Self::All => true,
            Self::Within { public, projects } => (*public && is_public) || projects.contains(&id),
            Self::Repositories(..) => false,
            Self::Any(filters) => filters.iter().any(|filter| filter.has_project(id, is_public)),
            Self::Both(filters) => filters.iter().all(|filter| filter.has_project(id, is_public)),
        }
    }

    /// Whether it has a repository; `name` is without the project's.
    #[must_use]
    pub fn has_repository(&self, id: ProjectId, is_public: bool, name: &str) -> bool {
        match self {
            Self::All | Self::Within { .. } => self.has_project(id, is_public),
            Self::Repositories(project, patterns) => {
                project.is_none_or(|project| project == id)
                    && patterns.iter().any(|pattern| pattern.matches(name))
            }
            Self::Any(filters) => filters.iter().any(|filter| filter.has_repository(id, is_public, name)),
            Self::Both(filters) => filters.iter().all(|filter| filter.has_repository(id, is_public, name)),
        }
    }

    /// The projects outside of which it has nothing, where it names them.
    #[must_use]
    pub fn named(&self) -> Option<BTreeSet<ProjectId>> {
        match self {
            Self::All | Self::Within { public: true, .. } | Self::Repositories(None, _) => None,
            Self::Within { public: false, projects } => Some(projects.iter().copied().collect()),
            Self::Repositories(Some(id), _) => Some(BTreeSet::from([*id])),
            Self::Any(filters) => {
                let all: Option<Vec<BTreeSet<ProjectId>>> = filters.iter().map(Self::named).collect();
                all.map(|all| all.into_iter().flatten().collect())
            }
            Self::Both(filters) => match filters.each_ref().map(Self::named) {
                [Some(one), Some(other)] => Some(one.intersection(&other).copied().collect()),
                [one, other] => one.or(other),
            },
        }
    }

    /// Whether names of repositories have to be looked at.
    #[must_use]
    pub fn has_patterns(&self) -> bool {
        match self {
            Self::All | Self::Within { .. } => false,
            Self::Repositories(..) => true,
            Self::Any(filters) => filters.iter().any(Self::has_patterns),
            Self::Both(filters) => filters.iter().any(Self::has_patterns),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Timestamp;
    use crate::access::permission::{LogList, ProjectRead, RepositoryList, RepositoryPull};
    use crate::access::{Action as _, Grant, Place, Restriction, Target};
    use crate::meta::Project;
    use crate::oci::RepositoryName;

    const NAMES: [&str; 6] = ["web", "web/a", "web/a/b", "db", "db/web", "webs"];
    const PATTERNS: [&str; 6] = ["web/**", "web", "*", "{db,webs}", "**/web", "none"];

    /// Numbers that look random, the same each time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }

        fn some<T: Copy>(&mut self, of: &[T]) -> T {
            of[usize::try_from(self.below(of.len() as u64)).unwrap()]
        }
    }

    fn projects() -> Vec<Project> {
        let project = |id: i64| Project {
            id: ProjectId::new(id),
            name: format!("p{id}").parse().unwrap(),
            public: false,
            owner: None,
            metadata: BTreeMap::new(),
            cve_allowlist: None,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
        };
        (1..4).map(project).collect()
    }

    fn grant(numbers: &mut Numbers) -> Grant {
        let project = 1 + i64::try_from(numbers.below(3)).unwrap();
        let on = match numbers.below(5) {
            0 => Place::System,
            1 => Place::EveryProject,
            2 => {
                let name = format!("p{project}/{}", numbers.some(&NAMES));
                Place::Repository(ProjectId::new(project), name.parse().unwrap())
            }
            _ => Place::Project(ProjectId::new(project)),
        };
        let patterns = (0..numbers.below(3)).map(|_| Pattern::parse(numbers.some(&PATTERNS)).unwrap());
        let repositories = patterns.collect();
        let all = [
            ProjectRead::PERMISSION,
            RepositoryList::PERMISSION,
            RepositoryPull::PERMISSION,
            LogList::PERMISSION,
        ];
        let permissions = all.into_iter().filter(|_| numbers.below(2) == 0).collect();
        Grant { on, repositories, permissions }
    }

    fn allowed_by(limits: &[Restriction], permission: Permission, target: Target<'_>) -> bool {
        limits.iter().all(|limit| limit.allows(permission, target))
    }

    /// A filter has exactly the repositories and the projects that are allowed one by one.
    #[test]
    fn a_filter_is_what_is_allowed_one_by_one() {
        let (mut numbers, projects) = (Numbers(7), projects());
        let mut had = [0_u32; 2];
        for _ in 0..2_000 {
            let mut restriction = || {
                let grants = 1 + numbers.below(3);
                Restriction::new((0..grants).map(|_| grant(&mut numbers)).collect())
            };
            let both = [restriction(), restriction()];
            for permission in
                [RepositoryList::PERMISSION, RepositoryPull::PERMISSION, ProjectRead::PERMISSION]
            {
                let [one, other] = both.each_ref().map(|limit| limit.projects(permission));
                let filter = one.and(other);
                for project in &projects {
                    for name in NAMES {
                        let full: RepositoryName = format!("{}/{name}", project.name).parse().unwrap();
                        let allowed = allowed_by(&both, permission, Target::Repository(project, &full));
                        let has = filter.has_repository(project.id, false, name);
                        // Of a project one may know of, all repositories: their names are another permission.
                        if permission != ProjectRead::PERMISSION {
                            assert_eq!(has, allowed, "{permission:?} {full}: {both:?}");
                            had[usize::from(has)] += 1;
                        }
                    }
                    if permission == ProjectRead::PERMISSION {
                        let allowed = allowed_by(&both, permission, Target::Project(project));
                        assert_eq!(filter.has_project(project.id, false), allowed, "{both:?}");
                    }
                }
            }
            // What is not for the limited is not theirs by any list.
            let filter = both[0].projects(LogList::PERMISSION);
            for project in &projects {
                let allowed = both[0].allows(LogList::PERMISSION, Target::Project(project));
                assert_eq!(filter.has_project(project.id, false), allowed);
            }
        }
        assert!(had.iter().all(|times| *times > 1_000), "{had:?}");
    }

    #[test]
    fn filters_are_put_together() {
        let (one, two) = (ProjectId::new(1), ProjectId::new(2));
        let public = ProjectFilter::Within { public: true, projects: Vec::new() };
        assert!(public.has_project(one, true) && !public.has_project(one, false));
        assert_eq!(ProjectFilter::All.and(public.clone()), public);
        assert_eq!(public.clone().and(ProjectFilter::All), public);
        assert_eq!(public.clone().or(ProjectFilter::All), ProjectFilter::All);
        let both = public.and(ProjectFilter::only(two));
        assert!(both.has_project(two, true) && !both.has_project(two, false) && !both.has_project(one, true));
        assert!(!both.has_patterns());
    }
}

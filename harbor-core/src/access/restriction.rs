//! What a token or a robot is limited to, whoever carries it.

use super::{Permission, ProjectFilter, Target};
use crate::meta::ProjectId;
use crate::oci::RepositoryName;
use crate::pattern::Pattern;

/// A limit on what an [`Actor`](super::Actor) may do: whatever is not in it is refused before the authorizer is asked. It can
/// only take away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Restriction {
    grants: Vec<Grant>,
}

/// One entry of a restriction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Where.
    pub on: Place,
    /// The repositories, without the project's name, that it is limited to; all when there are none.
    pub repositories: Vec<Pattern>,
    /// What. Nothing else is granted there.
    pub permissions: Vec<Permission>,
}

/// Where a grant holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// On the whole registry, and not within its projects.
    System,
    /// In every project.
    EveryProject,
    /// In one incarnation of a project.
    Project(ProjectId),
    /// In one repository of one incarnation of a project.
    Repository(ProjectId, RepositoryName),
}

impl Grant {
    fn covers(&self, target: Target<'_>) -> bool {
        match (&self.on, target) {
            (Place::System, Target::System | Target::User(_)) => true,
            (Place::EveryProject, Target::Project(_) | Target::Repository(..)) => true,
            (Place::Project(id), Target::Project(project) | Target::Repository(project, _)) => {
                *id == project.id
            }
            (Place::Repository(id, name), Target::Repository(project, asked)) => {
                *id == project.id && name == asked
            }
            _ => false,
        }
    }

    /// The one repository that it is about, if it is about one.
    fn repository(&self) -> Option<ProjectFilter> {
        let Place::Repository(project, name) = &self.on else { return None };
        let within = name.within_project();
        let room = self.repositories.is_empty() || self.repositories.iter().any(|one| one.matches(within));
        // No name has a character that means something in a pattern.
        let only = Pattern::parse(within).ok().filter(|_| room)?;
        Some(ProjectFilter::Repositories(Some(*project), vec![only]))
    }
}

impl Restriction {
    /// A limit to these.
    #[must_use]
    pub const fn new(grants: Vec<Grant>) -> Self {
        Self { grants }
    }

    /// Whether `permission` on `target` is within the limit.
    #[must_use]
    pub fn allows(&self, permission: Permission, target: Target<'_>) -> bool {
        self.grants.iter().any(|grant| {
            grant.covers(target)
                && grant.permissions.contains(&permission)
                && within(&grant.repositories, permission, target)
        })
    }

    /// The projects, and the repositories of projects, in which `permission` is within the limit.
    #[must_use]
    pub fn projects(&self, permission: Permission) -> ProjectFilter {
        let grants = self.grants.iter().filter(|grant| grant.permissions.contains(&permission));
        let of_projects = grants.clone().filter_map(|grant| match &grant.on {
            Place::EveryProject => Some((None, &*grant.repositories)),
            Place::Project(id) => Some((Some(*id), &*grant.repositories)),
            Place::System | Place::Repository(..) => None,
        });
        let whole = ProjectFilter::granted(permission, false, of_projects);
        grants.filter_map(Grant::repository).fold(whole, ProjectFilter::or)
    }
}

/// Whether a limit to some repositories leaves room for `permission` on `target`. Of the project itself, whoever is limited may
/// see what it is and list what it holds; the lists show no more than that.
#[must_use]
pub fn within(repositories: &[Pattern], permission: Permission, target: Target<'_>) -> bool {
    if repositories.is_empty() {
        return true;
    }
    match target {
        Target::Repository(_, name) => {
            repositories.iter().any(|pattern| pattern.matches(name.within_project()))
        }
        _ => {
            let asked = (permission.resource, permission.action);
            LOOKS.contains(&asked) || LISTS.contains(&asked)
        }
    }
}

/// Whether a limit to some repositories takes nothing away from `permission` where it is about a project.
pub(super) fn is_whole(repositories: &[Pattern], permission: Permission) -> bool {
    repositories.is_empty() || LOOKS.contains(&(permission.resource, permission.action))
}

/// What who is limited to some repositories may do to a project.
const LOOKS: [(&str, &str); 4] =
    [("project", "read"), ("label", "list"), ("label", "read"), ("quota", "read")];

/// What they may list of a project: no more comes than is in those repositories.
const LISTS: [(&str, &str); 2] = [("repository", "list"), ("artifact", "list")];

//! What robots and personal access tokens are given, as it is stored.

use std::collections::{BTreeMap, HashSet};

use harbor_core::access::{Grant, Level, Permission, Place, ProjectFilter, Restriction};
use harbor_core::meta::ProjectId;
use harbor_core::pattern::{self, Pattern};
use harbor_core::{Error, StoreError, StoreErrorKind};
use serde::{Deserialize, Serialize};

/// Permissions, each in its place. Projects are named by their incarnation: one that is deleted and made again is another.
///
/// Persisted: tagged with a version. A test loads every form ever written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grants {
    v: u8,
    /// The entries.
    pub grants: Vec<Given>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// Where.
    pub on: GivenOn,
    /// What: `resource:action`.
    pub access: Vec<String>,
    /// The repositories, without the project's name, that this is limited to; all when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<Pattern>,
}

/// Where something is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenOn {
    /// On the whole registry, and not within its projects.
    System,
    /// In every project.
    EveryProject,
    /// In one project.
    Project(i64),
}

/// How many entries there are at most, and patterns in each: they are looked through on each request.
pub(crate) const MOST: usize = 100;

/// How many permissions one entry has at most: more than there are.
const MOST_ACCESS: usize = 200;

/// The version that is written.
const VERSION: u8 = 1;

impl Grants {
    /// These.
    #[must_use]
    pub const fn new(grants: Vec<Given>) -> Self {
        Self { v: VERSION, grants }
    }

    /// Reads what was stored.
    pub(crate) fn read(stored: &str) -> Result<Self, StoreError> {
        let corrupt = |error: serde_json::Error| {
            StoreError::new(StoreErrorKind::Corrupt, "permissions were stored that do not read")
                .with_source(error)
        };
        let grants: Self = serde_json::from_str(stored).map_err(corrupt)?;
        if grants.v != VERSION {
            let version = format!("permissions were stored in version {}", grants.v);
            return Err(StoreError::new(StoreErrorKind::TooNew, version));
        }
        Ok(grants)
    }

    /// The text to store: with each permission once in an entry, however often somebody said it.
    pub(crate) fn write(&self) -> Result<String, StoreError> {
        let mut all = self.clone();
        for given in &mut all.grants {
            let mut seen = HashSet::new();
            given.access.retain(|text| seen.insert(text.clone()));
        }
        serde_json::to_string(&all).map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "permissions cannot be stored").with_source(error)
        })
    }

    /// Refuses what cannot be given: permissions that there are not, and, to something that belongs to a project, any outside
    /// of it.
    pub(crate) fn check(&self, project: Option<ProjectId>) -> Result<(), Error> {
        let many = |given: &Given| given.access.len() > MOST_ACCESS || given.repositories.len() > MOST;
        if self.grants.len() > MOST || self.grants.iter().any(many) {
            return Err(Error::BadRequest(format!(
                "there are at most {MOST} entries, of {MOST_ACCESS} permissions and {MOST} patterns each"
            )));
        }
        for given in &self.grants {
            let elsewhere = project.is_some_and(|own| given.on != GivenOn::Project(own.get()));
            if elsewhere {
                let text = "a robot of a project has permissions in that project and nowhere else";
                return Err(Error::BadRequest(text.to_owned()));
            }
            for text in &given.access {
                let known = text
                    .split_once(':')
                    .and_then(|(resource, action)| Permission::find(given.level(), resource, action));
                if !known.is_some_and(Permission::is_grantable) {
                    return Err(Error::BadRequest(format!(
                        "there is no permission {text} to be given there"
                    )));
                }
            }
        }
        let none = self.grants.iter().all(|given| given.access.is_empty());
        if none { Err(Error::BadRequest("give it at least one permission".to_owned())) } else { Ok(()) }
    }

    /// Refuses patterns with which matching would take too long, unless they replace others that take no less.
    pub(crate) fn check_length(&self, replaced: Option<&Self>) -> Result<(), Error> {
        let patterns =
            |grants: &Self| pattern::length(grants.grants.iter().flat_map(|given| &given.repositories));
        check_length(patterns(self), replaced.map_or(0, patterns))
    }

    /// The permissions, by project, each project once; `None` for those on the whole registry and in every project.
    pub(crate) fn by_project(&self) -> BTreeMap<Option<ProjectId>, Vec<Permission>> {
        let mut all: BTreeMap<_, Vec<Permission>> = BTreeMap::new();
        for given in &self.grants {
            let project = match given.on {
                GivenOn::Project(id) => Some(ProjectId::new(id)),
                GivenOn::System | GivenOn::EveryProject => None,
            };
            all.entry(project).or_default().extend(given.permissions());
        }
        all
    }

    /// Whether a permission is given on the whole registry or in every project, whichever it is of, without limits.
    pub(crate) fn everywhere(&self, permission: Permission) -> bool {
        let whole = |given: &&Given| given.repositories.is_empty() && given.has(permission);
        self.grants.iter().filter(whole).any(|given| !matches!(given.on, GivenOn::Project(_)))
    }

    /// Where one of these permissions is given, which are one to whoever asks: `permissions` has the one asked for first.
    pub(crate) fn projects(&self, permissions: &[Permission]) -> ProjectFilter {
        let Some(asked) = permissions.first() else {
            return ProjectFilter::Within { public: false, projects: Vec::new() };
        };
        let given = self.grants.iter().filter(|given| permissions.iter().any(|one| given.has(*one)));
        let places = given.filter_map(|given| match given.on {
            GivenOn::System => None,
            GivenOn::EveryProject => Some((None, &*given.repositories)),
            GivenOn::Project(id) => Some((Some(ProjectId::new(id)), &*given.repositories)),
        });
        ProjectFilter::granted(*asked, asked.is_public(), places)
    }

    /// The same, as it is asked about.
    pub(crate) fn restriction(&self) -> Restriction {
        let grant = |given: &Given| Grant {
            on: given.place(),
            repositories: given.repositories.clone(),
            permissions: given.permissions(),
        };
        Restriction::new(self.grants.iter().map(grant).collect())
    }
}

/// Refuses patterns of so many bytes together, with which matching would take too long. Such are there from before there was a bound:
/// what replaces them may be as long, or nobody could take away only some of it.
pub(crate) fn check_length(patterns: usize, replaced: usize) -> Result<(), Error> {
    if patterns > pattern::LONGEST_TOGETHER.max(replaced) {
        return Err(Error::BadRequest(format!(
            "the patterns of repositories have at most {} bytes altogether: shorten or join them, or name fewer",
            pattern::LONGEST_TOGETHER
        )));
    }
    Ok(())
}

impl Given {
    fn level(&self) -> Level {
        match self.on {
            GivenOn::System => Level::System,
            GivenOn::EveryProject | GivenOn::Project(_) => Level::Project,
        }
    }

    fn place(&self) -> Place {
        match self.on {
            GivenOn::System => Place::System,
            GivenOn::EveryProject => Place::EveryProject,
            GivenOn::Project(id) => Place::Project(ProjectId::new(id)),
        }
    }

    fn permissions(&self) -> Vec<Permission> {
        let read = |text: &String| {
            let (resource, action) = text.split_once(':')?;
            Permission::find(self.level(), resource, action)
        };
        let mut seen = HashSet::new();
        self.access.iter().filter_map(read).filter(|permission| seen.insert(*permission)).collect()
    }

    fn has(&self, permission: Permission) -> bool {
        let named = |text: &String| text.split_once(':') == Some((permission.resource, permission.action));
        self.level() == permission.level && self.access.iter().any(named)
    }
}

#[cfg(test)]
mod tests {
    use harbor_core::access::Action as _;
    use harbor_core::access::permission::RepositoryPull;

    use super::*;

    /// Texts that earlier versions wrote. A new form is added; none is ever removed.
    #[test]
    fn every_stored_form_still_loads() {
        for stored in [
            r#"{"v":1,"grants":[{"on":"system","access":["project:list"]},{"on":"every_project","access":["repository:pull"]},{"on":{"project":7},"access":["repository:push"],"repositories":["a/**"]}]}"#,
            r#"{"v":1,"grants":[]}"#,
        ] {
            assert_eq!(Grants::read(stored).unwrap().write().unwrap(), stored);
        }
        assert_eq!(Grants::read(r#"{"v":2,"grants":[]}"#).unwrap_err().kind(), StoreErrorKind::TooNew);
        assert_eq!(Grants::read("x").unwrap_err().kind(), StoreErrorKind::Corrupt);
    }

    /// What was stored before there was a bound on all patterns together works on; nothing is given with more any more.
    #[test]
    fn longer_patterns_that_were_stored_still_work() {
        let pattern = |number: usize| format!("{{{}/**,{}}}", "a".repeat(1000), number);
        let entry = |numbers: std::ops::Range<usize>| Given {
            on: GivenOn::EveryProject,
            access: vec!["repository:pull".to_owned()],
            repositories: numbers.map(|number| Pattern::parse(&pattern(number)).unwrap()).collect(),
        };
        let few = Grants::new(vec![entry(0..2), entry(2..4)]);
        few.check_length(None).unwrap();
        let more = Grants::new(vec![entry(0..2), entry(2..5)]);
        let refused = more.check_length(None).unwrap_err();
        more.check_length(Some(&few)).unwrap_err();
        assert!(matches!(&refused, Error::BadRequest(text) if text.contains("4096 bytes")), "{refused}");
        let stored = Grants::new(vec![entry(0..100)]).write().unwrap();
        let read = Grants::read(&stored).unwrap();
        // It can be stored again, and with less.
        read.check_length(Some(&read)).unwrap();
        Grants::new(vec![entry(0..99)]).check_length(Some(&read)).unwrap();
        Grants::new(vec![entry(0..101)]).check_length(Some(&read)).unwrap_err();
        let filter = read.projects(&[RepositoryPull::PERMISSION]);
        assert!(filter.has_repository(ProjectId::new(1), false, "99"));
        assert!(!filter.has_repository(ProjectId::new(1), false, "100"));
    }
}

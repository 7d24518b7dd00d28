//! Rules of immutable tags: tags that, once set, can neither be moved nor deleted.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ImmutableRuleId, Listed, ProjectId, RowResult};
use crate::oci::{RepositoryName, Tag};
use crate::query::{Query, keys};
use crate::selector::Selector;
use crate::{StoreError, StoreErrorKind};

/// A rule of immutable tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImmutableRule {
    /// Its key.
    pub id: ImmutableRuleId,
    /// The project whose tags it is about.
    pub project: ProjectId,
    /// A number that clients keep with it. All rules hold, whatever it is.
    pub priority: i64,
    /// Whether it is out of force.
    pub disabled: bool,
    /// Which tags of which repositories it is about.
    pub selection: ImmutableSelection,
}

impl ImmutableRule {
    /// Whether it is in force and about that repository.
    #[must_use]
    pub fn is_about(&self, repository: &RepositoryName) -> bool {
        !self.disabled && selects(&self.selection.repositories, repository.within_project())
    }

    /// Whether it is in force and makes that tag of that repository immutable.
    #[must_use]
    pub fn holds(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        self.is_about(repository) && self.selects(tag)
    }

    /// Whether it makes that tag immutable, of a repository that it [is about](Self::is_about).
    #[must_use]
    pub fn selects(&self, tag: &Tag) -> bool {
        selects(&self.selection.tags, tag.as_str())
    }
}

/// As with Harbor, only the first selector means something; without any, nothing is selected.
fn selects(selectors: &[Selector], name: &str) -> bool {
    selectors.first().is_some_and(|selector| selector.selects(name))
}

/// The version that is written.
const VERSION: u8 = 1;

/// Which tags of which repositories a rule is about.
///
/// Persisted: tagged with a version. A test loads every form ever written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImmutableSelection {
    v: u8,
    /// The tags.
    pub tags: Vec<Selector>,
    /// The repositories, by their names without the project's.
    pub repositories: Vec<Selector>,
    /// What clients keep with the rule. It means nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Value>,
    /// Whether the tags may be deleted all the same; they are never moved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_deletion: bool,
}

impl ImmutableSelection {
    /// These tags of these repositories.
    #[must_use]
    pub const fn new(
        tags: Vec<Selector>,
        repositories: Vec<Selector>,
        parameters: BTreeMap<String, Value>,
    ) -> Self {
        Self { v: VERSION, tags, repositories, parameters, allow_deletion: false }
    }

    /// The same; whether the tags may be deleted all the same.
    #[must_use]
    pub fn deletable(self, allow_deletion: bool) -> Self {
        Self { allow_deletion, ..self }
    }

    /// How long all of its patterns are together, in bytes: what matching takes follows from that.
    #[must_use]
    pub fn length(&self) -> usize {
        let selectors = self.tags.iter().chain(&self.repositories);
        selectors.map(|selector| selector.pattern.as_str().len()).sum()
    }

    /// Whether two mean the same tags.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |own: &[Selector], others: &[Selector]| match (own.first(), others.first()) {
            (Some(own), Some(other)) => (own.decoration, &own.pattern) == (other.decoration, &other.pattern),
            (own, other) => own.is_none() && other.is_none(),
        };
        same(&self.tags, &other.tags) && same(&self.repositories, &other.repositories)
    }

    /// Reads what was stored.
    ///
    /// # Errors
    /// `Corrupt` for what does not read, `TooNew` for a form that a newer version wrote.
    pub fn read(stored: &str) -> RowResult<Self> {
        let read: Self = serde_json::from_str(stored).map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, "a rule was stored that does not read")
                .with_source(error)
        })?;
        if read.v != VERSION {
            let version = format!("a rule was stored in version {}", read.v);
            return Err(StoreError::new(StoreErrorKind::TooNew, version));
        }
        Ok(read)
    }

    /// The text to store.
    ///
    /// # Errors
    /// `Other` when there is none.
    pub fn write(&self) -> RowResult<String> {
        serde_json::to_string(self).map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "a rule cannot be stored").with_source(error)
        })
    }
}

keys! {
    /// What lists of rules of immutable tags are filtered and sorted by.
    pub enum ImmutableRuleKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `priority`.
        Priority: Int, "priority", "Priority", filter, sort;
        /// `disabled`.
        Disabled: Bool, "disabled", "Disabled", filter, sort;
    }
}

/// Reads rules of immutable tags.
#[async_trait]
pub trait ImmutableRows {
    /// A page of the rules of a project; in the order of keys, unless the query has another.
    async fn immutable_rules(
        &mut self,
        project: ProjectId,
        query: &Query<ImmutableRuleKey>,
    ) -> RowResult<Listed<ImmutableRule>>;

    /// All rules of a project, in force or not, in the order of keys.
    async fn immutable_rules_of(&mut self, project: ProjectId) -> RowResult<Vec<ImmutableRule>>;
}

/// Changes rules of immutable tags.
#[async_trait]
pub trait ImmutableRowsMut {
    /// Makes a rule; its `id` is of no account. The caller has locked the project.
    async fn immutable_rule_insert(&mut self, rule: &ImmutableRule) -> RowResult<ImmutableRuleId>;

    /// Stores a rule as it is now. False when its project has none of that key.
    async fn immutable_rule_save(&mut self, rule: &ImmutableRule) -> RowResult<bool>;

    /// Deletes a rule. False when the project has none of that key.
    async fn immutable_rule_delete(&mut self, project: ProjectId, id: ImmutableRuleId) -> RowResult<bool>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::{KIND, Of};

    fn rule(repositories: &[(&str, &str)], tags: &[(&str, &str)]) -> ImmutableRule {
        let selectors = |of, written: &[(&str, &str)]| {
            let read = written.iter().map(|(word, pattern)| Selector::parse(of, KIND, word, pattern, ""));
            read.collect::<Result<Vec<_>, _>>().unwrap()
        };
        let (tags, repositories) = (selectors(Of::Tags, tags), selectors(Of::Repositories, repositories));
        ImmutableRule {
            id: ImmutableRuleId::new(1),
            project: ProjectId::new(1),
            priority: 0,
            disabled: false,
            selection: ImmutableSelection::new(tags, repositories, BTreeMap::new()),
        }
    }

    #[test]
    fn what_a_rule_holds() {
        let (every, none) = (("repoMatches", "**"), ("repoExcludes", "**"));
        for (repository, tag, name, label, held) in [
            (every, ("matches", "**"), "library/app", "v1", true),
            (every, ("matches", "v*"), "library/app", "v1", true),
            (every, ("matches", "v*"), "library/app", "latest", false),
            (every, ("matches", "{v*,latest}"), "library/app", "latest", true),
            (every, ("excludes", "*-dev"), "library/app", "v1", true),
            (every, ("excludes", "*-dev"), "library/app", "v1-dev", false),
            (every, ("matches", "V1"), "library/app", "v1", false),
            (none, ("matches", "**"), "library/app", "v1", false),
            (("repoMatches", "app"), ("matches", "**"), "library/app", "v1", true),
            // The project's name is no part of what is matched.
            (("repoMatches", "library/app"), ("matches", "**"), "library/app", "v1", false),
            (("repoMatches", "library/**"), ("matches", "**"), "library/app", "v1", false),
            (("repoMatches", "*"), ("matches", "**"), "library/a/b", "v1", false),
            (("repoMatches", "a/**"), ("matches", "**"), "library/a/b", "v1", true),
            (("repoExcludes", "a/**"), ("matches", "**"), "library/a/b", "v1", false),
            (("repoExcludes", "a/**"), ("excludes", "latest"), "library/b", "v1", true),
        ] {
            let held_by = rule(&[repository], &[tag]);
            let (name, label) = (name.parse().unwrap(), label.parse().unwrap());
            assert_eq!(held_by.holds(&name, &label), held, "{repository:?} {tag:?} {name} {label}");
            let disabled = ImmutableRule { disabled: true, ..held_by };
            assert!(!disabled.holds(&name, &label));
        }
    }

    #[test]
    fn only_the_first_selector_counts() {
        let (name, tag) = ("p/app".parse().unwrap(), "v1".parse().unwrap());
        let (every, none) = (("matches", "**"), ("excludes", "**"));
        let app = [("repoMatches", "app")];
        assert!(rule(&app, &[every, none]).holds(&name, &tag));
        assert!(!rule(&app, &[none, every]).holds(&name, &tag));
        assert!(!rule(&[("repoMatches", "x"), app[0]], &[every]).holds(&name, &tag));
        assert!(!rule(&[], &[every]).holds(&name, &tag) && !rule(&app, &[]).holds(&name, &tag));
    }

    #[test]
    fn the_same() {
        let one = rule(&[("repoMatches", "a")], &[("matches", "v*")]).selection;
        let more = rule(&[("repoMatches", "a"), ("repoMatches", "b")], &[("matches", "v*")]).selection;
        let other = rule(&[("repoExcludes", "a")], &[("matches", "v*")]).selection;
        assert!(one.is_same(&one) && one.is_same(&more) && !one.is_same(&other));
    }

    /// Texts that earlier versions wrote. A new form is added; none is ever removed.
    #[test]
    fn every_form_ever_written_reads() {
        let stored = r#"{"v":1,"tags":[{"decoration":"matches","pattern":"v*","extras":"x"}],
            "repositories":[{"decoration":"excludes","pattern":"{a,b}"}],"parameters":{"n":1}}"#;
        let read = ImmutableSelection::read(stored).unwrap();
        assert_eq!(read.tags[0], Selector::parse(Of::Tags, KIND, "matches", "v*", "x").unwrap());
        assert!(read.repositories[0].selects("c") && read.parameters["n"] == 1);
        assert_eq!(ImmutableSelection::read(&read.write().unwrap()).unwrap(), read);
        assert!(!read.allow_deletion);
        let deletable = stored.replace(r#""v":1"#, r#""v":1,"allow_deletion":true"#);
        let deletable = ImmutableSelection::read(&deletable).unwrap();
        assert_eq!(deletable, read.clone().deletable(true));
        assert_eq!(ImmutableSelection::read(&deletable.write().unwrap()).unwrap(), deletable);
        let newer = ImmutableSelection::read(&stored.replace(r#""v":1"#, r#""v":2"#)).unwrap_err();
        assert_eq!(newer.kind(), StoreErrorKind::TooNew);
        assert_eq!(ImmutableSelection::read("{}").unwrap_err().kind(), StoreErrorKind::Corrupt);
    }
}

//! What a token is asked for: the scopes of the Distribution project's token specification.

use std::collections::{BTreeMap, BTreeSet};

use harbor_core::oci::RepositoryName;

/// How many resources a challenge may name.
const RESOURCES: usize = 16;

/// Actions on resources: `repository:library/app:pull,push`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes(BTreeMap<String, BTreeSet<String>>);

impl Scopes {
    /// Nothing in particular: that one is somebody.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Pulling from a repository.
    pub(crate) fn pull(name: &RepositoryName) -> Self {
        Self::of(format!("repository:{name}"), &["pull"])
    }

    /// Pushing to a repository, and pulling from it.
    pub(crate) fn push(name: &RepositoryName) -> Self {
        Self::of(format!("repository:{name}"), &["pull", "push"])
    }

    /// Deleting what is in a repository.
    pub(crate) fn delete(name: &RepositoryName) -> Self {
        Self::of(format!("repository:{name}"), &["delete", "pull"])
    }

    /// The list of repositories.
    pub(crate) fn catalog() -> Self {
        Self::of("registry:catalog".to_owned(), &["*"])
    }

    fn of(resource: String, actions: &[&str]) -> Self {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        Self(BTreeMap::from([(resource, actions)]))
    }

    /// Reads the parameter of a challenge. What is no scope is left out.
    pub(crate) fn read(text: &str) -> Self {
        let mut scopes = Self::none();
        for (resource, actions) in text.split(' ').filter_map(|scope| scope.rsplit_once(':')).take(RESOURCES)
        {
            if resource.contains(':') && resource.bytes().all(|byte| byte.is_ascii_graphic()) {
                let actions = actions.split(',').filter(|action| !action.is_empty()).map(ToOwned::to_owned);
                scopes.0.entry(resource.to_owned()).or_default().extend(actions);
            }
        }
        scopes
    }

    /// Whether all of the other is in this.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let covered = |(resource, actions): (&String, &BTreeSet<String>)| {
            self.0.get(resource).is_some_and(|own| own.is_superset(actions))
        };
        // Who wants nothing in particular wants a token for that.
        other.0.iter().all(covered) && (!other.0.is_empty() || self.0.is_empty())
    }

    /// Both.
    #[must_use]
    pub(crate) fn with(mut self, other: &Self) -> Self {
        for (resource, actions) in &other.0 {
            self.0.entry(resource.clone()).or_default().extend(actions.iter().cloned());
        }
        self
    }

    /// One text for each resource, as a token service reads it.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(resource, actions)| {
            let actions: Vec<_> = actions.iter().map(String::as_str).collect();
            format!("{resource}:{}", actions.join(","))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(scopes: &Scopes) -> Vec<String> {
        scopes.texts().collect()
    }

    #[test]
    fn a_mount_needs_both_repositories() {
        let (to, from) = ("a/b".parse().unwrap(), "c/d".parse().unwrap());
        let both = Scopes::push(&to).with(&Scopes::pull(&from));
        assert_eq!(texts(&both), ["repository:a/b:pull,push", "repository:c/d:pull"]);
        assert!(both.covers(&Scopes::pull(&to)) && !both.covers(&Scopes::push(&from)));
        assert!(!both.covers(&Scopes::none()) && Scopes::none().covers(&Scopes::none()));
    }

    #[test]
    fn challenges() {
        let read =
            Scopes::read("repository:host:5000/a:push,pull repository:a/b:pull nonsense registry:catalog:*");
        assert_eq!(
            texts(&read),
            ["registry:catalog:*", "repository:a/b:pull", "repository:host:5000/a:pull,push"]
        );
        assert_eq!(Scopes::read(""), Scopes::none());
        assert!(texts(&Scopes::read(&"repository:a:b ".repeat(99))).len() <= RESOURCES);
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_read_again(text in "[ -~]{0,60}") {
            let scopes = Scopes::read(&text);
            let again = texts(&scopes).join(" ");
            prop_assert!(Scopes::read(&again).covers(&scopes) || scopes == Scopes::none());
        }
    }
}

//! Selectors: which tags and which repositories a rule is about.
//!
//! | in Harbor's API | of | selects |
//! |---|---|---|
//! | `matches` | tags | what the pattern matches |
//! | `excludes` | tags | what it does not match |
//! | `repoMatches` | repositories | what the pattern matches |
//! | `repoExcludes` | repositories | what it does not match |
//!
//! Repositories are meant by their names without the project's. The only kind of selector is `doublestar`: [`crate::pattern`].

use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;
use crate::{Error, Result};

/// The kind of every selector, as Harbor's API has it.
pub const KIND: &str = "doublestar";

/// How many bytes the pattern of a selector has at most: many are matched with many names.
pub const LONGEST: usize = 512;

/// How many bytes of `extras` are kept at most. They mean nothing here.
const LONGEST_EXTRAS: usize = 1024;

/// What a selector is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Tags.
    Tags,
    /// Repositories.
    Repositories,
}

/// What a pattern does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoration {
    /// Selects what it matches.
    Matches,
    /// Selects what it does not match.
    Excludes,
}

impl Decoration {
    /// The word for it in Harbor's API.
    #[must_use]
    pub const fn word(self, of: Of) -> &'static str {
        match (self, of) {
            (Self::Matches, Of::Tags) => "matches",
            (Self::Excludes, Of::Tags) => "excludes",
            (Self::Matches, Of::Repositories) => "repoMatches",
            (Self::Excludes, Of::Repositories) => "repoExcludes",
        }
    }

    fn named(word: &str, of: Of) -> Result<Self> {
        let known = [Self::Matches, Self::Excludes].into_iter().find(|known| known.word(of) == word);
        known.ok_or_else(|| {
            let (matches, excludes) = (Self::Matches.word(of), Self::Excludes.word(of));
            Error::BadRequest(format!("a decoration is {matches} or {excludes} here, and not {word:?}"))
        })
    }
}

/// A selector. Persisted as a part of rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// What the pattern does.
    pub decoration: Decoration,
    /// The pattern.
    pub pattern: Pattern,
    /// What a client keeps here. It means nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub extras: String,
}

impl Selector {
    /// Reads a selector as Harbor's API has it. Without a word for its kind it is of the only one.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a kind or a decoration that there is not, a pattern that does not read, or what is too long.
    pub fn parse(of: Of, kind: &str, decoration: &str, pattern: &str, extras: &str) -> Result<Self> {
        if !["", KIND].contains(&kind) {
            return Err(Error::BadRequest(format!("the kind of a selector is {KIND}, and not {kind:?}")));
        }
        if pattern.len() > LONGEST {
            let rule = format!("the pattern of a selector has at most {LONGEST} bytes: make several rules");
            return Err(Error::BadRequest(rule));
        }
        if extras.len() > LONGEST_EXTRAS {
            let rule = format!("the extras of a selector have at most {LONGEST_EXTRAS} bytes");
            return Err(Error::BadRequest(rule));
        }
        let decoration = Decoration::named(decoration, of)?;
        let read = Pattern::parse(pattern);
        let pattern = read.map_err(|error| Error::BadRequest(format!("pattern {pattern:?}: {error}")))?;
        Ok(Self { decoration, pattern, extras: extras.to_owned() })
    }

    /// Whether it selects that name.
    #[must_use]
    pub fn selects(&self, name: &str) -> bool {
        self.pattern.matches(name) == (self.decoration == Decoration::Matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decorations() {
        for (of, decoration, pattern, name, selected) in [
            (Of::Tags, "matches", "v*", "v1", true),
            (Of::Tags, "matches", "v*", "latest", false),
            (Of::Tags, "excludes", "v*", "v1", false),
            (Of::Tags, "excludes", "v*", "latest", true),
            (Of::Tags, "matches", "", "anything", true),
            (Of::Tags, "excludes", "**", "anything", false),
            (Of::Repositories, "repoMatches", "a/**", "a/b/c", true),
            (Of::Repositories, "repoMatches", "a/*", "a/b/c", false),
            (Of::Repositories, "repoExcludes", "{a,b}", "b", false),
            (Of::Repositories, "repoExcludes", "{a,b}", "c", true),
        ] {
            let selector = Selector::parse(of, KIND, decoration, pattern, "").unwrap();
            assert_eq!(selector.selects(name), selected, "{decoration} {pattern:?} {name:?}");
        }
    }

    #[test]
    fn refused() {
        let long = "x".repeat(LONGEST + 1);
        let extras = "x".repeat(LONGEST_EXTRAS + 1);
        for (of, kind, decoration, pattern, extras) in [
            (Of::Tags, "regex", "matches", "**", ""),
            (Of::Tags, KIND, "repoMatches", "**", ""),
            (Of::Tags, KIND, "", "**", ""),
            (Of::Tags, KIND, "Matches", "**", ""),
            (Of::Repositories, KIND, "matches", "**", ""),
            (Of::Tags, KIND, "matches", "{a", ""),
            (Of::Tags, KIND, "matches", &long, ""),
            (Of::Tags, KIND, "matches", "**", &extras),
        ] {
            let refused = Selector::parse(of, kind, decoration, pattern, extras);
            assert!(matches!(refused, Err(Error::BadRequest(_))), "{kind} {decoration} {pattern}");
        }
        assert!(Selector::parse(Of::Tags, "", "matches", &long[1..], &extras[1..]).is_ok());
    }
}

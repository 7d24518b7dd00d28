//! Retention: which artifacts, or which of their tags, rules keep. What no rule keeps may go.
//!
//! As Harbor has it: a rule is about repositories and, in those, about artifacts by their tags; of what it is about it keeps what
//! its template says. What one rule keeps is kept. In a repository that no rule in force is about, everything stays; in one that
//! a rule is about, everything goes that none keeps, whatever its tags.
//!
//! | template | keeps |
//! |---|---|
//! | `latestPushedK` | as many as this, those that were pushed last |
//! | `latestPulledN` | as many as this, those that were pulled last |
//! | `nDaysSinceLastPush` | what was pushed within so many days |
//! | `nDaysSinceLastPull` | what was pulled within so many days |
//! | `always` | everything |
//! | `latestActiveK` | as many as this, those that were pushed or pulled last; of earlier versions of Harbor |
//! | `lastXDays` | what was pushed within so many days; of earlier versions of Harbor |
//!
//! An artifact was pushed, and pulled, when it or one of its tags last was. Where times are the same, the one that comes later
//! counts as younger.
//!
//! Beyond Harbor, a policy may be [by tag](By::Tag): then each tag is kept or goes by itself.
//!
//! ```
//! use harbor_core::Timestamp;
//! use harbor_core::retention::{By, Candidate, Evaluation, Rule, Template};
//! use harbor_core::selector::{KIND, Of, Selector};
//!
//! let every = Selector::parse(Of::Repositories, KIND, "repoMatches", "**", "")?;
//! let releases = Selector::parse(Of::Tags, KIND, "matches", "v*", "")?;
//! let rule = Rule::new(Template::LatestPushed, Some(1), vec![releases], vec![every]);
//! let mut evaluation = Evaluation::new([(0, &rule)], By::Artifact, Timestamp::from_micros(0));
//! for (tag, pushed) in [("v1", 1), ("v2", 2), ("nightly", 3)] {
//!     let pushed = Timestamp::from_micros(pushed);
//!     evaluation.add(&Candidate::new(pushed, None).tag(tag.parse()?, pushed, None));
//! }
//! let kept: Vec<_> = evaluation.finish().into_iter().map(|verdict| verdict.artifact).collect();
//! assert_eq!(kept, [None, Some(0), None]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod evaluate;
mod rule;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use evaluate::{Candidate, Evaluation, Tagged, Verdict};
pub use rule::{Rule, Template};

use crate::oci::RepositoryName;
use crate::{Error, Result, StoreError, StoreErrorKind};

/// How many rules a policy has at most, as with Harbor.
pub const MOST_RULES: usize = 15;

/// How many bytes the patterns of all rules of a policy have at most: each is matched with each tag.
const LONGEST_PATTERNS: usize = 4096;

/// After how many tags that were matched others have their turn.
pub(crate) const TURN: usize = 16;

/// What is kept or goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Artifacts, as with Harbor: one tag that is kept keeps the artifact with all of its tags.
    #[default]
    Artifact,
    /// Tags. An artifact goes when all of its tags go, and no rule keeps it as one that has none: those without tags are
    /// counted by themselves.
    Tag,
}

impl By {
    /// The word for it: `artifact`, `tag`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Artifact => "artifact",
            Self::Tag => "tag",
        }
    }

    /// The one of that name; an empty one is Harbor's.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "" | "artifact" => Some(Self::Artifact),
            "tag" => Some(Self::Tag),
            _ => None,
        }
    }
}

/// The version that is written.
const VERSION: u8 = 1;

/// What a policy says. Without rules in force, everything stays.
///
/// Persisted: tagged with a version. A test loads every form ever written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    v: u8,
    /// What is kept or goes.
    #[serde(default)]
    pub by: By,
    /// The rules.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// When the clock sets it going, as Harbor's six fields; empty for never.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cron: String,
    /// Of which time zone those are, by its IANA name; empty for that of the configuration.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub time_zone: String,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            v: VERSION,
            by: By::default(),
            rules: Vec::new(),
            cron: String::new(),
            time_zone: String::new(),
        }
    }
}

impl Retention {
    /// These rules, set going by nobody but people.
    #[must_use]
    pub fn new(by: By, rules: Vec<Rule>) -> Self {
        Self { by, rules, ..Self::default() }
    }

    /// The same, set going by the clock: Harbor's six fields, in a time zone (empty for that of the configuration).
    #[must_use]
    pub fn at(self, cron: &str, time_zone: &str) -> Self {
        Self { cron: cron.to_owned(), time_zone: time_zone.to_owned(), ..self }
    }

    /// Whether it may be stored.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for too many rules, or one that is none; [`Error::Conflict`] for two that say the same.
    pub fn check(&self) -> Result<()> {
        if self.rules.len() > MOST_RULES {
            return Err(Error::BadRequest(format!("only {MOST_RULES} rules are allowed at most")));
        }
        self.rules.iter().try_for_each(Rule::check)?;
        for (number, rule) in self.rules.iter().enumerate() {
            if let Some(other) = self.rules.iter().take(number).position(|other| other.is_same(rule)) {
                return Err(Error::Conflict(format!("rule {number} says what rule {other} says, and so it")));
            }
        }
        let length: usize = self.rules.iter().map(Rule::length).sum();
        if length > LONGEST_PATTERNS {
            let rule = format!(
                "the patterns of a policy have at most {LONGEST_PATTERNS} bytes together: shorten or join some"
            );
            return Err(Error::BadRequest(rule));
        }
        Ok(())
    }

    /// The rules in force that are about a repository, each with its place among all. Without any, everything in it stays.
    #[must_use]
    pub fn about(&self, repository: &RepositoryName) -> Vec<(usize, &Rule)> {
        let rules = self.rules.iter().enumerate();
        rules.filter(|(_, rule)| rule.is_about(repository)).collect()
    }

    /// Reads what was stored.
    ///
    /// # Errors
    /// `Corrupt` for what does not read, `TooNew` for a form that a newer version wrote.
    pub fn read(stored: &str) -> std::result::Result<Self, StoreError> {
        let read: Self = serde_json::from_str(stored).map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, "a retention policy was stored that does not read")
                .with_source(error)
        })?;
        if read.v != VERSION {
            let version = format!("a retention policy was stored in version {}", read.v);
            return Err(StoreError::new(StoreErrorKind::TooNew, version));
        }
        Ok(read)
    }

    /// The text to store.
    ///
    /// # Errors
    /// `Other` when there is none.
    pub fn write(&self) -> std::result::Result<String, StoreError> {
        serde_json::to_string(self).map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "a retention policy cannot be stored").with_source(error)
        })
    }
}

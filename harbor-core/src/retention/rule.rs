//! A rule of retention: what it is about, and what of that it keeps.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Candidate, TURN, Tagged};
use crate::oci::RepositoryName;
use crate::selector::{Decoration, Selector};
use crate::{Error, Result, Timestamp};

/// How many selectors of tags, and of repositories, a rule has at most.
const MOST_SELECTORS: usize = 16;

/// Numbers of rules are smaller, as with Harbor.
const TOO_LARGE: u32 = 32_767;

/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a rule keeps of what it is about. Persisted by the names that Harbor has for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Template {
    /// Those that were pushed last.
    #[serde(rename = "latestPushedK")]
    LatestPushed,
    /// Those that were pulled last. What was never pulled comes last of all.
    #[serde(rename = "latestPulledN")]
    LatestPulled,
    /// What was pushed within so many days.
    #[serde(rename = "nDaysSinceLastPush")]
    PushedWithin,
    /// What was pulled within so many days.
    #[serde(rename = "nDaysSinceLastPull")]
    PulledWithin,
    /// Everything.
    #[serde(rename = "always")]
    Always,
    /// Those that were pushed or pulled last; of earlier versions of Harbor.
    #[serde(rename = "latestActiveK")]
    LatestActive,
    /// What was pushed within so many days; of earlier versions of Harbor.
    #[serde(rename = "lastXDays")]
    LastDays,
}

/// What a template keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// As many as this, the greatest.
    First(usize),
    /// What is of that moment or later.
    Since(Timestamp),
    /// Everything.
    All,
}

impl Template {
    /// All of them; those that Harbor offers come first.
    pub const ALL: [Self; 7] = [
        Self::LatestPushed,
        Self::LatestPulled,
        Self::PushedWithin,
        Self::PulledWithin,
        Self::Always,
        Self::LatestActive,
        Self::LastDays,
    ];

    /// As Harbor calls it, which is also what its parameter is called.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LatestPushed => "latestPushedK",
            Self::LatestPulled => "latestPulledN",
            Self::PushedWithin => "nDaysSinceLastPush",
            Self::PulledWithin => "nDaysSinceLastPull",
            Self::Always => "always",
            Self::LatestActive => "latestActiveK",
            Self::LastDays => "lastXDays",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// The number that counts where a rule has none, as with Harbor.
    #[must_use]
    pub const fn default_number(self) -> u32 {
        match self {
            Self::LatestPushed | Self::LatestPulled | Self::LatestActive | Self::LastDays => 10,
            Self::PushedWithin | Self::PulledWithin => 30,
            Self::Always => 0,
        }
    }

    /// The time that it goes by, in microseconds; 0 for never.
    pub(super) fn time(self, pushed: Timestamp, pulled: Option<Timestamp>) -> Timestamp {
        let pulled = pulled.unwrap_or_default();
        match self {
            Self::LatestPushed | Self::PushedWithin | Self::LastDays | Self::Always => pushed,
            Self::LatestPulled | Self::PulledWithin => pulled,
            Self::LatestActive => pushed.max(pulled),
        }
    }
}

/// A rule. Persisted as a part of [`Retention`](super::Retention).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// A number that clients know it by.
    #[serde(default)]
    pub id: i64,
    /// A number that clients keep with it. It means nothing.
    #[serde(default)]
    pub priority: i64,
    /// Whether it is out of force.
    #[serde(default)]
    pub disabled: bool,
    /// What it keeps.
    pub template: Template,
    /// How many, or for how many days. Without one, [`Template::default_number`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// The tags that it is about: what all of these select.
    pub tags: Vec<Selector>,
    /// The repositories that it is about, by their names without the project's: what all of these select.
    pub repositories: Vec<Selector>,
}

/// What the `extras` of a selector of tags say.
#[derive(Deserialize)]
struct Extras {
    #[serde(default)]
    untagged: bool,
}

/// Whether a selector of tags selects what has none. Its `extras` say `{"untagged":true}` or `{"untagged":false}`, and mean of
/// one that excludes that it excludes those; what says nothing selects them, as with Harbor.
fn selects_untagged(selector: &Selector) -> bool {
    let said = serde_json::from_str(&selector.extras).ok().map(|Extras { untagged }| untagged);
    match selector.decoration {
        Decoration::Matches => said.unwrap_or(true),
        Decoration::Excludes => !said.unwrap_or(false),
    }
}

/// Whether a selector selects one of these tags.
async fn selects_one(selector: &Selector, tags: &[Tagged]) -> bool {
    for some in tags.chunks(TURN) {
        if some.iter().any(|tag| selector.selects(tag.name.as_str())) {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

impl Rule {
    /// A rule in force.
    #[must_use]
    pub const fn new(
        template: Template,
        number: Option<u32>,
        tags: Vec<Selector>,
        repositories: Vec<Selector>,
    ) -> Self {
        Self { id: 0, priority: 0, disabled: false, template, number, tags, repositories }
    }

    pub(super) fn check(&self) -> Result<()> {
        let most = self.tags.len().max(self.repositories.len());
        let wrong = match () {
            () if self.tags.is_empty() || self.repositories.is_empty() => {
                "a rule needs a selector of tags and a selector of repositories".to_owned()
            }
            () if most > MOST_SELECTORS => format!("a rule has at most {MOST_SELECTORS} selectors of a kind"),
            () if self.number.is_some_and(|number| number >= TOO_LARGE) => {
                format!("{} must be 0 to {}", self.template.as_str(), TOO_LARGE - 1)
            }
            () => return Ok(()),
        };
        Err(Error::BadRequest(wrong))
    }

    /// Whether two say the same, whatever they are known by.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let unknown = |rule: &Self| Self { id: 0, ..rule.clone() };
        unknown(self) == unknown(other)
    }

    /// How long its patterns are together, in bytes.
    pub(super) fn length(&self) -> usize {
        let selectors = self.tags.iter().chain(&self.repositories);
        selectors.map(|selector| selector.pattern.as_str().len()).sum()
    }

    /// Whether it is in force and about that repository.
    #[must_use]
    pub fn is_about(&self, repository: &RepositoryName) -> bool {
        let name = repository.within_project();
        !self.disabled && self.repositories.iter().all(|selector| selector.selects(name))
    }

    /// Whether it is about an artifact: each of its selectors selects one of the tags, or what has none.
    pub(super) fn selects(&self, candidate: &Candidate) -> bool {
        if candidate.tags.is_empty() {
            return self.selects_untagged();
        }
        let some = |selector: &Selector| candidate.tags.iter().any(|tag| selector.selects(tag.name.as_str()));
        self.tags.iter().all(some)
    }

    /// The same, with turns for others in between.
    pub(super) async fn selects_in_turns(&self, candidate: &Candidate) -> bool {
        if candidate.tags.is_empty() {
            return self.selects_untagged();
        }
        for selector in &self.tags {
            if !selects_one(selector, &candidate.tags).await {
                return false;
            }
        }
        true
    }

    /// Whether it is about that tag by itself.
    pub(super) fn selects_tag(&self, tag: &str) -> bool {
        self.tags.iter().all(|selector| selector.selects(tag))
    }

    /// Whether it is about artifacts without tags.
    pub(super) fn selects_untagged(&self) -> bool {
        self.tags.iter().all(selects_untagged)
    }

    pub(super) fn keeps(&self, now: Timestamp) -> Keeps {
        let number = self.number.unwrap_or_else(|| self.template.default_number());
        match self.template {
            Template::LatestPushed | Template::LatestPulled | Template::LatestActive => {
                Keeps::First(usize::try_from(number).unwrap_or(usize::MAX))
            }
            Template::PushedWithin | Template::PulledWithin | Template::LastDays => {
                Keeps::Since(now.minus(DAY * number))
            }
            Template::Always => Keeps::All,
        }
    }

    /// What it keeps, for people.
    #[must_use]
    pub fn says(&self) -> String {
        let number = self.number.unwrap_or_else(|| self.template.default_number());
        match self.template {
            Template::LatestPushed => format!("the most recently pushed {number} artifacts"),
            Template::LatestPulled => format!("the most recently pulled {number} artifacts"),
            Template::LatestActive => format!("the most recently active {number} artifacts"),
            Template::PushedWithin | Template::LastDays => format!("pushed within the last {number} days"),
            Template::PulledWithin => format!("pulled within the last {number} days"),
            Template::Always => "always".to_owned(),
        }
    }
}

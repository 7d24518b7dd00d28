//! What rules keep of the artifacts of a repository: each is matched once, and nothing is sorted.

use super::rule::Keeps;
use super::{By, Rule, TURN};
use crate::Timestamp;
use crate::oci::Tag;

/// An artifact that may be kept or go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// When it was pushed.
    pub pushed: Timestamp,
    /// When it was last pulled.
    pub pulled: Option<Timestamp>,
    /// Its tags.
    pub tags: Vec<Tagged>,
}

/// A tag of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// The tag.
    pub name: Tag,
    /// When it was last set.
    pub pushed: Timestamp,
    /// When the artifact was last pulled by it.
    pub pulled: Option<Timestamp>,
}

impl Candidate {
    /// One without tags.
    #[must_use]
    pub const fn new(pushed: Timestamp, pulled: Option<Timestamp>) -> Self {
        Self { pushed, pulled, tags: Vec::new() }
    }

    /// The same with one more tag.
    #[must_use]
    pub fn tag(mut self, name: Tag, pushed: Timestamp, pulled: Option<Timestamp>) -> Self {
        self.tags.push(Tagged { name, pushed, pulled });
        self
    }

    /// When it, or one of its tags, was last pushed.
    #[must_use]
    pub fn last_pushed(&self) -> Timestamp {
        self.tags.iter().map(|tag| tag.pushed).fold(self.pushed, Timestamp::max)
    }

    /// When it, or one of its tags, was last pulled.
    #[must_use]
    pub fn last_pulled(&self) -> Option<Timestamp> {
        self.tags.iter().map(|tag| tag.pulled).fold(self.pulled, Option::max)
    }
}

/// What becomes of a candidate. A number is the place of a rule that keeps it; without one it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What keeps the artifact; by tag, what keeps it for what it is itself, when none of its tags stays.
    pub artifact: Option<usize>,
    /// By tag, what keeps each of the tags.
    pub tags: Vec<Option<usize>>,
}

impl Verdict {
    /// Whether the artifact stays, whatever becomes of its tags.
    #[must_use]
    pub fn stays(&self) -> bool {
        self.artifact.is_some() || self.tags.iter().any(Option::is_some)
    }
}

/// What rules are about: an artifact or a tag.
#[derive(Clone, Copy, Debug)]
struct Unit {
    /// A bit for each rule that is about it.
    about: u32,
    pushed: Timestamp,
    pulled: Option<Timestamp>,
}

/// An evaluation of rules. Candidates are added one by one, for matching takes the longest, and the caller may let others have
/// their turn in between.
#[derive(Debug)]
pub struct Evaluation<'a> {
    rules: Vec<(usize, &'a Rule)>,
    by: By,
    now: Timestamp,
    /// By artifact, all of them; by tag, what each would be without tags.
    artifacts: Vec<Unit>,
    /// By tag, the tags of all, one artifact's behind another's.
    tags: Vec<Unit>,
    /// By tag, how many each artifact has.
    counts: Vec<usize>,
}

impl<'a> Evaluation<'a> {
    /// An evaluation of these rules, each with the number that verdicts name it by, at a moment. More than 32 are not heard.
    pub fn new(rules: impl IntoIterator<Item = (usize, &'a Rule)>, by: By, now: Timestamp) -> Self {
        let rules = rules.into_iter().take(32).collect();
        Self { rules, by, now, artifacts: Vec::new(), tags: Vec::new(), counts: Vec::new() }
    }

    fn about(&self, is_about: impl Fn(&Rule) -> bool) -> u32 {
        let bits = self.rules.iter().enumerate().filter(|(_, (_, rule))| is_about(rule));
        bits.fold(0, |about, (bit, _)| about | 1 << bit)
    }

    /// Adds a candidate. Verdicts come in the order in which candidates were added.
    pub fn add(&mut self, candidate: &Candidate) {
        match self.by {
            By::Artifact => {
                let about = self.about(|rule| rule.selects(candidate));
                self.add_artifact(candidate, about);
            }
            By::Tag => {
                self.add_untagged(candidate);
                self.add_tags(&candidate.tags);
            }
        }
    }

    /// The same, with turns for others in between: one artifact may have any number of tags.
    pub(crate) async fn add_in_turns(&mut self, candidate: &Candidate) {
        match self.by {
            By::Artifact => {
                let mut about = 0;
                for (bit, (_, rule)) in self.rules.iter().enumerate() {
                    about |= u32::from(rule.selects_in_turns(candidate).await) << bit;
                }
                self.add_artifact(candidate, about);
            }
            By::Tag => {
                self.add_untagged(candidate);
                for tags in candidate.tags.chunks(TURN) {
                    self.add_tags(tags);
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn add_artifact(&mut self, candidate: &Candidate, about: u32) {
        let (pushed, pulled) = (candidate.last_pushed(), candidate.last_pulled());
        self.artifacts.push(Unit { about, pushed, pulled });
    }

    fn add_untagged(&mut self, candidate: &Candidate) {
        let about = self.about(Rule::selects_untagged);
        self.artifacts.push(Unit { about, pushed: candidate.pushed, pulled: candidate.pulled });
        self.counts.push(candidate.tags.len());
    }

    fn add_tags(&mut self, tags: &[Tagged]) {
        for tag in tags {
            let about = self.about(|rule| rule.selects_tag(tag.name.as_str()));
            self.tags.push(Unit { about, pushed: tag.pushed, pulled: tag.pulled });
        }
    }

    /// The verdicts.
    #[must_use]
    pub fn finish(mut self) -> Vec<Verdict> {
        if self.by == By::Artifact {
            let kept = self.keepers(&self.artifacts);
            return kept.into_iter().map(|artifact| Verdict { artifact, tags: Vec::new() }).collect();
        }
        let mut kept = self.keepers(&self.tags).into_iter();
        let tags: Vec<Vec<Option<usize>>> =
            self.counts.iter().map(|count| kept.by_ref().take(*count).collect()).collect();
        // Those of which a tag stays are not among those that have none.
        for (unit, tags) in self.artifacts.iter_mut().zip(&tags) {
            if tags.iter().any(Option::is_some) {
                unit.about = 0;
            }
        }
        let artifacts = self.keepers(&self.artifacts);
        artifacts.into_iter().zip(tags).map(|(artifact, tags)| Verdict { artifact, tags }).collect()
    }

    /// For each of these, the first rule that keeps it.
    fn keepers(&self, units: &[Unit]) -> Vec<Option<usize>> {
        let mut kept = vec![None; units.len()];
        for (bit, (number, rule)) in self.rules.iter().enumerate() {
            let about = units.iter().enumerate().filter(|(_, unit)| unit.about & 1 << bit != 0);
            let time = |unit: &Unit| rule.template.time(unit.pushed, unit.pulled);
            let mut keep = |place: usize| {
                if let Some(keeper @ None) = kept.get_mut(place) {
                    *keeper = Some(*number);
                }
            };
            match rule.keeps(self.now) {
                Keeps::All => about.for_each(|(place, _)| keep(place)),
                Keeps::Since(moment) => {
                    about.filter(|(_, unit)| time(unit) >= moment).for_each(|(place, _)| keep(place));
                }
                Keeps::First(count) => {
                    let mut times: Vec<_> = about.map(|(place, unit)| (time(unit), place)).collect();
                    greatest(&mut times, count).iter().for_each(|(_, place)| keep(*place));
                }
            }
        }
        kept
    }
}

/// The `count` greatest, in whatever order.
fn greatest<T: Ord>(of: &mut [T], count: usize) -> &[T] {
    if count == 0 {
        return &[];
    }
    if count < of.len() {
        of.select_nth_unstable_by(count - 1, |one, other| other.cmp(one));
    }
    of.get(..count).unwrap_or(of)
}

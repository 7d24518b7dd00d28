//! What becomes of the artifacts of a repository, by the rules of a policy.

use std::collections::{BTreeMap, HashMap};

use super::preview::too_many;
use crate::engine::Harbor;
use crate::engine::immutable::{Fate, Held};
use crate::meta::{ArtifactTag, ManifestId, Repository, RetentionArtifact, RetentionPolicy};
use crate::oci::Tag;
use crate::retention::{Candidate, Evaluation, TURN, Tagged, Verdict};
use crate::{Result, Timestamp};

/// How many artifacts, and how many tags, are read at a time.
const PAGE: u32 = 1000;

/// An artifact, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The artifact.
    pub artifact: RetentionArtifact,
    /// The same with its tags, as rules see it.
    pub candidate: Candidate,
    /// What the rules say.
    pub verdict: Verdict,
    /// Which of its tags are immutable: those stay, and so does the artifact.
    pub immutable: Vec<Tag>,
    /// What keeps a tag that was to go, or without one all of it, as a policy or a tag of what would go with it: asked by previews
    /// alone, for a run asks in its turn.
    pub refused: BTreeMap<Option<Tag>, String>,
}

impl Judged {
    /// Whether the artifact goes with all of its tags.
    #[must_use]
    pub fn goes(&self) -> bool {
        !self.verdict.stays() && self.immutable.is_empty() && !self.refused.contains_key(&None)
    }

    /// The tags that go by themselves, by tag: with all that the artifact has, or without it.
    pub fn tags_that_go(&self) -> impl Iterator<Item = &Tagged> {
        let tags = self.candidate.tags.iter().zip(&self.verdict.tags);
        let goes = tags.filter(|(tag, kept)| kept.is_none() && !self.immutable.contains(&tag.name));
        goes.map(|(tag, _)| tag)
    }
}

/// Which of these tags are kept from being deleted.
async fn immutable_of(held: &Held, tags: &[Tagged]) -> Vec<Tag> {
    let mut immutable = Vec::new();
    for some in tags.chunks(TURN) {
        immutable.extend(some.iter().map(|tag| &tag.name).filter(|tag| held.holds(tag)).cloned());
        if tags.len() > TURN {
            tokio::task::yield_now().await;
        }
    }
    immutable
}

impl Harbor {
    /// What becomes of the artifacts of a repository. Those that an index lists, and accessories, are not among them: they
    /// follow what they belong to. Nothing for a repository that no rule in force is about.
    ///
    /// # Errors
    /// [`Error::Precondition`](crate::Error::Precondition) when there are as many artifacts or tags as `most`; as the stores fail.
    pub(super) async fn judge(
        &self,
        policy: &RetentionPolicy,
        repository: &Repository,
        most: usize,
    ) -> Result<Vec<Judged>> {
        let rules = policy.retention.about(&repository.name);
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.candidates(repository, most).await?;
        let held =
            Held::of(&mut *self.read().await?, repository.project, &repository.name, Fate::Deleted).await?;
        let mut evaluation = Evaluation::new(rules, policy.retention.by, self.now());
        let mut judged = Vec::with_capacity(found.len());
        for (number, (artifact, candidate)) in found.into_iter().enumerate() {
            evaluation.add_in_turns(&candidate).await;
            let immutable = immutable_of(&held, &candidate.tags).await;
            let (verdict, refused) = (Verdict::default(), BTreeMap::new());
            judged.push(Judged { artifact, candidate, verdict, immutable, refused });
            if number % TURN == TURN - 1 {
                // Many artifacts and many patterns take a while.
                tokio::task::yield_now().await;
            }
        }
        for (judged, verdict) in judged.iter_mut().zip(evaluation.finish()) {
            judged.verdict = verdict;
        }
        Ok(judged)
    }

    /// The artifacts that may be kept or go, with their tags.
    async fn candidates(
        &self,
        repository: &Repository,
        most: usize,
    ) -> Result<Vec<(RetentionArtifact, Candidate)>> {
        let mut rows = self.read().await?;
        let (mut all, mut after) = (Vec::new(), (Timestamp::default(), ManifestId::new(0)));
        loop {
            let page = rows.retention_artifacts(repository.id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = (last.pushed_at, last.id);
            if all.len() >= most {
                return Err(too_many());
            }
            all.extend(page.into_iter().filter(|found| !found.listed));
        }
        // Tags last: what was tagged since it was read is then not taken for untagged.
        let mut count = 0;
        let (mut tags, mut after) = (HashMap::<ManifestId, Vec<ArtifactTag>>::new(), None::<Tag>);
        loop {
            let page = rows.retention_tags(repository.id, after.as_ref().map(Tag::as_str), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            count += page.len();
            if count >= most {
                return Err(too_many());
            }
            page.into_iter().for_each(|tag| tags.entry(tag.manifest).or_default().push(tag));
        }
        let candidate = |found: &RetentionArtifact, tags: Vec<ArtifactTag>| {
            let bare = Candidate::new(found.pushed_at, found.pulled_at);
            tags.into_iter()
                .fold(bare, |candidate, tag| candidate.tag(tag.name, tag.pushed_at, tag.pulled_at))
        };
        Ok(all
            .into_iter()
            .map(|found| {
                let tags = tags.remove(&found.id).unwrap_or_default();
                let candidate = candidate(&found, tags);
                (found, candidate)
            })
            .collect())
    }
}

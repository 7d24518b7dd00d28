//! What a run would do, told without one.

use std::ops::Range;

use super::run::chosen;
use super::sweep::{kept, try_without};
use super::{Judged, RetentionRead, Retentions};
use crate::access::{Actor, ProjectFilter, RepositoryTarget};
use crate::engine::artifacts::Trial;
use crate::meta::{Listed, Repository, RepositoryFilter, RetentionId, RetentionPolicy};
use crate::oci::{RepositoryName, Tag};
use crate::policy::Step;
use crate::query::{Key, Query};
use crate::retention::Retention;
use crate::{Error, Result};

/// How many names of repositories are read at a time.
const NAMES: u32 = 100;

/// How many artifacts, and how many tags, a preview looks at: it is made anew for each page.
const MOST: usize = 100_000;

impl Retentions<'_> {
    /// A page of the artifacts that a run of a policy would look at, each with what would become of it: in the order of
    /// repositories, and of pushes. `instead`: of what the policy could say instead of what it says. `only`: of one repository,
    /// by its name without the project's; for the policy of all projects, by its full name.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::BadRequest`] for what cannot be a policy or a name; [`Error::Precondition`] when there are more
    /// than 100,000 artifacts or tags.
    pub async fn preview<K: Key>(
        &self,
        proof: &RetentionRead,
        id: RetentionId,
        instead: Option<Retention>,
        only: Option<&str>,
        page: &Query<K>,
    ) -> Result<Listed<(RepositoryName, Judged)>> {
        let mut policy = self.one(proof, id).await?;
        if let Some(instead) = instead {
            instead.check()?;
            policy.retention = instead;
        }
        let mut found = Page { offset: page.offset(), size: page.size().into(), ..Page::default() };
        if let Some(only) = only {
            let name = self.named(proof, only)?;
            let names = chosen(&mut *self.harbor.read().await?, &policy, vec![name]).await?;
            self.look(&policy, &names, &mut found).await?;
            return Ok(found.listed());
        }
        let filter = RepositoryFilter::from(policy.project.map_or(ProjectFilter::All, ProjectFilter::only));
        let mut after: Option<RepositoryName> = None;
        loop {
            let mut rows = self.harbor.read().await?;
            let names = rows.repositories(&filter, after.as_ref().map(RepositoryName::as_str), NAMES).await?;
            let Some(last) = names.last().cloned() else { return Ok(found.listed()) };
            let names = chosen(&mut *rows, &policy, names).await?;
            drop(rows);
            self.look(&policy, &names, &mut found).await?;
            after = Some(last);
        }
    }

    /// The full name of a repository.
    fn named(&self, proof: &RetentionRead, name: &str) -> Result<RepositoryName> {
        let full = match proof {
            RetentionRead::System(_) => name.to_owned(),
            RetentionRead::Project(proof) => format!("{}/{name}", proof.target().name),
        };
        let name: RepositoryName = full.parse()?;
        name.project()?;
        Ok(name)
    }

    async fn look(&self, policy: &RetentionPolicy, names: &[RepositoryName], found: &mut Page) -> Result<()> {
        for name in names {
            let Some((repository, target)) = self.harbor.covered(policy, name).await? else { continue };
            let mut judged = self.harbor.judge(policy, &repository, found.left).await?;
            let shown = found.shown(judged.len());
            if !shown.is_empty() {
                self.ask(&repository, &target, &mut judged, shown).await?;
            }
            for judged in judged {
                found.left = found.left.saturating_sub(judged.candidate.tags.len().max(1));
                found.put(name, judged);
            }
            if found.left == 0 {
                return Err(too_many());
            }
        }
        Ok(())
    }

    /// Asks what a run asks ahead of deleting what no rule keeps. Of those ahead of the page it matters only what they would leave, and
    /// those behind it matter to nobody.
    async fn ask(
        &self,
        repository: &Repository,
        target: &RepositoryTarget,
        judged: &mut [Judged],
        shown: Range<usize>,
    ) -> Result<()> {
        let mut trial = Trial::of(self.harbor, repository).await?;
        for (number, one) in judged.iter_mut().enumerate().take(shown.end) {
            let is_shown = number >= shown.start;
            if one.goes() && (is_shown || !one.artifact.alone) {
                let mut outcome =
                    self.may(target, Step::ManifestDelete { digest: &one.artifact.digest }).await;
                if outcome.is_ok() {
                    outcome = try_without(&mut trial, one).await;
                }
                one.refused.extend(kept(outcome)?.map(|why| (None, why)));
            } else if is_shown && !one.goes() {
                let going: Vec<Tag> = one.tags_that_go().map(|tag| tag.name.clone()).collect();
                for tag in going {
                    let outcome = self.may(target, Step::TagDelete { tag: &tag }).await;
                    one.refused.extend(kept(outcome)?.map(|why| (Some(tag), why)));
                }
            }
        }
        Ok(())
    }

    /// Whether policies let a run do that.
    async fn may(&self, target: &RepositoryTarget, step: Step<'_>) -> Result<()> {
        self.harbor.content().ask_policies(&Actor::system(), target, step).await
    }
}

/// Why a preview is not made.
pub(super) fn too_many() -> Error {
    Error::Precondition(format!(
        "a preview looks at no more than {MOST} artifacts or tags: ask for one repository, or run the policy as a dry run"
    ))
}

/// A page that is filled.
#[derive(Debug)]
struct Page {
    offset: u64,
    size: u64,
    total: u64,
    /// How many more may be looked at.
    left: usize,
    entries: Vec<(RepositoryName, Judged)>,
}

impl Default for Page {
    fn default() -> Self {
        Self { offset: 0, size: 0, total: 0, left: MOST + 1, entries: Vec::new() }
    }
}

impl Page {
    /// Which of the next so many are on the page.
    fn shown(&self, count: usize) -> Range<usize> {
        let place =
            |end: u64| usize::try_from(end.saturating_sub(self.total)).map_or(count, |at| at.min(count));
        place(self.offset)..place(self.offset.saturating_add(self.size))
    }

    fn put(&mut self, name: &RepositoryName, judged: Judged) {
        if self.total >= self.offset && self.total - self.offset < self.size {
            self.entries.push((name.clone(), judged));
        }
        self.total += 1;
    }

    fn listed(self) -> Listed<(RepositoryName, Judged)> {
        Listed { entries: self.entries, total: self.total }
    }
}

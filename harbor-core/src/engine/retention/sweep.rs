//! Deleting what no rule keeps of a repository: each artifact in a transaction of its own, and only while it is what the rules
//! were asked about.

use std::slice;

use serde::{Deserialize, Serialize};

use super::judge::Judged;
use super::run::Retained;
use crate::access::permission::TagDelete;
use crate::access::{Actor, RepositoryTarget};
use crate::engine::Harbor;
use crate::engine::artifacts::{Trial, tags_of};
use crate::engine::gate::{Write, contended};
use crate::engine::immutable::{Fate, refuse_immutable};
use crate::event::EventKind;
use crate::job::Running;
use crate::meta::{Repository, RetentionPolicy};
use crate::oci::Tag;
use crate::policy::Step;
use crate::retention::{By, Tagged};
use crate::{Error, Result};

/// How many tags are deleted in one transaction.
const TAGS: usize = 100;

/// After how many artifacts it is said how far it is.
const SAID: usize = 100;

/// How many of those that went are told of.
const TOLD: usize = 100;

/// A run over one repository.
pub(super) struct Sweep<'a> {
    pub(super) running: &'a Running,
    pub(super) repository: &'a Repository,
    pub(super) target: &'a RepositoryTarget,
    /// Where nothing is deleted, and only told what would be.
    pub(super) trial: Option<Trial<'a>>,
    /// What went in a trial.
    pub(super) would: Went,
    /// How many there were at first.
    pub(super) total: u64,
}

/// What went: noted with the task, for who goes on with it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Went {
    /// How many artifacts, or by tag how many tags and artifacts without.
    gone: u64,
    /// Of how many, for who reads of a run that was stopped.
    #[serde(default)]
    of: u64,
    /// Each by its first tag, or by its digest where it had none: the first hundred.
    pub(super) deleted: Vec<String>,
}

impl Went {
    /// What they are called in a task's detail.
    pub(super) const NAMES: [&str; 3] = ["gone", "of", "deleted"];

    fn add(&mut self, units: usize, of: u64, name: String) {
        self.gone += units as u64;
        self.of = of;
        if self.deleted.len() < TOLD {
            self.deleted.push(name);
        }
    }
}

impl Sweep<'_> {
    fn harbor(&self) -> &Harbor {
        self.running.harbor()
    }

    /// Deletes what goes, and tells of each artifact what becomes of it. What went when somebody was at it before is in the figures.
    pub(super) async fn run(&mut self, policy: &RetentionPolicy) -> Result<(Retained, Went)> {
        let before: Went = self.running.counted().await?;
        let judged = self.harbor().judge(policy, self.repository, usize::MAX).await?;
        let by_tag = policy.retention.by == By::Tag;
        let units = |one: &Judged| if by_tag { one.candidate.tags.len().max(1) } else { 1 };
        self.total = judged.iter().fold(before.gone, |total, one| total + units(one) as u64);
        for (number, one) in judged.iter().enumerate() {
            let units = units(one);
            if one.goes() {
                self.whole(one, units).await?;
            } else if by_tag {
                self.single_tags(one).await?;
            } else {
                self.tell(one, &stays(one));
            }
            if number % SAID == SAID - 1 {
                self.running.progress(format!("{} of {} artifacts", number + 1, judged.len()));
                // A trial may have nothing else to wait for, and is to be stopped all the same.
                tokio::task::yield_now().await;
            }
        }
        let went = if self.trial.is_some() { self.would.clone() } else { self.running.counted().await? };
        let total = self.total;
        Ok((Retained { total, retained: total.saturating_sub(went.gone) }, went))
    }

    /// A line of the log about an artifact.
    fn tell(&self, one: &Judged, what: &str) {
        let names: Vec<&str> = one.candidate.tags.iter().map(|tag| tag.name.as_str()).collect();
        let names = if names.is_empty() { "no tags".to_owned() } else { names.join(", ") };
        self.running.log(format!("{} ({names}): {what}", one.artifact.digest));
    }

    /// Deletes an artifact with all that belongs to it, which counts for so many.
    async fn whole(&mut self, one: &Judged, units: usize) -> Result<()> {
        let step = Step::ManifestDelete { digest: &one.artifact.digest };
        let asked = self.harbor().content().ask_policies(&Actor::system(), self.target, step).await;
        let outcome = match (asked, &mut self.trial) {
            (Ok(()), Some(trial)) => try_without(trial, one).await,
            (Ok(()), None) => contended!(self.try_whole(one, units)),
            (refused, _) => refused,
        };
        let refused = refusal(outcome)?;
        self.tell(one, refused.as_deref().unwrap_or("DELETE"));
        if refused.is_none() && self.trial.is_some() {
            self.would.add(units, self.total, name_of(one));
        }
        Ok(())
    }

    async fn try_whole(&self, one: &Judged, units: usize) -> Result<()> {
        let mut write = self.open().await?;
        let (id, digest) = (one.artifact.id, one.artifact.digest);
        let locked = write.rows().manifest_lock(self.repository.id, &digest).await?;
        if locked != Some(id) {
            return Err(changed());
        }
        if write.rows().artifact_is_held(id).await?.1 {
            return Err(listed());
        }
        let seen = one.candidate.tags.iter().map(|tag| (tag.name.clone(), tag.pushed)).collect();
        if tags_of(write.rows(), id).await? != seen {
            return Err(changed());
        }
        self.harbor().artifacts().delete_deeply(&mut write, self.repository, id, digest).await?;
        self.running.count(&mut write, |went: &mut Went| went.add(units, self.total, name_of(one))).await?;
        write.commit().await
    }

    /// Deletes those of an artifact's tags that no rule keeps.
    async fn single_tags(&mut self, one: &Judged) -> Result<()> {
        let going: Vec<&Tagged> = one.tags_that_go().collect();
        if going.is_empty() {
            self.tell(one, &stays(one));
            return Ok(());
        }
        for tags in going.chunks(TAGS) {
            let mut asked = Vec::with_capacity(tags.len());
            for tag in tags {
                let step = Step::TagDelete { tag: &tag.name };
                let outcome = self.harbor().content().ask_policies(&Actor::system(), self.target, step).await;
                match refusal(outcome)? {
                    Some(why) => self.running.log(format!("{}: {why}", tag.name)),
                    None => asked.push(*tag),
                }
            }
            for (tag, refused) in asked.iter().zip(contended!(self.try_tags(one, &asked))?) {
                if refused.is_none() && self.trial.is_some() {
                    self.would.add(1, self.total, tag.name.to_string());
                }
                let what = refused.as_deref().unwrap_or("DELETE the tag");
                self.running.log(format!("{} {}: {what}", one.artifact.digest, tag.name));
            }
        }
        self.tell(one, "RETAIN, without those tags");
        Ok(())
    }

    /// Deletes some tags of an artifact; yields for each why it stays, if it does.
    async fn try_tags(&self, one: &Judged, tags: &[&Tagged]) -> Result<Vec<Option<String>>> {
        if self.trial.is_some() {
            return Ok(vec![None; tags.len()]);
        }
        let mut write = self.open().await?;
        let locked = write.rows().manifest_lock(self.repository.id, &one.artifact.digest).await?;
        let mut fates = Vec::with_capacity(tags.len());
        for tag in tags {
            let outcome = match locked == Some(one.artifact.id) {
                true => self.delete_tag(&mut write, one, tag).await,
                false => Err(changed()),
            };
            fates.push(refusal(outcome)?);
        }
        let gone = tags.iter().zip(&fates).filter(|(_, refused)| refused.is_none());
        let count = |went: &mut Went| gone.for_each(|(tag, _)| went.add(1, self.total, tag.name.to_string()));
        self.running.count(&mut write, count).await?;
        write.commit().await.map(|()| fates)
    }

    /// Deletes a tag of an artifact that is locked, when it is as it was.
    async fn delete_tag(&self, write: &mut Write<'_>, one: &Judged, tag: &Tagged) -> Result<()> {
        let now = write.rows().retention_tag(self.repository.id, &tag.name).await?;
        if now.is_none_or(|now| (now.manifest, now.pushed_at) != (one.artifact.id, tag.pushed)) {
            return Err(changed());
        }
        let (project, name) = (self.repository.project, &self.repository.name);
        refuse_immutable(write.rows(), project, name, slice::from_ref(&tag.name), Fate::Deleted).await?;
        write.rows().tag_delete(self.repository.id, &tag.name).await?;
        write.audit_along::<TagDelete>(format!("{name}:{}", tag.name)).await?;
        let (repository, label) = (name.to_string(), tag.name.to_string());
        let digest = one.artifact.digest;
        write.event(EventKind::TagDeleted { repository, tag: label, digest });
        write.changed_tag(self.repository.id, &tag.name);
        Ok(())
    }

    /// Nothing is deleted while the registry is read-only, also when it came to be so in the midst of a run.
    async fn open(&self) -> Result<Write<'_>> {
        self.harbor().refuse_read_only().await?;
        let mut write = self.harbor().write_as_system().await?;
        write.within(self.repository.project);
        Ok(write)
    }
}

/// What an artifact is called that went.
fn name_of(one: &Judged) -> String {
    let tag = one.candidate.tags.first().map(|tag| tag.name.to_string());
    tag.unwrap_or_else(|| one.artifact.digest.to_string())
}

/// What there is to say of an artifact that stays.
fn stays(one: &Judged) -> String {
    let by_tag = one.verdict.tags.iter().flatten().next();
    match one.verdict.artifact.or(by_tag.copied()) {
        Some(rule) => format!("RETAIN, by rule {rule}"),
        None => {
            let names: Vec<&str> = one.immutable.iter().map(Tag::as_str).collect();
            format!("RETAIN, for these tags are immutable: {}", names.join(", "))
        }
    }
}

/// The same for a log.
fn refusal(outcome: Result<()>) -> Result<Option<String>> {
    Ok(kept(outcome)?.map(|why| format!("RETAIN: {why}")))
}

/// Why something stays that was to go; a fault of the registry is passed on.
pub(super) fn kept(outcome: Result<()>) -> Result<Option<String>> {
    match outcome {
        Ok(()) => Ok(None),
        Err(
            error @ (Error::Immutable { .. }
            | Error::Referenced(_)
            | Error::PolicyDenied { .. }
            | Error::Precondition(_)),
        ) => Ok(Some(error.public_message())),
        Err(error) => Err(error),
    }
}

/// Tries to delete an artifact as it was judged.
pub(super) async fn try_without(trial: &mut Trial<'_>, one: &Judged) -> Result<()> {
    // Nobody else has a say, and a trial of many is to end soon.
    if one.artifact.alone {
        return Ok(());
    }
    if trial.is_gone(one.artifact.id) {
        return Err(changed());
    }
    if trial.is_listed(one.artifact.id).await? {
        return Err(listed());
    }
    trial.delete(one.artifact.id).await.map(|_| ())
}

const fn listed() -> Error {
    Error::Referenced("an index of this repository lists it")
}

fn changed() -> Error {
    Error::Precondition("it was changed or deleted meanwhile".to_owned())
}

//! A run of garbage collection that somebody, or a schedule, set going.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access::permission::{
    GarbageCollectionCreate, GarbageCollectionList, GarbageCollectionRead, GarbageCollectionStop,
    GarbageCollectionUpdate,
};
use crate::access::{Actor, Authorized, ProjectFilter, RepositoryTarget};
use crate::engine::Harbor;
use crate::engine::artifacts::{Deleted, Trial};
use crate::engine::gate::contended;
use crate::engine::runs::{RunChange, SystemJob};
use crate::job::{Done, Job, Rules, Running};
use crate::meta::{ManifestId, Repository, RepositoryFilter, Sharing, Untagged};
use crate::oci::RepositoryName;
use crate::policy::Step;
use crate::{Error, Result, Timestamp};

/// How many names are read at a time.
const NAMES: u32 = 1000;

/// How many blobs a run may delete at a time.
const WORKERS: std::ops::RangeInclusive<u32> = 1..=10;

/// How long a run waits to be stopped, when the registry ends.
const STOPS: Duration = Duration::from_secs(60);

/// How many untagged artifacts are deleted in one transaction.
const BATCH: u32 = 100;

/// A run of garbage collection.
///
/// Blobs and links are looked at when they are due, by the workers too; a run looks at all of them now. What it deletes of
/// untagged artifacts is due after the time window, for a client may just be pushing what refers to the same blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectGarbage {
    /// Whether artifacts are deleted that no tag names, no index lists, and that were pushed before the time window.
    #[serde(default)]
    pub delete_untagged: bool,
    /// Whether nothing is deleted, and only told what would be.
    #[serde(default)]
    pub dry_run: bool,
    /// How many batches are deleted at a time: 1 to 10. Where writers take turns, on SQLite, it is one whatever this says.
    #[serde(default = "one")]
    pub workers: u32,
}

const fn one() -> u32 {
    1
}

impl Default for CollectGarbage {
    fn default() -> Self {
        Self { delete_untagged: false, dry_run: false, workers: 1 }
    }
}

impl Job for CollectGarbage {
    const KIND: &'static str = "GARBAGE_COLLECTION";

    fn rules() -> Rules {
        Rules::default().attempts(1).at_once(1)
    }
}

impl RunChange<CollectGarbage> for GarbageCollectionCreate {}
impl RunChange<CollectGarbage> for GarbageCollectionUpdate {}

impl SystemJob for CollectGarbage {
    type Create = GarbageCollectionCreate;
    type Update = GarbageCollectionUpdate;
    type List = GarbageCollectionList;
    type Read = GarbageCollectionRead;
    type Stop = GarbageCollectionStop;

    const CALLED: &'static str = "garbage collection";

    fn check(&self) -> Result<()> {
        if WORKERS.contains(&self.workers) {
            return Ok(());
        }
        Err(Error::BadRequest(format!("workers must be 1 to 10, and not {}", self.workers)))
    }
}

/// What came out of a run, as Harbor has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Freed {
    /// Bytes of blobs and manifests.
    pub freed_space: u64,
    /// How many blobs.
    pub purged_blobs: u64,
    /// How many manifests.
    pub purged_manifests: u64,
}

impl Freed {
    pub(super) fn of_bytes(bytes: u64) -> Self {
        Self { freed_space: bytes, ..Self::default() }
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.freed_space = self.freed_space.saturating_add(other.freed_space);
        self.purged_blobs += other.purged_blobs;
        self.purged_manifests += other.purged_manifests;
    }

    fn with(mut self, deleted: Deleted) -> Self {
        self.add(Self { purged_manifests: deleted.manifests, ..Self::of_bytes(deleted.bytes) });
        self
    }
}

/// What is due later than that is left by a run, however often it is begun: also what comes to be due by what it deletes, for a trial
/// could not tell of it.
pub(super) fn as_of(running: &Running) -> Timestamp {
    running.begun().minus(Duration::from_micros(1))
}

/// Who runs it.
#[derive(Clone, Copy)]
enum By<'a> {
    /// A job.
    Job(&'a Running),
    /// Somebody who has the stores: with the time that it is of, and who is told.
    Hand(&'a Harbor, Timestamp, &'a (dyn Fn(&str) + Send + Sync)),
}

impl<'a> By<'a> {
    fn harbor(self) -> &'a Harbor {
        match self {
            Self::Job(running) => running.harbor(),
            Self::Hand(harbor, ..) => harbor,
        }
    }

    fn as_of(self) -> Timestamp {
        match self {
            Self::Job(running) => as_of(running),
            Self::Hand(_, as_of, _) => as_of,
        }
    }

    fn log(self, line: &str) {
        match self {
            Self::Job(running) => running.log(line),
            Self::Hand(_, _, told) => told(line),
        }
    }
}

impl Harbor {
    /// Runs garbage collection here and now, and no job: for who has the stores and no server. What is told goes to `told`.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for what cannot be run; [`Error::ReadOnly`]; [`Error::Precondition`] while a run is under way on another
    /// node; as the stores fail.
    pub async fn collect_garbage_by_hand(
        &self,
        _proof: &Authorized<GarbageCollectionCreate>,
        how: &CollectGarbage,
        told: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Freed> {
        how.check()?;
        if !how.dry_run {
            self.refuse_read_only().await?;
            // What a store of one node says of runs is about one that ended in its midst.
            if self.inner.metadata.sharing() != Sharing::Exclusive && self.is_run().await? {
                let why = "a run of garbage collection is under way on another node: wait until it is over, or stop it";
                return Err(Error::Precondition(why.to_owned()));
            }
        }
        let as_of = self.now();
        let by = By::Hand(self, as_of, told);
        let untagged = if how.delete_untagged { how.untagged(by).await? } else { Deleted::default() };
        if how.dry_run {
            return Ok(would_free(self, as_of).await?.with(untagged));
        }
        let report = self.collect(how.workers, None).await?;
        if report.failed > 0 {
            told(&format!("{} could not be looked at, and will be again", report.failed));
        }
        Ok(Freed { purged_blobs: report.blobs, ..Freed::of_bytes(report.bytes) }.with(untagged))
    }
}

impl CollectGarbage {
    pub(in crate::engine) async fn run(self, running: Running) -> Result<Done> {
        let harbor = running.harbor();
        if !self.dry_run {
            harbor.refuse_read_only().await?;
        }
        running.log(format!(
            "garbage collection: delete_untagged={}, dry_run={}, workers={}, time window {} s",
            self.delete_untagged,
            self.dry_run,
            self.workers,
            harbor.settings().gc_grace.as_secs()
        ));
        let untagged =
            if self.delete_untagged { self.untagged(By::Job(&running)).await? } else { Deleted::default() };
        let (freed, failed) = if self.dry_run {
            (would_free(harbor, as_of(&running)).await?.with(untagged), 0)
        } else {
            let report = harbor.collect(self.workers, Some(&running)).await?;
            if harbor.inner.workers.stopping().is_cancelled() {
                // It is stopped as well, and begins again elsewhere, or here, later.
                tokio::time::sleep(STOPS).await;
                return Err(Error::Precondition("the registry ended in the midst of it".to_owned()));
            }
            (running.counted().await?, report.failed)
        };
        let would = if self.dry_run { "would be freed" } else { "freed" };
        let Freed { freed_space, purged_blobs, purged_manifests } = freed;
        running
            .log(format!("{would}: {purged_blobs} blobs, {purged_manifests} manifests, {freed_space} bytes"));
        if failed > 0 {
            running.log(format!("{failed} could not be looked at, and will be again"));
        }
        let done = Done::with(&freed)?;
        match self.dry_run {
            true => Ok(done),
            // What is due was left then.
            false => match harbor.refuse_read_only().await {
                Err(error @ Error::ReadOnly) => Ok(Done { failure: Some(error.public_message()), ..done }),
                other => other.map(|()| done),
            },
        }
    }

    /// Deletes untagged artifacts, or counts them.
    async fn untagged(self, by: By<'_>) -> Result<Deleted> {
        let harbor = by.harbor();
        let mut total = Deleted::default();
        let mut after: Option<RepositoryName> = None;
        let everywhere = RepositoryFilter::from(ProjectFilter::All);
        loop {
            let start = after.as_ref().map(RepositoryName::as_str);
            let names = harbor.read().await?.repositories(&everywhere, start, NAMES).await?;
            let Some(last) = names.last().cloned() else { return Ok(total) };
            for name in &names {
                let found = self.untagged_of(by, name).await?;
                total.manifests += found.manifests;
                total.bytes += found.bytes;
            }
            if let By::Job(running) = by {
                running.progress(format!("{} untagged manifests, up to {last}", total.manifests));
            }
            after = Some(last);
        }
    }

    async fn untagged_of(self, by: By<'_>, name: &RepositoryName) -> Result<Deleted> {
        let harbor = by.harbor();
        let Some(repository) = harbor.read().await?.repository(name).await? else {
            return Ok(Deleted::default());
        };
        let Some(project) = harbor.project_of(repository.project).await? else {
            return Ok(Deleted::default());
        };
        let target = RepositoryTarget { project, name: name.clone() };
        let before = by.as_of().minus(harbor.settings().gc_grace);
        let mut total = Deleted::default();
        let mut after = ManifestId::new(0);
        let mut trial = if self.dry_run { Some(Trial::of(harbor, &repository).await?) } else { None };
        loop {
            let page = harbor.read().await?.manifests_untagged(repository.id, before, after, BATCH).await?;
            let Some(last) = page.last() else { return Ok(total) };
            after = last.id;
            for untagged in &page {
                let gone = one_untagged(by, &target, &repository, untagged, &mut trial).await;
                let (says, gone) = match gone {
                    Ok(Deleted { manifests: 0, .. }) => continue,
                    Ok(gone) if self.dry_run => {
                        (format!("{} manifests would be deleted", gone.manifests), gone)
                    }
                    Ok(gone) => (format!("{} manifests deleted", gone.manifests), gone),
                    Err(
                        error @ (Error::Immutable { .. } | Error::Referenced(_) | Error::PolicyDenied { .. }),
                    ) => (format!("stays: {}", error.public_message()), Deleted::default()),
                    Err(error) => return Err(error),
                };
                by.log(&format!("{name}@{}: {says}", untagged.digest));
                total.manifests += gone.manifests;
                total.bytes += gone.bytes;
            }
        }
    }
}

/// Deletes an untagged artifact, or tries to.
async fn one_untagged(
    by: By<'_>,
    target: &RepositoryTarget,
    repository: &Repository,
    untagged: &Untagged,
    trial: &mut Option<Trial<'_>>,
) -> Result<Deleted> {
    let step = Step::ManifestDelete { digest: &untagged.digest };
    by.harbor().content().ask_policies(&Actor::system(), target, step).await?;
    let Some(trial) = trial else { return delete(by, repository, untagged).await };
    if trial.is_gone(untagged.id) || trial.is_listed(untagged.id).await? {
        return Ok(Deleted::default());
    }
    trial.delete(untagged.id).await
}

/// Deletes an untagged artifact, if it still is one.
async fn delete(by: By<'_>, repository: &Repository, untagged: &Untagged) -> Result<Deleted> {
    let harbor = by.harbor();
    contended!(async {
        // It may have come to be so in the midst of a run.
        harbor.refuse_read_only().await?;
        let mut write = harbor.write_as_system().await?;
        write.within(repository.project);
        let Some(id) = write.rows().manifest_lock(repository.id, &untagged.digest).await? else {
            return Ok(Deleted::default());
        };
        if write.rows().artifact_is_held(id).await? != (false, false) {
            return Ok(Deleted::default());
        }
        let digest = untagged.digest;
        let gone = harbor.artifacts().delete_deeply(&mut write, repository, id, digest).await?;
        if let By::Job(running) = by {
            running.count(&mut write, |freed: &mut Freed| *freed = freed.with(gone)).await?;
        }
        write.commit().await?;
        Ok(gone)
    })
}

/// What looking at everything that is due would free.
async fn would_free(harbor: &Harbor, as_of: Timestamp) -> Result<Freed> {
    let (blobs, bytes) = harbor.read().await?.reviews_would_free(as_of).await?;
    Ok(Freed { purged_blobs: blobs, ..Freed::of_bytes(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Jobs that earlier versions wrote. A new form is added; none is ever removed.
    #[test]
    fn every_stored_form_still_loads() {
        for (stored, job) in [
            (r#"{"v":1}"#, CollectGarbage::default()),
            (
                r#"{"v":1,"delete_untagged":true,"dry_run":true,"workers":5}"#,
                CollectGarbage { delete_untagged: true, dry_run: true, workers: 5 },
            ),
        ] {
            assert_eq!(crate::job::read::<CollectGarbage>(stored), Ok(job));
        }
    }
}

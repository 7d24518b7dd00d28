//! A run of a policy of retention: one task finds the repositories, and each of those is a task of its own.

use serde::{Deserialize, Serialize};

use super::RETENTION_ID;
use super::sweep::{Sweep, Went};
use crate::access::{ProjectFilter, RepositoryTarget};
use crate::engine::Harbor;
use crate::engine::artifacts::Trial;
use crate::engine::gate::contended;
use crate::engine::jobs::{Enqueue, merged, without};
use crate::event::EventKind;
use crate::job::{Done, Job, Rules, Running, read};
use crate::meta::{
    Priority, Reads, Repository, RepositoryFilter, RetentionId, RetentionPolicy, TaskKey, TaskScope,
    TaskStatus, Transaction,
};
use crate::oci::RepositoryName;
use crate::query::{Order, Query};
use crate::{Error, Result};

/// How many names of repositories are read at a time, and enqueued in one transaction at most.
const NAMES: u32 = 100;

/// A run of a policy of retention, or the part of one that is about one repository.
///
/// What the policy says is read when the task begins, so what was changed meanwhile counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retain {
    /// The key of the policy.
    pub policy: i64,
    /// Whether nothing is deleted, and only told what would be.
    #[serde(default)]
    pub dry_run: bool,
    /// The repository. Without one, this finds the repositories and enqueues a task for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
}

impl Job for Retain {
    const KIND: &'static str = "RETENTION";

    fn rules() -> Rules {
        // There may be thousands of them, and nobody waits for one.
        Rules { priority: Priority::Low, ..Rules::default() }
    }
}

/// What came out of a task, as Harbor has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Retained {
    /// How many artifacts, or by tag how many tags and artifacts without, the repository had.
    pub total: u64,
    /// How many of those stay.
    pub retained: u64,
}

impl Retain {
    /// A run of a policy over all repositories.
    pub(super) const fn all(policy: RetentionId, dry_run: bool) -> Self {
        Self { policy: policy.get(), dry_run, repository: None }
    }

    pub(in crate::engine) async fn run(self, running: Running) -> Result<Done> {
        let id = RetentionId::new(self.policy);
        let Some(policy) = running.harbor().read().await?.retention(id).await? else {
            running.log("the policy is gone, so nothing is done");
            return Done::with(&Retained::default());
        };
        match self.repository.clone() {
            None => self.plan(&running, &policy).await,
            Some(name) => self.sweep(&running, &policy, &name.parse()?).await,
        }
    }

    /// Enqueues a task for each repository that a rule is about: some names in each transaction, in their order, so that whoever
    /// does this again goes on where it stands.
    async fn plan(&self, running: &Running, policy: &RetentionPolicy) -> Result<Done> {
        let harbor = running.harbor();
        let filter = RepositoryFilter::from(policy.project.map_or(ProjectFilter::All, ProjectFilter::only));
        let mut after: Option<RepositoryName> = None;
        let mut count = 0;
        loop {
            let mut rows = harbor.read().await?;
            let start = after.as_ref().map(RepositoryName::as_str);
            let names = rows.repositories(&filter, start, NAMES).await?;
            let Some(last) = names.last().cloned() else { break };
            let chosen = chosen(&mut *rows, policy, names).await?;
            drop(rows);
            // Otherwise somebody stopped it, or another worker has it.
            let enqueued = contended!(self.enqueue(running, policy, &chosen))?;
            count += enqueued.ok_or_else(|| Error::Precondition("it was stopped".to_owned()))?;
            running.progress(format!("{count} repositories, up to {last}"));
            after = Some(last);
        }
        running.log(format!("{count} repositories"));
        Ok(Done::default())
    }

    /// Enqueues tasks for those of these that are behind the last one that has a task. `None` when it is not this task's turn any
    /// more: its row is locked here, so that whoever stops the run finds all that it has enqueued.
    async fn enqueue(
        &self,
        running: &Running,
        policy: &RetentionPolicy,
        names: &[RepositoryName],
    ) -> Result<Option<u64>> {
        let mut write = running.harbor().write_as_system().await?;
        let task = write.rows().task_lock(running.task()).await?;
        if task.is_none_or(|task| task.status != TaskStatus::Running || task.stopping) {
            return Ok(None);
        }
        let last = last_of(write.rows(), running).await?;
        let mut count = 0;
        for name in names.iter().filter(|name| last.as_deref().is_none_or(|last| last < name.as_str())) {
            let job = Self { repository: Some(name.to_string()), ..self.clone() };
            let shown = if policy.project.is_some() { name.within_project() } else { name.as_str() };
            let task = Enqueue::new(&job).detail("repository", shown).detail("dry_run", self.dry_run);
            write.enqueue(running.execution(), task).await?;
            count += 1;
        }
        write.commit().await?;
        Ok(Some(count))
    }

    /// Deletes what no rule keeps of a repository.
    async fn sweep(
        &self,
        running: &Running,
        policy: &RetentionPolicy,
        name: &RepositoryName,
    ) -> Result<Done> {
        let harbor = running.harbor();
        if !self.dry_run {
            harbor.refuse_read_only().await?;
        }
        let Some((repository, target)) = harbor.covered(policy, name).await? else {
            running.log(format!("{name} is gone, or has another policy, so nothing is done"));
            return Done::with(&Retained::default());
        };
        running.log(format!(
            "retention of {name}: dry_run={}, by {}",
            self.dry_run,
            policy.retention.by.as_str()
        ));
        for (number, rule) in policy.retention.about(name) {
            running.log(format!("rule {number}: {}", rule.says()));
        }
        let trial = if self.dry_run { Some(Trial::of(harbor, &repository).await?) } else { None };
        let would = Went::default();
        let mut sweep = Sweep { running, repository: &repository, target: &target, trial, would, total: 0 };
        let (retained, went) = sweep.run(policy).await?;
        running.log(format!("{} of {} stay", retained.retained, retained.total));
        Done::with(&contended!(self.tell(running, policy, &repository, retained, &went.deleted))?)
    }

    /// Tells everybody what was done to a repository, and notes it with the task: whoever does that again, for a worker ended right
    /// behind this, does not tell again. Yields what was told.
    async fn tell(
        &self,
        running: &Running,
        policy: &RetentionPolicy,
        repository: &Repository,
        came: Retained,
        deleted: &[String],
    ) -> Result<Retained> {
        let Retained { total, retained } = came;
        let mut write = running.harbor().write_as_system().await?;
        let mut task = running.locked(&mut write).await?;
        if let Ok(told) = serde_json::from_str(&task.detail) {
            return Ok(told);
        }
        task.detail = merged(&without(&task.detail, &Went::NAMES), &Done::with(&came)?.detail)?;
        write.rows().task_save(&task).await?;
        write.within(repository.project);
        write.event(EventKind::RetentionFinished {
            repository: repository.name.to_string(),
            policy_id: policy.id.get(),
            execution_id: running.execution().get(),
            total,
            retained,
            dry_run: self.dry_run,
            deleted: deleted.to_vec(),
        });
        write.commit().await.map(|()| came)
    }
}

/// Those repositories that the policy is for and that one of its rules is about.
pub(super) async fn chosen(
    rows: &mut dyn Reads,
    policy: &RetentionPolicy,
    names: Vec<RepositoryName>,
) -> Result<Vec<RepositoryName>> {
    let mut chosen = Vec::with_capacity(names.len());
    // Names of one project stand together.
    let mut known: Option<(String, bool)> = None;
    for name in names {
        if policy.retention.about(&name).is_empty() {
            continue;
        }
        let project = name.project()?;
        if policy.project.is_none() && known.as_ref().is_none_or(|(known, _)| known != project) {
            let found = rows.project(&project.parse()?).await?;
            let inherits = found.is_some_and(|project| !project.metadata.contains_key(RETENTION_ID));
            known = Some((project.to_owned(), inherits));
        }
        if policy.project.is_some() || known.as_ref().is_some_and(|(_, inherits)| *inherits) {
            chosen.push(name);
        }
    }
    Ok(chosen)
}

/// The repository of the last task of the run.
async fn last_of(rows: &mut dyn Transaction, running: &Running) -> Result<Option<String>> {
    let scope = TaskScope { execution: Some(running.execution()), ..TaskScope::default() };
    let query = Query::default().sort(TaskKey::Id, Order::Descending).page(1, 1);
    let last = rows.tasks(scope, &query).await?.entries.pop();
    Ok(last.and_then(|task| read::<Retain>(&task.payload).ok()).and_then(|job| job.repository))
}

impl Harbor {
    /// The repository of that name, with its project, when the policy is for it.
    pub(super) async fn covered(
        &self,
        policy: &RetentionPolicy,
        name: &RepositoryName,
    ) -> Result<Option<(Repository, RepositoryTarget)>> {
        let mut rows = self.read().await?;
        let Some(repository) = rows.repository(name).await? else { return Ok(None) };
        let own = rows.retention_of(Some(repository.project)).await?.map(|own| own.id);
        let is_for = match policy.project {
            Some(project) => project == repository.project,
            None => own.is_none(),
        };
        drop(rows);
        let project = self.project_of(repository.project).await?;
        Ok(project.filter(|_| is_for).map(|project| {
            let target = RepositoryTarget { project, name: name.clone() };
            (repository, target)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Jobs that earlier versions wrote. A new form is added; none is ever removed.
    #[test]
    fn every_stored_form_still_loads() {
        let one = Retain { repository: Some("p/a".to_owned()), ..Retain::all(RetentionId::new(7), true) };
        for (stored, job) in [
            (r#"{"v":1,"policy":7}"#, Retain::all(RetentionId::new(7), false)),
            (r#"{"v":1,"policy":7,"dry_run":true,"repository":"p/a"}"#, one),
        ] {
            assert_eq!(read::<Retain>(stored), Ok(job));
        }
    }
}

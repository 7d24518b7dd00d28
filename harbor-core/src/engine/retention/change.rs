//! Making, changing and deleting policies of retention.

use super::{RETENTION_ID, RHYTHM, Retain, RetentionUpdate, Retentions, not_found};
use crate::access::permission::{SystemConfigurationUpdate, TagRetentionCreate, TagRetentionDelete};
use crate::access::{Action, Authorized, InProject, InSystem};
use crate::engine::Harbor;
use crate::engine::gate::{Write, contended};
use crate::engine::jobs::Rhythm;
use crate::engine::proof::EitherProof;
use crate::event::{Change, EventKind, Policy};
use crate::job::Job as _;
use crate::meta::{ExecutionScope, Project, ProjectId, RetentionId, RetentionPolicy};
use crate::query::Query;
use crate::retention::Retention;
use crate::{Error, Result};

/// How many executions are deleted in one transaction.
const EXECUTIONS: u32 = 8;

impl Retentions<'_> {
    /// Makes the policy of a project.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for one that is none, and when the project has one; [`Error::Conflict`] for rules that say the same;
    /// [`Error::NameUnknown`] when somebody deleted the project.
    pub async fn create(
        &self,
        proof: Authorized<TagRetentionCreate>,
        retention: &Retention,
    ) -> Result<RetentionId> {
        retention.check()?;
        contended!(self.try_create(&proof, retention))
    }

    async fn try_create(
        &self,
        proof: &Authorized<TagRetentionCreate>,
        retention: &Retention,
    ) -> Result<RetentionId> {
        let mut write = self.harbor.write(proof).await?;
        let mut project = locked(&mut write, proof.target().id).await?;
        if let Some(policy) = write.rows().retention_of(Some(project.id)).await? {
            let (project, policy) = (project.id.get(), policy.id.get());
            let why = format!("project {project} already has retention policy {policy}");
            return Err(Error::BadRequest(why));
        }
        let id = insert(&mut write, Some(project.id), retention).await?;
        project.metadata.insert(RETENTION_ID.to_owned(), id.get().to_string());
        write.rows().project_save(&project).await?;
        write.changed_project(&project.name);
        write.audit(audited(id)).await?;
        write.event(changed(id, Change::Created));
        write.commit().await?;
        Ok(id)
    }

    /// Changes what a policy says.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for one that is none; [`Error::Conflict`] for rules that say the same; [`Error::NotFound`].
    pub async fn update(
        &self,
        proof: &RetentionUpdate,
        id: RetentionId,
        retention: &Retention,
    ) -> Result<()> {
        retention.check()?;
        contended!(async {
            let mut write = proof.write(self.harbor).await?;
            let policy = policy_of(&mut write, proof, id).await?;
            save(&mut write, policy, retention).await?;
            write.audit(audited(id)).await?;
            write.event(changed(id, Change::Updated));
            write.commit().await
        })
    }

    /// Deletes a policy with its schedule and its executions. What runs is ended.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as the stores fail.
    pub async fn delete(
        &self,
        proof: &EitherProof<SystemConfigurationUpdate, TagRetentionDelete>,
        id: RetentionId,
    ) -> Result<()> {
        self.one(proof, id).await?;
        self.harbor.clear_retention(id).await?;
        contended!(async {
            let mut write = proof.write(self.harbor).await?;
            if let Some(project) = proof.project() {
                let mut project = locked(&mut write, project).await?;
                project.metadata.remove(RETENTION_ID);
                write.rows().project_save(&project).await?;
                write.changed_project(&project.name);
            }
            policy_of(&mut write, proof, id).await?;
            write.forget_retention(id).await?;
            write.rows().retention_delete(id).await?;
            write.audit(audited(id)).await?;
            write.event(changed(id, Change::Deleted));
            write.commit().await
        })
    }

    /// Makes the policy of all projects that have none of their own, or changes the one that there is.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for one that is none; [`Error::Conflict`] for rules that say the same.
    pub async fn set_common(
        &self,
        proof: &Authorized<SystemConfigurationUpdate>,
        retention: &Retention,
    ) -> Result<RetentionId> {
        retention.check()?;
        contended!(async {
            let mut write = self.harbor.write(proof).await?;
            let (id, change) = match write.rows().retention_of(None).await? {
                None => (insert(&mut write, None, retention).await?, Change::Created),
                Some(seen) => {
                    let policy = write.rows().retention_lock(seen.id).await?.ok_or(Error::Contended)?;
                    save(&mut write, policy, retention).await?;
                    (seen.id, Change::Updated)
                }
            };
            write.audit(audited(id)).await?;
            write.event(changed(id, change));
            write.commit().await.map(|()| id)
        })
    }

    /// Deletes the policy of all projects that have none of their own, with its schedule and its executions.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; as the stores fail.
    pub async fn delete_common(&self, proof: Authorized<SystemConfigurationUpdate>) -> Result<()> {
        let policy = self.harbor.read().await?.retention_of(None).await?.ok_or_else(not_found)?;
        self.delete(&EitherProof::System(proof), policy.id).await
    }
}

/// What the audit log has of a policy.
fn audited(id: RetentionId) -> String {
    format!("retention policy {}", id.get())
}

/// What is told of a policy.
const fn changed(id: RetentionId, change: Change) -> EventKind {
    EventKind::PolicyChanged { policy: Policy::Retention, policy_id: id.get(), change }
}

/// The project as it is now, locked.
async fn locked(write: &mut Write<'_>, id: ProjectId) -> Result<Project> {
    write.rows().project_lock(id).await?.ok_or(Error::NameUnknown)
}

/// The policy of a key as it is now, locked, when it is the one that the proof is for.
async fn policy_of<S: Action<Scope = InSystem>, P: Action<Scope = InProject>>(
    write: &mut Write<'_>,
    proof: &EitherProof<S, P>,
    id: RetentionId,
) -> Result<RetentionPolicy> {
    let policy = write.rows().retention_lock(id).await?;
    policy.filter(|policy| policy.project == proof.project()).ok_or_else(not_found)
}

async fn insert(
    write: &mut Write<'_>,
    project: Option<ProjectId>,
    retention: &Retention,
) -> Result<RetentionId> {
    let now = write.now();
    let policy = RetentionPolicy {
        id: RetentionId::new(0),
        project,
        retention: retention.clone(),
        created_at: now,
        updated_at: now,
    };
    let id = write.rows().retention_insert(&policy).await?;
    schedule(write, id, retention).await?;
    Ok(id)
}

async fn save(write: &mut Write<'_>, policy: RetentionPolicy, retention: &Retention) -> Result<()> {
    let policy = RetentionPolicy { retention: retention.clone(), updated_at: write.now(), ..policy };
    write.rows().retention_save(&policy).await?;
    schedule(write, policy.id, retention).await
}

/// Makes the clock set a policy going as it says, or not at all.
async fn schedule(write: &mut Write<'_>, id: RetentionId, retention: &Retention) -> Result<()> {
    if retention.cron.is_empty() {
        return write.unschedule(Retain::KIND, id.get()).await.map(|_| ());
    }
    let rhythm = Rhythm {
        name: RHYTHM.to_owned(),
        cron: retention.cron.clone(),
        time_zone: retention.time_zone.clone(),
    };
    write.schedule(id.get(), &rhythm, &Retain::all(id, false)).await
}

impl Write<'_> {
    /// Deletes the schedule of a policy and what is left of its executions: nobody can make new ones who does not have the
    /// policy, or the schedule.
    pub(in crate::engine) async fn forget_retention(&mut self, id: RetentionId) -> Result<()> {
        self.unschedule(Retain::KIND, id.get()).await?;
        while forget_executions(self, id).await? > 0 {}
        Ok(())
    }
}

/// Deletes some executions of a policy; yields how many.
async fn forget_executions(write: &mut Write<'_>, id: RetentionId) -> Result<usize> {
    let scope = ExecutionScope::of(Retain::KIND, id.get());
    let some = write.rows().executions(&scope, &Query::default().page(1, EXECUTIONS)).await?.entries;
    for execution in &some {
        // Whoever is at one of its tasks finds that it is nobody's any more, and ends.
        write.rows().execution_delete(execution.id).await?;
    }
    Ok(some.len())
}

impl Harbor {
    /// Deletes most of the executions of a policy that is about to be deleted, a few at a time.
    pub(in crate::engine) async fn clear_retention(&self, id: RetentionId) -> Result<()> {
        loop {
            let (scope, some) =
                (ExecutionScope::of(Retain::KIND, id.get()), Query::default().page(1, EXECUTIONS));
            let some = self.read().await?.executions(&scope, &some).await?.entries;
            if some.is_empty() {
                return Ok(());
            }
            for execution in some {
                self.forget_execution(execution.id).await?;
            }
        }
    }

    /// Deletes most of the executions of the policy of a project that is about to be deleted.
    pub(in crate::engine) async fn clear_retention_of(&self, project: ProjectId) -> Result<()> {
        let policy = self.read().await?.retention_of(Some(project)).await?;
        match policy {
            Some(policy) => self.clear_retention(policy.id).await,
            None => Ok(()),
        }
    }
}

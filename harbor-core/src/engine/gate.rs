//! The gate: makes proofs, opens write transactions, writes audit and outbox rows.

use std::fmt;
use std::sync::Arc;

use super::Harbor;
use super::audit;
use super::cache::{Change, Entry};
use super::configuration::{ConfigKey, Configuration};
use super::invalidate::Invalidate;
use crate::access::permission::{CatalogRead, ProjectRead, RepositoryPull, SystemConfigurationUpdate, WORK};
use crate::access::{
    Action, Actor, Attempt, Authorized, Decision, Origin, Permission, ProjectFilter, Scope, Target,
};
use crate::event::{Event, EventKind};
use crate::meta::revision::ACCESS;
use crate::meta::{AuditLine, Project, ProjectId, Reads, RepositoryId, Transaction};
use crate::oci::{Digest, ProjectName, RepositoryName, Tag};
use crate::{Error, Result, StoreErrorKind, Timestamp};

/// How often a use case is tried when concurrent transactions win. Each try begins afresh.
pub(super) const TRIES: u32 = 8;

/// Runs a use case's transaction, and again when the store says that a concurrent one won.
macro_rules! contended {
    ($attempt:expr) => {{
        let mut tries = 1;
        loop {
            match $attempt.await {
                Err(error) if tries < $crate::engine::gate::TRIES && $crate::engine::gate::lost(&error) => {
                    tries += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(u64::from(tries) * 3)).await;
                }
                Err(error) if $crate::engine::gate::lost(&error) => break Err($crate::Error::Contended),
                result => break result,
            }
        }
    }};
}
pub(super) use contended;

/// Whether a concurrent transaction won, so that trying again may help.
pub(super) fn lost(error: &Error) -> bool {
    matches!(error, Error::Store(error) if error.kind() == StoreErrorKind::Conflict)
}

impl Harbor {
    /// Who sends these credentials; nobody in particular when there are none.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when no authenticator knows them, [`Error::TooManyRequests`] when one is busy or too many
    /// attempts failed.
    pub async fn authenticate(&self, attempt: Option<Attempt<'_>>) -> Result<Actor> {
        let Some(attempt) = attempt else { return Ok(Actor::anonymous()) };
        for authenticator in &self.inner.authenticators {
            match authenticator.authenticate(attempt).await.map_err(Error::from) {
                Ok(Some(actor)) => {
                    let origin = Arc::new(Origin::of(attempt, &actor));
                    return Ok(actor.with_origin(origin).seen_now());
                }
                Ok(None) => {}
                Err(error @ Error::TooManyRequests { .. }) => return Err(self.failed(attempt, error)),
                Err(error) => return Err(error),
            }
        }
        Err(self.failed(attempt, Error::Unauthenticated))
    }

    /// Asks for the permission `A`: the only way to a proof.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when nobody in particular asked, [`Error::OutOfScope`] for a limit that has no room for it;
    /// [`Error::Denied`] when the asker may know of the target,
    /// [`Error::NameUnknown`] when not, whether it exists or not. Or a store's error when it cannot be told.
    pub async fn authorize<'a, A: Action>(
        &'a self,
        actor: &Actor,
        on: impl Into<<A::Scope as Scope>::Request<'a>> + Send,
    ) -> Result<Authorized<A>> {
        let refused = |target: Target<'_>| self.refused(actor, A::PERMISSION, target);
        self.ask(actor, on.into(), refused).await
    }

    /// The same, of what somebody does not ask for: when it is refused, they get something else, and no line tells of it.
    ///
    /// # Errors
    /// As [`Harbor::authorize`].
    pub(crate) async fn authorize_quietly<'a, A: Action>(
        &'a self,
        actor: &Actor,
        on: impl Into<<A::Scope as Scope>::Request<'a>> + Send,
    ) -> Result<Authorized<A>> {
        self.ask(actor, on.into(), |_| ()).await
    }

    async fn ask<'a, A: Action>(
        &'a self,
        actor: &Actor,
        on: <A::Scope as Scope>::Request<'a>,
        refused: impl FnOnce(Target<'_>) + Send,
    ) -> Result<Authorized<A>> {
        self.inner.asked.mark();
        let Some(resolved) = A::Scope::resolve(self, on).await? else {
            // As if it were there: whoever has a limit is not told.
            return Err(match actor.restriction() {
                Some(_) if !actor.is_anonymous() => Error::OutOfScope,
                _ => refusal(actor, false),
            });
        };
        let target = A::Scope::target(&resolved);
        if !actor.has_room_for(A::PERMISSION, target) {
            refused(target);
            // Whoever it is may have more elsewhere: a client with a token asks for another one.
            return Err(if actor.is_anonymous() { Error::Unauthenticated } else { Error::OutOfScope });
        }
        if self.allows(actor, A::PERMISSION, target).await? {
            return Ok(Authorized::mint(actor.clone(), resolved));
        }
        refused(target);
        let visible = match target.project() {
            Some(project) => {
                let knows = Target::Project(project);
                self.inner.authorizer.decide(actor, ProjectRead::PERMISSION, knows).await? == Decision::Allow
            }
            None => true,
        };
        Err(refusal(actor, visible))
    }

    /// The projects, and the repositories of projects, in which `actor` has the permission `A`: what lists are limited to.
    pub(crate) async fn visible<A: Action>(&self, actor: &Actor) -> Result<ProjectFilter> {
        let granted = self.inner.authorizer.projects(actor, A::PERMISSION).await?;
        Ok(match actor.restriction() {
            Some(restriction) => granted.and(restriction.projects(A::PERMISSION)),
            None => granted,
        })
    }

    /// The repositories of a project in which `actor` has the permission `A`, as a filter; the project where that is all of them.
    pub(crate) async fn visible_of<A: Action>(
        &self,
        actor: &Actor,
        project: &Project,
    ) -> Result<ProjectFilter> {
        let visible = self.visible::<A>(actor).await?;
        let only = ProjectFilter::only(project.id);
        Ok(if visible.has_project(project.id, project.public) { only } else { only.and(visible) })
    }

    /// The projects whose repositories `actor` may be told of in the catalogue: where it may pull. A token for the catalogue has
    /// room for that, and for nothing else. So has one that has the catalogue beside other things: the permission is the system's, and
    /// what it is limited to in projects narrows it as little as with a robot.
    pub(crate) async fn catalogued(&self, actor: &Actor) -> Result<ProjectFilter> {
        if actor.has_room_for(CatalogRead::PERMISSION, Target::System) {
            return Ok(self.inner.authorizer.projects(actor, RepositoryPull::PERMISSION).await?);
        }
        self.visible::<RepositoryPull>(actor).await
    }

    /// Whether `actor` has a permission: for showing it, and for not giving away what one does not have. It is no proof.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn may(&self, actor: &Actor, permission: Permission, target: Target<'_>) -> Result<bool> {
        self.allows(actor, permission, target).await
    }

    /// Whether `actor` has a permission in all of a project. Whoever is limited to some of its repositories may list them, for
    /// lists leave out the others, and has that permission in no more than those.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn may_throughout(
        &self,
        actor: &Actor,
        permission: Permission,
        project: &Project,
    ) -> Result<bool> {
        // What everybody may while the project is public, nobody has when it is not any more.
        let own = Project { public: false, ..project.clone() };
        if !self.allows(actor, permission, Target::Project(&own)).await? {
            return Ok(false);
        }
        let limit = actor.restriction().map(|restriction| restriction.projects(permission));
        let whole = |filter: &ProjectFilter| filter.has_project(own.id, own.public);
        Ok(limit.is_none_or(|limit| whole(&limit))
            && whole(&self.inner.authorizer.projects(actor, permission).await?))
    }

    pub(super) async fn allows(
        &self,
        actor: &Actor,
        permission: Permission,
        target: Target<'_>,
    ) -> Result<bool> {
        Ok(actor.has_room_for(permission, target)
            && self.inner.authorizer.decide(actor, permission, target).await? == Decision::Allow)
    }

    /// The project of that name, from the cache when that is exact.
    pub(crate) async fn project(&self, name: &str) -> Result<Option<Arc<Project>>> {
        if let Some(project) = self.inner.caches.project(name) {
            return Ok(Some(project));
        }
        let name: ProjectName = name.parse()?;
        let before = self.inner.caches.generation();
        let project = self.read().await?.project(&name).await?.map(Arc::new);
        if let Some(project) = &project {
            self.inner.caches.keep(before, Entry::Project(Arc::clone(project)));
        }
        Ok(project)
    }

    /// The project of that key, from the cache when that is exact.
    pub(crate) async fn project_of(&self, id: ProjectId) -> Result<Option<Arc<Project>>> {
        if let Some(project) = self.inner.caches.project_of(id) {
            return Ok(Some(project));
        }
        let before = self.inner.caches.generation();
        let project = self.read().await?.project_of(id).await?.map(Arc::new);
        if let Some(project) = &project {
            self.inner.caches.keep(before, Entry::Project(Arc::clone(project)));
        }
        Ok(project)
    }

    /// What a project is called, for showing what was given in it.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn project_name(&self, id: ProjectId) -> Result<Option<ProjectName>> {
        Ok(self.project_of(id).await?.map(|project| project.name.clone()))
    }

    /// Something to read rows with.
    pub(crate) async fn read(&self) -> Result<Box<dyn Reads>> {
        Ok(self.inner.metadata.read().await?)
    }

    /// Opens a write transaction. Only a holder of a proof can, who still has what it says.
    ///
    /// # Errors
    /// [`Error::ReadOnly`] while the registry is; [`Error::Unauthenticated`] and [`Error::Denied`] for who has lost meanwhile what
    /// was granted; as the store fails.
    pub async fn write<A: Action>(&self, proof: &Authorized<A>) -> Result<Write<'_>> {
        let configures = A::PERMISSION == SystemConfigurationUpdate::PERMISSION;
        let configuration = self.configuration().await?;
        if !configures && configuration.flag(ConfigKey::ReadOnly) {
            return Err(Error::ReadOnly);
        }
        self.ask_again(proof).await?;
        let on = A::Scope::target(proof.target());
        self.write_as(proof.actor(), A::PERMISSION, on, configuration).await
    }

    /// A write transaction of the engine's own workers.
    pub(crate) async fn write_as_system(&self) -> Result<Write<'_>> {
        self.write_as(&Actor::system(), WORK, Target::System, self.configuration().await?).await
    }

    /// Tells those who remember who may do what that it has changed.
    pub(super) fn forget_access(&self) {
        self.inner.authorizer.forget();
        self.inner.authenticators.iter().for_each(|authenticator| authenticator.forget());
    }

    async fn write_as(
        &self,
        actor: &Actor,
        permission: Permission,
        on: Target<'_>,
        configuration: Arc<Configuration>,
    ) -> Result<Write<'_>> {
        Ok(Write {
            harbor: self,
            configuration,
            rows: self.inner.metadata.begin().await?,
            actor: actor.clone(),
            permission,
            project: on.project().map(|project| project.id),
            now: self.now(),
            changes: Vec::new(),
            events: Vec::new(),
            access: false,
            enqueued: false,
            audited: false,
        })
    }
}

/// What a refusal looks like: the one place that decides between 401, 403 and 404.
///
/// Who is nobody is asked to say who they are. Who may not know of the target is told that there is none, so a refusal
/// never tells whether something exists.
pub(super) fn refusal(actor: &Actor, visible: bool) -> Error {
    match (actor.is_anonymous(), visible) {
        (true, _) => Error::Unauthenticated,
        (false, true) => Error::Denied,
        (false, false) => Error::NameUnknown,
    }
}

/// An open write transaction: rows, and the audit and event rows that belong to the change. Dropped, it never was.
pub struct Write<'a> {
    harbor: &'a Harbor,
    /// As it was before the transaction: reading it within would take a second connection.
    configuration: Arc<Configuration>,
    rows: Box<dyn Transaction>,
    actor: Actor,
    permission: Permission,
    project: Option<ProjectId>,
    now: Timestamp,
    changes: Vec<Change>,
    events: Vec<Event>,
    access: bool,
    enqueued: bool,
    audited: bool,
}

impl<'a> Write<'a> {
    /// The rows.
    pub fn rows(&mut self) -> &mut dyn Transaction {
        &mut *self.rows
    }

    /// Who changes something.
    pub(super) const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The registry.
    pub(super) const fn harbor(&self) -> &'a Harbor {
        self.harbor
    }

    /// When this transaction was opened.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Writes a line to the audit log: the proof's actor did the proof's permission to `resource`.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn audit(&mut self, resource: impl Into<String> + Send) -> Result<()> {
        let line = audit::line(&self.actor, self.permission, resource.into(), self.now);
        self.audit_line(line).await
    }

    /// The same of something that is done along with it, and that another permission is for.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn audit_along<A: Action>(&mut self, resource: impl Into<String> + Send) -> Result<()> {
        let line = audit::line(&self.actor, A::PERMISSION, resource.into(), self.now);
        self.audit_line(line).await
    }

    /// The same, in other words.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn audit_as(&mut self, resource: impl Into<String> + Send, description: String) -> Result<()> {
        let line = audit::line(&self.actor, self.permission, resource.into(), self.now);
        self.audit_line(AuditLine { description, ..line }).await
    }

    async fn audit_line(&mut self, line: AuditLine) -> Result<()> {
        if !self.configuration.audits(&line) {
            return Ok(());
        }
        self.audited = true;
        Ok(self.rows.audit_insert(&AuditLine { project: self.project, ..line }).await?)
    }

    /// Writes an event to the outbox, when this is committed.
    pub fn event(&mut self, kind: EventKind) {
        let project_id = self.project.map(ProjectId::get);
        let actor = self.actor.principal();
        self.events.push(Event { id: 0, at: self.now.micros(), actor, project_id, kind });
    }

    /// Writes an event that somebody else caused, and at another time.
    pub(super) fn event_of(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Writes all events at once. Behind it nothing refuses any more: a number that is taken and not used holds up, on a store with
    /// concurrent writers, all who wait for what is behind it.
    async fn write_events(&mut self) -> Result<()> {
        if self.events.is_empty() {
            return Ok(());
        }
        let bodies = self.events.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
        let bodies = bodies.map_err(|error| Error::Internal(error.to_string()))?;
        // As late as their numbers: an event is old once nothing can come ahead of it.
        Ok(self.rows.events_insert(self.harbor.now(), &bodies).await?)
    }

    /// The lines of the audit log belong to this project: it was made here, or a worker changes something of it.
    pub(super) const fn within(&mut self, id: ProjectId) {
        self.project = Some(id);
    }

    /// There is something for workers to do, or less.
    pub(super) const fn enqueued(&mut self) {
        self.enqueued = true;
    }

    /// The time zone of schedules that have none of their own.
    pub(super) fn time_zone(&self) -> String {
        self.harbor.settings().time_zone.clone()
    }

    /// The project's row was changed.
    pub fn changed_project(&mut self, name: &ProjectName) {
        self.changes.push(Change::Project(name.clone()));
    }

    /// A repository was deleted.
    pub fn changed_repository(&mut self, name: &RepositoryName) {
        self.changes.push(Change::Repository(name.clone()));
    }

    /// Rows that tell who may do what were changed.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn changed_access(&mut self) -> Result<()> {
        self.access = true;
        Ok(self.rows.revision_count(ACCESS).await?)
    }

    /// The configuration was changed.
    pub(super) fn changed_configuration(&mut self) {
        self.changes.push(Change::Configuration);
    }

    /// A tag's row was changed.
    pub fn changed_tag(&mut self, repository: RepositoryId, tag: &Tag) {
        self.changes.push(Change::Tag(repository, tag.clone()));
    }

    /// A manifest was deleted.
    pub fn changed_manifest(&mut self, repository: RepositoryId, digest: &Digest) {
        self.changes.push(Change::Manifest(repository, *digest));
    }

    /// Links of a repository to blobs, or the times at which they will be reviewed, were changed.
    pub fn changed_blobs(&mut self, repository: RepositoryId) {
        self.changes.push(Change::Blobs(repository));
    }

    /// A repository got a manifest, or lost one: the list of repositories that hold some may be another.
    pub fn changed_catalog(&mut self) {
        self.changes.push(Change::Catalog);
    }

    /// The link of a repository to a blob was changed.
    pub fn changed_blob(&mut self, repository: RepositoryId, digest: &Digest) {
        self.changes.push(Change::Blob(repository, *digest));
    }

    /// Makes everything durable and visible.
    ///
    /// # Errors
    /// [`Error::QuotaExceeded`] when it adds more to a project than that may hold. As the store fails; `Conflict` when a concurrent
    /// transaction won and all may be tried again.
    pub async fn commit(mut self) -> Result<()> {
        self.harbor.admit(&mut *self.rows, &self.configuration).await?;
        self.write_events().await?;
        let Self { harbor, rows, changes, events, access, enqueued, audited, .. } = self;
        // The caches forget whatever the outcome: after an error it is unknown whether the rows changed.
        let invalidate = Invalidate::new(harbor.clone(), changes, access);
        // A task of its own: a commit goes on when its caller does not wait for it any more, and what was read before its
        // end must not be kept.
        let committing = tokio::spawn(invalidate.after(rows.commit()));
        let committed = committing.await.map_err(|error| Error::Internal(error.to_string()))?;
        if !events.is_empty() {
            harbor.inner.workers.wake_outbox();
        }
        if enqueued {
            harbor.inner.workers.wake_jobs();
        }
        if audited {
            harbor.inner.workers.wake_seal();
        }
        Ok(committed?)
    }
}

impl fmt::Debug for Write<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("actor", &self.actor)
            .field("permission", &self.permission)
            .finish_non_exhaustive()
    }
}

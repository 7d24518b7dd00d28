//! The use cases of projects.

mod metadata;

use std::collections::BTreeMap;

pub use metadata::MetadataKey;

use super::Harbor;
use super::gate::{Write, contended};
use super::repositories::Repositories;
use crate::access::permission::{ProjectCreate, ProjectDelete, ProjectRead, ProjectUpdate, RepositoryList};
use crate::access::{Action as _, Actor, Authorized, ProjectFilter, Role, Target};
use crate::event::EventKind;
use crate::meta::{
    Listed, MemberEntity, NewMember, Project, ProjectId, ProjectKey, RepositoryId, RoleId, UNLIMITED,
};
use crate::oci::ProjectName;
use crate::query::Query;
use crate::{Error, Result};

/// The project that every registry has: public, so that `docker pull host/library/name` needs no login.
pub(super) const LIBRARY: &str = "library";

/// How many repositories that came to nothing are looked for at a time.
const REPOSITORIES: u32 = 64;

/// Use cases of projects: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Projects<'a> {
    harbor: &'a Harbor,
}

/// A project about to be made.
#[derive(Clone, Debug)]
pub struct NewProject {
    /// Its name.
    pub name: ProjectName,
    /// Whether everybody may pull from it.
    pub public: bool,
    /// Its settings by name, as Harbor has them.
    pub metadata: BTreeMap<String, String>,
    /// Its own list of vulnerabilities that are let pass, as JSON.
    pub cve_allowlist: Option<String>,
    /// What it may hold, in bytes, or -1 for no limit. Above the default it is heard only from those who may change quotas.
    pub storage_limit: Option<i64>,
}

impl NewProject {
    /// A project of that name with every default.
    #[must_use]
    pub const fn new(name: ProjectName) -> Self {
        let metadata = BTreeMap::new();
        Self { name, public: false, metadata, cve_allowlist: None, storage_limit: None }
    }
}

/// What shall be another than it is.
#[derive(Clone, Debug, Default)]
pub struct ProjectChange {
    /// Whether everybody may pull from it.
    pub public: Option<bool>,
    /// Settings that are set. The others stay.
    pub metadata: BTreeMap<String, String>,
    /// Its own list of vulnerabilities that are let pass, as JSON.
    pub cve_allowlist: Option<String>,
}

impl<'a> Projects<'a> {
    pub(super) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    /// Makes a project. A user who does so administers it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when one of that name is there; [`Error::BadRequest`] for settings that there are not, or a limit
    /// that is none.
    pub async fn create(&self, proof: Authorized<ProjectCreate>, new: NewProject) -> Result<Project> {
        metadata::check_all(&new.metadata)?;
        let limit = self.harbor.first_limit(proof.actor(), new.storage_limit).await?;
        contended!(self.try_create(&proof, &new, limit))
    }

    async fn try_create(
        &self,
        proof: &Authorized<ProjectCreate>,
        new: &NewProject,
        limit: i64,
    ) -> Result<Project> {
        let mut write = self.harbor.write(proof).await?;
        let now = write.now();
        let (project, made) = write.rows().project_ensure(&new.name, new.public, now).await?;
        if !made {
            return Err(Error::Conflict(format!("project {}", new.name)));
        }
        let mut project =
            Project { owner: proof.actor().user_id(), cve_allowlist: new.cve_allowlist.clone(), ..project };
        metadata::put_all(&mut project, &new.metadata);
        write.rows().project_save(&project).await?;
        limit_to(&mut write, &project, limit).await?;
        administered_by_owner(&mut write, &project).await?;
        write.within(project.id);
        write.audit(new.name.as_str()).await?;
        write.event(EventKind::ProjectCreated { project: new.name.to_string() });
        write.changed_project(&new.name);
        write.commit().await?;
        Ok(project)
    }

    /// The project that the proof is for.
    #[must_use]
    pub fn get(&self, proof: &Authorized<ProjectRead>) -> Project {
        Project::clone(proof.target())
    }

    /// A page of the projects that `actor` may know of.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn list(&self, actor: &Actor, query: &Query<ProjectKey>) -> Result<Listed<Project>> {
        let filter = self.harbor.visible::<ProjectRead>(actor).await?;
        Ok(self.harbor.read().await?.projects(&filter, query).await?)
    }

    /// Whether there is a project of that name. Whoever has logged in is told, as with Harbor: names are taken or free.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody in particular; [`Error::Denied`] for somebody who is limited to what is not making projects.
    pub async fn exists(&self, actor: &Actor, name: &ProjectName) -> Result<bool> {
        if actor.is_anonymous() {
            return Err(Error::Unauthenticated);
        }
        // Whoever makes a project learns as much; whoever is limited to something else does not.
        if !actor.has_room_for(ProjectCreate::PERMISSION, Target::System) {
            return Err(Error::Denied);
        }
        Ok(self.harbor.project(name.as_str()).await?.is_some())
    }

    /// Changes a project.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for settings that there are not; [`Error::NameUnknown`] when somebody deleted it.
    pub async fn update(&self, proof: Authorized<ProjectUpdate>, change: ProjectChange) -> Result<()> {
        metadata::check_all(&change.metadata)?;
        contended!(self.try_update(&proof, &change))
    }

    async fn try_update(&self, proof: &Authorized<ProjectUpdate>, change: &ProjectChange) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let mut project = locked(&mut write, proof.target()).await?;
        project.public = change.public.unwrap_or(project.public);
        metadata::put_all(&mut project, &change.metadata);
        if change.cve_allowlist.is_some() {
            project.cve_allowlist.clone_from(&change.cve_allowlist);
        }
        self.save(write, project).await
    }

    /// Stores a project that was changed.
    async fn save(&self, mut write: Write<'_>, mut project: Project) -> Result<()> {
        project.updated_at = write.now();
        write.rows().project_save(&project).await?;
        write.audit(project.name.as_str()).await?;
        write.event(EventKind::ProjectUpdated { project: project.name.to_string() });
        write.changed_project(&project.name);
        write.commit().await
    }

    /// Deletes a project that has no repositories, as lists have them. Uploads to it that came to nothing are ended, and what they
    /// made is deleted.
    ///
    /// # Errors
    /// [`Error::Precondition`] while it has some, or somebody is writing to an upload; [`Error::NameUnknown`] when somebody else deleted it.
    pub async fn delete(&self, proof: Authorized<ProjectDelete>) -> Result<()> {
        let project = proof.target();
        if self.harbor.read().await?.repository_count(project.id).await? > 0 {
            return Err(holds_repositories(project));
        }
        self.clear(&proof).await?;
        self.harbor.clear_retention_of(project.id).await?;
        self.harbor.clear_webhooks_of(project.id).await?;
        contended!(self.try_delete(&proof)).map_err(|error| match error {
            // A reference from a row that came meanwhile, or stayed, is that.
            Error::Contended => is_written_to(project),
            error => error,
        })
    }

    /// Deletes what uploads made that came to no manifest.
    async fn clear(&self, proof: &Authorized<ProjectDelete>) -> Result<()> {
        let repositories = Repositories::new(self.harbor);
        let mut last = RepositoryId::new(0);
        loop {
            let mut rows = self.harbor.read().await?;
            let found = rows.repositories_unlisted(proof.target().id, last, REPOSITORIES).await?;
            drop(rows);
            let Some(end) = found.last() else { return Ok(()) };
            last = end.id;
            for repository in &found {
                repositories.clear(proof, repository).await?;
            }
        }
    }

    async fn try_delete(&self, proof: &Authorized<ProjectDelete>) -> Result<()> {
        let project = proof.target();
        let mut write = self.harbor.write(proof).await?;
        if let Some(policy) = write.rows().retention_of(Some(project.id)).await? {
            write.rows().retention_lock(policy.id).await?;
            write.forget_retention(policy.id).await?;
        }
        write.forget_webhooks_of(project.id).await?;
        if !write.rows().project_delete(project.id).await? {
            return Err(Error::NameUnknown);
        }
        write.audit(project.name.as_str()).await?;
        write.event(EventKind::ProjectDeleted { project: project.name.to_string() });
        write.changed_project(&project.name);
        write.changed_access().await?;
        write.commit().await
    }

    /// How many repositories projects have, of those that `actor` may list; those in which that is none may be left out.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn repository_counts(
        &self,
        actor: &Actor,
        projects: &[Project],
    ) -> Result<BTreeMap<ProjectId, u64>> {
        let visible = self.harbor.visible::<RepositoryList>(actor).await?;
        let within = |of: Vec<&Project>| ProjectFilter::Within {
            public: false,
            projects: of.iter().map(|project| project.id).collect(),
        };
        let (whole, others) =
            projects.iter().partition(|project| visible.has_project(project.id, project.public));
        let mut filter = self.harbor.matched(actor, within(others).and(visible)).await?;
        filter.projects = within(whole);
        Ok(self.harbor.read().await?.repository_counts(&filter).await?.into_iter().collect())
    }

    /// The same of one project.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn repository_count(&self, actor: &Actor, project: &Project) -> Result<u64> {
        let counts = self.repository_counts(actor, std::slice::from_ref(project)).await?;
        Ok(counts.get(&project.id).copied().unwrap_or_default())
    }

    /// Why a project cannot be deleted at the moment; nothing when it can.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn deletable(&self, proof: &Authorized<ProjectDelete>) -> Result<Option<String>> {
        let held = self.harbor.read().await?.repository_count(proof.target().id).await?;
        Ok((held > 0).then(|| holds_repositories(proof.target()).to_string()))
    }

    /// Makes the project `library` where it is missing: the first start of a registry. As with Harbor it is the first administrator's,
    /// where there are users.
    pub(super) async fn ensure_library(&self) -> Result<()> {
        let name: ProjectName = LIBRARY.parse()?;
        if self.harbor.read().await?.project(&name).await?.is_some() {
            return Ok(());
        }
        // Nodes that start at once both try.
        contended!(self.try_ensure_library(&name))
    }

    async fn try_ensure_library(&self, name: &ProjectName) -> Result<()> {
        let mut write = self.harbor.write_as_system().await?;
        let now = write.now();
        let (project, made) = write.rows().project_ensure(name, true, now).await?;
        if made {
            let first = write.rows().users(&Query::default().page(1, 1)).await?.entries.into_iter().next();
            let owner = first.filter(|user| user.administrator).map(|user| user.id);
            let project = Project { owner, ..project };
            write.rows().project_save(&project).await?;
            administered_by_owner(&mut write, &project).await?;
            write.within(project.id);
            write.event(EventKind::ProjectCreated { project: name.to_string() });
        }
        write.changed_project(name);
        write.commit().await
    }
}

/// Makes the owner of a project that was just made its first member.
async fn administered_by_owner(write: &mut Write<'_>, project: &Project) -> Result<()> {
    let Some(owner) = project.owner else { return Ok(()) };
    let member = NewMember {
        project: project.id,
        entity: MemberEntity::User(owner),
        role: RoleId::new(Role::ProjectAdmin.id()),
        repositories: &[],
        now: write.now(),
    };
    write.rows().member_insert(&member).await?;
    write.changed_access().await
}

/// Sets what a project that was just made may hold.
async fn limit_to(write: &mut Write<'_>, project: &Project, limit: i64) -> Result<()> {
    let now = write.now();
    if limit != UNLIMITED
        && let Some(quota) = write.rows().quota_of(project.id).await?
    {
        write.rows().quota_set(quota.id, limit, now).await?;
    }
    Ok(())
}

/// The project as it is now, locked.
async fn locked(write: &mut Write<'_>, project: &Project) -> Result<Project> {
    write.rows().project_lock(project.id).await?.ok_or(Error::NameUnknown)
}

fn is_written_to(project: &Project) -> Error {
    Error::Precondition(format!(
        "somebody is pushing to the project {}, so it cannot be deleted at the moment: try again when that is over",
        project.name
    ))
}

fn holds_repositories(project: &Project) -> Error {
    Error::Precondition(format!(
        "the project {} contains repositories, so it cannot be deleted: delete them first",
        project.name
    ))
}

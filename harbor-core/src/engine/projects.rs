//! The use cases of projects.

use super::Harbor;
use super::gate::contended;
use crate::access::Authorized;
use crate::access::permission::{ProjectCreate, ProjectDelete, ProjectRead};
use crate::event::EventKind;
use crate::meta::Project;
use crate::oci::ProjectName;
use crate::{Error, Result};

/// The project that every registry has: public, so that `docker pull host/library/name` needs no login.
pub(super) const LIBRARY: &str = "library";

/// Use cases of projects: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Projects<'a> {
    harbor: &'a Harbor,
}

impl<'a> Projects<'a> {
    pub(super) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    /// Makes a project.
    ///
    /// # Errors
    /// [`Error::Conflict`] when one of that name is there.
    pub async fn create(
        &self,
        proof: Authorized<ProjectCreate>,
        name: &ProjectName,
        public: bool,
    ) -> Result<Project> {
        contended!(self.try_create(&proof, name, public))
    }

    async fn try_create(
        &self,
        proof: &Authorized<ProjectCreate>,
        name: &ProjectName,
        public: bool,
    ) -> Result<Project> {
        let mut write = self.harbor.write(proof).await?;
        let now = write.now();
        let (project, made) = write.rows().project_ensure(name, public, now).await?;
        if !made {
            return Err(Error::Conflict(format!("project {name}")));
        }
        write.audit(name.as_str()).await?;
        write.event(EventKind::ProjectCreated { project: name.to_string() }).await?;
        write.changed_project(name);
        write.commit().await?;
        Ok(project)
    }

    /// The project that the proof is for.
    #[must_use]
    pub fn get(&self, proof: &Authorized<ProjectRead>) -> Project {
        Project::clone(proof.target())
    }

    /// Deletes a project that has no repositories.
    ///
    /// # Errors
    /// [`Error::Conflict`] while it has some; [`Error::NameUnknown`] when somebody else deleted it.
    pub async fn delete(&self, proof: Authorized<ProjectDelete>) -> Result<()> {
        let project = proof.target();
        let mut write = self.harbor.write(&proof).await?;
        let deleted = write.rows().project_delete(project.id).await;
        match deleted.map_err(Error::from) {
            Ok(true) => {}
            Ok(false) => return Err(Error::NameUnknown),
            Err(error) if super::gate::lost(&error) => {
                return Err(Error::Conflict(format!("a repository in project {}", project.name)));
            }
            Err(error) => return Err(error),
        }
        write.audit(project.name.as_str()).await?;
        write.event(EventKind::ProjectDeleted { project: project.name.to_string() }).await?;
        write.changed_project(&project.name);
        write.commit().await
    }

    /// Makes the project `library` where it is missing: the first start of a registry.
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
        let (_, made) = write.rows().project_ensure(name, true, now).await?;
        if made {
            write.event(EventKind::ProjectCreated { project: name.to_string() }).await?;
        }
        write.changed_project(name);
        write.commit().await
    }
}

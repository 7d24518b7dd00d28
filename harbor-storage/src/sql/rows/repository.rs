use async_trait::async_trait;
use harbor_core::access::ProjectFilter;
use harbor_core::meta::{ProjectId, Repository, RepositoryId, RepositoryRows, RepositoryRowsMut};
use harbor_core::oci::RepositoryName;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Rows, beginning, first};
use crate::sql::statement::{sql, values};

#[async_trait]
impl RepositoryRows for Rows {
    async fn repository(&mut self, name: &RepositoryName) -> Result<Option<Repository>, StoreError> {
        let find = sql!("SELECT id, project_id FROM repositories WHERE name = ?");
        let Some(row) = first(self.session.fetch(find, values![name.as_str()]).await?) else {
            return Ok(None);
        };
        Ok(Some(Repository {
            id: RepositoryId::new(row.int(0)?),
            project: ProjectId::new(row.int(1)?),
            name: name.clone(),
        }))
    }

    async fn repositories(
        &mut self,
        filter: &ProjectFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RepositoryName>, StoreError> {
        let values = values![beginning(after), limit];
        let rows = match filter {
            ProjectFilter::All => {
                let list = sql!(
                    "LIST SELECT r.name AS entry FROM repositories r WHERE r.name > ? \
                     AND EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = r.id) ORDER BY r.name LIMIT ?"
                );
                self.session.fetch(list, values).await?
            }
            ProjectFilter::Within { public, projects } => {
                // No row has 2. Numbers only: nothing of a client's enters the text.
                let public = if *public { 1 } else { 2 };
                let ids: String = projects.iter().map(|id| format!(" OR p.id = {}", id.get())).collect();
                let list = format!(
                    "LIST SELECT r.name AS entry FROM repositories r JOIN projects p ON p.id = r.project_id \
                     WHERE r.name > ? AND (p.is_public = {public}{ids}) \
                     AND EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = r.id) ORDER BY r.name LIMIT ?"
                );
                self.session.fetch_built(list, values).await?
            }
        };
        super::entries(&rows)
    }

    async fn repository_count(&mut self, project: ProjectId) -> Result<u64, StoreError> {
        let count = sql!("SELECT COUNT(*) FROM repositories WHERE project_id = ?");
        first(self.session.fetch(count, values![project.get()]).await?).map_or(Ok(0), |row| row.count(0))
    }
}

#[async_trait]
impl RepositoryRowsMut for Rows {
    async fn repository_ensure(
        &mut self,
        project: ProjectId,
        name: &RepositoryName,
        now: Timestamp,
    ) -> Result<Repository, StoreError> {
        if let Some(repository) = self.repository(name).await? {
            return of_project(repository, project);
        }
        // Locked, so that the project cannot be deleted before this commits.
        let lock = sql!("SELECT id FROM projects WHERE id = ? FOR UPDATE");
        if self.session.fetch(lock, values![project.get()]).await?.is_empty() {
            return Err(StoreError::new(StoreErrorKind::NotFound, "the project is gone"));
        }
        let insert = sql!(
            "INSERT INTO repositories (project_id, name, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING"
        );
        self.session.defer(insert, values![project.get(), name.as_str(), now.micros()]).await?;
        match self.repository(name).await? {
            Some(repository) => of_project(repository, project),
            None => Err(StoreError::new(StoreErrorKind::Conflict, "making a repository")),
        }
    }
}

/// A repository of another incarnation of the project is not the one that was meant.
fn of_project(repository: Repository, project: ProjectId) -> Result<Repository, StoreError> {
    if repository.project == project {
        Ok(repository)
    } else {
        Err(StoreError::new(StoreErrorKind::NotFound, "the project is gone"))
    }
}

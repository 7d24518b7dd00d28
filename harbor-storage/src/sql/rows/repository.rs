use async_trait::async_trait;
use harbor_core::access::ProjectFilter;
use harbor_core::blob::UploadId;
use harbor_core::meta::{
    Among, Candidate, Figures, LinkId, Listed, ProjectId, Repository, RepositoryEntry, RepositoryFilter,
    RepositoryId, RepositoryKey, RepositoryRows, RepositoryRowsMut,
};
use harbor_core::oci::{Digest, RepositoryName};
use harbor_core::query::Query;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::candidates;
use super::counted::shown;
use super::filter::{lies_within, within};
use super::{Rows, beginning, first};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

macro_rules! columns {
    () => {
        concat!(
            "r.id, r.project_id, r.name, r.description, r.pull_count, r.created_at, r.updated_at, ",
            shown!()
        )
    };
}

fn entry(row: &Row) -> Result<RepositoryEntry, StoreError> {
    let (created, updated) = (row.int(5)?, row.int(6)?);
    Ok(RepositoryEntry {
        repository: Repository {
            id: RepositoryId::new(row.int(0)?),
            project: ProjectId::new(row.int(1)?),
            name: row.parsed(2)?,
        },
        description: row.optional_text(3)?.unwrap_or_default(),
        pulls: row.count(4)?,
        created_at: Timestamp::from_micros(created),
        // 0 in rows that a node of an earlier version made.
        updated_at: Timestamp::from_micros(updated.max(created)),
        artifacts: row.count(7)?,
    })
}

fn column(key: RepositoryKey) -> &'static str {
    match key {
        RepositoryKey::Id => "r.id",
        RepositoryKey::Project => "r.project_id",
        RepositoryKey::Name => "r.name",
        RepositoryKey::Description => "r.description",
        RepositoryKey::Pulls => "r.pull_count",
        RepositoryKey::CreatedAt => "r.created_at",
        RepositoryKey::UpdatedAt => "r.updated_at",
    }
}

/// The condition that a repository `r` is one to people: it holds a manifest, or has held one that lists show, of which its part
/// in `artifact_counts` is left. What an upload made that came to nothing is none.
macro_rules! listed {
    () => {
        "(EXISTS (SELECT 1 FROM artifact_counts n WHERE n.repository_id = r.id) \
         OR EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = r.id))"
    };
}

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

    async fn candidates(
        &mut self,
        filter: &ProjectFilter,
        among: Among<'_>,
        limit: u32,
    ) -> Result<Vec<Candidate>, StoreError> {
        let (statement, values) = candidates::statement(filter, among, limit);
        let rows = self.session.fetch_built(statement, values).await?;
        rows.iter().map(candidates::candidate).collect()
    }

    async fn repositories(
        &mut self,
        filter: &RepositoryFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RepositoryName>, StoreError> {
        let condition = lies_within(filter);
        let values = values![beginning(after), limit];
        let rows = match condition {
            None => {
                let list = sql!(
                    "LIST SELECT r.name AS entry FROM repositories r WHERE r.name > ? \
                     AND EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = r.id) ORDER BY r.name LIMIT ?"
                );
                self.session.fetch(list, values).await?
            }
            Some(condition) => {
                let list = format!(
                    "LIST SELECT r.name AS entry FROM repositories r WHERE r.name > ? AND ({condition}) \
                     AND EXISTS (SELECT 1 FROM manifests m WHERE m.repository_id = r.id) ORDER BY r.name LIMIT ?"
                );
                self.session.fetch_built(list, values).await?
            }
        };
        super::entries(&rows)
    }

    async fn repository_count(&mut self, project: ProjectId) -> Result<u64, StoreError> {
        let count =
            sql!(concat!("SELECT COUNT(*) FROM repositories r WHERE r.project_id = ? AND ", listed!()));
        first(self.session.fetch(count, values![project.get()]).await?).map_or(Ok(0), |row| row.count(0))
    }

    async fn repository_counts(
        &mut self,
        filter: &RepositoryFilter,
    ) -> Result<Vec<(ProjectId, u64)>, StoreError> {
        let of = lies_within(filter).unwrap_or_else(|| "1 = 1".to_owned());
        let count = format!(
            "SELECT r.project_id, COUNT(*) FROM repositories r WHERE ({of}) AND {} GROUP BY r.project_id",
            listed!()
        );
        let rows = self.session.fetch_built(count, values![]).await?;
        rows.iter().map(|row| Ok((ProjectId::new(row.int(0)?), row.count(1)?))).collect()
    }

    async fn repositories_unlisted(
        &mut self,
        project: ProjectId,
        after: RepositoryId,
        limit: u32,
    ) -> Result<Vec<Repository>, StoreError> {
        let list = sql!(concat!(
            "SELECT r.id, r.name FROM repositories r WHERE r.project_id = ? AND r.id > ? AND NOT ",
            listed!(),
            " ORDER BY r.id LIMIT ?"
        ));
        let rows = self.session.fetch(list, values![project.get(), after.get(), limit]).await?;
        let repository =
            |row: &Row| Ok(Repository { id: RepositoryId::new(row.int(0)?), project, name: row.parsed(1)? });
        rows.iter().map(repository).collect()
    }

    async fn repository_entry(&mut self, id: RepositoryId) -> Result<Option<RepositoryEntry>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM repositories r WHERE r.id = ?"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| entry(&row)).transpose()
    }

    async fn repository_entries(
        &mut self,
        filter: &RepositoryFilter,
        query: &Query<RepositoryKey>,
    ) -> Result<Listed<RepositoryEntry>, StoreError> {
        let mut listing = Listing::new(columns!(), "repositories r", "r.id")
            .query(query, column, "r.created_at DESC")
            .only(listed!(), values![]);
        if let Some(condition) = lies_within(filter) {
            listing = listing.only(&condition, values![]);
        }
        self.list(listing, entry).await
    }

    async fn figures(
        &mut self,
        projects: &ProjectFilter,
        repositories: &RepositoryFilter,
    ) -> Result<Figures, StoreError> {
        let seen = within(projects, "p").unwrap_or_else(|| "1 = 1".to_owned());
        let of_projects =
            format!("SELECT p.is_public, COUNT(*) FROM projects p WHERE {seen} GROUP BY p.is_public");
        let seen = lies_within(repositories).unwrap_or_else(|| "1 = 1".to_owned());
        let of_repositories = format!(
            "SELECT q.is_public, COUNT(*) FROM repositories r JOIN projects q ON q.id = r.project_id \
             WHERE {} AND ({seen}) GROUP BY q.is_public",
            listed!()
        );
        let mut figures = Figures::default();
        for row in self.session.fetch_built(of_projects, values![]).await? {
            let public = row.int(0)? != 0;
            *(if public { &mut figures.public_projects } else { &mut figures.private_projects }) =
                row.count(1)?;
        }
        for row in self.session.fetch_built(of_repositories, values![]).await? {
            let public = row.int(0)? != 0;
            *(if public { &mut figures.public_repositories } else { &mut figures.private_repositories }) =
                row.count(1)?;
        }
        Ok(figures)
    }

    async fn stored_bytes(&mut self) -> Result<u64, StoreError> {
        let sum = sql!("SELECT COALESCE(CAST(SUM(size) AS BIGINT), 0) FROM blobs");
        first(self.session.fetch(sum, values![]).await?).map_or(Ok(0), |row| row.count(0))
    }

    async fn repository_manifests(
        &mut self,
        id: RepositoryId,
        limit: u32,
    ) -> Result<Vec<Digest>, StoreError> {
        let list = sql!("SELECT digest FROM manifests WHERE repository_id = ? ORDER BY id DESC LIMIT ?");
        let rows = self.session.fetch(list, values![id.get(), limit]).await?;
        rows.iter().map(|row| row.parsed(0)).collect()
    }

    async fn repository_links(&mut self, id: RepositoryId, limit: u32) -> Result<Vec<LinkId>, StoreError> {
        let list = sql!("SELECT id FROM blob_links WHERE repository_id = ? ORDER BY id LIMIT ?");
        let rows = self.session.fetch(list, values![id.get(), limit]).await?;
        rows.iter().map(|row| row.int(0).map(LinkId::new)).collect()
    }

    async fn repository_uploads(
        &mut self,
        id: RepositoryId,
        limit: u32,
    ) -> Result<Vec<UploadId>, StoreError> {
        let list = sql!("SELECT id FROM uploads WHERE repository_id = ? ORDER BY id LIMIT ?");
        let rows = self.session.fetch(list, values![id.get(), limit]).await?;
        rows.iter().map(|row| row.parsed(0)).collect()
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
            "INSERT INTO repositories (project_id, name, created_at, updated_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT (name) DO NOTHING"
        );
        let now = now.micros();
        self.session.defer(insert, values![project.get(), name.as_str(), now, now]).await?;
        match self.repository(name).await? {
            Some(repository) => of_project(repository, project),
            None => Err(StoreError::new(StoreErrorKind::Conflict, "making a repository")),
        }
    }

    async fn repository_describe(
        &mut self,
        id: RepositoryId,
        description: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let lock = sql!("SELECT id FROM repositories WHERE id = ? FOR UPDATE");
        if self.session.fetch(lock, values![id.get()]).await?.is_empty() {
            return Ok(false);
        }
        let update = sql!("UPDATE repositories SET description = ?, updated_at = ? WHERE id = ?");
        self.session.defer(update, values![description, now.micros(), id.get()]).await?;
        Ok(true)
    }

    async fn repository_unlist(&mut self, id: RepositoryId) -> Result<(), StoreError> {
        // Whoever stores a manifest of it waits for this lock, or is waited for: what is read then is so until the commit.
        let lock = sql!("SELECT id FROM repositories WHERE id = ? FOR UPDATE");
        self.session.fetch(lock, values![id.get()]).await?;
        let holds = sql!("SELECT id FROM manifests WHERE repository_id = ? LIMIT 1");
        if self.session.fetch(holds, values![id.get()]).await?.is_empty() {
            let counts = sql!("DELETE FROM artifact_counts WHERE repository_id = ?");
            self.session.defer(counts, values![id.get()]).await?;
        }
        Ok(())
    }

    async fn repository_delete(&mut self, id: RepositoryId) -> Result<bool, StoreError> {
        // Nothing is put back into a repository that is gone.
        let trash = sql!("DELETE FROM trash WHERE repository_id = ?");
        self.session.defer(trash, values![id.get()]).await?;
        let delete = sql!("DELETE FROM repositories WHERE id = ?");
        let deleted = self.session.execute(delete, values![id.get()]).await? == 1;
        // Without manifests it has none to show; the number is made of parts all the same.
        let counts = sql!("DELETE FROM artifact_counts WHERE repository_id = ?");
        self.session.defer(counts, values![id.get()]).await?;
        Ok(deleted)
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

use async_trait::async_trait;
use harbor_core::meta::{Project, ProjectId, ProjectRows, ProjectRowsMut};
use harbor_core::oci::ProjectName;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Rows, first};
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

fn project(row: &Row) -> Result<Project, StoreError> {
    Ok(Project {
        id: ProjectId::new(row.int(0)?),
        name: row.parsed(1)?,
        public: row.int(2)? != 0,
        created_at: Timestamp::from_micros(row.int(3)?),
    })
}

#[async_trait]
impl ProjectRows for Rows {
    async fn project(&mut self, name: &ProjectName) -> Result<Option<Project>, StoreError> {
        let find = sql!("SELECT id, name, is_public, created_at FROM projects WHERE name = ?");
        first(self.session.fetch(find, values![name.as_str()]).await?).map(|row| project(&row)).transpose()
    }

    async fn projects(
        &mut self,
        after: Option<&ProjectName>,
        limit: u32,
    ) -> Result<Vec<Project>, StoreError> {
        let list =
            sql!("SELECT id, name, is_public, created_at FROM projects WHERE name > ? ORDER BY name LIMIT ?");
        let after = after.map_or("", ProjectName::as_str);
        self.session.fetch(list, values![after, limit]).await?.iter().map(project).collect()
    }
}

#[async_trait]
impl ProjectRowsMut for Rows {
    async fn project_ensure(
        &mut self,
        name: &ProjectName,
        public: bool,
        now: Timestamp,
    ) -> Result<(Project, bool), StoreError> {
        if let Some(project) = self.project(name).await? {
            return Ok((project, false));
        }
        // Without an upsert, of which MySQL does not tell whether it inserted. Somebody else's is a conflict, and is found
        // by the next try.
        let insert = sql!("INSERT INTO projects (name, is_public, created_at) VALUES (?, ?, ?)");
        self.session.execute(insert, values![name.as_str(), i64::from(public), now.micros()]).await?;
        let lost = || StoreError::new(StoreErrorKind::Conflict, "making a project");
        Ok((self.project(name).await?.ok_or_else(lost)?, true))
    }

    async fn project_delete(&mut self, id: ProjectId) -> Result<bool, StoreError> {
        let delete = sql!("DELETE FROM projects WHERE id = ?");
        Ok(self.session.execute(delete, values![id.get()]).await? == 1)
    }
}

use async_trait::async_trait;
use harbor_core::access::ProjectFilter;
use harbor_core::meta::{Listed, Project, ProjectId, ProjectKey, ProjectRows, ProjectRowsMut, UserId};
use harbor_core::oci::ProjectName;
use harbor_core::query::Query;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::filter::within;
use super::{Rows, first, json_of, of_json};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

macro_rules! columns {
    () => {
        "id, name, is_public, owner_id, metadata, cve_allowlist, created_at, updated_at"
    };
}

fn project(row: &Row) -> Result<Project, StoreError> {
    let (created, updated) = (row.int(6)?, row.int(7)?);
    Ok(Project {
        id: ProjectId::new(row.int(0)?),
        name: row.parsed(1)?,
        public: row.int(2)? != 0,
        owner: Some(row.int(3)?).filter(|id| *id != 0).map(UserId::new),
        metadata: row.optional_text(4)?.map_or(Ok(Default::default()), |text| of_json(&text))?,
        cve_allowlist: row.optional_text(5)?,
        created_at: Timestamp::from_micros(created),
        // 0 in rows from before there was a time of changes.
        updated_at: Timestamp::from_micros(updated.max(created)),
    })
}

fn column(key: ProjectKey) -> &'static str {
    match key {
        ProjectKey::Id => "id",
        ProjectKey::Name => "name",
        ProjectKey::Public => "is_public",
        ProjectKey::Owner => "(SELECT u.name FROM users u WHERE u.id = projects.owner_id)",
        ProjectKey::OwnerId => "owner_id",
        ProjectKey::CreatedAt => "created_at",
        ProjectKey::UpdatedAt => "updated_at",
    }
}

#[async_trait]
impl ProjectRows for Rows {
    async fn project(&mut self, name: &ProjectName) -> Result<Option<Project>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM projects WHERE name = ?"));
        first(self.session.fetch(find, values![name.as_str()]).await?).map(|row| project(&row)).transpose()
    }

    async fn project_of(&mut self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM projects WHERE id = ?"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| project(&row)).transpose()
    }

    async fn projects(
        &mut self,
        filter: &ProjectFilter,
        query: &Query<ProjectKey>,
    ) -> Result<Listed<Project>, StoreError> {
        let mut listing = Listing::new(columns!(), "projects", "id").query(query, column, "name");
        if let Some(condition) = within(filter, "projects") {
            listing = listing.only(&condition, values![]);
        }
        self.list(listing, project).await
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
        let insert =
            sql!("INSERT INTO projects (name, is_public, created_at, updated_at) VALUES (?, ?, ?, ?)");
        let now = now.micros();
        self.session.execute(insert, values![name.as_str(), i64::from(public), now, now]).await?;
        let quota = sql!(
            "INSERT INTO quotas (project_id, hard, created_at, updated_at) \
             SELECT id, -1, created_at, created_at FROM projects WHERE name = ?"
        );
        self.session.defer(quota, values![name.as_str()]).await?;
        let lost = || StoreError::new(StoreErrorKind::Conflict, "making a project");
        Ok((self.project(name).await?.ok_or_else(lost)?, true))
    }

    async fn project_lock(&mut self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM projects WHERE id = ? FOR UPDATE"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| project(&row)).transpose()
    }

    async fn project_save(&mut self, project: &Project) -> Result<(), StoreError> {
        let update = sql!(
            "UPDATE projects SET is_public = ?, owner_id = ?, metadata = ?, cve_allowlist = ?, updated_at = ? \
             WHERE id = ?"
        );
        let parameters = values![
            i64::from(project.public),
            project.owner.map_or(0, UserId::get),
            json_of(&project.metadata)?,
            project.cve_allowlist.clone(),
            project.updated_at.micros(),
            project.id.get(),
        ];
        self.session.defer(update, parameters).await
    }

    async fn project_delete(&mut self, id: ProjectId) -> Result<bool, StoreError> {
        for statement in [
            sql!("DELETE FROM project_members WHERE project_id = ?"),
            sql!("DELETE FROM robots WHERE project_id = ?"),
            sql!("DELETE FROM labels WHERE project_id = ?"),
            sql!("DELETE FROM immutable_rules WHERE project_id = ?"),
            sql!("DELETE FROM retention_policies WHERE project_id = ?"),
            sql!(
                "DELETE FROM webhook_triggers WHERE policy_id IN (\
                 SELECT id FROM webhook_policies WHERE project_id = ?)"
            ),
            sql!("DELETE FROM webhook_policies WHERE project_id = ?"),
            sql!("DELETE FROM quotas WHERE project_id = ?"),
        ] {
            self.session.defer(statement, values![id.get()]).await?;
        }
        let delete = sql!("DELETE FROM projects WHERE id = ?");
        let deleted = self.session.execute(delete, values![id.get()]).await? == 1;
        // Without repositories it holds nothing, and nobody adds to it any more; its sum is made of parts all the same.
        for statement in [
            sql!("DELETE FROM project_content WHERE project_id = ?"),
            sql!("DELETE FROM project_usage WHERE project_id = ?"),
        ] {
            self.session.defer(statement, values![id.get()]).await?;
        }
        Ok(deleted)
    }
}

use async_trait::async_trait;
use harbor_core::meta::{
    ArtifactTag, ManifestId, ProjectId, RepositoryId, RetentionArtifact, RetentionId, RetentionPolicy,
    RetentionRows, RetentionRowsMut,
};
use harbor_core::oci::Tag;
use harbor_core::retention::Retention;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Rows, artifact, beginning, first, never_or_at};
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

macro_rules! columns {
    () => {
        "id, project_id, policy, created_at, updated_at"
    };
}

fn policy(row: &Row) -> Result<RetentionPolicy, StoreError> {
    Ok(RetentionPolicy {
        id: RetentionId::new(row.int(0)?),
        project: Some(row.int(1)?).filter(|id| *id != 0).map(ProjectId::new),
        retention: Retention::read(&row.text(2)?)?,
        created_at: Timestamp::from_micros(row.int(3)?),
        updated_at: Timestamp::from_micros(row.int(4)?),
    })
}

fn found(row: &Row) -> Result<RetentionArtifact, StoreError> {
    Ok(RetentionArtifact {
        id: ManifestId::new(row.int(0)?),
        digest: row.parsed(1)?,
        pushed_at: Timestamp::from_micros(row.int(2)?),
        pulled_at: never_or_at(row.int(3)?),
        listed: row.int(4)? != 0,
        alone: row.int(5)? != 0,
    })
}

/// No project has the key 0.
fn key(project: Option<ProjectId>) -> i64 {
    project.map_or(0, ProjectId::get)
}

#[async_trait]
impl RetentionRows for Rows {
    async fn retention(&mut self, id: RetentionId) -> Result<Option<RetentionPolicy>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM retention_policies WHERE id = ?"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| policy(&row)).transpose()
    }

    async fn retention_of(
        &mut self,
        project: Option<ProjectId>,
    ) -> Result<Option<RetentionPolicy>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM retention_policies WHERE project_id = ?"));
        first(self.session.fetch(find, values![key(project)]).await?).map(|row| policy(&row)).transpose()
    }

    async fn retention_artifacts(
        &mut self,
        repository: RepositoryId,
        (time, id): (Timestamp, ManifestId),
        limit: u32,
    ) -> Result<Vec<RetentionArtifact>, StoreError> {
        let list = sql!(
            "SELECT m.id, m.digest, m.pushed_at, m.pulled_at, CASE WHEN EXISTS (SELECT 1 FROM manifest_children c \
             WHERE c.repository_id = m.repository_id AND c.digest = m.digest) THEN m.id ELSE m.id * 0 END, \
             CASE WHEN EXISTS (SELECT 1 FROM manifest_children c WHERE c.manifest_id = m.id) \
             OR EXISTS (SELECT 1 FROM manifests a INDEXED BY manifests_accessories \
             WHERE a.repository_id = m.repository_id AND a.accessory_subject = m.digest) THEN m.id * 0 ELSE m.id END \
             FROM manifests m INDEXED BY manifests_listed WHERE m.repository_id = ? AND m.hidden = 0 \
             AND m.pushed_at >= ? AND (m.pushed_at > ? OR m.id > ?) ORDER BY m.pushed_at, m.id LIMIT ?"
        );
        let time = time.micros();
        let parameters = values![repository.get(), time, time, id.get(), limit];
        self.session.fetch(list, parameters).await?.iter().map(found).collect()
    }

    async fn retention_tags(
        &mut self,
        repository: RepositoryId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ArtifactTag>, StoreError> {
        let list = sql!(
            "SELECT id, repository_id, manifest_id, name, pushed_at, pulled_at, pull_count FROM tags \
             WHERE repository_id = ? AND name > ? ORDER BY name LIMIT ?"
        );
        let parameters = values![repository.get(), beginning(after), limit];
        self.session.fetch(list, parameters).await?.iter().map(artifact::tag).collect()
    }

    async fn retention_tag(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
    ) -> Result<Option<ArtifactTag>, StoreError> {
        let find = sql!(
            "SELECT id, repository_id, manifest_id, name, pushed_at, pulled_at, pull_count FROM tags \
             WHERE repository_id = ? AND name = ?"
        );
        let rows = self.session.fetch(find, values![repository.get(), tag.as_str()]).await?;
        first(rows).map(|row| artifact::tag(&row)).transpose()
    }
}

#[async_trait]
impl RetentionRowsMut for Rows {
    async fn retention_insert(&mut self, policy: &RetentionPolicy) -> Result<RetentionId, StoreError> {
        let insert = sql!(
            "INSERT INTO retention_policies (project_id, policy, created_at, updated_at) VALUES (?, ?, ?, ?)"
        );
        let project = key(policy.project);
        let (created, updated) = (policy.created_at.micros(), policy.updated_at.micros());
        self.session.execute(insert, values![project, policy.retention.write()?, created, updated]).await?;
        let find = sql!("SELECT id FROM retention_policies WHERE project_id = ?");
        match first(self.session.fetch(find, values![project]).await?) {
            Some(row) => Ok(RetentionId::new(row.int(0)?)),
            None => Err(StoreError::new(StoreErrorKind::Conflict, "making a policy of retention")),
        }
    }

    async fn retention_lock(&mut self, id: RetentionId) -> Result<Option<RetentionPolicy>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM retention_policies WHERE id = ? FOR UPDATE"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| policy(&row)).transpose()
    }

    async fn retention_save(&mut self, policy: &RetentionPolicy) -> Result<bool, StoreError> {
        let update = sql!("UPDATE retention_policies SET policy = ?, updated_at = ? WHERE id = ?");
        let parameters = values![policy.retention.write()?, policy.updated_at.micros(), policy.id.get()];
        Ok(self.session.execute(update, parameters).await? == 1)
    }

    async fn retention_delete(&mut self, id: RetentionId) -> Result<bool, StoreError> {
        let delete = sql!("DELETE FROM retention_policies WHERE id = ?");
        Ok(self.session.execute(delete, values![id.get()]).await? == 1)
    }
}

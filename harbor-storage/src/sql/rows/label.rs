use async_trait::async_trait;
use harbor_core::meta::{Label, LabelId, LabelKey, LabelRows, LabelRowsMut, Listed, ManifestId, ProjectId};
use harbor_core::query::Query;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Rows, first, piece};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

macro_rules! columns {
    () => {
        "l.id, l.project_id, l.name, l.description, l.color, l.created_at, l.updated_at"
    };
}

fn label(row: &Row) -> Result<Label, StoreError> {
    Ok(Label {
        id: LabelId::new(row.int(0)?),
        project: Some(row.int(1)?).filter(|id| *id != 0).map(ProjectId::new),
        name: row.text(2)?,
        description: row.text(3)?,
        color: row.text(4)?,
        created_at: Timestamp::from_micros(row.int(5)?),
        updated_at: Timestamp::from_micros(row.int(6)?),
    })
}

fn column(key: LabelKey) -> &'static str {
    match key {
        LabelKey::Id => "l.id",
        LabelKey::Name => "l.name",
        LabelKey::Color => "l.color",
        LabelKey::CreatedAt => "l.created_at",
        LabelKey::UpdatedAt => "l.updated_at",
    }
}

fn of(project: Option<ProjectId>) -> i64 {
    project.map_or(0, ProjectId::get)
}

#[async_trait]
impl LabelRows for Rows {
    async fn label(&mut self, id: LabelId) -> Result<Option<Label>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM labels l WHERE l.id = ?"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| label(&row)).transpose()
    }

    async fn labels(
        &mut self,
        project: Option<ProjectId>,
        query: &Query<LabelKey>,
    ) -> Result<Listed<Label>, StoreError> {
        let listing = Listing::new(columns!(), "labels l", "l.id")
            .only("l.project_id = ?", values![of(project)])
            .query(query, column, "l.created_at DESC");
        self.list(listing, label).await
    }

    async fn labels_of(&mut self, manifests: &[ManifestId]) -> Result<Vec<(ManifestId, Label)>, StoreError> {
        let list = sql!(concat!(
            "SELECT ",
            columns!(),
            ", a.manifest_id FROM artifact_labels a JOIN labels l ON l.id = a.label_id WHERE a.manifest_id IN (",
            piece!(),
            ") ORDER BY l.id LIMIT ?"
        ));
        let found = self.around(list, manifests).await?;
        found.iter().map(|row| Ok((ManifestId::new(row.int(7)?), label(row)?))).collect()
    }
}

#[async_trait]
impl LabelRowsMut for Rows {
    async fn label_insert(&mut self, label: &Label) -> Result<LabelId, StoreError> {
        let insert = sql!(
            "INSERT INTO labels (project_id, name, description, color, created_at, updated_at) \
             VALUES (?, ?, ?, ?, ?, ?)"
        );
        let parameters = values![
            of(label.project),
            label.name.as_str(),
            label.description.as_str(),
            label.color.as_str(),
            label.created_at.micros(),
            label.updated_at.micros(),
        ];
        self.session.execute(insert, parameters).await?;
        let find = sql!("SELECT id FROM labels WHERE project_id = ? AND name = ?");
        match first(self.session.fetch(find, values![of(label.project), label.name.as_str()]).await?) {
            Some(row) => Ok(LabelId::new(row.int(0)?)),
            None => Err(StoreError::new(StoreErrorKind::Conflict, "making a label")),
        }
    }

    async fn label_lock(&mut self, id: LabelId) -> Result<Option<Label>, StoreError> {
        let find = sql!(concat!("SELECT ", columns!(), " FROM labels l WHERE l.id = ? FOR UPDATE"));
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| label(&row)).transpose()
    }

    async fn label_save(&mut self, label: &Label) -> Result<(), StoreError> {
        let update =
            sql!("UPDATE labels SET name = ?, description = ?, color = ?, updated_at = ? WHERE id = ?");
        let parameters = values![
            label.name.as_str(),
            label.description.as_str(),
            label.color.as_str(),
            label.updated_at.micros(),
            label.id.get(),
        ];
        self.session.execute(update, parameters).await.map(|_| ())
    }

    async fn label_delete(&mut self, id: LabelId) -> Result<bool, StoreError> {
        let take = sql!("DELETE FROM artifact_labels WHERE label_id = ?");
        self.session.defer(take, values![id.get()]).await?;
        let delete = sql!("DELETE FROM labels WHERE id = ?");
        Ok(self.session.execute(delete, values![id.get()]).await? == 1)
    }

    async fn label_put(&mut self, id: LabelId, manifest: ManifestId) -> Result<bool, StoreError> {
        let find = sql!("SELECT label_id FROM artifact_labels WHERE manifest_id = ? AND label_id = ?");
        if !self.session.fetch(find, values![manifest.get(), id.get()]).await?.is_empty() {
            return Ok(false);
        }
        let insert = sql!("INSERT INTO artifact_labels (manifest_id, label_id) VALUES (?, ?)");
        self.session.execute(insert, values![manifest.get(), id.get()]).await?;
        Ok(true)
    }

    async fn label_take(&mut self, id: LabelId, manifest: ManifestId) -> Result<bool, StoreError> {
        let delete = sql!("DELETE FROM artifact_labels WHERE manifest_id = ? AND label_id = ?");
        Ok(self.session.execute(delete, values![manifest.get(), id.get()]).await? == 1)
    }
}

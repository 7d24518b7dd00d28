use async_trait::async_trait;
use harbor_core::meta::{
    LabelId, Listed, ManifestId, RepositoryId, TrashKey, TrashRows, TrashRowsMut, Trashed, TrashedManifest,
};
use harbor_core::oci::{Digest, Tag};
use harbor_core::query::Query;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Rows, first, json_of, of_json, piece, rows_of};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{Value, sql, values};

macro_rules! columns {
    () => {
        "d.digest, d.media_type, d.artifact_type, COALESCE(d.accessory_subject, d.subject), d.tags, d.pushed_at, \
         d.deleted_at, d.deleted_by, d.until"
    };
}

fn entry(row: &Row) -> Result<Trashed, StoreError> {
    let names: Vec<String> = of_json(&row.text(4)?)?;
    let tags = names.iter().map(|name| name.parse::<Tag>()).collect::<Result<_, _>>();
    Ok(Trashed {
        digest: row.parsed(0)?,
        media_type: row.parsed(1)?,
        artifact_type: row.optional_text(2)?,
        subject: row.optional_parsed(3)?,
        tags: tags.map_err(unread)?,
        pushed_at: Timestamp::from_micros(row.int(5)?),
        deleted_at: Timestamp::from_micros(row.int(6)?),
        deleted_by: row.text(7)?,
        until: Timestamp::from_micros(row.int(8)?),
    })
}

fn unread(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, "tags were stored that do not read").with_source(error)
}

fn manifest(row: &Row) -> Result<TrashedManifest, StoreError> {
    let (kind, subject) = (row.optional_parsed(11)?, row.optional_parsed(12)?);
    let labels: Option<Vec<i64>> = row.optional_text(13)?.map(|text| of_json(&text)).transpose()?;
    Ok(TrashedManifest {
        entry: entry(row)?,
        labels: labels.unwrap_or_default().into_iter().map(LabelId::new).collect(),
        payload: row.bytes(9)?.into(),
        attributes: row.optional_text(10)?,
        accessory: kind.zip(subject),
    })
}

fn column(key: TrashKey) -> &'static str {
    match key {
        TrashKey::Digest => "d.digest",
        TrashKey::PushedAt => "d.pushed_at",
        TrashKey::DeletedAt => "d.deleted_at",
        TrashKey::DeletedBy => "d.deleted_by",
    }
}

#[async_trait]
impl TrashRows for Rows {
    async fn trash(
        &mut self,
        repository: RepositoryId,
        query: &Query<TrashKey>,
    ) -> Result<Listed<Trashed>, StoreError> {
        let there = "d.repository_id = ? AND NOT EXISTS (SELECT 1 FROM manifests m \
                     WHERE m.repository_id = d.repository_id AND m.digest = d.digest)";
        let listing = Listing::new(columns!(), "trash d", "d.id")
            .only(there, values![repository.get()])
            .query(query, column, "d.deleted_at DESC");
        self.list(listing, entry).await
    }

    async fn trashed(
        &mut self,
        repository: RepositoryId,
        digest: &Digest,
    ) -> Result<Option<TrashedManifest>, StoreError> {
        let find = sql!(concat!(
            "SELECT ",
            columns!(),
            ", d.payload, d.attributes, d.accessory, d.accessory_subject, d.labels FROM trash d \
             WHERE d.repository_id = ? AND d.digest = ?"
        ));
        let rows = self.session.fetch(find, values![repository.get(), digest.to_string()]).await?;
        first(rows).map(|row| manifest(&row)).transpose()
    }

    async fn trashed_of(
        &mut self,
        repository: RepositoryId,
        subject: &Digest,
        deleted_at: Timestamp,
        limit: u32,
    ) -> Result<Vec<Digest>, StoreError> {
        let find = sql!(
            "SELECT digest FROM trash WHERE repository_id = ? AND accessory_subject = ? AND deleted_at = ? \
             ORDER BY id LIMIT ?"
        );
        let parameters = values![repository.get(), subject.to_string(), deleted_at.micros(), limit];
        self.session.fetch(find, parameters).await?.iter().map(|row| row.parsed(0)).collect()
    }
}

#[async_trait]
impl TrashRowsMut for Rows {
    async fn trash_put(
        &mut self,
        manifest: ManifestId,
        deleted_by: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let find = sql!("SELECT name FROM tags WHERE manifest_id = ? ORDER BY name");
        let tags = self.session.fetch(find, values![manifest.get()]).await?;
        let tags = tags.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
        let find = sql!("SELECT label_id FROM artifact_labels WHERE manifest_id = ? ORDER BY label_id");
        let labels = self.session.fetch(find, values![manifest.get()]).await?;
        let labels = labels.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
        let before = sql!(
            "DELETE FROM trash WHERE repository_id = (SELECT m.repository_id FROM manifests m WHERE m.id = ?) \
             AND digest = (SELECT m.digest FROM manifests m WHERE m.id = ?)"
        );
        self.session.defer(before, values![manifest.get(), manifest.get()]).await?;
        let insert = sql!(
            "INSERT INTO trash (repository_id, digest, media_type, artifact_type, subject, accessory, accessory_subject, \
             attributes, payload, tags, labels, pushed_at, deleted_at, deleted_by, until) \
             SELECT m.repository_id, m.digest, m.media_type, m.artifact_type, m.subject, m.accessory, m.accessory_subject, \
             m.attributes, m.payload, ?, ?, m.pushed_at, ?, ?, ? FROM manifests m WHERE m.id = ?"
        );
        let (now, until) = (now.micros(), until.micros());
        let (tags, labels) = (json_of(&tags)?, json_of(&labels)?);
        self.session.defer(insert, values![tags, labels, now, deleted_by, until, manifest.get()]).await
    }

    async fn trash_delete(&mut self, repository: RepositoryId, digest: &Digest) -> Result<(), StoreError> {
        let delete = sql!("DELETE FROM trash WHERE repository_id = ? AND digest = ?");
        self.session.defer(delete, values![repository.get(), digest.to_string()]).await
    }

    async fn trash_expire(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let find = sql!("SELECT id FROM trash WHERE until <= ? ORDER BY until LIMIT ?");
        let found = self.session.fetch(find, values![now.micros(), limit]).await?;
        let ids = found.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
        let delete = sql!(concat!("DELETE FROM trash WHERE id IN (", piece!(), ")"));
        for piece in rows_of(&ids, |id| [Value::from(*id)]) {
            self.session.defer(delete, piece).await?;
        }
        Ok(ids.len() as u64)
    }
}

use async_trait::async_trait;
use harbor_core::meta::{ManifestId, RepositoryId, TagRows, TagRowsMut};
use harbor_core::oci::{Digest, Tag};
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::{Rows, beginning, first};
use crate::sql::statement::{sql, values};

#[async_trait]
impl TagRows for Rows {
    async fn tag(&mut self, repository: RepositoryId, tag: &Tag) -> Result<Option<Digest>, StoreError> {
        let find = sql!(
            "SELECT m.digest FROM tags t JOIN manifests m ON m.id = t.manifest_id \
             WHERE t.repository_id = ? AND t.name = ?"
        );
        let rows = self.session.fetch(find, values![repository.get(), tag.as_str()]).await?;
        first(rows).map(|row| row.parsed(0)).transpose()
    }

    async fn tags(
        &mut self,
        repository: RepositoryId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Tag>, StoreError> {
        let list = sql!(
            "LIST SELECT name AS entry FROM tags WHERE repository_id = ? AND name > ? ORDER BY name LIMIT ?"
        );
        let rows = self.session.fetch(list, values![repository.get(), beginning(after), limit]).await?;
        super::entries(&rows)
    }
}

#[async_trait]
impl TagRowsMut for Rows {
    async fn tag_put(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
        manifest: ManifestId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let before = self.before(repository, tag, Some(manifest)).await?;
        // Not as one upsert: what was found of the tag before must be true of the one that is put.
        match before.tag {
            Some(id) => self.tag_move(id, manifest, now).await?,
            None => self.tag_make(repository, tag, manifest, now).await?,
        }
        self.show_or_hide(repository.get(), &before.listed).await?;
        Ok(before.ruled)
    }

    async fn tag_insert(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
        manifest: ManifestId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let before = self.before(repository, tag, Some(manifest)).await?;
        if before.tag.is_some() {
            return Err(StoreError::new(StoreErrorKind::Conflict, "making a tag"));
        }
        self.tag_make(repository, tag, manifest, now).await?;
        self.show_or_hide(repository.get(), &before.listed).await
    }

    async fn tag_delete(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
    ) -> Result<Option<Digest>, StoreError> {
        let lock = sql!("SELECT id FROM tags WHERE repository_id = ? AND name = ? FOR UPDATE");
        if self.session.fetch(lock, values![repository.get(), tag.as_str()]).await?.is_empty() {
            return Ok(None);
        }
        let digest = self.tag(repository, tag).await?;
        let before = self.before(repository, tag, None).await?;
        let delete = sql!("DELETE FROM tags WHERE repository_id = ? AND name = ?");
        self.session.defer(delete, values![repository.get(), tag.as_str()]).await?;
        self.show_or_hide(repository.get(), &before.listed).await?;
        Ok(digest)
    }
}

/// What there is before a tag is put or deleted, at one moment.
#[derive(Debug, Default)]
struct Before {
    /// The tag's key, when it is there.
    tag: Option<i64>,
    /// Whether it is there in a project that has rules of immutable tags in force.
    ruled: bool,
    /// The manifest that it names, and the one that it shall name, where an index lists them: whether they are shown depends on
    /// their tags.
    listed: Vec<i64>,
}

impl Rows {
    async fn before(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
        next: Option<ManifestId>,
    ) -> Result<Before, StoreError> {
        let find = sql!(
            "SELECT CAST(0 AS BIGINT), m.id FROM tags t JOIN manifests m ON m.id = t.manifest_id \
             JOIN manifest_children c ON c.repository_id = m.repository_id AND c.digest = m.digest \
             WHERE t.repository_id = ? AND t.name = ? \
             UNION SELECT CAST(0 AS BIGINT), m.id FROM manifests m \
             JOIN manifest_children c ON c.repository_id = m.repository_id AND c.digest = m.digest WHERE m.id = ? \
             UNION ALL SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM immutable_rules i \
             JOIN repositories r ON r.project_id = i.project_id WHERE r.id = t.repository_id AND i.is_disabled = 0) \
             THEN 2 ELSE 1 END AS BIGINT), t.id FROM tags t WHERE t.repository_id = ? AND t.name = ?"
        );
        let (id, name, next) = (repository.get(), tag.as_str(), next.map_or(0, ManifestId::get));
        let mut before = Before::default();
        for row in self.session.fetch(find, values![id, name, next, id, name]).await? {
            match row.int(0)? {
                0 => before.listed.push(row.int(1)?),
                what => (before.tag, before.ruled) = (Some(row.int(1)?), what == 2),
            }
        }
        Ok(before)
    }

    /// Makes a tag: not where somebody else has made it meanwhile.
    async fn tag_make(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
        manifest: ManifestId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let insert =
            sql!("INSERT INTO tags (repository_id, name, manifest_id, pushed_at) VALUES (?, ?, ?, ?)");
        let parameters = values![repository.get(), tag.as_str(), manifest.get(), now.micros()];
        self.session.defer(insert, parameters).await
    }

    /// Moves a tag: not where somebody else has deleted it meanwhile.
    async fn tag_move(&mut self, id: i64, manifest: ManifestId, now: Timestamp) -> Result<(), StoreError> {
        let update = sql!("UPDATE tags SET manifest_id = ?, pushed_at = ? WHERE id = ?");
        let parameters = values![manifest.get(), now.micros(), id];
        if self.is_only_writer() {
            return self.session.defer(update, parameters).await;
        }
        match self.session.execute(update, parameters).await? {
            0 => Err(StoreError::new(StoreErrorKind::Conflict, "moving a tag")),
            _ => Ok(()),
        }
    }
}

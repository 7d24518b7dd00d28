use async_trait::async_trait;
use harbor_core::meta::{ManifestId, RepositoryId, TagRows, TagRowsMut};
use harbor_core::oci::{Digest, Tag};
use harbor_core::{StoreError, Timestamp};

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
    ) -> Result<(), StoreError> {
        let affected = self.listed_of(repository, tag, Some(manifest)).await?;
        let put = sql!(
            "INSERT INTO tags (repository_id, name, manifest_id, pushed_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT (repository_id, name) DO UPDATE SET manifest_id = excluded.manifest_id, \
             pushed_at = excluded.pushed_at"
        );
        let parameters = values![repository.get(), tag.as_str(), manifest.get(), now.micros()];
        self.session.defer(put, parameters).await?;
        self.show_or_hide(repository.get(), &affected).await
    }

    async fn tag_insert(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
        manifest: ManifestId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let affected = self.listed_of(repository, tag, Some(manifest)).await?;
        let insert =
            sql!("INSERT INTO tags (repository_id, name, manifest_id, pushed_at) VALUES (?, ?, ?, ?)");
        let parameters = values![repository.get(), tag.as_str(), manifest.get(), now.micros()];
        self.session.execute(insert, parameters).await?;
        self.show_or_hide(repository.get(), &affected).await
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
        let affected = self.listed_of(repository, tag, None).await?;
        let delete = sql!("DELETE FROM tags WHERE repository_id = ? AND name = ?");
        self.session.defer(delete, values![repository.get(), tag.as_str()]).await?;
        self.show_or_hide(repository.get(), &affected).await?;
        Ok(digest)
    }
}

impl Rows {
    /// The manifest that a tag names, and the one that it shall name, where an index lists them: whether they are shown depends
    /// on their tags.
    async fn listed_of(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
        next: Option<ManifestId>,
    ) -> Result<Vec<i64>, StoreError> {
        let find = sql!(
            "SELECT m.id FROM tags t JOIN manifests m ON m.id = t.manifest_id \
             JOIN manifest_children c ON c.repository_id = m.repository_id AND c.digest = m.digest \
             WHERE t.repository_id = ? AND t.name = ? \
             UNION SELECT m.id FROM manifests m \
             JOIN manifest_children c ON c.repository_id = m.repository_id AND c.digest = m.digest WHERE m.id = ?"
        );
        let next = next.map_or(0, ManifestId::get);
        let rows = self.session.fetch(find, values![repository.get(), tag.as_str(), next]).await?;
        rows.iter().map(|row| row.int(0)).collect()
    }
}

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
        let put = sql!(
            "INSERT INTO tags (repository_id, name, manifest_id, pushed_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT (repository_id, name) DO UPDATE SET manifest_id = excluded.manifest_id, \
             pushed_at = excluded.pushed_at"
        );
        let parameters = values![repository.get(), tag.as_str(), manifest.get(), now.micros()];
        self.session.defer(put, parameters).await
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
        let delete = sql!("DELETE FROM tags WHERE repository_id = ? AND name = ?");
        self.session.defer(delete, values![repository.get(), tag.as_str()]).await?;
        Ok(digest)
    }
}

use async_trait::async_trait;
use harbor_core::meta::{ManifestId, RepositoryId, TagPut, TagRows, TagRowsMut};
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
    ) -> Result<TagPut, StoreError> {
        for _ in 0..LOOKS {
            let before = self.before(repository, tag, manifest).await?;
            // Not as one upsert: what was found of the tag before must be true of the one that is put.
            match &before.tag {
                Some(named) if !self.tag_move(named, manifest, now).await? => continue,
                Some(_) => {}
                None => self.tag_make(repository, tag, manifest, now).await?,
            }
            self.show_or_hide(repository.get(), &before.listed).await?;
            let moved = before.tag.as_ref().is_none_or(|named| named.manifest != manifest.get());
            return Ok(TagPut { ruled: before.tag.is_some_and(|named| named.ruled), moved });
        }
        Err(StoreError::new(StoreErrorKind::Conflict, "moving a tag"))
    }

    async fn tag_insert(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
        manifest: ManifestId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let before = self.before(repository, tag, manifest).await?;
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
        for _ in 0..LOOKS {
            let find = sql!("SELECT id, manifest_id FROM tags WHERE repository_id = ? AND name = ?");
            let found = self.session.fetch(find, values![repository.get(), tag.as_str()]).await?;
            let Some(found) = first(found) else { return Ok(None) };
            let (id, manifest) = (found.int(0)?, found.int(1)?);
            // Ahead of the tag, as everybody has it.
            let lock = sql!("SELECT digest FROM manifests WHERE id = ? FOR UPDATE");
            let Some(named) = first(self.session.fetch(lock, values![manifest]).await?) else { continue };
            let delete = sql!("DELETE FROM tags WHERE id = ? AND manifest_id = ?");
            if self.session.execute(delete, values![id, manifest]).await? == 0 {
                continue;
            }
            let listed = sql!(
                "SELECT m.id FROM manifests m WHERE m.id = ? AND EXISTS (SELECT 1 FROM manifest_children c \
                 WHERE c.repository_id = m.repository_id AND c.digest = m.digest)"
            );
            if !self.session.fetch(listed, values![manifest]).await?.is_empty() {
                self.show_or_hide(repository.get(), &[manifest]).await?;
            }
            return named.parsed(0).map(Some);
        }
        Err(StoreError::new(StoreErrorKind::Conflict, "deleting a tag"))
    }
}

/// How often a tag is looked at anew within one transaction, when others moved it between the look and the change.
const LOOKS: u32 = 64;

/// What there is before a tag is put, at one moment.
#[derive(Debug, Default)]
struct Before {
    /// The tag, when it is there.
    tag: Option<Named>,
    /// The manifest that it names, and the one that it shall name, where an index lists them: whether they are shown depends on
    /// their tags.
    listed: Vec<i64>,
}

/// A tag that is there.
#[derive(Debug)]
struct Named {
    id: i64,
    /// The manifest that it names.
    manifest: i64,
    /// Whether its project has rules of immutable tags in force.
    ruled: bool,
    /// Whether it was seen that an index lists that manifest.
    listed: bool,
}

impl Rows {
    /// Looks at a tag, and locks the manifest that it names and the one that it shall name, in the order of keys: whether an
    /// index lists them can then become no other before the commit. What is told of the one that it names is of the moment
    /// before the lock was had, and [`Rows::tag_move`] looks whether it still is so.
    async fn before(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
        next: ManifestId,
    ) -> Result<Before, StoreError> {
        let find = sql!(
            "SELECT m.id, CAST(CASE WHEN EXISTS (SELECT 1 FROM manifest_children c \
             WHERE c.repository_id = m.repository_id AND c.digest = m.digest) THEN 1 ELSE 0 END AS BIGINT), \
             (SELECT t.id FROM tags t WHERE t.repository_id = ? AND t.name = ?), \
             (SELECT t.manifest_id FROM tags t WHERE t.repository_id = ? AND t.name = ?), \
             CAST(CASE WHEN EXISTS (SELECT 1 FROM immutable_rules i JOIN repositories r ON r.project_id = i.project_id \
             WHERE r.id = m.repository_id AND i.is_disabled = 0) THEN 1 ELSE 0 END AS BIGINT) \
             FROM manifests m WHERE m.id IN (?, (SELECT t.manifest_id FROM tags t WHERE t.repository_id = ? \
             AND t.name = ?)) ORDER BY m.id FOR UPDATE"
        );
        let (id, name) = (repository.get(), tag.as_str());
        let mut before = Before::default();
        let found = self.session.fetch(find, values![id, name, id, name, next.get(), id, name]).await?;
        for row in &found {
            if row.int(1)? == 1 {
                before.listed.push(row.int(0)?);
            }
            if let Some((id, manifest)) = row.optional_int(2)?.zip(row.optional_int(3)?) {
                let listed = before.listed.contains(&manifest);
                before.tag = Some(Named { id, manifest, ruled: row.int(4)? == 1, listed });
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

    /// Moves a tag: not where somebody else has moved or deleted it meanwhile, or an index has come that lists what it named.
    /// False when that is so.
    async fn tag_move(
        &mut self,
        named: &Named,
        manifest: ManifestId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = sql!(
            "UPDATE tags SET manifest_id = ?, pushed_at = ? WHERE id = ? AND manifest_id = ? AND NOT EXISTS \
             (SELECT 1 FROM manifests m JOIN manifest_children c ON c.repository_id = m.repository_id \
             AND c.digest = m.digest WHERE m.id = ?)"
        );
        // No manifest has the key 0. One that was seen to be listed is looked at in any case.
        let unlisted = if named.listed || named.manifest == manifest.get() { 0 } else { named.manifest };
        let parameters = values![manifest.get(), now.micros(), named.id, named.manifest, unlisted];
        if self.is_only_writer() {
            return self.session.defer(update, parameters).await.map(|()| true);
        }
        Ok(self.session.execute(update, parameters).await? == 1)
    }
}

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use harbor_core::meta::{
    AccessoryKind, LinkId, Manifest, ManifestId, ManifestRows, ManifestRowsMut, NewManifest, Referrer,
    RepositoryId, Stored, Untagged,
};
use harbor_core::oci::{Digest, Tag};
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::holding::one_more;
use super::{Rows, first, json_of, piece, piece_of, pieces, rows_of};
use crate::sql::session::{Row, size};
use crate::sql::statement::{Value, sql, values};

pub(super) fn manifest(row: &Row) -> Result<Manifest, StoreError> {
    Ok(Manifest {
        id: ManifestId::new(row.int(0)?),
        digest: row.parsed(1)?,
        media_type: row.parsed(2)?,
        subject: row.optional_parsed(3)?,
        payload: row.bytes(4)?.into(),
    })
}

fn referrer(row: &Row) -> Result<Referrer, StoreError> {
    let annotations = row.text(5)?;
    let annotations: BTreeMap<String, String> = serde_json::from_str(&annotations).map_err(|error| {
        StoreError::new(StoreErrorKind::Corrupt, "annotations were stored that do not read")
            .with_source(error)
    })?;
    Ok(Referrer {
        id: ManifestId::new(row.int(0)?),
        digest: row.parsed(1)?,
        media_type: row.parsed(2)?,
        size: row.count(3)?,
        artifact_type: row.optional_text(4)?,
        annotations,
    })
}

#[async_trait]
impl ManifestRows for Rows {
    async fn manifest(
        &mut self,
        repository: RepositoryId,
        digest: &Digest,
    ) -> Result<Option<Manifest>, StoreError> {
        let find = sql!(
            "SELECT id, digest, media_type, subject, payload FROM manifests WHERE repository_id = ? AND digest = ?"
        );
        let rows = self.session.fetch(find, values![repository.get(), digest.to_string()]).await?;
        first(rows).map(|row| manifest(&row)).transpose()
    }

    async fn manifest_by_tag(
        &mut self,
        repository: RepositoryId,
        tag: &Tag,
    ) -> Result<Option<Manifest>, StoreError> {
        let find = sql!(
            "SELECT m.id, m.digest, m.media_type, m.subject, m.payload FROM tags t \
             JOIN manifests m ON m.id = t.manifest_id WHERE t.repository_id = ? AND t.name = ?"
        );
        let rows = self.session.fetch(find, values![repository.get(), tag.as_str()]).await?;
        first(rows).map(|row| manifest(&row)).transpose()
    }

    async fn manifests_present(
        &mut self,
        repository: RepositoryId,
        digests: &[Digest],
    ) -> Result<Vec<(Digest, Option<Digest>)>, StoreError> {
        let mut present = Vec::new();
        for piece in pieces(digests) {
            let find = sql!(concat!(
                "SELECT digest, subject FROM manifests WHERE repository_id = ? AND digest IN (",
                piece!(),
                ")"
            ));
            let parameters = values![repository.get()].into_iter().chain(piece).collect();
            for row in self.session.fetch(find, parameters).await? {
                present.push((row.parsed(0)?, row.optional_parsed(1)?));
            }
        }
        Ok(present)
    }

    async fn referrers(
        &mut self,
        repository: RepositoryId,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<ManifestId>,
        limit: u32,
        bytes: u64,
    ) -> Result<(Vec<Referrer>, bool), StoreError> {
        if artifact_type.is_some_and(|wanted| wanted.contains('\0')) {
            // Nothing stored has a NUL, and PostgreSQL refuses to look for one.
            return Ok((Vec::new(), false));
        }
        let after = after.map_or(0, ManifestId::get);
        let mut parameters = values![repository.get(), subject.to_string(), after];
        parameters.extend(artifact_type.map(Value::from));
        // First how large they are, and then as many as fit. The second term makes the number one of 64 bits everywhere.
        let lengths = match artifact_type {
            None => sql!(
                "SELECT id, OCTET_LENGTH(annotations) + 0 * size FROM manifests \
                 WHERE repository_id = ? AND subject = ? AND id > ? ORDER BY id LIMIT ?"
            ),
            Some(_) => sql!(
                "SELECT id, OCTET_LENGTH(annotations) + 0 * size FROM manifests WHERE repository_id = ? AND subject = ? \
                 AND id > ? AND artifact_type = ? ORDER BY id LIMIT ?"
            ),
        };
        let asked = parameters.iter().cloned().chain([Value::from(i64::from(limit) + 1)]).collect();
        let lengths = self.session.fetch(lengths, asked).await?;
        let Some((last, more)) = fitting(&lengths, limit, bytes)? else { return Ok((Vec::new(), false)) };
        let list = match artifact_type {
            None => sql!(
                "SELECT id, digest, media_type, size, artifact_type, annotations FROM manifests \
                 WHERE repository_id = ? AND subject = ? AND id > ? AND id <= ? ORDER BY id"
            ),
            Some(_) => sql!(
                "SELECT id, digest, media_type, size, artifact_type, annotations FROM manifests \
                 WHERE repository_id = ? AND subject = ? AND id > ? AND artifact_type = ? AND id <= ? ORDER BY id"
            ),
        };
        parameters.push(Value::from(last));
        let found = self.session.fetch(list, parameters).await?;
        Ok((found.iter().map(referrer).collect::<Result<_, _>>()?, more))
    }

    async fn manifests_untagged(
        &mut self,
        repository: RepositoryId,
        pushed_before: Timestamp,
        after: ManifestId,
        limit: u32,
    ) -> Result<Vec<Untagged>, StoreError> {
        let list = sql!(
            "SELECT m.id, m.digest FROM manifests m WHERE m.repository_id = ? AND m.hidden = 0 AND m.pushed_at < ? \
             AND m.id > ? AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = m.id) ORDER BY m.id LIMIT ?"
        );
        let parameters = values![repository.get(), pushed_before.micros(), after.get(), limit];
        let rows = self.session.fetch(list, parameters).await?;
        rows.iter()
            .map(|row| Ok(Untagged { id: ManifestId::new(row.int(0)?), digest: row.parsed(1)? }))
            .collect()
    }

    async fn manifest_size(&mut self, id: ManifestId) -> Result<u64, StoreError> {
        let find = sql!("SELECT size FROM manifests WHERE id = ?");
        first(self.session.fetch(find, values![id.get()]).await?).map_or(Ok(0), |row| row.count(0))
    }
}

/// The last of the rows with keys and lengths that fits on a page, and whether there are more behind it.
pub(super) fn fitting(lengths: &[Row], limit: u32, bytes: u64) -> Result<Option<(i64, bool)>, StoreError> {
    let (mut last, mut total) = (None, 0_u64);
    for (number, row) in (0..).zip(lengths) {
        total = total.saturating_add(row.count(1)?);
        if number == limit || (total > bytes && last.is_some()) {
            return Ok(last.map(|last| (last, true)));
        }
        last = Some(row.int(0)?);
    }
    Ok(last.map(|last| (last, false)))
}

#[async_trait]
impl ManifestRowsMut for Rows {
    async fn manifest_ensure(&mut self, new: &NewManifest<'_>) -> Result<(ManifestId, Stored), StoreError> {
        if let Some(id) = self.manifest_lock(new.repository, &new.digest).await? {
            // A sparse manifest that is pushed again refers to what came since.
            self.put_references(id, new).await?;
            if let Some(accessory) = &new.described.accessory {
                self.put_accessory(new.repository.get(), id, accessory).await?;
            }
            return Ok((id, Stored::Before));
        }
        // Without an upsert, of which MySQL does not tell whether it inserted. Somebody else's is a conflict, and is found
        // by the next try.
        let insert = sql!(
            "INSERT INTO manifests (repository_id, digest, media_type, artifact_type, subject, size, annotations, \
             payload, pushed_at, project_id, kind, config_type, content_size, accessory, accessory_subject, attributes, \
             hidden) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT r.project_id FROM repositories r WHERE r.id = ?), ?, ?, ?, ?, \
             ?, ?, CASE WHEN ? = 1 THEN 1 WHEN EXISTS (SELECT 1 FROM manifest_children c WHERE c.repository_id = ? \
             AND c.digest = ?) THEN 1 ELSE 0 END)"
        );
        let accessory = new.described.accessory;
        let annotations = serde_json::to_string(new.annotations).map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "annotations cannot be stored").with_source(error)
        })?;
        let parameters = values![
            new.repository.get(),
            new.digest.to_string(),
            new.media_type.as_str(),
            new.artifact_type.map(str::to_owned),
            new.subject.map(|subject| subject.to_string()),
            size(new.payload.len() as u64)?,
            annotations,
            new.payload.as_ref(),
            new.now.micros(),
            new.repository.get(),
            new.described.kind.as_str(),
            new.described.config_type.as_str(),
            size(new.described.size)?,
            accessory.map(|(kind, _)| kind.name().to_owned()),
            accessory.map(|(_, subject)| subject.to_string()),
            new.described.attributes.clone(),
            i64::from(accessory.is_some()),
            new.repository.get(),
            new.digest.to_string(),
        ];
        self.session.defer(insert, parameters).await?;
        let (id, stored) = self.count_manifest(new).await?;
        self.put_references(id, new).await?;
        Ok((id, stored))
    }

    async fn manifest_lock(
        &mut self,
        repository: RepositoryId,
        digest: &Digest,
    ) -> Result<Option<ManifestId>, StoreError> {
        let find = sql!("SELECT id FROM manifests WHERE repository_id = ? AND digest = ? FOR UPDATE");
        match first(self.session.fetch(find, values![repository.get(), digest.to_string()]).await?) {
            Some(row) => Ok(Some(ManifestId::new(row.int(0)?))),
            None => Ok(None),
        }
    }

    async fn manifest_delete(&mut self, id: ManifestId) -> Result<(Vec<Tag>, Vec<LinkId>), StoreError> {
        let find = sql!(
            "SELECT r.project_id, m.digest, m.repository_id, m.hidden FROM manifests m \
             JOIN repositories r ON r.id = m.repository_id WHERE m.id = ?"
        );
        let held = first(self.session.fetch(find, values![id.get()]).await?);
        let children = sql!("SELECT digest FROM manifest_children WHERE manifest_id = ?");
        let children = self.session.fetch(children, values![id.get()]).await?;
        let children = children.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
        let tags = sql!("SELECT name FROM tags WHERE manifest_id = ? FOR UPDATE");
        let tags = self.session.fetch(tags, values![id.get()]).await?;
        let tags = tags.iter().map(|row| row.parsed(0)).collect::<Result<Vec<Tag>, _>>()?;
        let links = sql!("SELECT link_id FROM manifest_blobs WHERE manifest_id = ?");
        let links = self.session.fetch(links, values![id.get()]).await?;
        let links = links.iter().map(|row| row.int(0).map(LinkId::new)).collect::<Result<Vec<_>, _>>()?;
        let came = sql!(
            "SELECT l.id FROM manifest_missing x JOIN blobs b ON b.digest = x.digest \
             JOIN blob_links l ON l.blob_id = b.id AND l.repository_id = x.repository_id WHERE x.manifest_id = ?"
        );
        let came = self.session.fetch(came, values![id.get()]).await?;
        let came = came.iter().map(|row| row.int(0).map(LinkId::new)).collect::<Result<Vec<_>, _>>()?;
        let links = links.into_iter().chain(came).collect();
        for statement in [
            sql!("DELETE FROM tags WHERE manifest_id = ?"),
            sql!("DELETE FROM artifact_labels WHERE manifest_id = ?"),
            sql!("DELETE FROM manifest_blobs WHERE manifest_id = ?"),
            sql!("DELETE FROM manifest_missing WHERE manifest_id = ?"),
            sql!("DELETE FROM manifest_children WHERE manifest_id = ?"),
        ] {
            self.session.defer(statement, values![id.get()]).await?;
        }
        let delete = sql!("DELETE FROM manifests WHERE id = ?");
        if self.session.execute(delete, values![id.get()]).await? == 1
            && let Some(held) = held
        {
            self.went(held.int(0)?, &held.text(1)?).await?;
            let repository = held.int(2)?;
            self.count_shown(repository, held.int(3)? - 1).await?;
            // What only this one listed is shown from now on.
            self.show_or_hide_listed(repository, &children).await?;
        }
        Ok((tags, links))
    }
}

impl Rows {
    /// Counts a manifest that was just stored, and yields its key.
    async fn count_manifest(&mut self, new: &NewManifest<'_>) -> Result<(ManifestId, Stored), StoreError> {
        let (repository, digest) = (new.repository.get(), new.digest.to_string());
        let count = sql!(concat!(
            "INSERT INTO project_content (project_id, digest, size, holders) \
             SELECT r.project_id, m.digest, m.size, 1 FROM manifests m \
             JOIN repositories r ON r.id = m.repository_id WHERE m.repository_id = ? AND m.digest = ?",
            one_more!()
        ));
        self.session.defer(count, values![repository, digest.as_str()]).await?;
        let find = sql!(
            "SELECT m.id, c.project_id, c.holders, q.hard, m.hidden, CAST(CASE WHEN EXISTS (SELECT 1 FROM manifest_children l \
             WHERE l.repository_id = m.repository_id AND l.digest = m.digest) THEN 1 ELSE 0 END AS BIGINT), \
             CAST(CASE WHEN EXISTS (SELECT 1 FROM artifact_counts n WHERE n.repository_id = m.repository_id) \
             OR EXISTS (SELECT 1 FROM manifests o WHERE o.repository_id = m.repository_id AND o.id <> m.id) THEN 1 ELSE 0 END \
             AS BIGINT) FROM manifests m JOIN repositories r ON r.id = m.repository_id \
             JOIN project_content c ON c.project_id = r.project_id AND c.digest = m.digest \
             LEFT JOIN quotas q ON q.project_id = r.project_id WHERE m.repository_id = ? AND m.digest = ?"
        );
        let row = first(self.session.fetch(find, values![repository, digest]).await?);
        let row = row.ok_or_else(|| StoreError::new(StoreErrorKind::Conflict, "storing a manifest"))?;
        self.came(&row, 1, new.payload.len() as u64, false)?;
        let (id, hidden) = (row.int(0)?, row.int(4)?);
        self.count_shown(repository, 1 - hidden).await?;
        // An index that lists it came or went before its digest could be counted, and after it was stored.
        if new.described.accessory.is_none() && hidden != row.int(5)? {
            self.show_or_hide(repository, &[id]).await?;
        }
        let stored = if row.int(6)? == 0 { Stored::First } else { Stored::Now };
        Ok((ManifestId::new(id), stored))
    }

    async fn put_references(&mut self, id: ManifestId, new: &NewManifest<'_>) -> Result<(), StoreError> {
        // Many rows at a time, for others may wait for the transaction.
        let link = sql!(concat!(
            "INSERT INTO manifest_blobs (manifest_id, link_id) VALUES ",
            piece_of!("(?, ?)"),
            " ON CONFLICT (manifest_id, link_id) DO NOTHING"
        ));
        for piece in rows_of(new.links, |to| [id.get().into(), to.get().into()]) {
            self.session.defer(link, piece).await?;
        }
        let missing = sql!(concat!(
            "INSERT INTO manifest_missing (manifest_id, repository_id, digest) VALUES ",
            piece_of!("(?, ?, ?)"),
            " ON CONFLICT (manifest_id, digest) DO NOTHING"
        ));
        let named =
            |digest: &Digest| [id.get().into(), new.repository.get().into(), digest.to_string().into()];
        for piece in rows_of(new.missing, named) {
            self.session.defer(missing, piece).await?;
        }
        self.put_children(id, new).await
    }

    /// Notes what an index lists and what it says of that, and hides what has no tag of it.
    async fn put_children(&mut self, id: ManifestId, new: &NewManifest<'_>) -> Result<(), StoreError> {
        let (repository, children, says) = (new.repository.get(), new.children, &new.described.references);
        if children.is_empty() {
            return Ok(());
        }
        let mut entries = Vec::with_capacity(children.len());
        for digest in children {
            entries.push((digest.to_string(), says.get(digest).map(json_of).transpose()?));
        }
        let child = sql!(concat!(
            "INSERT INTO manifest_children (manifest_id, repository_id, digest, says) VALUES ",
            piece_of!("(?, ?, ?, ?)"),
            " ON CONFLICT (manifest_id, digest) DO NOTHING"
        ));
        for piece in rows_of(&entries, |(digest, says)| {
            [id.get().into(), repository.into(), digest.as_str().into(), says.clone().into()]
        }) {
            self.session.defer(child, piece).await?;
        }
        let digests: BTreeSet<String> = entries.into_iter().map(|(digest, _)| digest).collect();
        let digests: Vec<String> = digests.into_iter().collect();
        let present = self.show_or_hide_listed(repository, &digests).await?;
        if new.complete && present < digests.len() {
            let gone = "storing an index, of which a manifest was deleted meanwhile";
            return Err(StoreError::new(StoreErrorKind::Conflict, gone));
        }
        Ok(())
    }

    /// Notes what a manifest that is there is to another.
    pub(super) async fn put_accessory(
        &mut self,
        repository: i64,
        id: ManifestId,
        (kind, subject): &(AccessoryKind, Digest),
    ) -> Result<(), StoreError> {
        let update = sql!("UPDATE manifests SET accessory = ?, accessory_subject = ? WHERE id = ?");
        self.session.defer(update, values![kind.name(), subject.to_string(), id.get()]).await?;
        self.show_or_hide(repository, &[id.get()]).await
    }
}

use std::collections::BTreeSet;

use async_trait::async_trait;
use harbor_core::blob::Location;
use harbor_core::meta::{Blob, BlobId, BlobRows, BlobRowsMut, LinkId, LinkReview, LinkedBlob, RepositoryId};
use harbor_core::oci::{Digest, RepositoryName};
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::holding::{count_link, holding, maker, one_more};
use super::{Rows, first, piece, pieces, rows_of};
use crate::sql::session::{Row, size};
use crate::sql::statement::{Value, sql, values};

fn linked(row: &Row) -> Result<LinkedBlob, StoreError> {
    Ok(LinkedBlob {
        link: LinkId::new(row.int(0)?),
        blob: BlobId::new(row.int(1)?),
        digest: row.parsed(2)?,
        size: row.count(3)?,
        location: Location::new(row.text(4)?),
        review_due: row.optional_int(5)?.map(Timestamp::from_micros),
    })
}

pub(super) fn blob(row: &Row) -> Result<Blob, StoreError> {
    Ok(Blob {
        id: BlobId::new(row.int(0)?),
        digest: row.parsed(1)?,
        size: row.count(2)?,
        location: Location::new(row.text(3)?),
    })
}

#[async_trait]
impl BlobRows for Rows {
    async fn linked_blob(
        &mut self,
        repository: RepositoryId,
        digest: &Digest,
    ) -> Result<Option<LinkedBlob>, StoreError> {
        let find = sql!(
            "SELECT l.id, b.id, b.digest, b.size, b.location, v.due FROM blobs b \
             JOIN blob_links l ON l.blob_id = b.id AND l.repository_id = ? \
             LEFT JOIN link_reviews v ON v.link_id = l.id WHERE b.digest = ?"
        );
        let rows = self.session.fetch(find, values![repository.get(), digest.to_string()]).await?;
        first(rows).map(|row| linked(&row)).transpose()
    }

    async fn blob_repositories(
        &mut self,
        digest: &Digest,
        limit: u32,
    ) -> Result<Vec<RepositoryName>, StoreError> {
        let list = sql!(
            "SELECT r.name FROM blobs b JOIN blob_links l ON l.blob_id = b.id \
             JOIN repositories r ON r.id = l.repository_id WHERE b.digest = ? ORDER BY r.name LIMIT ?"
        );
        let rows = self.session.fetch(list, values![digest.to_string(), limit]).await?;
        rows.iter().map(|row| row.parsed(0)).collect()
    }

    async fn link_is_referenced(&mut self, link: LinkId) -> Result<bool, StoreError> {
        let find = sql!("SELECT manifest_id FROM manifest_blobs WHERE link_id = ? LIMIT 1");
        if !self.session.fetch(find, values![link.get()]).await?.is_empty() {
            return Ok(true);
        }
        let missed = sql!(
            "SELECT x.manifest_id FROM blob_links l JOIN blobs b ON b.id = l.blob_id \
             JOIN manifest_missing x ON x.repository_id = l.repository_id AND x.digest = b.digest \
             WHERE l.id = ? LIMIT 1"
        );
        Ok(!self.session.fetch(missed, values![link.get()]).await?.is_empty())
    }
}

#[async_trait]
impl BlobRowsMut for Rows {
    async fn blob_ensure(
        &mut self,
        digest: &Digest,
        bytes: u64,
        location: &Location,
        now: Timestamp,
    ) -> Result<Blob, StoreError> {
        let insert = sql!(
            "INSERT INTO blobs (digest, size, location, created_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT (digest) DO NOTHING"
        );
        let parameters = values![digest.to_string(), size(bytes)?, location.as_str(), now.micros()];
        self.session.defer(insert, parameters).await?;
        let find = sql!("SELECT id, digest, size, location FROM blobs WHERE digest = ? FOR UPDATE");
        match first(self.session.fetch(find, values![digest.to_string()]).await?) {
            Some(row) => blob(&row),
            None => Err(StoreError::new(StoreErrorKind::Conflict, "storing a blob")),
        }
    }

    async fn blob_lock(&mut self, id: BlobId) -> Result<Option<Blob>, StoreError> {
        let find = sql!("SELECT id, digest, size, location FROM blobs WHERE id = ? FOR UPDATE");
        first(self.session.fetch(find, values![id.get()]).await?).map(|row| blob(&row)).transpose()
    }

    async fn link_ensure(
        &mut self,
        repository: RepositoryId,
        blob: BlobId,
        now: Timestamp,
    ) -> Result<LinkId, StoreError> {
        let (repository, blob, maker) = (repository.get(), blob.get(), maker());
        let insert = sql!(
            "INSERT INTO blob_links (repository_id, blob_id, created_at, maker) VALUES (?, ?, ?, ?) \
             ON CONFLICT (repository_id, blob_id) DO NOTHING"
        );
        self.session.defer(insert, values![repository, blob, now.micros(), maker]).await?;
        let count = sql!(concat!(count_link!(), "b.id = ?", one_more!()));
        self.session.defer(count, values![repository, maker, blob]).await?;
        let find = sql!("SELECT id FROM blob_links WHERE repository_id = ? AND blob_id = ? FOR UPDATE");
        let lost = || StoreError::new(StoreErrorKind::Conflict, "linking a blob");
        let link = first(self.session.fetch(find, values![repository, blob]).await?).ok_or_else(lost)?;
        let held = sql!(concat!("SELECT b.size, ", holding!(), " FROM blobs b WHERE b.id = ?"));
        let held = self.session.fetch(held, values![repository, repository, maker, repository, blob]).await?;
        let held = first(held).ok_or_else(lost)?;
        self.came(&held, 1, held.count(0)?, false)?;
        Ok(LinkId::new(link.int(0)?))
    }

    async fn links_lock(
        &mut self,
        repository: RepositoryId,
        digests: &[Digest],
    ) -> Result<Vec<LinkedBlob>, StoreError> {
        let mut ids = Vec::new();
        for piece in pieces(digests) {
            let find = sql!(concat!(
                "SELECT l.id FROM blobs b JOIN blob_links l ON l.blob_id = b.id \
                 WHERE l.repository_id = ? AND b.digest IN (",
                piece!(),
                ")"
            ));
            let parameters = values![repository.get()].into_iter().chain(piece).collect();
            for row in self.session.fetch(find, parameters).await? {
                ids.push(row.int(0)?);
            }
        }
        // Locked in the order of keys, so that two pushes of the same layers do not lock each other out; read again after the
        // lock, for it may have been waited for.
        ids.sort_unstable();
        let lock =
            sql!(concat!("SELECT id FROM blob_links WHERE id IN (", piece!(), ") ORDER BY id FOR UPDATE"));
        let read = sql!(concat!(
            "SELECT l.id, b.id, b.digest, b.size, b.location, v.due FROM blob_links l \
             JOIN blobs b ON b.id = l.blob_id \
             LEFT JOIN link_reviews v ON v.link_id = l.id WHERE l.id IN (",
            piece!(),
            ") ORDER BY l.id"
        ));
        let mut links = Vec::with_capacity(ids.len());
        for piece in rows_of(&ids, |id| [Value::from(*id)]) {
            self.session.fetch(lock, piece.clone()).await?;
            for row in self.session.fetch(read, piece).await? {
                links.push(linked(&row)?);
            }
        }
        Ok(links)
    }

    async fn link_lock(&mut self, link: LinkId) -> Result<Option<(RepositoryId, BlobId)>, StoreError> {
        let find = sql!("SELECT repository_id, blob_id FROM blob_links WHERE id = ? FOR UPDATE");
        match first(self.session.fetch(find, values![link.get()]).await?) {
            Some(row) => Ok(Some((RepositoryId::new(row.int(0)?), BlobId::new(row.int(1)?)))),
            None => Ok(None),
        }
    }

    async fn links_review(
        &mut self,
        links: &[LinkId],
        now: Timestamp,
    ) -> Result<Vec<LinkReview>, StoreError> {
        let ids: BTreeSet<i64> = links.iter().map(|link| link.get()).collect();
        self.review_links(&ids.into_iter().collect::<Vec<_>>(), now).await
    }

    async fn links_unreferenced(&mut self, links: &[LinkId]) -> Result<Vec<LinkId>, StoreError> {
        let ids: BTreeSet<i64> = links.iter().map(|link| link.get()).collect();
        self.unreferenced_links(&ids.into_iter().collect::<Vec<_>>()).await
    }

    async fn links_delete(&mut self, links: &[LinkId], due: Timestamp) -> Result<(), StoreError> {
        let ids: BTreeSet<i64> = links.iter().map(|link| link.get()).collect();
        self.delete_links(&ids.into_iter().collect::<Vec<_>>(), due).await
    }
}

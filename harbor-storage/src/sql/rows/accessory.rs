use async_trait::async_trait;
use harbor_core::meta::{Accessory, AccessoryKey, AccessoryRows, Listed, ManifestId};
use harbor_core::query::Query;
use harbor_core::{StoreError, Timestamp};

use super::{Rows, piece};
use crate::sql::listing::Listing;
use crate::sql::session::Row;
use crate::sql::statement::{sql, values};

macro_rules! columns {
    () => {
        "a.id, a.accessory, a.digest, a.content_size, a.pushed_at, s.id, s.digest, r.name"
    };
}

/// Accessories `a` with their subjects `s`. `CROSS JOIN` tells SQLite to begin with the subjects, for all manifests are in the
/// order of the keys of `a` already; and the index is named, for most of what is in it is NULL, which makes it look a bad one.
macro_rules! from {
    () => {
        "manifests s CROSS JOIN manifests a INDEXED BY manifests_accessories \
         JOIN repositories r ON r.id = s.repository_id"
    };
}

macro_rules! belongs {
    () => {
        "a.repository_id = s.repository_id AND a.accessory_subject = s.digest"
    };
}

fn accessory(row: &Row) -> Result<Accessory, StoreError> {
    Ok(Accessory {
        id: ManifestId::new(row.int(0)?),
        kind: row.parsed(1)?,
        digest: row.parsed(2)?,
        size: row.count(3)?,
        pushed_at: Timestamp::from_micros(row.int(4)?),
        subject: ManifestId::new(row.int(5)?),
        subject_digest: row.parsed(6)?,
        repository: row.parsed(7)?,
    })
}

fn column(key: AccessoryKey) -> &'static str {
    match key {
        AccessoryKey::Id => "a.id",
        AccessoryKey::Kind => "a.accessory",
        AccessoryKey::Digest => "a.digest",
        AccessoryKey::Size => "a.content_size",
        AccessoryKey::PushedAt => "a.pushed_at",
    }
}

#[async_trait]
impl AccessoryRows for Rows {
    async fn accessories(
        &mut self,
        subject: ManifestId,
        query: &Query<AccessoryKey>,
    ) -> Result<Listed<Accessory>, StoreError> {
        let listing = Listing::new(columns!(), from!(), "a.id")
            .only(concat!(belongs!(), " AND s.id = ?"), values![subject.get()])
            .query(query, column, "");
        self.list(listing, accessory).await
    }

    async fn accessories_of(&mut self, subjects: &[ManifestId]) -> Result<Vec<Accessory>, StoreError> {
        let list = sql!(concat!(
            "SELECT ",
            columns!(),
            " FROM ",
            from!(),
            " WHERE ",
            belongs!(),
            " AND s.id IN (",
            piece!(),
            ") ORDER BY a.id LIMIT ?"
        ));
        self.around(list, subjects).await?.iter().map(accessory).collect()
    }

    async fn parents_of(
        &mut self,
        children: &[ManifestId],
    ) -> Result<Vec<(ManifestId, ManifestId)>, StoreError> {
        let list = sql!(concat!(
            "SELECT m.id, c.manifest_id FROM manifests m \
             JOIN manifest_children c ON c.repository_id = m.repository_id AND c.digest = m.digest \
             WHERE m.id IN (",
            piece!(),
            ") ORDER BY m.id, c.manifest_id LIMIT ?"
        ));
        let found = self.around(list, children).await?;
        found.iter().map(|row| Ok((ManifestId::new(row.int(0)?), ManifestId::new(row.int(1)?)))).collect()
    }
}

//! What a check of a whole registry does with a connection: the statements are in `rows/check.rs`.

use std::collections::{HashMap, HashSet};

use harbor_core::blob::{Location, UploadId};
use harbor_core::oci::Digest;
use harbor_core::{StoreError, Timestamp};

use super::dialect::Dialect;
use super::plain::Plain;
use super::rows::check::{
    BLOBS, CORRECT, INTEGRITY, LISTS, LIVE, LOSE, MANIFESTS, MISS, NODES, Question, REFER, REFERENCES, STILL,
    UPLOADS,
};
use super::session::Row;
use super::statement::{Value, values};

/// A manifest's row, as far as the manifest says the same.
#[derive(Clone, Debug)]
pub(crate) struct ManifestRow {
    pub(crate) id: i64,
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) subject: Option<String>,
    pub(crate) size: i64,
    pub(crate) payload: Vec<u8>,
}

/// A blob's row.
#[derive(Clone, Debug)]
pub(crate) struct BlobRow {
    pub(crate) id: i64,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) location: Location,
}

/// Where a blob is said to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) id: i64,
    pub(crate) size: u64,
    pub(crate) is_live: bool,
}

/// A row whose location is none of the store.
#[derive(Clone, Debug)]
pub(crate) struct Misplaced {
    pub(crate) id: i64,
    pub(crate) location: Location,
    pub(crate) is_live: bool,
}

/// What the store should have.
#[derive(Debug, Default)]
pub(crate) struct KnownBlobs {
    pub(crate) blobs: HashMap<UploadId, Known>,
    pub(crate) uploads: HashSet<UploadId>,
    /// Rows whose locations are none of this store.
    pub(crate) misplaced: Vec<Misplaced>,
}

impl Plain {
    /// What SQLite says is wrong with its own file; nothing on a server.
    pub(crate) async fn faults_of_file(&mut self) -> Result<Vec<String>, StoreError> {
        if self.dialect() != Dialect::Sqlite {
            return Ok(Vec::new());
        }
        let said = self.fetch(INTEGRITY, Vec::new()).await?;
        let said = said.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
        Ok(said.into_iter().filter(|said| said != "ok").collect())
    }

    /// Up to so many that a question finds.
    pub(crate) async fn ask(
        &mut self,
        question: &Question,
        limit: usize,
    ) -> Result<Vec<(i64, Option<String>)>, StoreError> {
        let ask = format!("{} LIMIT {limit}", question.ask);
        self.fetch(&ask, Vec::new())
            .await?
            .iter()
            .map(|row| Ok((row.int(0)?, row.optional_text(1)?)))
            .collect()
    }

    /// Mends all that a question finds.
    pub(crate) async fn mend(&mut self, question: &Question, due: Timestamp) -> Result<(), StoreError> {
        for statement in question.mend {
            let statement = statement.replace("{due}", &due.micros().to_string());
            self.execute(&statement, Vec::new()).await?;
        }
        Ok(())
    }

    /// How many nodes were seen since then.
    pub(crate) async fn nodes_since(&mut self, since: Timestamp) -> Result<u64, StoreError> {
        self.first(NODES, values![since.micros()]).await?.map_or(Ok(0), |row| row.count(0))
    }

    /// The next manifests behind a key.
    pub(crate) async fn manifests_after(&mut self, after: i64) -> Result<Vec<ManifestRow>, StoreError> {
        let read = |row: &Row| {
            Ok(ManifestRow {
                id: row.int(0)?,
                digest: row.text(1)?,
                media_type: row.text(2)?,
                subject: row.optional_text(3)?,
                size: row.int(4)?,
                payload: row.bytes(5)?,
            })
        };
        self.fetch(MANIFESTS, values![after]).await?.iter().map(read).collect()
    }

    /// What the manifests behind a key, up to another, are noted to refer to.
    pub(crate) async fn references_between(
        &mut self,
        after: i64,
        last: i64,
    ) -> Result<HashSet<(i64, String)>, StoreError> {
        let rows = self.fetch(REFERENCES, values![after, last, after, last, after, last]).await?;
        rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?))).collect()
    }

    /// Notes that a manifest refers to a blob, or misses it.
    pub(crate) async fn refer(&mut self, manifest: i64, digest: &Digest) -> Result<(), StoreError> {
        let digest = digest.to_string();
        self.execute(REFER, values![manifest, digest.as_str()]).await?;
        self.execute(MISS, values![digest.as_str(), manifest, digest.as_str()]).await.map(drop)
    }

    /// Notes that an index lists a manifest.
    pub(crate) async fn list_child(&mut self, index: i64, digest: &Digest) -> Result<(), StoreError> {
        self.execute(LISTS, values![digest.to_string(), index]).await.map(drop)
    }

    /// Corrects what a manifest's row says.
    pub(crate) async fn correct(
        &mut self,
        manifest: i64,
        size: i64,
        subject: Option<String>,
    ) -> Result<(), StoreError> {
        self.execute(CORRECT, values![size, subject, manifest]).await.map(drop)
    }

    /// What the store should have, in which the blob of an upload has this place.
    pub(crate) async fn known_blobs(
        &mut self,
        place: &(dyn Fn(UploadId) -> Location + Send + Sync),
    ) -> Result<KnownBlobs, StoreError> {
        use futures_util::TryStreamExt as _;

        let mut known = KnownBlobs::default();
        let mut rows = self.stream(BLOBS);
        while let Some(row) = rows.try_next().await? {
            let (id, location) = (row.int(0)?, Location::new(row.text(1)?));
            let is_live = row.int(3)? == 0;
            match upload_of(location.as_str()).filter(|upload| place(*upload) == location) {
                Some(upload) => {
                    known.blobs.insert(upload, Known { id, size: row.count(2)?, is_live });
                }
                None => known.misplaced.push(Misplaced { id, location, is_live }),
            }
        }
        drop(rows);
        for row in self.fetch(UPLOADS, Vec::new()).await? {
            known.uploads.extend(row.text(0)?.parse::<UploadId>().ok());
        }
        Ok(known)
    }

    /// The next live blobs behind a key.
    pub(crate) async fn blobs_after(&mut self, after: i64) -> Result<Vec<BlobRow>, StoreError> {
        self.fetch(LIVE, values![after]).await?.iter().map(blob).collect()
    }

    /// A blob, if it is still live and where it was.
    pub(crate) async fn blob_still(
        &mut self,
        id: i64,
        location: &Location,
    ) -> Result<Option<BlobRow>, StoreError> {
        self.first(STILL, values![id, location.as_str()]).await?.map(|row| blob(&row)).transpose()
    }

    /// Takes a blob that is lost from whoever refers to it: they miss it.
    pub(crate) async fn lose(&mut self, lost: &BlobRow) -> Result<(), StoreError> {
        for (number, statement) in LOSE.iter().enumerate() {
            let mut parameters: Vec<Value> = values![lost.id];
            if number == 0 {
                parameters.insert(0, lost.digest.to_string().into());
            }
            self.execute(statement, parameters).await?;
        }
        Ok(())
    }
}

fn blob(row: &Row) -> Result<BlobRow, StoreError> {
    Ok(BlobRow {
        id: row.int(0)?,
        digest: row.parsed(1)?,
        size: row.count(2)?,
        location: Location::new(row.text(3)?),
    })
}

/// The upload that a location is of: all drivers end it with that.
pub(crate) fn upload_of(location: &str) -> Option<UploadId> {
    location.rsplit('/').next()?.parse().ok()
}

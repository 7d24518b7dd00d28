//! What a check of a whole registry does with a connection: the statements are in `rows/check/`.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt as _;
use harbor_core::blob::{Location, UploadId};
use harbor_core::oci::Digest;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use super::dialect::Dialect;
use super::plain::Plain;
use super::rows::check::{
    BLOBS, BLOBS_AFTER, CORRECT, Document, FOREIGN_KEYS, FORGET, INTEGRITY, LISTS, LOSE, MANIFESTS, MISS,
    NODES, Question, REFER, REFERENCES, REINDEX, RESIZE, STILL, UPLOADS,
};
use super::session::Row;
use super::statement::{Value, values};

/// How many faults of SQLite's file are told.
const FAULTS: usize = 20;

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
    /// Garbage, by its keys, that is a blob.
    pub(crate) wanted: Vec<i64>,
}

impl KnownBlobs {
    /// What is a blob's is its own, whoever wants it deleted.
    fn note(&mut self, upload: UploadId, new: Known) {
        let old = self.blobs.get(&upload).copied();
        match old {
            Some(old) if old.is_live && !new.is_live => self.wanted.push(new.id),
            Some(old) if !old.is_live && new.is_live => {
                self.wanted.push(old.id);
                self.blobs.insert(upload, new);
            }
            _ => drop(self.blobs.insert(upload, new)),
        }
    }
}

impl Plain {
    /// What SQLite says is wrong with its own file; nothing on a server.
    pub(crate) async fn faults_of_file(&mut self) -> Result<Vec<String>, StoreError> {
        if self.dialect() != Dialect::Sqlite {
            return Ok(Vec::new());
        }
        let (mut said, mut rows) = (Vec::new(), self.stream(INTEGRITY));
        loop {
            match rows.try_next().await {
                // Of a table several lines, below a heading.
                Ok(Some(row)) => said.extend(row.text(0)?.lines().map(str::to_owned)),
                Ok(None) => break,
                // It gives up where it cannot go on.
                Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                    said.push("it could not be looked at to its end".to_owned());
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(said.into_iter().filter(|said| said != "ok" && !said.starts_with("***")).take(FAULTS).collect())
    }

    /// Makes the indexes of SQLite's file again, of what its tables have.
    pub(crate) async fn make_indexes(&mut self) -> Result<(), StoreError> {
        self.run(REINDEX).await
    }

    /// Between which tables of SQLite rows refer to others that are not there, and how many; nothing on a server, which never lets
    /// that happen while its constraints stand.
    pub(crate) async fn dangling(&mut self) -> Result<Vec<(String, String, u64)>, StoreError> {
        if self.dialect() != Dialect::Sqlite {
            return Ok(Vec::new());
        }
        let found = self.fetch(FOREIGN_KEYS, Vec::new()).await?;
        found.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.count(2)?))).collect()
    }

    /// Up to so many documents of a column that do not read.
    pub(crate) async fn unread(
        &mut self,
        document: &Document,
        limit: usize,
    ) -> Result<Vec<(i64, Option<String>)>, StoreError> {
        let mut unread = Vec::new();
        let mut rows = self.stream(document.ask);
        while let Some(row) = rows.try_next().await? {
            if !(document.reads)(&row.text(2)?) {
                unread.push((row.int(0)?, row.optional_text(1)?));
                if unread.len() == limit {
                    break;
                }
            }
        }
        Ok(unread)
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

    /// How many a question finds, and how many rows the table has from which they would go; nothing where none go.
    pub(crate) async fn going(&mut self, question: &Question) -> Result<Option<(u64, u64)>, StoreError> {
        let Some(asks) = question.counts() else { return Ok(None) };
        let mut counts = [0, 0];
        for (count, ask) in counts.iter_mut().zip(asks) {
            *count = self.first(&ask, Vec::new()).await?.map_or(Ok(0), |row| row.count(0))?;
        }
        let [found, all] = counts;
        Ok(Some((found, all)))
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
        let mut known = KnownBlobs::default();
        let mut rows = self.stream(BLOBS);
        while let Some(row) = rows.try_next().await? {
            let (id, location) = (row.int(0)?, Location::new(row.text(1)?));
            let is_live = row.int(3)? == 1;
            match upload_of(location.as_str()).filter(|upload| place(*upload) == location) {
                Some(upload) => known.note(upload, Known { id, size: size_of(row.int(2)?), is_live }),
                None => known.misplaced.push(Misplaced { id, location, is_live }),
            }
        }
        drop(rows);
        for row in self.fetch(UPLOADS, Vec::new()).await? {
            known.uploads.extend(row.text(0)?.parse::<UploadId>().ok());
        }
        Ok(known)
    }

    /// The next live blobs behind a key, and the last key; nothing where no row follows. Those whose digests do not read are told of
    /// as documents.
    pub(crate) async fn blobs_after(
        &mut self,
        after: i64,
    ) -> Result<Option<(i64, Vec<BlobRow>)>, StoreError> {
        let rows = self.fetch(BLOBS_AFTER, values![after]).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let blobs = rows.iter().filter_map(|row| blob(row).transpose()).collect::<Result<_, _>>()?;
        Ok(Some((last.int(0)?, blobs)))
    }

    /// Corrects what a blob's row says of its size.
    pub(crate) async fn resize(&mut self, blob: &BlobRow) -> Result<(), StoreError> {
        let size = i64::try_from(blob.size).unwrap_or(i64::MAX);
        self.execute(RESIZE, values![size, blob.id]).await.map(drop)
    }

    /// Forgets bytes that were to be deleted.
    pub(crate) async fn forget(&mut self, garbage: i64) -> Result<(), StoreError> {
        self.execute(FORGET, values![garbage]).await.map(drop)
    }

    /// A blob, if it is still there and where it was.
    pub(crate) async fn blob_still(
        &mut self,
        id: i64,
        location: &Location,
    ) -> Result<Option<BlobRow>, StoreError> {
        match self.first(STILL, values![id, location.as_str()]).await? {
            Some(row) => blob(&row),
            None => Ok(None),
        }
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

/// A blob; nothing where its digest does not read.
fn blob(row: &Row) -> Result<Option<BlobRow>, StoreError> {
    let Ok(digest) = row.text(1)?.parse() else { return Ok(None) };
    let location = Location::new(row.text(3)?);
    Ok(Some(BlobRow { id: row.int(0)?, digest, size: size_of(row.int(2)?), location }))
}

/// A size. One below 0 is none that a blob has.
fn size_of(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The upload that a location is of: all drivers end it with that.
pub(crate) fn upload_of(location: &str) -> Option<UploadId> {
    location.rsplit('/').next()?.parse().ok()
}

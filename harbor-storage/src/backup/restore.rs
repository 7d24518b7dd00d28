//! Making a registry of a snapshot.
//!
//! From the first to the last moment the database says that it is being restored, in a way that no program takes it for a
//! registry. Blobs come first; the rows, and that all of it is there, are one transaction. Whoever is killed in between runs it
//! again: it goes on with the blobs that are missing.

use futures_util::{StreamExt as _, TryStreamExt as _};
use harbor_core::blob::{DriverState, Hasher, UploadId};
use harbor_core::oci::{Algorithm, Digest};
use harbor_core::{StoreError, StoreErrorKind, Timestamp};
use serde_json::Value as Json;

use super::blobs::{AT_ONCE, Listed};
use super::files::BackupFolder;
use super::stream::{bytes, lines, look};
use super::{Manifest, Place, Step, Told};
use crate::blobs::{Shelf, identity, open_shelf};
use crate::sql::plain::{Access, Plain};
use crate::sql::schema::{self, Inserting, Standing};

/// Which snapshot is restored.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// The snapshot of this name; without, the newest that reads.
    pub snapshot: Option<String>,
    /// The newest that is not younger than this.
    pub at: Option<Timestamp>,
}

/// What came of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Restored {
    /// The snapshot.
    pub manifest: Manifest,
    /// How many blobs were copied; the others were there from an earlier try.
    pub copied: u64,
    /// How many bytes these have.
    pub bytes: u64,
    /// How many rows there are now.
    pub rows: u64,
}

impl BackupFolder {
    /// The snapshot that these options mean. Those that do not read are passed over, unless one of them is named:
    /// [`Self::snapshots_that_read`] tells which they are.
    ///
    /// # Errors
    /// `NotFound` when there is none; as the last one does not read, when none does.
    pub fn chosen(&self, options: &RestoreOptions) -> Result<Manifest, StoreError> {
        if let Some(id) = &options.snapshot {
            return self.manifest(id);
        }
        let newest = options.at.unwrap_or(Timestamp::MAX);
        let (mut snapshots, mut damaged) = self.snapshots_that_read()?;
        if snapshots.is_empty()
            && let Some((_, why)) = damaged.pop()
        {
            return Err(why);
        }
        snapshots.retain(|manifest| manifest.created_at <= newest);
        snapshots.pop().ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::NotFound,
                "there is no snapshot from then or before: `harborctl local backup list`",
            )
        })
    }

    /// Makes a registry of a snapshot, in an empty place. Every file of the snapshot is verified ahead of the first change, and each blob
    /// as it is copied.
    ///
    /// # Errors
    /// `NotFound` when there is no such snapshot; `Conflict` when the place is not empty, or the restoring of another snapshot, or with
    /// another blob store, was begun there; `Corrupt` when the backup is damaged; `TooNew` when a newer program wrote it.
    pub async fn restore(
        &self,
        options: &RestoreOptions,
        place: &Place,
        told: Told<'_>,
    ) -> Result<Restored, StoreError> {
        let _held = self.share()?;
        let manifest = self.chosen(options)?;
        self.check_files(&manifest).await?;
        let mut database = Plain::open(&place.database, Access::Make).await?;
        let begun = begun(&mut database, &manifest, &place.blobs).await?;
        let store = open_shelf(&place.blobs).await?;
        let begun = match begun {
            Some(begun) => begun,
            None => begin(&mut database, &*store, &manifest, &place.blobs).await?,
        };
        let restoring = Restoring { backup: self, manifest: &manifest, store: &*store, begun, told };
        let (copied, bytes) = restoring.blobs().await?;
        store.settle().await?;
        let rows = restoring.rows(&mut database).await?;
        database.migrate(None).await?;
        database.close().await?;
        Ok(Restored { manifest, copied, bytes, rows })
    }

    async fn check_files(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let ours = schema::tables(manifest.schema).await?;
        if !ours.iter().eq(manifest.tables.iter().map(|table| &table.table)) {
            let what = format!("the tables of {} are not those of its schema's version", manifest.id);
            return Err(StoreError::new(StoreErrorKind::Corrupt, what));
        }
        for file in manifest.files() {
            let path = self.snapshot(&manifest.id).join(&file.path);
            if look(path.clone(), file.digest.algorithm()).await?.digest != file.digest {
                let what = format!("{} is not what was written: restore another snapshot", path.display());
                return Err(StoreError::new(StoreErrorKind::Corrupt, what));
            }
        }
        Ok(())
    }
}

/// What was begun, now or by somebody who was killed.
#[derive(Debug)]
struct Begun {
    /// What the places of blobs are made of: nobody else has it, so nobody else has these places.
    seed: String,
    /// Whether some blobs may be there.
    again: bool,
}

fn conflict(what: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Conflict, what)
}

/// What somebody began here who was killed: with this snapshot, and this blob store, which is not opened yet.
async fn begun(database: &mut Plain, manifest: &Manifest, blobs: &str) -> Result<Option<Begun>, StoreError> {
    let Standing::Restoring(note) = schema::standing(database).await? else { return Ok(None) };
    let parts: Vec<_> = note.split(' ').collect();
    let [id, seed, store] = parts[..] else {
        let what = "another program began to restore here: empty the place, the database and the blob store";
        return Err(StoreError::new(StoreErrorKind::Corrupt, what));
    };
    if id != manifest.id {
        return Err(conflict(format!(
            "the restoring of snapshot {id} was begun here: go on with --snapshot {id}, or empty the place"
        )));
    }
    if store != identity(blobs)? {
        let kind = store.split_once(':').map_or(store, |(kind, _)| kind);
        return Err(conflict(format!(
            "the restoring was begun with another blob store (of the kind {kind}): go on with that one, or empty the place, the \
             database and that store"
        )));
    }
    Ok(Some(Begun { seed: seed.to_owned(), again: true }))
}

/// Notes that the place is being restored, if it is empty.
async fn begin(
    database: &mut Plain,
    store: &dyn Shelf,
    manifest: &Manifest,
    blobs: &str,
) -> Result<Begun, StoreError> {
    let version = match schema::standing(database).await? {
        Standing::Restoring(_) => return Err(conflict("somebody else began to restore here")),
        Standing::Empty => 0,
        Standing::Version(version) => version,
    };
    if version > manifest.schema {
        let what = "the database was made by a newer program than the snapshot: name an empty one";
        return Err(conflict(what));
    }
    database.migrate(Some(manifest.schema)).await?;
    for table in &manifest.tables {
        if table.table.has_rows(database).await? {
            let what =
                "there is a registry in the database already: name an empty place, or move that one away";
            return Err(conflict(what));
        }
    }
    if store.list().await?.next().await.transpose()?.is_some() {
        let what = "the blob store is not empty: name another folder or prefix, or move away what is there";
        return Err(conflict(what));
    }
    let seed = uuid::Uuid::new_v4().simple().to_string();
    schema::note_restoring(database, &format!("{} {seed} {}", manifest.id, identity(blobs)?)).await?;
    Ok(Begun { seed, again: false })
}

struct Restoring<'a> {
    backup: &'a BackupFolder,
    manifest: &'a Manifest,
    store: &'a dyn Shelf,
    begun: Begun,
    told: Told<'a>,
}

impl Restoring<'_> {
    /// The name that the upload of a blob has: the same whenever it is asked for.
    fn upload(&self, digest: &str) -> Result<UploadId, StoreError> {
        let hash = Digest::of(Algorithm::Sha256, format!("{} {digest}", self.begun.seed).as_bytes());
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        let name = uuid::Builder::from_random_bytes(bytes).into_uuid().to_string();
        let wrong = |error| StoreError::new(StoreErrorKind::Other, "naming an upload").with_source(error);
        name.parse().map_err(wrong)
    }

    /// Copies all blobs. Yields how many were not there, and their bytes.
    async fn blobs(&self) -> Result<(u64, u64), StoreError> {
        let list = self.backup.snapshot(&self.manifest.id).join(&self.manifest.blob_list.path);
        let blobs = lines::<Listed>(list).map_ok(|Listed(digest, size, _)| self.blob(digest, size));
        let mut blobs = blobs.try_buffer_unordered(AT_ONCE);
        let (mut count, mut bytes) = (0, 0);
        while let Some(copied) = blobs.try_next().await? {
            count += u64::from(copied.is_some());
            bytes += copied.unwrap_or_default();
        }
        Ok((count, bytes))
    }

    /// Copies a blob; yields its size, or nothing when it is there.
    async fn blob(&self, digest: Digest, size: u64) -> Result<Option<u64>, StoreError> {
        let upload = self.upload(&digest.to_string())?;
        if self.begun.again && self.is_there(upload, &digest, size).await? {
            return Ok(None);
        }
        let mut writer = self.store.writer(upload, &DriverState::default(), 0).await?;
        let mut from = bytes(self.backup.blob(&digest));
        let (mut hasher, mut written) = (Hasher::new(digest.algorithm()), 0);
        while let Some(piece) = from.try_next().await.map_err(|error| damaged(&digest).with_source(error))? {
            written += piece.len() as u64;
            hasher = hashed(hasher, piece.clone()).await?;
            writer.write(vec![piece]).await?;
        }
        if (hasher.finish(), written) != (digest, size) {
            drop(writer);
            self.store.discard(upload, &DriverState::default()).await?;
            return Err(damaged(&digest));
        }
        if writer.commit(&digest).await? != self.store.place(upload) {
            let what = format!("{digest} was put where it was not expected");
            return Err(StoreError::new(StoreErrorKind::Other, what));
        }
        (self.told)(&Step::Blob { digest, size });
        Ok(Some(size))
    }

    /// Whether an earlier try has copied a blob.
    async fn is_there(&self, upload: UploadId, digest: &Digest, size: u64) -> Result<bool, StoreError> {
        let absent =
            |error: &StoreError| matches!(error.kind(), StoreErrorKind::NotFound | StoreErrorKind::Corrupt);
        let mut body = match self.store.open(&self.store.place(upload), 0..size).await {
            Ok(body) => body,
            Err(error) if absent(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut hasher = Hasher::new(digest.algorithm());
        loop {
            match body.try_next().await {
                Ok(Some(piece)) => hasher = hashed(hasher, piece).await?,
                Ok(None) => return Ok(hasher.finish() == *digest),
                Err(error) if absent(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes all rows, and that all of it is there. Yields how many there are.
    async fn rows(&self, database: &mut Plain) -> Result<u64, StoreError> {
        let dialect = database.dialect();
        if dialect.ends_transactions_with_keys() {
            // Without rows it does no harm, whatever becomes of the rest.
            self.keys(database).await?;
        }
        database.begin().await?;
        let written = self.rows_within(database).await;
        if written.is_err() {
            // The fault that is told is the first one.
            let _ = database.roll_back().await;
        }
        let rows = written?;
        database.commit().await?;
        Ok(rows)
    }

    async fn rows_within(&self, database: &mut Plain) -> Result<u64, StoreError> {
        schema::forget_restoring(database).await?;
        let mut total = 0;
        for table in &self.manifest.tables {
            let path = self.backup.snapshot(&self.manifest.id).join(&table.file.path);
            let moved = if table.table.name == "blobs" {
                Some((table.table.place("digest")?, table.table.place("location")?))
            } else {
                None
            };
            let (mut rows, mut inserting) = (lines::<Vec<Json>>(path), Inserting::new(&table.table));
            while let Some(mut row) = rows.try_next().await? {
                if let Some((digest, location)) = moved {
                    self.relocate(&mut row, digest, location)?;
                }
                inserting.row(database, &row).await?;
            }
            inserting.flush(database).await?;
            let (there, rows) = (table.table.count(database).await?, inserting.rows);
            if there != rows || rows != table.rows {
                let name = &table.table.name;
                let what =
                    format!("{name} has {there} rows now; {rows} were read, and {} written", table.rows);
                return Err(StoreError::new(StoreErrorKind::Corrupt, what));
            }
            (self.told)(&Step::Table { name: table.table.name.clone(), rows });
            total += rows;
        }
        if !database.dialect().ends_transactions_with_keys() {
            self.keys(database).await?;
        }
        Ok(total)
    }

    /// A blob is somewhere else now.
    fn relocate(&self, row: &mut [Json], digest: usize, location: usize) -> Result<(), StoreError> {
        let of = row.get(digest).and_then(Json::as_str).map(|digest| self.upload(digest));
        let place = of.transpose()?.map(|upload| self.store.place(upload));
        match (row.get_mut(location), place) {
            (Some(location), Some(place)) => {
                *location = place.as_str().into();
                Ok(())
            }
            _ => Err(StoreError::new(StoreErrorKind::Corrupt, "a blob's row does not read")),
        }
    }

    async fn keys(&self, database: &mut Plain) -> Result<(), StoreError> {
        for table in &self.manifest.tables {
            if let Some(last) = table.last_key {
                table.table.reserve_keys(database, last).await?;
            }
        }
        Ok(())
    }
}

/// Hashes a piece on a thread that may take its time.
async fn hashed(mut hasher: Hasher, piece: bytes::Bytes) -> Result<Hasher, StoreError> {
    crate::blobs::blocking(move || {
        hasher.update(&piece);
        Ok(hasher)
    })
    .await
}

fn damaged(digest: &Digest) -> StoreError {
    let what =
        format!("{digest} in the backup is lost or not what was pushed: `harborctl local backup verify`");
    StoreError::new(StoreErrorKind::Corrupt, what)
}

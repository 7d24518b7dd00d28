//! Taking a snapshot.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use harbor_core::blob::BlobStore;
use harbor_core::oci::Digest;
use harbor_core::{Clock, StoreError, StoreErrorKind, Timestamp};
use serde_json::Value as Json;

use super::blobs::{Listed, copy};
use super::files::{BackupFolder, NEW, make_folder, remove_folder, rename, sync_folder};
use super::manifest::{Manifest, SnapshotFile, SnapshotTable};
use super::stream::{Form, Writing, Written};
use super::{Place, Step, Taken, Told};
use crate::sql::plain::{Access, Plain};
use crate::sql::schema::{self, Standing, Table};

/// How often the database is read, where garbage collection is faster each time.
const LOOKS: u32 = 10;

/// How long to wait ahead of another look.
const PAUSE: Duration = Duration::from_millis(500);

/// How many lost blobs a fault names.
const NAMED: usize = 5;

const LIST: &str = "blobs.jsonl.zst";

impl BackupFolder {
    /// Takes a snapshot of the registry at a place; servers may run on it.
    ///
    /// # Errors
    /// `NotFound` when there is no registry, or no blob store; `Conflict` when somebody else writes to this backup, or something is being restored into
    /// the place; `TooNew` for a registry of a newer program; `Corrupt` when blobs are lost;
    /// `Busy` when they go faster than they are copied. Nothing is to be seen of it then.
    pub async fn take(&self, place: &Place, told: Told<'_>) -> Result<Taken, StoreError> {
        let _held = self.hold()?;
        let mut database = Plain::open(&place.database, Access::Read).await?;
        let version = version(&mut database).await?;
        let tables = schema::tables(version).await?;
        let store = crate::blobs::open_there(&place.blobs).await?;
        let mut taking = Taking { backup: self, tables, version, store: &*store, told, copied: 0, bytes: 0 };
        let taken = taking.take(&mut database).await;
        database.close().await?;
        taken
    }
}

/// The version of the schema that a registry has.
pub(super) async fn version(database: &mut Plain) -> Result<i64, StoreError> {
    match schema::standing(database).await? {
        Standing::Version(version) => Ok(version),
        Standing::Empty => {
            Err(StoreError::new(StoreErrorKind::NotFound, "there is no registry in the database"))
        }
        Standing::Restoring(_) => {
            let what = "a registry is being restored into the database: run `harborctl local restore` again, it completes it";
            Err(StoreError::new(StoreErrorKind::Conflict, what))
        }
    }
}

struct Taking<'a> {
    backup: &'a BackupFolder,
    tables: Vec<Table>,
    version: i64,
    store: &'a dyn BlobStore,
    told: Told<'a>,
    copied: u64,
    bytes: u64,
}

impl Taking<'_> {
    async fn take(&mut self, database: &mut Plain) -> Result<Taken, StoreError> {
        self.first_look(database).await?;
        let mut before = BTreeMap::new();
        for look in 1..=LOOKS {
            let now = Clock::System.now();
            let (id, name) = names(now);
            let folder = self.backup.snapshot(&name);
            let manifest = self.dump(database, &folder, id, now).await?;
            let lost = self.copy(&folder.join(LIST)).await?;
            if lost.is_empty() {
                manifest.write(&folder)?;
                sync_folder(&self.backup.blobs())?;
                rename(&folder, &self.backup.snapshot(&manifest.id))?;
                return Ok(Taken { manifest, copied: self.copied, bytes: self.bytes });
            }
            remove_folder(&folder)?;
            // Its row goes before its bytes do: what two looks name was not collected in between.
            let again = lost.keys().any(|blob| before.contains_key(blob));
            if again {
                return Err(gone(&lost));
            }
            if look == LOOKS {
                break;
            }
            (self.told)(&Step::Again { blobs: lost.len() });
            before = lost;
            tokio::time::sleep(PAUSE).await;
        }
        let what = format!(
            "garbage collection was faster than this each of {LOOKS} times: try again when less is deleted"
        );
        Err(StoreError::new(StoreErrorKind::Busy, what))
    }

    /// Copies what is there now, so that little is left for the time after the database was read.
    async fn first_look(&mut self, database: &mut Plain) -> Result<(), StoreError> {
        let folder = self.backup.snapshot(&format!("{NEW}{}", uuid::Uuid::new_v4().simple()));
        make_folder(&folder)?;
        if let Some(table) = self.tables.iter().find(|table| table.name == "blobs") {
            let list = folder.join(LIST);
            let mut writing = Listing::begin(&list, table)?;
            let mut rows = table.rows(database);
            while let Some(row) = rows.try_next().await? {
                writing.row(&row).await?;
            }
            writing.writing.finish().await?;
            drop(rows);
            self.copy(&list).await?;
        }
        remove_folder(&folder)
    }

    async fn copy(&mut self, list: &Path) -> Result<BTreeMap<(Digest, String), StoreError>, StoreError> {
        let copied = copy(self.backup, list.to_owned(), self.store, self.told).await?;
        self.copied += copied.blobs;
        self.bytes += copied.bytes;
        Ok(copied.lost)
    }

    /// Writes all tables as they are at one moment.
    async fn dump(
        &self,
        database: &mut Plain,
        folder: &Path,
        id: String,
        now: Timestamp,
    ) -> Result<Manifest, StoreError> {
        make_folder(&folder.join("tables"))?;
        database.begin_snapshot().await?;
        // A server that migrated it meanwhile would have other tables.
        if version(database).await? != self.version {
            let what = "the database was migrated meanwhile: try again";
            return Err(StoreError::new(StoreErrorKind::Conflict, what));
        }
        let (mut tables, mut blobs) = (Vec::new(), None);
        for table in &self.tables {
            let mut list = match table.name.as_str() {
                "blobs" => Some(Listing::begin(&folder.join(LIST), table)?),
                _ => None,
            };
            let path = format!("tables/{}.jsonl.zst", table.name);
            let mut writing = Writing::begin(folder.join(&path), Form::Zstd);
            let mut count = 0;
            let mut rows = table.rows(database);
            while let Some(row) = rows.try_next().await? {
                writing.line(&row).await?;
                count += 1;
                if let Some(list) = &mut list {
                    list.row(&row).await?;
                }
            }
            drop(rows);
            let file = file(path, writing.finish().await?);
            if let Some(list) = list {
                blobs = Some((list.blobs, list.bytes, file_of(list).await?));
            }
            (self.told)(&Step::Table { name: table.name.clone(), rows: count });
            let last_key = table.last_key(database).await?;
            tables.push(SnapshotTable { table: table.clone(), rows: count, last_key, file });
        }
        database.commit().await?;
        sync_folder(&folder.join("tables"))?;
        let no_blobs = || StoreError::new(StoreErrorKind::Corrupt, "the schema has no blobs");
        let (blobs, blob_bytes, blob_list) = blobs.ok_or_else(no_blobs)?;
        Ok(Manifest {
            format: Manifest::format(),
            id,
            created_at: now,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            schema: self.version,
            database: database.name().to_owned(),
            blob_store: self.store.name().to_owned(),
            tables,
            blobs,
            blob_bytes,
            blob_list,
        })
    }
}

/// The list of blobs, written from the rows of their table.
struct Listing {
    writing: Writing,
    digest: usize,
    size: usize,
    location: usize,
    blobs: u64,
    bytes: u64,
}

impl Listing {
    fn begin(path: &Path, table: &Table) -> Result<Self, StoreError> {
        let (digest, size) = (table.place("digest")?, table.place("size")?);
        let location = table.place("location")?;
        let writing = Writing::begin(path.to_owned(), Form::Zstd);
        Ok(Self { writing, digest, size, location, blobs: 0, bytes: 0 })
    }

    async fn row(&mut self, row: &[Json]) -> Result<(), StoreError> {
        let text = |place: usize| row.get(place).and_then(Json::as_str);
        let digest = text(self.digest).and_then(|digest| digest.parse().ok());
        let size = row.get(self.size).and_then(Json::as_u64);
        let (Some(digest), Some(size), Some(location)) = (digest, size, text(self.location)) else {
            return Err(StoreError::new(StoreErrorKind::Corrupt, "a blob's row does not read"));
        };
        self.blobs += 1;
        self.bytes += size;
        self.writing.line(&Listed(digest, size, location.to_owned())).await
    }
}

async fn file_of(list: Listing) -> Result<SnapshotFile, StoreError> {
    Ok(file(LIST.to_owned(), list.writing.finish().await?))
}

fn file(path: String, written: Written) -> SnapshotFile {
    SnapshotFile { path, size: written.size, digest: written.digest }
}

/// The name that a snapshot will have, and the one that it has until then.
fn names(now: Timestamp) -> (String, String) {
    let time: String = now.to_string().chars().filter(|c| !['-', ':'].contains(c)).take(15).collect();
    let random = uuid::Uuid::new_v4().simple().to_string();
    let id = format!("{time}Z-{}", random.split_at(8).0);
    let passing = format!("{NEW}{id}");
    (id, passing)
}

fn gone(lost: &BTreeMap<(Digest, String), StoreError>) -> StoreError {
    let named: Vec<_> =
        lost.iter().take(NAMED).map(|((digest, _), why)| format!("{digest} ({why})")).collect();
    let rest = lost.len().saturating_sub(NAMED);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    let what = format!(
        "{} blobs are lost or damaged: {}{more}; `harborctl local check` tells what they belong to",
        lost.len(),
        named.join(", ")
    );
    StoreError::new(StoreErrorKind::Corrupt, what)
}

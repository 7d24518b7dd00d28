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

/// How often at most it is copied what is there ahead of the first: that is done until little came meanwhile, for a transaction is open
/// while the rest is copied.
const FIRST_LOOKS: u32 = 4;

/// How much is little, in bytes: copied in seconds.
const LITTLE: u64 = 256 << 20;

/// How many lost blobs a fault names.
const NAMED: usize = 5;

const LIST: &str = "blobs.jsonl.zst";

/// The table that names the blobs.
const BLOBS: &str = "blobs";

/// Blobs that are not there, or not what they should be: where, and why.
type Lost = BTreeMap<(Digest, String), StoreError>;

/// What came of reading the database once.
enum Look {
    /// All is in the backup.
    Whole(Box<Manifest>),
    /// All is not, for these are gone.
    Lost(Lost),
}

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
        for _ in 0..FIRST_LOOKS {
            let before = self.bytes;
            self.first_look(database).await?;
            if self.bytes - before < LITTLE {
                break;
            }
        }
        let mut before = BTreeMap::new();
        for look in 1..=LOOKS {
            let now = Clock::System.now();
            let (id, name) = names(now);
            let folder = self.backup.snapshot(&name);
            let lost = match self.look(database, &folder, id, now).await? {
                Look::Whole(manifest) => {
                    manifest.write(&folder)?;
                    sync_folder(&self.backup.blobs())?;
                    rename(&folder, &self.backup.snapshot(&manifest.id))?;
                    return Ok(Taken { manifest: *manifest, copied: self.copied, bytes: self.bytes });
                }
                Look::Lost(lost) => lost,
            };
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

    /// Copies what is there now, so that little is left for the time when the database is read.
    async fn first_look(&mut self, database: &mut Plain) -> Result<(), StoreError> {
        let folder = self.backup.snapshot(&format!("{NEW}{}", uuid::Uuid::new_v4().simple()));
        make_folder(&folder)?;
        if let Some(table) = self.tables.iter().find(|table| table.name == BLOBS) {
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

    async fn copy(&mut self, list: &Path) -> Result<Lost, StoreError> {
        let copied = copy(self.backup, list.to_owned(), self.store, self.told).await?;
        self.copied += copied.blobs;
        self.bytes += copied.bytes;
        Ok(copied.lost)
    }

    /// Writes all tables as they are at one moment, and copies the blobs as soon as it is known which they are: what is garbage at
    /// that moment goes at any other.
    async fn look(
        &mut self,
        database: &mut Plain,
        folder: &Path,
        id: String,
        now: Timestamp,
    ) -> Result<Look, StoreError> {
        make_folder(&folder.join("tables"))?;
        database.begin_snapshot().await?;
        // A server that migrated it meanwhile would have other tables.
        if version(database).await? != self.version {
            let what = "the database was migrated meanwhile: try again";
            return Err(StoreError::new(StoreErrorKind::Conflict, what));
        }
        let (mut tables, mut blobs) = (Vec::new(), None);
        for table in self.tables.clone() {
            let (written, listed) = self.dump(database, folder, &table).await?;
            (self.told)(&Step::Table { name: table.name, rows: written.rows });
            tables.push(written);
            if let Some(list) = listed {
                blobs = Some((list.blobs, list.bytes, file_of(list).await?));
                let lost = self.copy(&folder.join(LIST)).await?;
                if !lost.is_empty() {
                    database.commit().await?;
                    return Ok(Look::Lost(lost));
                }
            }
        }
        database.commit().await?;
        sync_folder(&folder.join("tables"))?;
        let no_blobs = || StoreError::new(StoreErrorKind::Corrupt, "the schema has no blobs");
        let (blobs, blob_bytes, blob_list) = blobs.ok_or_else(no_blobs)?;
        Ok(Look::Whole(Box::new(Manifest {
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
        })))
    }

    /// Writes a table, and of that of the blobs the list of them.
    async fn dump(
        &self,
        database: &mut Plain,
        folder: &Path,
        table: &Table,
    ) -> Result<(SnapshotTable, Option<Listing>), StoreError> {
        let mut list = match table.name == BLOBS {
            true => Some(Listing::begin(&folder.join(LIST), table)?),
            false => None,
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
        let last_key = table.last_key(database).await?;
        Ok((SnapshotTable { table: table.clone(), rows: count, last_key, file }, list))
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

fn gone(lost: &Lost) -> StoreError {
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

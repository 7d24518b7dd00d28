//! What a snapshot says of itself.

use std::path::Path;

use harbor_core::oci::{Algorithm, Digest};
use harbor_core::{StoreError, StoreErrorKind, Timestamp};
use serde::{Deserialize, Serialize};

use super::files::{sync_folder, write_file};
use crate::sql::schema::Table;

/// The form of snapshots. It goes up when an older program could not read them any more.
const FORMAT: u32 = 1;

/// The name of its file.
const NAME: &str = "manifest.json";

/// A snapshot, as it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The form of the snapshot.
    pub format: u32,
    /// Its name: when it was taken, and something random.
    pub id: String,
    /// When the database was read: it has what was committed before.
    pub created_at: Timestamp,
    /// The version of the program that took it.
    pub program: String,
    /// The version of the schema that its tables have.
    pub schema: i64,
    /// Which database it was: `sqlite`, `postgresql`, `mysql`.
    pub database: String,
    /// Which blob store it was: `folder`, `s3`, ….
    pub blob_store: String,
    /// The tables, each behind those that it refers to.
    pub tables: Vec<SnapshotTable>,
    /// How many blobs it names.
    pub blobs: u64,
    /// How many bytes they have.
    pub blob_bytes: u64,
    /// The list of them.
    pub blob_list: SnapshotFile,
}

/// A table of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SnapshotTable {
    #[serde(flatten)]
    pub(crate) table: Table,
    /// How many rows it has.
    pub rows: u64,
    /// The last key that was given to a row of it.
    pub last_key: Option<i64>,
    /// Its rows.
    pub file: SnapshotFile,
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SnapshotFile {
    /// Its name, below the snapshot's folder.
    pub path: String,
    /// Its size, in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
}

impl Manifest {
    pub(super) const fn format() -> u32 {
        FORMAT
    }

    /// Writes it into the snapshot's folder, so that it is on disk.
    pub(super) fn write(&self, folder: &Path) -> Result<(), StoreError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "the manifest cannot be written").with_source(error)
        })?;
        let sum = format!("{}  {NAME}\n", Digest::of(Algorithm::Sha256, &text).hex());
        write_file(&folder.join(NAME), &text)?;
        write_file(&folder.join(format!("{NAME}.sha256")), sum.as_bytes())?;
        sync_folder(folder)
    }

    /// Reads it from a snapshot's folder.
    ///
    /// # Errors
    /// `Corrupt` when it is not what was written; `TooNew` when this program does not know its form.
    pub(super) fn read(folder: &Path) -> Result<Self, StoreError> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|error| StoreError::io(format!("reading {}", path.display()), error))
        };
        let damaged = |why: &str| {
            StoreError::new(StoreErrorKind::Corrupt, format!("{}: {why}", folder.join(NAME).display()))
        };
        let (text, sum) = (read(NAME)?, read(&format!("{NAME}.sha256"))?);
        let digest = Digest::of(Algorithm::Sha256, &text).hex();
        if !sum.starts_with(digest.as_bytes()) {
            return Err(damaged("it is not what was written"));
        }
        let format = serde_json::from_slice::<Format>(&text).map_err(|_| damaged("it does not read"))?;
        if format.format > FORMAT {
            let what = format!("{}: a newer program wrote it: run that", folder.display());
            return Err(StoreError::new(StoreErrorKind::TooNew, what));
        }
        let manifest: Self =
            serde_json::from_slice(&text).map_err(|error| damaged("it does not read").with_source(error))?;
        if folder.file_name().and_then(|name| name.to_str()) != Some(manifest.id.as_str()) {
            return Err(damaged("it is another snapshot's"));
        }
        Ok(manifest)
    }

    /// All files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &SnapshotFile> {
        self.tables.iter().map(|table| &table.file).chain([&self.blob_list])
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

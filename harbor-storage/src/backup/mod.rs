//! Backups of a whole registry, its database and its blobs, taken while servers run; and what is made of them again.
//!
//! # Layout
//!
//! ```text
//! BACKUP/
//!   README                           what this is
//!   .lock                            held by whoever writes here
//!   blobs/sha256/ab/<hex>            blobs by their digests, shared by all snapshots
//!   blobs/.new/                      what is being copied
//!   snapshots/<time>-<id>/
//!     manifest.json                  versions, time, tables, and the digest of each file below
//!     manifest.json.sha256           the digest of that, as `sha256sum` writes it
//!     tables/<name>.jsonl.zst        a table: a JSON array a row, in the order of the columns in the manifest
//!     blobs.jsonl.zst                the blobs: ["sha256:…", size, where they were]
//!   snapshots/.new-…, .old-…         what is being made, and what is being deleted
//! ```
//!
//! A snapshot is visible when its folder has its last name, which is given when all of it, and every blob that it names, is on disk.
//! So whatever moment somebody is killed at, there is nothing half-made to be seen; who comes next removes what was left, and copies
//! only what is not there.
//!
//! # Consistency
//!
//! The database is read in one transaction. The blobs come after it, and garbage collection may delete one of them in between:
//! those that are new since a first look are all that is left to copy then, and these are young, so that their time has not
//! come. Where it has all the same, the database is read again. A blob that two looks name and that is not there is lost, and
//! there is no snapshot then.
//!
//! # What is not in it
//!
//! Uploads in progress, blobs that nobody links to, and which nodes run.

mod blobs;
mod dump;
mod files;
mod manifest;
mod prune;
mod restore;
mod stream;
#[cfg(test)]
mod tests;
mod verify;

pub use files::{BackupFolder, Unread};
pub use manifest::{Manifest, SnapshotFile, SnapshotTable};
pub use prune::Pruned;
pub use restore::{RestoreOptions, Restored};
pub use verify::{Problem, Verified};

use harbor_core::oci::Digest;

/// Where a registry keeps what it has, as its server's settings name it.
#[derive(Clone)]
pub struct Place {
    /// The address of its database, as [`SqlMetadata::connect`](crate::sql::SqlMetadata::connect) takes it.
    pub database: String,
    /// The address of its blob store, as [`blobs::open`](crate::blobs::open) takes it.
    pub blobs: String,
}

impl std::fmt::Debug for Place {
    /// Without what may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = |address: &str| address.split_once(':').map_or("", |(scheme, _)| scheme).to_owned();
        let (database, blobs) = (scheme(&self.database), scheme(&self.blobs));
        f.debug_struct("Place").field("database", &database).field("blobs", &blobs).finish()
    }
}

/// What is told while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The rows of a table were read or written.
    Table {
        /// Its name.
        name: String,
        /// How many it has.
        rows: u64,
    },
    /// A blob was copied.
    Blob {
        /// Its digest.
        digest: Digest,
        /// Its size, in bytes.
        size: u64,
    },
    /// Garbage collection was faster, or something is lost: the database is read again, because of so many blobs.
    Again {
        /// How many.
        blobs: usize,
    },
}

/// Who is told.
pub type Told<'a> = &'a (dyn Fn(&Step) + Send + Sync);

/// What came of taking a snapshot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Taken {
    /// The snapshot.
    pub manifest: Manifest,
    /// How many blobs were copied; the others were there.
    pub copied: u64,
    /// How many bytes these have.
    pub bytes: u64,
}

//! Blobs on their way into a backup.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use harbor_core::blob::{BlobStore, Location};
use harbor_core::oci::Digest;
use harbor_core::{StoreError, StoreErrorKind};
use serde::{Deserialize, Serialize};

use super::files::{BackupFolder, make_folder, rename, sync_folder};
use super::stream::{Form, Writing, lines};
use super::{Step, Told};
use crate::blobs::blocking;

/// How many blobs are copied at a time.
pub(super) const AT_ONCE: usize = 8;

/// A line of the list of blobs: the digest, the size, and where it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Listed(pub(super) Digest, pub(super) u64, pub(super) String);

/// What came of copying those of a list.
#[derive(Debug, Default)]
pub(super) struct Copied {
    pub(super) blobs: u64,
    pub(super) bytes: u64,
    /// Those that were not there, or not what they should be: where, and why.
    pub(super) lost: BTreeMap<(Digest, String), StoreError>,
}

enum Came {
    There,
    Copied(u64),
    Lost(Listed, StoreError),
}

/// Copies the blobs of a list that are not there.
pub(super) async fn copy(
    backup: &BackupFolder,
    list: PathBuf,
    store: &dyn BlobStore,
    told: Told<'_>,
) -> Result<Copied, StoreError> {
    let mut copied = Copied::default();
    let blobs = lines::<Listed>(list).map_ok(|blob| copy_one(backup, blob, store, told));
    let mut blobs = blobs.try_buffer_unordered(AT_ONCE);
    while let Some(came) = blobs.try_next().await? {
        match came {
            Came::There => {}
            Came::Copied(bytes) => {
                copied.blobs += 1;
                copied.bytes += bytes;
            }
            Came::Lost(Listed(digest, _, location), why) => {
                copied.lost.insert((digest, location), why);
            }
        }
    }
    Ok(copied)
}

async fn copy_one(
    backup: &BackupFolder,
    blob: Listed,
    store: &dyn BlobStore,
    told: Told<'_>,
) -> Result<Came, StoreError> {
    let Listed(digest, size, _) = blob;
    let (to, looked) = (backup.blob(&digest), backup.blob(&digest));
    let is_there =
        move || Ok(std::fs::metadata(looked).is_ok_and(|found| found.is_file() && found.len() == size));
    if blocking(is_there).await? {
        return Ok(Came::There);
    }
    let passing = backup.passing().join(uuid::Uuid::new_v4().to_string());
    if let Err(why) = fetch(&blob, store, passing.clone()).await? {
        // Who comes next removes what stays.
        let _ = std::fs::remove_file(&passing);
        return lost(blob, why);
    }
    blocking(move || keep(&passing, &to)).await?;
    told(&Step::Blob { digest, size });
    Ok(Came::Copied(size))
}

/// Copies a blob into a file, so that it is on disk; or tells what is wrong with it where it was.
async fn fetch(
    Listed(digest, size, location): &Listed,
    store: &dyn BlobStore,
    to: PathBuf,
) -> Result<Result<(), StoreError>, StoreError> {
    let mut from = match store.open(&Location::new(location.clone()), 0..*size).await {
        Ok(body) => body,
        Err(why) => return Ok(Err(why)),
    };
    let mut writing = Writing::begin(to, Form::Plain(digest.algorithm()));
    let read = loop {
        match from.try_next().await {
            Ok(Some(piece)) => writing.write(piece).await,
            Ok(None) => break Ok(()),
            Err(why) => break Err(why),
        }
    };
    let written = writing.finish().await?;
    if read.is_ok() && (written.digest, written.size) != (*digest, *size) {
        let what = format!("{digest} at {location} is not what was pushed");
        return Ok(Err(StoreError::new(StoreErrorKind::Corrupt, what)));
    }
    Ok(read)
}

/// Gives a blob its last name.
fn keep(passing: &Path, to: &Path) -> Result<(), StoreError> {
    let folder = to.parent().unwrap_or(to);
    if !folder.is_dir() {
        make_folder(folder)?;
        folder.ancestors().skip(1).take(2).try_for_each(sync_folder)?;
    }
    rename(passing, to)
}

/// What was lost is told at the end; a store that cannot be read may have it.
fn lost(blob: Listed, error: StoreError) -> Result<Came, StoreError> {
    match error.kind() {
        StoreErrorKind::NotFound | StoreErrorKind::Corrupt => Ok(Came::Lost(blob, error)),
        _ => Err(error),
    }
}

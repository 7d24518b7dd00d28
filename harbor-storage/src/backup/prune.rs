//! Deleting snapshots, and the blobs that no other names.

use std::collections::HashSet;
use std::path::Path;

use futures_util::TryStreamExt as _;
use harbor_core::oci::Digest;
use harbor_core::{StoreError, StoreErrorKind};

use super::blobs::Listed;
use super::files::{BackupFolder, OLD, fault, names, remove_folder, rename};
use super::stream::{lines, look};
use crate::blobs::blocking;

/// What was deleted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Pruned {
    /// The snapshots.
    pub snapshots: Vec<String>,
    /// How many blobs.
    pub blobs: u64,
    /// How many bytes these had.
    pub bytes: u64,
}

impl BackupFolder {
    /// Deletes all snapshots but the newest so many, and the blobs that none of these names. Killed in the middle, what stays is whole,
    /// and the next call deletes the rest.
    ///
    /// # Errors
    /// `Corrupt`, and nothing is deleted, when a snapshot does not read: nobody knows which blobs it names. `Conflict` while somebody
    /// else writes to this backup.
    pub async fn prune(&self, keep: usize) -> Result<Pruned, StoreError> {
        let _held = self.hold()?;
        let (snapshots, damaged) = self.snapshots_that_read()?;
        if let Some((id, why)) = damaged.into_iter().next() {
            let what = format!(
                "the snapshot {id} does not read, and which blobs it names is not known; nothing was deleted: delete the folder {} to \
                 give it up",
                self.snapshot(&id).display()
            );
            return Err(StoreError::new(why.kind(), what).with_source(why));
        }
        let (old, kept) = snapshots.split_at(snapshots.len().saturating_sub(keep));
        let mut named = HashSet::new();
        for manifest in kept {
            let (path, list) =
                (self.snapshot(&manifest.id).join(&manifest.blob_list.path), &manifest.blob_list);
            if look(path.clone(), list.digest.algorithm()).await?.digest != list.digest {
                let what = format!("{} is not what was written; nothing was deleted", path.display());
                return Err(StoreError::new(StoreErrorKind::Corrupt, what));
            }
            let mut blobs = lines::<Listed>(path);
            while let Some(Listed(digest, ..)) = blobs.try_next().await? {
                named.insert(digest);
            }
        }
        let mut pruned = Pruned::default();
        for manifest in old {
            let passing = self.snapshot(&format!("{OLD}{}", manifest.id));
            rename(&self.snapshot(&manifest.id), &passing)?;
            remove_folder(&passing)?;
            pruned.snapshots.push(manifest.id.clone());
        }
        let blobs = self.blobs();
        let (blobs, bytes) = blocking(move || sweep(&blobs, &named)).await?;
        Ok(Pruned { blobs, bytes, ..pruned })
    }
}

/// Deletes the blobs that are not named. Yields how many, and their bytes.
fn sweep(blobs: &Path, named: &HashSet<Digest>) -> Result<(u64, u64), StoreError> {
    let (mut count, mut bytes) = (0, 0);
    for algorithm in names(blobs)?.iter().filter(|name| !name.starts_with('.')) {
        let folder = blobs.join(algorithm);
        for part in names(&folder)? {
            let folder = folder.join(part);
            for hex in names(&folder)? {
                let digest = format!("{algorithm}:{hex}").parse();
                // What is no blob was put there by somebody else.
                if digest.is_ok_and(|digest: Digest| !named.contains(&digest)) {
                    let path = folder.join(hex);
                    let size = std::fs::metadata(&path).map_or(0, |found| found.len());
                    std::fs::remove_file(&path).map_err(|error| fault("removing", &path, error))?;
                    (count, bytes) = (count + 1, bytes + size);
                }
            }
        }
    }
    Ok((count, bytes))
}

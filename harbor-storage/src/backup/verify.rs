//! Whether what a backup has is what was written.

use std::collections::HashSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use harbor_core::oci::Digest;
use harbor_core::{StoreError, StoreErrorKind};

use super::Manifest;
use super::blobs::Listed;
use super::files::BackupFolder;
use super::stream::{lines, look};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The snapshot that was looked at.
    pub snapshot: String,
    /// What it is about: a file of the snapshot, or a blob's digest.
    pub subject: String,
    /// What is wrong with it.
    pub what: String,
}

/// What came of looking.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Verified {
    /// The snapshots that were looked at.
    pub snapshots: Vec<String>,
    /// How many files and blobs were read.
    pub files: u64,
    /// How many bytes these have.
    pub bytes: u64,
    /// What is not as it should be.
    pub problems: Vec<Problem>,
}

impl BackupFolder {
    /// Reads every byte of these snapshots, and of the blobs that they name; a blob once.
    ///
    /// # Errors
    /// `NotFound` when there is no such snapshot; `Conflict` while somebody writes to this backup. What is damaged is no error.
    pub async fn verify(&self, ids: &[String]) -> Result<Verified, StoreError> {
        let _held = self.share()?;
        let (mut verified, mut seen) = (Verified::default(), HashSet::new());
        for id in ids {
            verified.snapshots.push(id.clone());
            match self.manifest(id) {
                Ok(manifest) => self.verify_one(&manifest, &mut verified, &mut seen).await?,
                Err(error) if error.kind() == StoreErrorKind::NotFound && !self.ids()?.contains(id) => {
                    return Err(error);
                }
                Err(error) => verified.problem(id, "manifest.json", error.to_string()),
            }
        }
        Ok(verified)
    }

    async fn verify_one(
        &self,
        manifest: &Manifest,
        verified: &mut Verified,
        seen: &mut HashSet<Digest>,
    ) -> Result<(), StoreError> {
        let folder = self.snapshot(&manifest.id);
        let mut whole = true;
        for file in manifest.files() {
            let found = look(folder.join(&file.path), file.digest.algorithm()).await;
            whole &= verified.found(&manifest.id, &file.path, found, file.size, &file.digest);
        }
        if !whole {
            return Ok(());
        }
        let at_once = std::thread::available_parallelism().map_or(4, usize::from);
        let mut blobs = lines::<Listed>(folder.join(&manifest.blob_list.path)).try_chunks(1024);
        while let Some(chunk) = blobs.next().await {
            let chunk = chunk.map_err(|error| error.1)?;
            let new: Vec<_> = chunk.into_iter().filter(|Listed(digest, ..)| seen.insert(*digest)).collect();
            let looks = stream::iter(new).map(async |Listed(digest, size, _)| {
                (digest, size, look(self.blob(&digest), digest.algorithm()).await)
            });
            let mut looks = looks.buffer_unordered(at_once);
            while let Some((digest, size, found)) = looks.next().await {
                verified.found(&manifest.id, &digest.to_string(), found, size, &digest);
            }
        }
        Ok(())
    }
}

impl Verified {
    fn problem(&mut self, snapshot: &str, subject: &str, what: String) {
        let (snapshot, subject) = (snapshot.to_owned(), subject.to_owned());
        self.problems.push(Problem { snapshot, subject, what });
    }

    /// Notes what was found; yields whether it is what should be.
    fn found(
        &mut self,
        snapshot: &str,
        subject: &str,
        found: Result<super::stream::Written, StoreError>,
        size: u64,
        digest: &Digest,
    ) -> bool {
        self.files += 1;
        let what = match found {
            Ok(found) => {
                self.bytes += found.size;
                match (found.size == size, found.digest == *digest) {
                    (true, true) => return true,
                    (false, _) => format!("it has {} bytes, and {size} were written", found.size),
                    (true, false) => format!("its digest is {}, and {digest} was written", found.digest),
                }
            }
            Err(error) if error.kind() == StoreErrorKind::NotFound => "it is not there".to_owned(),
            Err(error) => error.to_string(),
        };
        self.problem(snapshot, subject, what);
        false
    }
}

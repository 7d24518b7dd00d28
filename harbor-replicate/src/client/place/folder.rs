//! Writing OCI image layouts as folders.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use harbor_core::blob::Hasher;
use harbor_core::oci::Digest;
use tempfile::NamedTempFile;

use super::claim::{Claim, PARTIAL};
use super::files::{PIECE, Region, blob_path, blocking, read_at, wrong};
use super::index::{self, Index, Named};
use super::pour::{Pour, open_partial, sync_folder};
use super::{COMMON, Destination, is_of_nothing};
use crate::client::{BlobSource, Error, Manifest, PushOptions, Pushed, Result};

/// An OCI image layout that is written as a folder, or is added to.
///
/// Blobs appear when they are whole, and the index says so of them when [`Destination::commit`] does. What was cut off is gone on
/// with by doing it again: blobs that are there stay, also half of one. Several may write to one folder at the same time, also from
/// several programs: a blob that another one is writing is waited for.
#[derive(Debug)]
pub struct LayoutFolder {
    root: PathBuf,
    claim: Arc<Claim>,
    named: Mutex<Vec<Named>>,
}

impl LayoutFolder {
    /// The folder at a path, which need not be there yet.
    ///
    /// # Errors
    /// [`Error::Unusable`] when something else is in it; [`Error::File`] when it cannot be written.
    pub async fn create(path: impl AsRef<Path>) -> Result<Self> {
        let root = path.as_ref().to_owned();
        let of = root.clone();
        let begun = blocking(move || begin(&of));
        let claim = begun.await.map_err(|cause| wrong(&root, cause))?;
        Ok(Self { root, claim: Arc::new(claim), named: Mutex::new(Vec::new()) })
    }

    async fn write(&self, digest: &Digest, source: &dyn BlobSource, options: &PushOptions) -> Result<Pushed> {
        let path = blob_path(&self.root, digest);
        if self.has(&path, digest, source.size()).await? {
            return Ok(Pushed::Existed);
        }
        let partial = self.claim.folder().join(format!("{}-{}", digest.algorithm(), digest.hex()));
        let file = Arc::new(open_partial(&partial, None).await?);
        if self.has(&path, digest, source.size()).await? {
            // Somebody else has ended it before we had it.
            let _ = fs::remove_file(&partial);
            return Ok(Pushed::Existed);
        }
        let (hasher, done) = self.known(&file, digest, source.size()).await?;
        let mut poured = self.pour(&file, &partial, (hasher, done), digest, source, options).await;
        if done > 0 && matches!(poured, Err(Error::Digest { .. })) {
            // What was there was nothing of it.
            let anew = (Hasher::new(digest.algorithm()), 0);
            poured = self.pour(&file, &partial, anew, digest, source, options).await;
        }
        if matches!(poured, Err(Error::Digest { .. })) {
            let _ = fs::remove_file(&partial);
        }
        poured?;
        let ended = blocking(move || {
            file.sync_data()?;
            fs::rename(&partial, &path)
        });
        ended.await.map_err(|cause| wrong(&self.root, cause))?;
        Ok(Pushed::Sent)
    }

    async fn pour(
        &self,
        file: &Arc<File>,
        path: &Path,
        (hasher, done): (Hasher, u64),
        digest: &Digest,
        source: &dyn BlobSource,
        options: &PushOptions,
    ) -> Result<()> {
        let stream = source.open(done).await.map_err(Error::Source)?;
        let (file, sent) = (Arc::clone(file), options.sent.clone());
        Pour { file, path, at: done, hasher, done, size: source.size(), sent }.all(stream, digest).await
    }

    /// What of a blob an earlier run has left, hashed.
    async fn known(&self, file: &Arc<File>, digest: &Digest, size: u64) -> Result<(Hasher, u64)> {
        let (file, mut hasher) = (Arc::clone(file), Hasher::new(digest.algorithm()));
        let looked = blocking(move || {
            let length = file.metadata()?.len();
            if length > size {
                file.set_len(0)?;
                return Ok((hasher, 0));
            }
            let (mut buffer, mut done) = (vec![0; PIECE], 0);
            while done < length {
                match read_at(&file, &mut buffer, done)? {
                    0 => break,
                    read => {
                        hasher.update(&buffer[..read]);
                        done += read as u64;
                    }
                }
            }
            Ok((hasher, done))
        });
        looked.await.map_err(|cause| wrong(&self.root, cause))
    }

    /// Whether a blob is there. One that somebody has spoilt is not, and is written anew.
    async fn has(&self, path: &Path, digest: &Digest, size: u64) -> Result<bool> {
        let (of, digest) = (path.to_owned(), *digest);
        let looked = blocking(move || {
            let known = match fs::metadata(&of) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                known => known?,
            };
            if !known.is_file() || known.len() != size {
                return Ok(false);
            }
            let region = Region { file: Arc::new(File::open(&of)?), start: 0, size };
            Ok(region.digest(Hasher::new(digest.algorithm()))? == digest)
        });
        looked.await.map_err(|cause| wrong(path, cause))
    }
}

/// Makes the folders, where nothing else is, and claims them.
fn begin(root: &Path) -> io::Result<Claim> {
    let invalid = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    fs::create_dir_all(root)?;
    // Whoever else writes here may mark it as a layout while it is looked at.
    if !is_marked(root)? && has_others(root)? && !is_marked(root)? {
        return invalid("it is no OCI layout, and there is something in it");
    }
    let claim = Claim::of(root)?;
    fs::create_dir_all(root.join("blobs").join(COMMON.as_str()))?;
    Ok(claim)
}

/// Whether a folder is a layout.
fn is_marked(root: &Path) -> io::Result<bool> {
    match fs::read(root.join(index::MARK)) {
        Ok(mark) if index::is_mark(&mark) => Ok(true),
        Ok(_) => {
            let what = "its layout is of no version that is known";
            Err(io::Error::new(io::ErrorKind::InvalidData, what))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether there is something in a folder that nobody makes who begins a layout.
fn has_others(root: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        if name != "blobs" && name != PARTIAL {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A file that gets its name when it is whole, for everybody whom the process lets read what it makes.
fn whole(folder: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_data()?;
    Ok(file)
}

/// Lists what was written.
fn list(root: &Path, claim: &Claim, named: &[Named]) -> io::Result<()> {
    // One at a time: each reads what the others have listed.
    claim.alone(|| {
        let mark = whole(claim.folder(), index::MARKED.as_bytes())?;
        match mark.persist_noclobber(root.join(index::MARK)) {
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => return Err(error.error),
            _ => {}
        }
        let mut index = match fs::read(root.join(index::FILE)) {
            Ok(bytes) => {
                Index::parse(&bytes).map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Index::default(),
            Err(error) => return Err(error),
        };
        for named in named {
            index.put(named);
        }
        for folder in fs::read_dir(root.join("blobs"))? {
            sync_folder(&folder?.path())?;
        }
        let listed = whole(claim.folder(), &index.written()?)?;
        listed.persist(root.join(index::FILE)).map_err(|error| error.error)?;
        Ok(())
    })?;
    claim.end()?;
    sync_folder(root)
}

#[async_trait]
impl Destination for LayoutFolder {
    async fn write_blob(
        &self,
        digest: &Digest,
        source: &dyn BlobSource,
        options: &PushOptions,
    ) -> Result<Pushed> {
        if digest.algorithm() != COMMON {
            let folder = self.root.join("blobs").join(digest.algorithm().as_str());
            let made = tokio::fs::create_dir_all(&folder).await;
            made.map_err(|cause| wrong(&self.root, cause))?;
        }
        if source.size() == 0 && !is_of_nothing(digest) {
            return Err(Error::Size { expected: 1, actual: 0 });
        }
        self.write(digest, source, options).await
    }

    async fn write_manifest(&self, manifest: &Manifest) -> Result<()> {
        self.write_blob(&manifest.digest, &manifest.bytes, &PushOptions::default()).await.map(|_| ())
    }

    async fn write_name(&self, manifest: &Manifest, name: Option<&str>) -> Result<()> {
        let named = Named { manifest: manifest.clone(), name: name.map(ToOwned::to_owned), full: None };
        self.named.lock().unwrap_or_else(PoisonError::into_inner).push(named);
        Ok(())
    }

    async fn commit(&self) -> Result<()> {
        let named = std::mem::take(&mut *self.named.lock().unwrap_or_else(PoisonError::into_inner));
        let (root, claim) = (self.root.clone(), Arc::clone(&self.claim));
        blocking(move || list(&root, &claim, &named)).await.map_err(|cause| wrong(&self.root, cause))
    }

    fn told(&self) -> String {
        self.root.display().to_string()
    }
}

//! The folder of a backup: names, modes, who may write, and what makes things durable.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use harbor_core::oci::Digest;
use harbor_core::{StoreError, StoreErrorKind};

use super::manifest::Manifest;

const README: &str = "\
This folder is a backup of a registry, written by `harborctl local backup`.
Whoever can read it can read everything that is in the registry, and the hashes and keys of who may log in.

  harborctl local backup list FOLDER        which snapshots there are
  harborctl local backup verify FOLDER      whether they are whole
  harborctl local restore FOLDER --data …   make a registry of one
";

/// What is not to be seen begins with one of these.
pub(super) const NEW: &str = ".new-";
pub(super) const OLD: &str = ".old-";

/// The name of a snapshot that does not read, and why.
pub type Unread = (String, StoreError);

/// A folder with backups of a registry.
#[derive(Clone, Debug)]
pub struct BackupFolder {
    root: PathBuf,
}

/// The right to change a backup, or to rely on it; let go when this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    _file: File,
}

impl BackupFolder {
    /// The folder at a path, made where it is missing: nobody else can read it then.
    ///
    /// # Errors
    /// `Conflict` when there is something else; when it cannot be made.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = path.into();
        make_folder(&root)?;
        let files = Self { root };
        if !files.root.join("README").is_file() || !files.blobs().is_dir() {
            files.begin()?;
        }
        Ok(files)
    }

    fn begin(&self) -> Result<(), StoreError> {
        const OURS: [&str; 4] = ["README", ".lock", "blobs", "snapshots"];
        for name in names(&self.root)? {
            if !OURS.contains(&name.as_str()) {
                let what = format!(
                    "{} has something else than backups, such as {name}: name another folder",
                    self.root.display()
                );
                return Err(StoreError::new(StoreErrorKind::Conflict, what));
            }
        }
        // Last the one that says, with the others, that this is a folder for backups.
        for folder in [self.blobs(), self.passing(), self.snapshots()] {
            make_folder(&folder)?;
            sync_folder(folder.parent().unwrap_or(&self.root))?;
        }
        write_file(&self.root.join("README"), README.as_bytes())?;
        sync_folder(&self.root)?;
        self.root.parent().map_or(Ok(()), sync_folder)
    }

    /// The folder at a path.
    ///
    /// # Errors
    /// `NotFound` when there is no backup.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = path.into();
        if root.join("snapshots").is_dir() && root.join("blobs").is_dir() {
            return Ok(Self { root });
        }
        let what = format!("{} is no folder with backups", root.display());
        Err(StoreError::new(StoreErrorKind::NotFound, what))
    }

    /// The snapshots that read, the oldest first; and the names of those that do not, with why: they are damaged, or a newer program
    /// wrote them.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn snapshots_that_read(&self) -> Result<(Vec<Manifest>, Vec<Unread>), StoreError> {
        let (mut manifests, mut damaged) = (Vec::new(), Vec::new());
        for id in self.ids()? {
            match Manifest::read(&self.snapshot(&id)) {
                Ok(manifest) => manifests.push(manifest),
                Err(error) => match error.kind() {
                    StoreErrorKind::Corrupt | StoreErrorKind::TooNew | StoreErrorKind::NotFound => {
                        damaged.push((id, error));
                    }
                    // What cannot be read now may be whole.
                    _ => return Err(error),
                },
            }
        }
        manifests.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok((manifests, damaged))
    }

    /// The names of the snapshots.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn ids(&self) -> Result<Vec<String>, StoreError> {
        let mut names = names(&self.snapshots())?;
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        Ok(names)
    }

    /// The snapshot of that name.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` when it does not read.
    pub fn manifest(&self, id: &str) -> Result<Manifest, StoreError> {
        if !self.ids()?.iter().any(|one| one == id) {
            let what = format!("there is no snapshot {id} in {}", self.root.display());
            return Err(StoreError::new(StoreErrorKind::NotFound, what));
        }
        Manifest::read(&self.snapshot(id))
    }

    pub(super) fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    pub(super) fn snapshot(&self, name: &str) -> PathBuf {
        self.snapshots().join(name)
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Where blobs are while they are copied.
    pub(super) fn passing(&self) -> PathBuf {
        self.blobs().join(".new")
    }

    /// Where a blob is.
    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.blobs().join(digest.algorithm().as_str()).join(hex.split_at(2).0).join(hex)
    }

    /// Takes the right to write, and removes what somebody left who had it and was killed.
    pub(super) fn hold(&self) -> Result<Held, StoreError> {
        let file = self.lock_file()?;
        file.try_lock().map_err(|_| self.busy())?;
        for name in names(&self.snapshots())? {
            if name.starts_with(NEW) || name.starts_with(OLD) {
                remove_folder(&self.snapshots().join(name))?;
            }
        }
        make_folder(&self.passing())?;
        for name in names(&self.passing())? {
            let path = self.passing().join(name);
            std::fs::remove_file(&path).map_err(|error| fault("removing", &path, error))?;
        }
        Ok(Held { _file: file })
    }

    /// Keeps others from deleting.
    pub(super) fn share(&self) -> Result<Held, StoreError> {
        let file = self.lock_file()?;
        file.try_lock_shared().map_err(|_| self.busy())?;
        Ok(Held { _file: file })
    }

    fn lock_file(&self) -> Result<File, StoreError> {
        let path = self.root.join(".lock");
        let mut options = OpenOptions::new();
        let opened = options.create(true).truncate(false).write(true).mode(0o600).open(&path);
        match opened {
            // A backup that may only be read can be locked all the same.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && path.is_file() => {
                File::open(&path)
            }
            opened => opened,
        }
        .map_err(|error| fault("opening", &path, error))
    }

    fn busy(&self) -> StoreError {
        let what = format!("somebody else is at work in {}: wait until that is over", self.root.display());
        StoreError::new(StoreErrorKind::Conflict, what)
    }
}

/// A fault that says which file it is about.
pub(super) fn fault(doing: &str, path: &Path, error: std::io::Error) -> StoreError {
    StoreError::io(format!("{doing} {}", path.display()), error)
}

/// The names in a folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |error| fault("listing", folder, error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}

/// Makes a folder that only its owner can look into, and those above it.
pub(super) fn make_folder(path: &Path) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| fault("making", path, error))
}

/// A new file that only its owner can read.
pub(super) fn create_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    let created = options.create(true).truncate(true).write(true).mode(0o600).open(path);
    created.map_err(|error| fault("creating", path, error))
}

/// Writes a whole file, so that it is on disk; its name is not yet.
pub(super) fn write_file(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let mut file = create_file(path)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|error| fault("writing", path, error))
}

/// Waits until the names in a folder are on disk.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|error| fault("syncing", path, error))
}

/// Gives something its last name, so that this is on disk.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::rename(from, to).map_err(|error| fault("renaming", from, error))?;
    to.parent().map_or(Ok(()), sync_folder)
}

/// Removes a folder with all that is in it.
pub(super) fn remove_folder(path: &Path) -> Result<(), StoreError> {
    std::fs::remove_dir_all(path).map_err(|error| fault("removing", path, error))
}

//! Who writes to a folder, so that several may: each claims it for as long as it lives, and the last clears up.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::pour::is_still;

/// Where blobs are until they are whole.
pub(super) const PARTIAL: &str = ".partial";

/// The file that everybody who writes holds, shared.
const CLAIM: &str = "claim.lock";

/// The file that whoever changes the index holds, alone.
const INDEX: &str = "index.lock";

/// How files begin that are renamed to what they are to be: as the library names them.
const TEMPORARY: &str = ".tmp";

/// A claim on the folder for what is not whole yet. As long as there is one, that folder stays.
///
/// The locks are files of their own, which nobody ever replaces, and that are removed by who holds the claim alone.
#[derive(Debug)]
pub(super) struct Claim {
    folder: PathBuf,
    file: File,
}

impl Claim {
    /// Claims the folder of a layout; waits for whoever is just clearing up.
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let folder = root.join(PARTIAL);
        let path = folder.join(CLAIM);
        loop {
            fs::create_dir_all(&folder)?;
            let file = match lock_file(&path) {
                // It was cleared up in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            file.lock_shared()?;
            if is_still(&file, &path)? {
                return Ok(Self { folder, file });
            }
        }
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Does something while nobody else changes the index.
    pub(super) fn alone<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let lock = lock_file(&self.folder.join(INDEX))?;
        lock.lock()?;
        work()
    }

    /// Gives the claim back. Whoever was the last removes the folder, unless half of a blob is in it.
    pub(super) fn end(&self) -> io::Result<()> {
        self.file.unlock()?;
        let path = self.folder.join(CLAIM);
        // Somebody else has it, and clears up; or has done so, and perhaps a third has it anew.
        if self.file.try_lock().is_err() || !is_still(&self.file, &path)? {
            return Ok(());
        }
        let cleared = self.clear(&path);
        // Who waits for it looks whether it is still there.
        self.file.unlock()?;
        cleared
    }

    /// Clears up, with nobody else at it.
    fn clear(&self, path: &Path) -> io::Result<()> {
        let mut is_empty = true;
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(TEMPORARY) {
                fs::remove_file(self.folder.join(&*name))?;
            } else if name != CLAIM && name != INDEX {
                is_empty = false;
            }
        }
        if is_empty {
            let _ = fs::remove_file(self.folder.join(INDEX));
            fs::remove_file(path)?;
            // Not when somebody has come in between: the claim is of another file then.
            let _ = fs::remove_dir(&self.folder);
        }
        Ok(())
    }
}

impl Drop for Claim {
    /// Also who gave up leaves nothing that is of no use; behind [`Claim::end`] there is nothing to do any more.
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// A file that is there to be locked.
fn lock_file(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

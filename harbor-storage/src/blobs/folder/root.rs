//! The folder itself: names, and the system calls that take one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use harbor_core::blob::{Location, UploadId};
use harbor_core::{StoreError, StoreErrorKind};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// Files are readable by the group, so that a backup can run as somebody else; never by all.
const FILE_MODE: Mode = Mode::from_raw_mode(0o640);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o750);

/// The name of one blob's file. It comes from an [`UploadId`] alone, so it cannot lead anywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// `ab/<upload-id>`, below `blobs`.
    path: String,
}

impl Place {
    pub(super) fn of(upload: UploadId) -> Self {
        let name = upload.to_string();
        Self { path: format!("{}/{name}", name.split_at(2).0) }
    }

    /// # Errors
    /// `Other` for anything but what [`Self::location`] writes.
    pub(super) fn parse(location: &Location) -> Result<Self, StoreError> {
        let name = location.as_str().rsplit('/').next().unwrap_or_default();
        let place = name.parse().ok().map(Self::of).filter(|place| place.location() == *location);
        place.ok_or_else(|| {
            let context = format!("{:?} is not a location of the folder driver", location.as_str());
            StoreError::new(StoreErrorKind::Other, context)
        })
    }

    pub(super) fn location(&self) -> Location {
        Location::new(format!("blobs/{}", self.path))
    }

    /// The name of the file until its upload is committed.
    fn part(&self) -> String {
        format!("{}.part", self.path)
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    fn folder(&self) -> &str {
        self.path.split_at(2).0
    }

    /// A fault that says which file it is about.
    pub(super) fn fault(&self, doing: &str, error: impl Into<std::io::Error>) -> StoreError {
        StoreError::io(format!("{doing} blobs/{}", self.path), error.into())
    }
}

/// The folder of a store, open.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    blobs: OwnedFd,
    /// Whether anything is waited for until it is on disk.
    lasts: bool,
}

impl Root {
    /// Makes what is missing and waits until that is on disk, if it is to last.
    pub(super) fn open(path: PathBuf, lasts: bool) -> Result<Self, StoreError> {
        let fault = |error| StoreError::io(format!("opening the blob folder {}", path.display()), error);
        let blobs = make(&path, lasts).map_err(fault)?;
        Ok(Self { path, blobs, lasts })
    }

    /// Makes nothing.
    #[cfg(feature = "backup")]
    pub(super) fn open_there(path: PathBuf) -> Result<Self, StoreError> {
        let opened = path.canonicalize().and_then(|path| {
            let blobs = open_folder(rustix::fs::CWD, path.join("blobs"))?;
            Ok(Self { path, blobs, lasts: true })
        });
        opened.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                let what = format!("there is no blob store in {}", path.display());
                StoreError::new(StoreErrorKind::NotFound, what).with_source(error)
            }
            _ => StoreError::io(format!("opening the blob folder {}", path.display()), error),
        })
    }

    /// Whether anything is waited for until it is on disk.
    pub(super) const fn lasts(&self) -> bool {
        self.lasts
    }

    /// The `blobs` folder, for calls that take a descriptor and a relative path.
    pub(super) fn blobs(&self) -> &OwnedFd {
        &self.blobs
    }

    /// A new file, or an old one emptied: nothing of it was ever acknowledged.
    pub(super) fn create(&self, place: &Place) -> Result<File, StoreError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let create = || rustix::fs::openat(&self.blobs, place.part(), flags, FILE_MODE);
        let file = match create() {
            // What does not last makes its folders when it wants them: 256 would be most of its start.
            Err(Errno::NOENT) if !self.lasts => {
                make_folder(&self.blobs, place.folder()).and_then(|()| create())
            }
            file => file,
        };
        file.map(File::from).map_err(|error| place.fault("creating", error))
    }

    /// A file to go on writing.
    pub(super) fn reopen(&self, place: &Place) -> Result<File, StoreError> {
        let open =
            || rustix::fs::openat(&self.blobs, place.part(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        let file = match open() {
            // It was committed, and then the database did not take it: it is an upload again.
            Err(Errno::NOENT) => rustix::fs::renameat(&self.blobs, &place.path, &self.blobs, place.part())
                .and_then(|()| open()),
            file => file,
        };
        file.map(File::from).map_err(|error| place.fault("reopening", error))
    }

    /// Gives a file that has all its bytes its last name, in one step.
    pub(super) fn finish(&self, place: &Place) -> Result<(), StoreError> {
        let renamed = rustix::fs::renameat(&self.blobs, place.part(), &self.blobs, &place.path);
        renamed.map_err(|error| place.fault("renaming", error))
    }

    /// A file to read.
    pub(super) fn read(&self, place: &Place) -> Result<File, StoreError> {
        let file =
            rustix::fs::openat(&self.blobs, &place.path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        file.map(File::from).map_err(|error| place.fault("opening", error))
    }

    /// Removes a file, under whichever name it is there, and waits until that is on disk: the row that knows of it goes next.
    pub(super) fn remove(&self, place: &Place) -> Result<(), StoreError> {
        self.unlink(place)?;
        self.sync_folder(place)
    }

    /// The same of many, each of whose folders is waited for once.
    pub(super) fn remove_all(&self, places: &[Place]) -> Result<(), StoreError> {
        let mut folders = BTreeMap::new();
        for place in places {
            self.unlink(place)?;
            folders.insert(place.folder(), place);
        }
        folders.into_values().try_for_each(|place| self.sync_folder(place))
    }

    fn unlink(&self, place: &Place) -> Result<(), StoreError> {
        for name in [&place.part(), &place.path] {
            match rustix::fs::unlinkat(&self.blobs, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(place.fault("removing", error)),
            }
        }
        Ok(())
    }

    /// Waits until the bytes of a file are on disk.
    pub(super) fn sync_file(&self, place: &Place, file: &File) -> Result<(), StoreError> {
        if !self.lasts {
            return Ok(());
        }
        file.sync_data().map_err(|error| place.fault("syncing", error))
    }

    /// Waits until the entries of the folder that `place` is in are on disk.
    pub(super) fn sync_folder(&self, place: &Place) -> Result<(), StoreError> {
        if !self.lasts {
            return Ok(());
        }
        let folder = open_folder(&self.blobs, place.folder());
        folder.and_then(rustix::fs::fsync).map_err(|error| place.fault("syncing the folder of", error))
    }

    /// Writes a byte and takes it away again.
    pub(super) fn probe(&self) -> Result<(), StoreError> {
        let name = format!("probe-{}", UploadId::random());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let written = rustix::fs::openat(&self.blobs, &name, flags, FILE_MODE)
            .map_err(std::io::Error::from)
            .and_then(|file| File::from(file).write_all(b"."))
            .and_then(|()| Ok(rustix::fs::unlinkat(&self.blobs, &name, AtFlags::empty())?));
        written.map_err(|error| {
            StoreError::io(format!("writing to the blob folder {}", self.path.display()), error)
        })
    }
}

/// A file of the store.
#[cfg(feature = "backup")]
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) upload: UploadId,
    /// Whether its upload is over.
    pub(super) is_whole: bool,
    pub(super) size: u64,
    /// When it was written last, in microseconds since the epoch.
    pub(super) modified: i64,
}

#[cfg(feature = "backup")]
impl Root {
    /// What is in one of the 256 folders, as far as it is of uploads.
    pub(super) fn list(&self, number: u8) -> Result<Vec<Entry>, StoreError> {
        let name = format!("{number:02x}");
        let fault = |error: Errno| {
            StoreError::io(format!("listing {}/blobs/{name}", self.path.display()), error.into())
        };
        let folder = match open_folder(&self.blobs, name.as_str()) {
            // Whoever copies a store may leave out what is empty.
            Err(Errno::NOENT) => return Ok(Vec::new()),
            folder => folder.map_err(fault)?,
        };
        let mut found = Vec::new();
        for entry in rustix::fs::Dir::read_from(&folder).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let Ok(file) = entry.file_name().to_str() else { continue };
            let (upload, is_whole) =
                file.strip_suffix(".part").map_or((file, true), |upload| (upload, false));
            let Some(upload) = upload.parse().ok().filter(|_| file.starts_with(&name)) else { continue };
            let look = match rustix::fs::statat(&folder, file, AtFlags::SYMLINK_NOFOLLOW) {
                // It went meanwhile.
                Err(Errno::NOENT) => continue,
                look => look.map_err(fault)?,
            };
            let modified = look.st_mtime * 1_000_000;
            found.push(Entry {
                upload,
                is_whole,
                size: u64::try_from(look.st_size).unwrap_or_default(),
                modified,
            });
        }
        Ok(found)
    }

    /// Moves a file to `quarantine`, beside `blobs`, if it is there.
    pub(super) fn set_aside(&self, place: &Place) -> Result<Option<String>, StoreError> {
        let fault = |error: Errno| place.fault("setting aside", error);
        let root = open_folder(&self.blobs, "..").map_err(fault)?;
        make_folder(&root, "quarantine").map_err(fault)?;
        let quarantine = open_folder(&root, "quarantine").map_err(fault)?;
        let name = place.path().rsplit('/').next().unwrap_or_default();
        match rustix::fs::renameat(&self.blobs, place.path(), &quarantine, name) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(fault(error)),
        }
        rustix::fs::fsync(&quarantine).map_err(fault)?;
        rustix::fs::fsync(&root).map_err(fault)?;
        self.sync_folder(place)?;
        Ok(Some(format!("quarantine/{name}")))
    }

    /// Waits until all that was written to the file system is on disk.
    pub(super) fn settle(&self) -> Result<(), StoreError> {
        let settled = rustix::fs::syncfs(&self.blobs);
        settled.map_err(|error| StoreError::io(format!("syncing {}", self.path.display()), error.into()))
    }
}

fn make(path: &std::path::Path, lasts: bool) -> std::io::Result<OwnedFd> {
    std::fs::create_dir_all(path)?;
    let path = path.canonicalize()?;
    let root = open_folder(rustix::fs::CWD, &path)?;
    make_folder(&root, "blobs")?;
    let blobs = open_folder(&root, "blobs")?;
    if !lasts {
        return Ok(blobs);
    }
    for number in 0..=u8::MAX {
        make_folder(&blobs, &format!("{number:02x}"))?;
    }
    rustix::fs::fsync(&blobs)?;
    rustix::fs::fsync(&root)?;
    if let Some(parent) = path.parent() {
        rustix::fs::fsync(open_folder(rustix::fs::CWD, parent)?)?;
    }
    Ok(blobs)
}

fn open_folder(at: impl std::os::fd::AsFd, path: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(at, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn make_folder(at: &OwnedFd, name: &str) -> rustix::io::Result<()> {
    match rustix::fs::mkdirat(at, name, FOLDER_MODE) {
        Err(Errno::EXIST) => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_locations_are_taken() {
        let upload = UploadId::random();
        let place = Place::of(upload);
        assert_eq!(Place::parse(&place.location()).unwrap(), place);
        let name = upload.to_string();
        let other = if name.starts_with("00") { "01" } else { "00" };
        for text in [
            name.clone(),
            format!("blobs/{name}"),
            format!("blobs/{other}/{name}"),
            format!("/blobs/{}/{name}", &name[..2]),
            format!("blobs/{}/../{name}", &name[..2]),
            format!("blobs/{}/{}", &name[..2], name.to_uppercase().replace('-', "")),
            String::new(),
            "../x".to_owned(),
        ] {
            assert!(Place::parse(&Location::new(text.clone())).is_err(), "{text}");
        }
    }
}

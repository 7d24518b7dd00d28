//! The files of a layout or of an archive of docker's: in a folder, or in a tar that is read where it lies.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use harbor_core::blob::Hasher;
use harbor_core::oci::Digest;

use super::tar::{Entries, Input, Kind, normal};
use crate::client::error::harmless;
use crate::client::request::ByteStream;
use crate::client::{BlobSource, Error, Result};

/// In pieces of how many bytes files are read.
pub(super) const PIECE: usize = 256 * 1024;

/// How many entries an archive may have.
const ENTRIES: usize = 500_000;

/// How many links behind each other are followed.
const LINKS: usize = 8;

/// How large an archive may be that was compressed, in bytes: a small one may say that it is without end.
const LARGEST: u64 = 256 * 1024 * 1024 * 1024;

/// How compressed archives begin.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Files by name. No name leads out of the folder or the archive.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    path: Arc<Path>,
    kept: Kept,
}

#[derive(Clone, Debug)]
enum Kept {
    Folder,
    Tar(Arc<Tar>),
}

#[derive(Debug)]
struct Tar {
    file: Arc<File>,
    /// Where the content of each file is.
    entries: HashMap<String, (u64, u64)>,
    /// Where links lead, within the archive.
    links: HashMap<String, String>,
}

/// A file, or a part of an archive that is one.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    pub(super) file: Arc<File>,
    pub(super) start: u64,
    pub(crate) size: u64,
}

/// Runs what waits for the disk where that holds up nobody.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

impl Files {
    /// What is at a path: a folder, a tar, or a tar that gzip has compressed. The last is decompressed to a file without a
    /// name, for it can be read from its beginning only.
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let of = path.to_owned();
        let opened = blocking(move || {
            // Looked at before it is opened: a pipe would hold us up.
            let known = std::fs::metadata(&of)?;
            if known.is_dir() {
                return Ok((std::fs::canonicalize(&of)?, Kept::Folder));
            }
            if !known.is_file() {
                return Err(io::Error::other("it is neither a file nor a folder"));
            }
            let tar = Tar::open(plain(File::open(&of)?)?)?;
            Ok((of, Kept::Tar(Arc::new(tar))))
        });
        let (root, kept) = opened.await.map_err(|cause| wrong(path, cause))?;
        Ok(Self { path: root.into(), kept })
    }

    /// Where they are.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// By which name a place is told.
    pub(super) fn told(&self) -> String {
        self.path.display().to_string()
    }

    /// A file; nothing when there is none of that name.
    pub(super) async fn find(&self, name: &str) -> Result<Option<Region>> {
        let Some(name) = normal(name).filter(|name| !name.is_empty()) else {
            return Err(self.unusable(format!("{name:?} leads out of it")));
        };
        match &self.kept {
            Kept::Tar(tar) => Ok(tar.find(&name)),
            Kept::Folder => {
                let root = Arc::clone(&self.path);
                let found = blocking(move || find_in(&root, &name)).await;
                found.map_err(|cause| wrong(&self.path, cause))
            }
        }
    }

    /// All of a small file.
    pub(crate) async fn read(&self, name: &str, what: &'static str, limit: usize) -> Result<Option<Bytes>> {
        match self.find(name).await? {
            None => Ok(None),
            Some(region) => region.read(what, limit).await.map(Some).map_err(|error| match error {
                Error::Source(cause) => wrong(&self.path, cause),
                error => error,
            }),
        }
    }

    pub(crate) fn unusable(&self, what: impl Into<String>) -> Error {
        Error::Unusable { place: self.told(), what: harmless(&what.into()) }
    }

    pub(crate) fn absent(&self, what: impl Into<String>) -> Error {
        Error::Absent { place: self.told(), what: harmless(&what.into()) }
    }
}

/// What came of a path.
pub(super) fn wrong(path: &Path, cause: io::Error) -> Error {
    let place = path.display().to_string();
    match cause.kind() {
        io::ErrorKind::InvalidData => Error::Unusable { place, what: harmless(&cause.to_string()) },
        io::ErrorKind::UnexpectedEof => {
            Error::Unusable { place, what: "it ends before what it should have".to_owned() }
        }
        _ => Error::File { place, cause },
    }
}

/// A file of a folder. Links are followed as long as they stay within.
fn find_in(root: &Path, name: &str) -> io::Result<Option<Region>> {
    let path = match std::fs::canonicalize(root.join(name)) {
        Ok(path) => path,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let invalid = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, format!("{name} {what}")));
    if !path.starts_with(root) {
        return invalid("leads out of it");
    }
    let known = std::fs::metadata(&path)?;
    if !known.is_file() {
        return invalid("is no file");
    }
    Ok(Some(Region { file: Arc::new(File::open(&path)?), start: 0, size: known.len() }))
}

/// The file, or one without a name that has what it has compressed.
fn plain(mut file: File) -> io::Result<File> {
    let mut magic = [0; 2];
    let is_gzip = file.read(&mut magic)? == 2 && magic == GZIP;
    file.rewind()?;
    if !is_gzip {
        return Ok(file);
    }
    let mut plain = tempfile::tempfile()?;
    unpack(io::BufReader::with_capacity(PIECE, file), &mut plain)?;
    plain.rewind()?;
    Ok(plain)
}

/// Decompresses, and tells what is wrong with the archive from what is wrong with where it is unpacked to.
fn unpack(from: impl io::BufRead, to: &mut impl io::Write) -> io::Result<()> {
    let mut decoder = flate2::bufread::MultiGzDecoder::new(from).take(LARGEST + 1);
    let (mut buffer, mut done) = (vec![0; PIECE], 0);
    let invalid = |error: io::Error| match error.raw_os_error() {
        None => io::Error::new(io::ErrorKind::InvalidData, error),
        // Of the disk that it is on.
        Some(_) => error,
    };
    loop {
        let read = match decoder.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(invalid)?,
        };
        if read == 0 {
            return Ok(());
        }
        done += read as u64;
        if done > LARGEST {
            return Err(invalid(io::Error::other("it is too large when it is not compressed")));
        }
        to.write_all(&buffer[..read]).map_err(|error| {
            let folder = std::env::temp_dir();
            let what = format!(
                "what it has compressed cannot be written to {}: {error}; TMPDIR names another folder",
                folder.display()
            );
            io::Error::new(error.kind(), what)
        })?;
    }
}

impl Tar {
    fn open(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let file = Arc::new(file);
        let mut entries = Entries::new(Within::new(&file, size), ENTRIES);
        let (mut found, mut links) = (HashMap::new(), HashMap::new());
        let mut behind = 0;
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        while let Some(entry) = entries.next()? {
            behind += 1;
            let name = normal(&entry.name);
            let name = name.ok_or_else(|| invalid(format!("{:?} leads out of it", entry.name)))?;
            let at = entries.input().at;
            if at.checked_add(entry.size).is_none_or(|end| end > size) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match &entry.kind {
                Kind::File => {
                    if found.insert(name, (at, entry.size)).is_some() {
                        return Err(invalid(format!("{:?} is in it twice", entry.name)));
                    }
                }
                Kind::Symlink(to) | Kind::Hardlink(to) => {
                    let to = leads(&name, &entry.kind, to).filter(|to| !to.is_empty());
                    links.insert(
                        name,
                        to.ok_or_else(|| invalid(format!("{:?} leads out of it", entry.name)))?,
                    );
                }
                Kind::Folder | Kind::Other(..) => {}
            }
        }
        if behind == 0 {
            return Err(invalid("it is no tar".to_owned()));
        }
        Ok(Self { file, entries: found, links })
    }

    fn find(&self, name: &str) -> Option<Region> {
        let mut name = name;
        for _ in 0..=LINKS {
            if let Some((start, size)) = self.entries.get(name) {
                return Some(Region { file: Arc::clone(&self.file), start: *start, size: *size });
            }
            name = self.links.get(name)?;
        }
        None
    }
}

/// Where a link leads to; nothing when that is not within.
fn leads(name: &str, kind: &Kind, to: &str) -> Option<String> {
    match name.rsplit_once('/').filter(|_| matches!(kind, Kind::Symlink(_))) {
        _ if to.starts_with('/') => None,
        Some((folder, _)) => normal(&format!("{folder}/{to}")),
        None => normal(to),
    }
}

/// A file that headers are read from, one here and one there.
pub(super) struct Within<'a> {
    file: &'a File,
    /// Where it stands.
    pub(super) at: u64,
    size: u64,
}

impl<'a> Within<'a> {
    pub(super) const fn new(file: &'a File, size: u64) -> Self {
        Self { file, at: 0, size }
    }
}

impl Read for Within<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = read_at(self.file, buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Input for Within<'_> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let at = self.at.checked_add(bytes).filter(|at| *at <= self.size);
        self.at = at.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(())
    }
}

/// Reads from a place of a file that others read from at the same time.
#[cfg(unix)]
pub(super) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

/// Reads from a place of a file that others read from at the same time.
#[cfg(windows)]
pub(super) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

impl Region {
    /// All of it, which may be as large as `limit`, in bytes.
    pub(super) async fn read(&self, what: &'static str, limit: usize) -> Result<Bytes> {
        if self.size > limit as u64 {
            return Err(Error::TooLarge { what, limit: limit as u64 });
        }
        let mut pieces = Pieces::new(self.clone(), 0, None);
        let mut all = Vec::new();
        while let Some(piece) = pieces.next().await.map_err(Error::Source)? {
            all.extend_from_slice(&piece);
        }
        Ok(all.into())
    }

    /// Its first bytes: as many as `buffer` has room for, or fewer.
    pub(super) fn head(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.size).unwrap_or(usize::MAX).min(buffer.len());
        read_at(&self.file, &mut buffer[..length], self.start)
    }

    /// The digest of its bytes.
    pub(crate) fn digest(&self, mut hasher: Hasher) -> io::Result<Digest> {
        let (mut buffer, mut at) = (vec![0; PIECE], 0);
        while at < self.size {
            let length = usize::try_from(self.size - at).unwrap_or(usize::MAX).min(PIECE);
            match read_at(&self.file, &mut buffer[..length], self.start + at)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => {
                    hasher.update(&buffer[..read]);
                    at += read as u64;
                }
            }
        }
        Ok(hasher.finish())
    }
}

/// A region that is a blob. Where it is read as a whole, it is checked on its way: the last piece is yielded when it is known
/// that all are right.
#[derive(Clone, Debug)]
pub(super) struct RegionSource {
    pub(super) region: Region,
    pub(super) digest: Digest,
}

#[async_trait]
impl BlobSource for RegionSource {
    fn size(&self) -> u64 {
        self.region.size
    }

    async fn open(&self, offset: u64) -> io::Result<ByteStream> {
        let check = (offset == 0).then(|| (Hasher::new(self.digest.algorithm()), self.digest));
        let pieces = Pieces::new(self.region.clone(), offset, check);
        let pieces = stream::try_unfold(pieces, |mut pieces| async move {
            Ok(pieces.next().await?.map(|piece| (piece, pieces)))
        });
        Ok(pieces.boxed())
    }
}

/// A region that is read, piece by piece.
struct Pieces {
    region: Region,
    at: u64,
    check: Option<(Hasher, Digest)>,
}

impl Pieces {
    const fn new(region: Region, at: u64, check: Option<(Hasher, Digest)>) -> Self {
        Self { region, at, check }
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let left = self.region.size.saturating_sub(self.at);
        if left == 0 {
            return Ok(None);
        }
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE);
        let (file, at, check) =
            (Arc::clone(&self.region.file), self.region.start + self.at, self.check.take());
        let (piece, check) = blocking(move || {
            let mut piece = vec![0; length];
            let read = read_at(&file, &mut piece, at)?;
            piece.truncate(read);
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let check = check.map(|(mut hasher, digest)| {
                hasher.update(&piece);
                (hasher, digest)
            });
            Ok((piece, check))
        })
        .await?;
        self.at += piece.len() as u64;
        match check {
            Some((hasher, digest)) if self.at == self.region.size => is_right(&digest, hasher)?,
            check => self.check = check,
        }
        Ok(Some(piece.into()))
    }
}

/// Whether what was hashed is what it should be.
pub(super) fn is_right(expected: &Digest, hasher: Hasher) -> io::Result<()> {
    let actual = hasher.finish();
    if actual == *expected {
        return Ok(());
    }
    Err(io::Error::other(Error::Digest { expected: Box::new(*expected), actual: Box::new(actual) }))
}

/// The path of a blob in a layout: `image-layout.md`, "Blobs".
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

/// The path of a blob in a layout that is a folder.
pub(super) fn blob_path(root: &Path, digest: &Digest) -> PathBuf {
    root.join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A disk that has no room.
    struct Full;

    impl io::Write for Full {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_no_damage() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&[7; 1000]).unwrap();
        let packed = encoder.finish().unwrap();
        let mut plain = Vec::new();
        unpack(packed.as_slice(), &mut plain).unwrap();
        assert_eq!(plain, [7; 1000]);
        let full = unpack(packed.as_slice(), &mut Full).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        let told = wrong(Path::new("a.tar.gz"), full);
        assert!(matches!(told, Error::File { .. }) && told.to_string().contains("TMPDIR"), "{told}");
        let damaged = wrong(Path::new("a.tar.gz"), unpack(&packed[..20], &mut plain).unwrap_err());
        assert!(matches!(damaged, Error::Unusable { .. }), "{damaged}");
    }

    #[test]
    fn names_of_others_move_no_terminal() {
        let what = io::Error::new(io::ErrorKind::InvalidData, "a\u{1b}[2J\u{9b}\u{202e}b");
        let told = wrong(Path::new("a.tar"), what).to_string();
        assert_eq!(told, "a.tar cannot be used: a [2J  b");
    }
}

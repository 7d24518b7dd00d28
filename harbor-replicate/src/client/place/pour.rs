//! Writing content to files: checked, in large pieces, off the threads that wait for the network.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use harbor_core::blob::Hasher;
use harbor_core::oci::Digest;
use tokio::task::JoinHandle;

use super::files::{blocking, wrong};
use crate::client::request::{ByteStream, Sent};
use crate::client::{Error, Result};

/// How many bytes are gathered before they are written.
const BATCH: usize = 512 * 1024;

/// Where content goes.
pub(super) struct Pour<'a> {
    pub(super) file: Arc<File>,
    /// For errors.
    pub(super) path: &'a Path,
    /// Where in the file the next byte goes.
    pub(super) at: u64,
    /// What has seen the bytes that are there.
    pub(super) hasher: Hasher,
    /// How many there are, and how many there are to be.
    pub(super) done: u64,
    pub(super) size: u64,
    pub(super) sent: Option<Sent>,
}

impl Pour<'_> {
    /// Writes the rest, which is to come to `digest`.
    pub(super) async fn all(mut self, mut stream: ByteStream, digest: &Digest) -> Result<()> {
        let mut writing: Option<JoinHandle<io::Result<Hasher>>> = None;
        while self.done < self.size {
            let batch = self.gather(&mut stream).await?;
            let length: u64 = batch.iter().map(|piece| piece.len() as u64).sum();
            let hasher = match writing.take() {
                None => self.hasher.clone(),
                Some(writing) => self.written(writing).await?,
            };
            let (file, at) = (Arc::clone(&self.file), self.at);
            writing = Some(tokio::task::spawn_blocking(move || write(&file, at, hasher, &batch)));
            self.at += length;
        }
        if let Some(writing) = writing {
            self.hasher = self.written(writing).await?;
        }
        let actual = self.hasher.finish();
        if actual == *digest {
            return Ok(());
        }
        Err(Error::Digest { expected: Box::new(*digest), actual: Box::new(actual) })
    }

    async fn written(&self, writing: JoinHandle<io::Result<Hasher>>) -> Result<Hasher> {
        let written = writing.await.map_err(io::Error::other).flatten();
        written.map_err(|cause| wrong(self.path, cause))
    }

    /// The next pieces.
    async fn gather(&mut self, stream: &mut ByteStream) -> Result<Vec<Bytes>> {
        let (mut batch, mut length) = (Vec::new(), 0);
        while length < BATCH && self.done < self.size {
            let short = || Error::Size { expected: self.size, actual: self.done };
            let piece = stream.next().await.ok_or_else(short)?.map_err(Error::Source)?;
            self.done += piece.len() as u64;
            if self.done > self.size {
                return Err(Error::Size { expected: self.size, actual: self.done });
            }
            if let Some(sent) = &self.sent {
                sent(piece.len() as u64);
            }
            length += piece.len();
            batch.push(piece);
        }
        Ok(batch)
    }
}

fn write(file: &File, mut at: u64, mut hasher: Hasher, batch: &[Bytes]) -> io::Result<Hasher> {
    for piece in batch {
        hasher.update(piece);
        write_at(file, piece, at)?;
        at += piece.len() as u64;
    }
    Ok(hasher)
}

/// Writes to a place of a file that others write to at the same time.
#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

/// Writes to a place of a file that others write to at the same time.
#[cfg(windows)]
pub(super) fn write_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

/// Makes durable what was done with the names in a folder.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Opens a file that is written in parts, by us alone, with what is there; nothing while somebody else has it.
pub(super) fn try_partial(path: &Path) -> io::Result<Option<File>> {
    loop {
        // What was made just now is ours; what was there is opened by no link that leads elsewhere.
        let file = match File::options().read(true).write(true).create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match existing(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            },
            file => file?,
        };
        match file.try_lock() {
            Ok(()) if is_still(&file, path)? => return Ok(Some(file)),
            // Whoever had it has given it its name meanwhile.
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Opens a file that is there, when it is one, and no link to one.
fn existing(path: &Path) -> io::Result<File> {
    let foreign =
        || io::Error::new(io::ErrorKind::AlreadyExists, "it is there already, and is no file of ours");
    if !std::fs::symlink_metadata(path)?.is_file() {
        return Err(foreign());
    }
    // Nothing is written before it is known to be the file that was looked at.
    let file = File::options().read(true).write(true).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(foreign()) }
}

/// As [`try_partial`], but waits for whoever has it: so long, or until they let go.
pub(super) async fn open_partial(path: &Path, patience: Option<Duration>) -> Result<File> {
    let until = patience.map(|patience| Instant::now() + patience);
    let mut pause = Duration::from_millis(5);
    loop {
        let of = path.to_owned();
        let opened = blocking(move || try_partial(&of)).await;
        if let Some(file) = opened.map_err(|cause| wrong(path, cause))? {
            return Ok(file);
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            let busy = io::Error::new(io::ErrorKind::ResourceBusy, "somebody else is writing it");
            return Err(wrong(path, busy));
        }
        // Not within the lock itself: each who waits there would take a thread from those who write.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

/// Whether a path names an open file, itself and not by a link.
#[cfg(unix)]
pub(super) fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    match std::fs::symlink_metadata(path) {
        Ok(now) => {
            let known = file.metadata()?;
            Ok((now.dev(), now.ino()) == (known.dev(), known.ino()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a path names an open file: there, what is open cannot be renamed.
#[cfg(windows)]
pub(super) fn is_still(_file: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

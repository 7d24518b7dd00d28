//! Files that are written and read on threads of their own, in bounded memory.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use harbor_core::blob::Hasher;
use harbor_core::oci::{Algorithm, Digest};
use harbor_core::{StoreError, StoreErrorKind};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::files::{create_file, fault};
use crate::blobs::{blocking, joined};

/// How many pieces wait for a thread.
const WAITING: usize = 4;

/// How long a piece of lines is, about, in bytes.
const PIECE: usize = 256 * 1024;

/// How much is read at a time, in bytes.
const READ: usize = 1024 * 1024;

/// How strongly tables are compressed.
const LEVEL: i32 = 3;

/// What a file that was written has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) size: u64,
    pub(super) digest: Digest,
}

/// In which form bytes get into a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// As they are; their digest is one of these.
    Plain(Algorithm),
    /// Compressed.
    Zstd,
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Writing {
    pieces: mpsc::Sender<Bytes>,
    thread: JoinHandle<Result<Written, StoreError>>,
    lines: Vec<u8>,
}

impl Writing {
    /// Begins with a new file.
    pub(super) fn begin(path: PathBuf, form: Form) -> Self {
        let (pieces, waiting) = mpsc::channel(WAITING);
        let thread = tokio::task::spawn_blocking(move || write(&path, form, waiting));
        Self { pieces, thread, lines: Vec::new() }
    }

    /// The next bytes. What fails is told at the end.
    pub(super) async fn write(&mut self, bytes: Bytes) {
        // One that does not listen any more has failed, and says so when it is asked for what it has written.
        let _ = self.pieces.send(bytes).await;
    }

    /// Something as a line of JSON.
    pub(super) async fn line(&mut self, line: &impl serde::Serialize) -> Result<(), StoreError> {
        serde_json::to_writer(&mut self.lines, line).map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "a row cannot be written").with_source(error)
        })?;
        self.lines.push(b'\n');
        if self.lines.len() >= PIECE {
            let lines = std::mem::take(&mut self.lines);
            self.write(lines.into()).await;
        }
        Ok(())
    }

    /// Until all of it is on disk.
    pub(super) async fn finish(mut self) -> Result<Written, StoreError> {
        let lines = std::mem::take(&mut self.lines);
        if !lines.is_empty() {
            self.write(lines.into()).await;
        }
        drop(self.pieces);
        joined(self.thread.await)
    }
}

fn write(path: &Path, form: Form, mut pieces: mpsc::Receiver<Bytes>) -> Result<Written, StoreError> {
    let algorithm = if let Form::Plain(algorithm) = form { algorithm } else { Algorithm::Sha256 };
    let failed = |error| fault("writing", path, error);
    let mut hashed = Hashed { file: create_file(path)?, hasher: Hasher::new(algorithm), size: 0 };
    match form {
        Form::Plain(_) => {
            while let Some(piece) = pieces.blocking_recv() {
                hashed.write_all(&piece).map_err(failed)?;
            }
        }
        Form::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(hashed, LEVEL).map_err(failed)?;
            while let Some(piece) = pieces.blocking_recv() {
                encoder.write_all(&piece).map_err(failed)?;
            }
            hashed = encoder.finish().map_err(failed)?;
        }
    }
    hashed.file.sync_all().map_err(failed)?;
    Ok(Written { size: hashed.size, digest: hashed.hasher.finish() })
}

struct Hashed {
    file: File,
    hasher: Hasher,
    size: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What the lines of a compressed file say.
pub(super) fn lines<T: DeserializeOwned + Send + 'static>(
    path: PathBuf,
) -> impl Stream<Item = Result<T, StoreError>> + Send + Unpin {
    let (pieces, waiting) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = read_lines(&path, &pieces) {
            // Nobody asks for it who does not listen any more.
            let _ = pieces.blocking_send(Err(error));
        }
    });
    let pieces = stream::unfold(waiting, async |mut waiting| {
        let piece: Option<Result<Vec<T>, StoreError>> = waiting.recv().await;
        piece.map(|piece| (piece, waiting))
    });
    pieces.map_ok(|piece| stream::iter(piece).map(Ok)).try_flatten().boxed()
}

fn read_lines<T: DeserializeOwned>(
    path: &Path,
    pieces: &mpsc::Sender<Result<Vec<T>, StoreError>>,
) -> Result<(), StoreError> {
    let failed = |error| damaged(path, error);
    let file = File::open(path).map_err(|error| fault("opening", path, error))?;
    let decoder = zstd::stream::read::Decoder::new(file).map_err(failed)?;
    let (mut reader, mut line) = (BufReader::with_capacity(PIECE, decoder), String::new());
    let (mut piece, mut bytes) = (Vec::new(), 0);
    while reader.read_line(&mut line).map_err(failed)? > 0 {
        bytes += line.len();
        piece.push(serde_json::from_str(&line).map_err(|error| damaged(path, error))?);
        line.clear();
        if bytes >= PIECE {
            bytes = 0;
            if pieces.blocking_send(Ok(std::mem::take(&mut piece))).is_err() {
                return Ok(());
            }
        }
    }
    let _ = pieces.blocking_send(Ok(piece));
    Ok(())
}

fn damaged(path: &Path, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    let what = format!("{} is not what was written", path.display());
    StoreError::new(StoreErrorKind::Corrupt, what).with_source(error)
}

/// What a file has.
pub(super) async fn look(path: PathBuf, algorithm: Algorithm) -> Result<Written, StoreError> {
    blocking(move || {
        let failed = |error| fault("reading", &path, error);
        let mut file = File::open(&path).map_err(failed)?;
        let (mut buffer, mut hasher, mut size) = (vec![0; READ], Hasher::new(algorithm), 0);
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => return Ok(Written { size, digest: hasher.finish() }),
                count => {
                    hasher.update(buffer.get(..count).unwrap_or_default());
                    size += count as u64;
                }
            }
        }
    })
    .await
}

/// The bytes of a file, as they come.
pub(super) fn bytes(path: PathBuf) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + Unpin {
    let (pieces, waiting) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let read = File::open(&path).and_then(|mut file| {
            loop {
                let mut buffer = vec![0; READ];
                let count = file.read(&mut buffer)?;
                buffer.truncate(count);
                if count == 0 || pieces.blocking_send(Ok(Bytes::from(buffer))).is_err() {
                    return Ok(());
                }
            }
        });
        if let Err(error) = read {
            let _ = pieces.blocking_send(Err(fault("reading", &path, error)));
        }
    });
    stream::unfold(waiting, async |mut waiting| waiting.recv().await.map(|piece| (piece, waiting))).boxed()
}

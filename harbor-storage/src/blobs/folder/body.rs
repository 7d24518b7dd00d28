//! Reading a blob's file.
//!
//! What the page cache holds is read on the spot, without a visit to the blocking pool: the kernel is asked to open
//! (`RESOLVE_CACHED`) and to read (`RWF_NOWAIT`) only if it need not wait. Otherwise a thread of the pool reads, and while
//! its piece is on its way to the client it reads the next one.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use harbor_core::blob::{Backing, BlobBody, Buffer};
use harbor_core::{StoreError, StoreErrorKind};
use tokio::task::JoinHandle;

use super::pace::{Pace, SMALL};
use super::root::{Place, Root};
use crate::blobs::{blocking, joined};

/// Content up to this length, in bytes, is read in one go.
const WHOLE: usize = 64 * 1024;

/// Opens `range` of a blob.
pub(super) async fn open(root: &Arc<Root>, place: Place, range: Range<u64>) -> Result<BlobBody, StoreError> {
    let length = range.end.saturating_sub(range.start);
    let cached = cached::open(root, &place)?;
    match usize::try_from(length) {
        Ok(length) if length <= WHOLE => {
            Ok(BlobBody::whole(read_whole(root, place, cached, range.start, length).await?))
        }
        _ => {
            let (place, file) = open_file(root, place, cached).await?;
            let (file, start) = (Arc::new(file), range.start);
            let backing = Backing { file: Arc::clone(&file), start };
            Ok(BlobBody::stream(length, pieces(Arc::new(Open { place, file }), range)).backed_by(backing))
        }
    }
}

/// A file and how to name it in a fault.
#[derive(Debug)]
struct Open {
    place: Place,
    file: Arc<File>,
}

async fn open_file(
    root: &Arc<Root>,
    place: Place,
    cached: Option<File>,
) -> Result<(Place, File), StoreError> {
    if let Some(file) = cached {
        return Ok((place, file));
    }
    let root = Arc::clone(root);
    blocking(move || root.read(&place).map(|file| (place, file))).await
}

async fn read_whole(
    root: &Arc<Root>,
    place: Place,
    cached: Option<File>,
    start: u64,
    length: usize,
) -> Result<Bytes, StoreError> {
    let mut bytes = vec![0; length];
    if let Some(file) = &cached
        && cached::read(file, &mut bytes, start) == Some(length)
    {
        return Ok(bytes.into());
    }
    let root = Arc::clone(root);
    blocking(move || {
        let file = cached.map_or_else(|| root.read(&place), Ok)?;
        file.read_exact_at(&mut bytes, start).map_err(|error| fault(&place, error))?;
        Ok(bytes.into())
    })
    .await
}

/// A file that ends too early is not what was written.
fn fault(place: &Place, error: std::io::Error) -> StoreError {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        let context = format!("blobs/{} is shorter than the database says", place.path());
        return StoreError::new(StoreErrorKind::Corrupt, context);
    }
    place.fault("reading", error)
}

/// One reader's way through a file.
struct Reading {
    open: Arc<Open>,
    left: Range<u64>,
    pace: Pace,
    ahead: Option<JoinHandle<Result<Bytes, StoreError>>>,
}

fn pieces(open: Arc<Open>, range: Range<u64>) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    let reading = Reading { open, left: range, pace: Pace::new(), ahead: None };
    try_unfold(reading, async |mut reading| {
        if reading.left.is_empty() {
            return Ok(None);
        }
        reading.pace.asked(Instant::now());
        let piece = reading.next().await?;
        reading.pace.gave(Instant::now(), piece.len());
        Ok(Some((piece, reading)))
    })
}

impl Reading {
    async fn next(&mut self) -> Result<Bytes, StoreError> {
        let (piece, waited) = match self.ahead.take() {
            Some(ahead) => (joined(ahead.await)?, true),
            None => match self.read_cached() {
                Ok(piece) => (piece, false),
                Err(buffer) => (joined(self.read_in_pool(buffer).await)?, true),
            },
        };
        self.left.start += piece.len() as u64;
        if waited && !self.left.is_empty() {
            self.ahead = Some(self.read_in_pool(self.buffer()));
        }
        Ok(piece)
    }

    fn buffer(&self) -> Buffer {
        Buffer::of(self.pace.size(), SMALL.max(self.pace.size().min(WHOLE)))
    }

    /// How much of a buffer's space is still wanted.
    fn wanted(&self, space: usize) -> usize {
        usize::try_from(self.left.end - self.left.start).map_or(space, |left| left.min(space))
    }

    /// Reads what the page cache has; gives the buffer back when it has nothing.
    fn read_cached(&self) -> Result<Bytes, Buffer> {
        let mut buffer = self.buffer();
        let wanted = self.wanted(buffer.space().len());
        match cached::read(&self.open.file, buffer.space().split_at_mut(wanted).0, self.left.start) {
            Some(length) if length > 0 => Ok(buffer.filled(length)),
            _ => Err(buffer),
        }
    }

    fn read_in_pool(&self, mut buffer: Buffer) -> JoinHandle<Result<Bytes, StoreError>> {
        let (open, start) = (Arc::clone(&self.open), self.left.start);
        let wanted = self.wanted(buffer.space().len());
        tokio::task::spawn_blocking(move || {
            let space = buffer.space().split_at_mut(wanted).0;
            open.file.read_exact_at(space, start).map_err(|error| fault(&open.place, error))?;
            Ok(buffer.filled(wanted))
        })
    }
}

/// Opening and reading without waiting, where the system can.
#[cfg(target_os = "linux")]
mod cached {
    use std::fs::File;
    use std::io::IoSliceMut;
    use std::sync::atomic::{AtomicBool, Ordering};

    use harbor_core::StoreError;
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    use super::super::root::{Place, Root};

    /// Set when the kernel, or a sandbox around this process, does not know the call.
    static UNKNOWN: AtomicBool = AtomicBool::new(false);

    /// The file, if opening it needs no wait.
    pub(super) fn open(root: &Root, place: &Place) -> Result<Option<File>, StoreError> {
        if UNKNOWN.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        match openat2(root.blobs(), place.path(), flags, Mode::empty(), ResolveFlags::CACHED) {
            Ok(file) => Ok(Some(file.into())),
            Err(Errno::NOENT) => Err(place.fault("opening", Errno::NOENT)),
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {
                UNKNOWN.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }

    /// How many bytes from `start` could be read without waiting; `None` when that cannot be done or fails.
    pub(super) fn read(file: &File, space: &mut [u8], start: u64) -> Option<usize> {
        preadv2(file, &mut [IoSliceMut::new(space)], start, ReadWriteFlags::NOWAIT).ok()
    }
}

/// Elsewhere every call may wait.
#[cfg(not(target_os = "linux"))]
mod cached {
    use std::fs::File;

    use harbor_core::StoreError;

    use super::super::root::{Place, Root};

    pub(super) fn open(_root: &Root, _place: &Place) -> Result<Option<File>, StoreError> {
        Ok(None)
    }

    pub(super) fn read(_file: &File, _space: &mut [u8], _start: u64) -> Option<usize> {
        None
    }
}

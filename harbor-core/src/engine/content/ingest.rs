//! Taking in bytes: received, hashed and written at the same time.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};

use super::gather::{Gathered, SMALL};
use crate::blob::{BlobWriter, DriverState, Hasher, LARGE_BUFFER};
use crate::{Error, Result, StoreError, StoreErrorKind};

/// How much may wait while the piece before it is hashed and written, in bytes.
const WAITING: usize = 2 * LARGE_BUFFER;

/// From so many bytes on, what waits is hashed and written as soon as what came before it is; less waits for more, or for
/// the end of the body. So only who sends faster than that has a large buffer, and not for long.
const ENOUGH: usize = SMALL;

/// Below this many bytes, hashing is quicker than finding a thread for it.
const INLINE: usize = 32 * 1024;

/// Bytes that a client sends: a stream, and how many were announced.
pub struct Incoming {
    stream: BoxStream<'static, Result<Bytes>>,
    length: Option<u64>,
}

impl Incoming {
    /// A stream of `length` bytes, when that was announced. An error of the stream is a connection that broke: what came
    /// before it counts.
    #[must_use]
    pub fn new(length: Option<u64>, stream: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Self {
        Self { stream: stream.boxed(), length }
    }

    /// Nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Some(0), stream::empty())
    }

    /// Bytes that are in memory.
    #[must_use]
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::new(Some(bytes.len() as u64), stream::iter([Ok(bytes)]))
    }

    /// How many bytes were announced.
    #[must_use]
    pub const fn length(&self) -> Option<u64> {
        self.length
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Where bytes go: a hasher and a writer, side by side, and how many bytes both have.
pub(super) struct Sink {
    pub(super) hasher: Hasher,
    pub(super) writer: Box<dyn BlobWriter>,
    pub(super) offset: u64,
}

/// The fault of a writer. One that another writer put out of work is no fault of the store.
pub(super) fn writer_fault(error: StoreError) -> Error {
    match error.kind() {
        StoreErrorKind::Conflict => Error::UploadBusy,
        _ => Error::Store(error),
    }
}

/// How taking in ended.
pub(super) struct Taken {
    pub(super) sink: Sink,
    /// Set when the body broke off: the sink then has all that came before.
    pub(super) broken: Option<Error>,
}

/// Records a checkpoint of the driver: see [`BlobWriter::write`].
pub(super) trait Checkpoint: Send + Sync {
    fn record(&self, state: DriverState) -> impl Future<Output = Result<()>> + Send;
}

/// Takes in a whole body, of at most `limit` bytes beyond the sink's offset.
///
/// While one piece is hashed (on a thread) and written (by the driver), the next is received, so the push runs at the
/// speed of the slowest of the three. At most [`WAITING`] bytes and a frame wait.
///
/// # Errors
/// Those of the driver, after which the upload stands where it was recorded last; and [`Error::TooLarge`].
pub(super) async fn take(
    sink: Sink,
    mut body: Incoming,
    limit: Option<u64>,
    checkpoint: &impl Checkpoint,
) -> Result<Taken> {
    let mut idle = Some(sink);
    let mut busy: Option<Pin<Box<dyn Future<Output = Result<Sink>> + Send + '_>>> = None;
    let mut waiting = Gathered::default();
    let mut left = limit;
    let mut open = true;
    let mut broken = None;
    loop {
        let ready = if open { waiting.size() >= ENOUGH } else { waiting.size() > 0 };
        if ready && let Some(sink) = idle.take() {
            busy = Some(Box::pin(process(sink, waiting.take(), checkpoint)));
        }
        tokio::select! {
            frame = body.stream.next(), if open && waiting.size() < WAITING => match frame {
                Some(Ok(bytes)) => {
                    left = allowance(left, bytes.len(), limit)?;
                    waiting.add(bytes);
                }
                Some(Err(error)) => {
                    broken = Some(error);
                    open = false;
                }
                None => open = false,
            },
            sink = done(&mut busy), if busy.is_some() => {
                busy = None;
                idle = Some(sink?);
            }
            else => break,
        }
        if !open && waiting.size() == 0 && busy.is_none() {
            break;
        }
    }
    let sink = idle.ok_or_else(|| Error::Internal("a body ended while it was written".to_owned()))?;
    Ok(Taken { sink, broken })
}

/// What is left of the limit after `taken` more bytes.
fn allowance(left: Option<u64>, taken: usize, limit: Option<u64>) -> Result<Option<u64>> {
    match left {
        None => Ok(None),
        Some(left) => match left.checked_sub(taken as u64) {
            Some(left) => Ok(Some(left)),
            None => Err(Error::TooLarge { limit: limit.unwrap_or_default() }),
        },
    }
}

async fn done<T>(busy: &mut Option<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> T {
    match busy {
        Some(busy) => busy.await,
        None => std::future::pending().await,
    }
}

async fn process(mut sink: Sink, pieces: Vec<Bytes>, checkpoint: &impl Checkpoint) -> Result<Sink> {
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let hashing = hash(sink.hasher, pieces.clone(), length);
    let (hasher, written) = tokio::join!(hashing, sink.writer.write(pieces));
    sink.hasher = hasher?;
    if let Some(state) = written.map_err(writer_fault)? {
        checkpoint.record(state).await?;
    }
    sink.offset += length as u64;
    Ok(sink)
}

async fn hash(mut hasher: Hasher, pieces: Vec<Bytes>, length: usize) -> Result<Hasher> {
    let run = move || {
        pieces.iter().for_each(|piece| hasher.update(piece));
        hasher
    };
    if length <= INLINE {
        return Ok(run());
    }
    tokio::task::spawn_blocking(run).await.map_err(|error| Error::Internal(error.to_string()))
}

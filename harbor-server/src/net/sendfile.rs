//! Having the kernel send files: large blobs go from the page cache to the socket without a copy through this process,
//! which is half of what sending them costs.
//!
//! hyper hands the bytes of a body to the connection by reference. So a body that is a file's may yield *stand-ins*: slices
//! of one static region, whose content means nothing, with the spans of the file put in a [`FileQueue`] in the same order.
//! The connection knows a stand-in by its address, and sends from the file instead.
//!
//! That holds where nothing between a body and the socket copies or changes bytes: HTTP/1 without TLS, with hyper told to
//! write vectored. Only there does a request carry a `FileQueue`.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use harbor_core::blob::Backing;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// How much one stand-in stands for, in bytes.
const PIECE: usize = 512 * 1024;

/// What the kernel is asked to have ready when it has to read from the disk, in bytes.
const AHEAD: u64 = 4 * 1024 * 1024;

/// Bodies below this many bytes are not worth it.
const WORTH: u64 = 128 * 1024;

/// Never read or written, so that it takes no memory.
static STAND_IN: [u8; PIECE] = [0; PIECE];

fn is_stand_in(bytes: &[u8]) -> bool {
    STAND_IN.as_ptr_range().contains(&bytes.as_ptr()) && !bytes.is_empty()
}

/// A part of a file that is to be sent.
#[derive(Debug)]
struct Span {
    file: Arc<File>,
    next: u64,
    left: u64,
}

/// What the stand-ins of one connection stand for, in the order of sending.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileQueue {
    spans: Arc<Mutex<VecDeque<Span>>>,
}

impl FileQueue {
    /// A body that stands for `length` bytes of a file; `None` when that is not worth it.
    pub(crate) fn body(&self, backing: &Backing, length: u64) -> Option<FileBody> {
        let body = FileBody {
            queue: self.clone(),
            file: Arc::clone(&backing.file),
            next: backing.start,
            left: length,
            warming: None,
        };
        (kernel::SENDS_FILES && length >= WORTH).then_some(body)
    }

    fn push(&self, span: Span) {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).push_back(span);
    }

    /// Sends up to `most` bytes of what is first.
    fn send(&self, socket: &TcpStream, most: usize) -> io::Result<usize> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = || io::Error::other("a stand-in without a file");
        let span = spans.front_mut().ok_or_else(lost)?;
        let wanted = usize::try_from(span.left).map_or(most, |left| left.min(most));
        let sent = kernel::send(socket, &span.file, &mut span.next, wanted)?;
        if sent == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a blob's file is shorter than it was"));
        }
        span.left -= sent as u64;
        if span.left == 0 {
            spans.pop_front();
        }
        Ok(sent)
    }
}

/// A body that yields stand-ins.
#[derive(Debug)]
pub(crate) struct FileBody {
    queue: FileQueue,
    file: Arc<File>,
    next: u64,
    left: u64,
    warming: Option<JoinHandle<io::Result<()>>>,
}

impl FileBody {
    /// Waits until the next `length` bytes are in memory: sending them must not make a thread of the runtime wait for the
    /// disk.
    fn poll_warm(&mut self, context: &mut Context<'_>, length: usize) -> Poll<io::Result<()>> {
        if self.warming.is_none() {
            let last = self.next + length as u64 - 1;
            if kernel::is_cached(&self.file, self.next) && kernel::is_cached(&self.file, last) {
                return Poll::Ready(Ok(()));
            }
            let (file, next) = (Arc::clone(&self.file), self.next);
            self.warming = Some(tokio::task::spawn_blocking(move || {
                kernel::read_ahead(&file, next, AHEAD);
                // The kernel reads in pieces of at least this size.
                (next..last)
                    .step_by(64 * 1024)
                    .chain([last])
                    .try_for_each(|at| file.read_exact_at(&mut [0], at))
            }));
        }
        let Some(warming) = &mut self.warming else { return Poll::Ready(Ok(())) };
        let warmed = ready!(Pin::new(warming).poll(context));
        self.warming = None;
        Poll::Ready(warmed.map_err(io::Error::other)?)
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let length = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
        if length == 0 {
            return Poll::Ready(None);
        }
        if let Err(error) = ready!(self.poll_warm(context, length)) {
            tracing::error!(%error, "a blob could not be read while it was sent");
            return Poll::Ready(Some(Err(error)));
        }
        self.queue.push(Span { file: Arc::clone(&self.file), next: self.next, left: length as u64 });
        self.next += length as u64;
        self.left -= length as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(STAND_IN.split_at(length).0)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A connection that knows stand-ins.
#[derive(Debug)]
pub(super) struct FileStream {
    stream: TcpStream,
    queue: FileQueue,
}

impl FileStream {
    pub(super) const fn new(stream: TcpStream, queue: FileQueue) -> Self {
        Self { stream, queue }
    }

    fn poll_send(&self, context: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match self.stream.try_io(Interest::WRITABLE, || self.queue.send(&self.stream, most)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

impl AsyncRead for FileStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for FileStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if is_stand_in(bytes) {
            return self.poll_send(context, bytes.len());
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match pieces.iter().position(|piece| is_stand_in(piece)) {
            None => Pin::new(&mut self.stream).poll_write_vectored(context, pieces),
            Some(at) if pieces[..at].iter().all(|piece| piece.is_empty()) => {
                self.poll_send(context, pieces[at].len())
            }
            Some(at) => Pin::new(&mut self.stream).poll_write_vectored(context, &pieces[..at]),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The calls, where there are such.
#[cfg(target_os = "linux")]
mod kernel {
    use std::fs::File;
    use std::io;
    use std::num::NonZeroU64;
    use std::os::unix::fs::FileExt;

    use rustix::fs::{Advice, fadvise, sendfile};
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    use tokio::net::TcpStream;

    pub(super) const SENDS_FILES: bool = true;

    pub(super) fn send(socket: &TcpStream, file: &File, next: &mut u64, most: usize) -> io::Result<usize> {
        match sendfile(socket, file, Some(next), most) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => copy(socket, file, next, most),
            sent => Ok(sent?),
        }
    }

    /// For file systems that the kernel cannot send from.
    pub(super) fn copy(socket: &TcpStream, file: &File, next: &mut u64, most: usize) -> io::Result<usize> {
        let mut bytes = [0; 16 * 1024];
        let read = file.read_at(&mut bytes[..most.min(16 * 1024)], *next)?;
        if read == 0 {
            return Ok(0);
        }
        let sent = rustix::io::write(socket, &bytes[..read])?;
        *next += sent as u64;
        Ok(sent)
    }

    /// Whether the byte at that place can be read without waiting. Where it cannot be told, no.
    pub(super) fn is_cached(file: &File, at: u64) -> bool {
        let mut byte = [0];
        preadv2(file, &mut [io::IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT) == Ok(1)
    }

    /// Has the kernel begin to read what comes next. A hint: what it cannot do shows when it is read.
    pub(super) fn read_ahead(file: &File, next: u64, length: u64) {
        let _ = fadvise(file, next, NonZeroU64::new(length), Advice::WillNeed);
    }
}

/// Elsewhere bodies are read and written.
#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::fs::File;
    use std::io;

    use tokio::net::TcpStream;

    pub(super) const SENDS_FILES: bool = false;

    pub(super) fn send(_: &TcpStream, _: &File, _: &mut u64, _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn is_cached(_: &File, _: u64) -> bool {
        false
    }

    pub(super) fn read_ahead(_: &File, _: u64, _: u64) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write as _;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    /// As where the kernel cannot send from the file.
    #[tokio::test]
    async fn copies_are_the_same_bytes() {
        let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let length = content.len() as u64;
        let sending = tokio::spawn(async move {
            let mut next = 3;
            while next < length {
                socket.writable().await.unwrap();
                let most = usize::try_from(length - next).unwrap();
                let sent =
                    socket.try_io(Interest::WRITABLE, || kernel::copy(&socket, &file, &mut next, most));
                assert!(sent.is_ok() || sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock));
            }
        });
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        sending.await.unwrap();
        assert!(received == content[3..]);
    }
}

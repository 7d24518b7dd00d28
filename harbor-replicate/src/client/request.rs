//! A request that is to go out.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use harbor_core::access::Secret;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{HeaderName as Name, Method};
use http_body::{Frame, SizeHint};
use url::Url;

use super::retry::Retried;
use super::{Error, Result};

/// Pieces of content as they come.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A request, which may be sent more than once unless its body is a stream.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload,
    /// Whether doing it twice may come to something else than doing it once.
    pub(crate) counts: bool,
    /// Who asks: goes to the origin of `url` and nowhere else.
    pub(crate) authorization: Option<Secret>,
    /// What must not be told when it stands in an answer.
    pub(crate) secrets: Vec<Secret>,
}

/// The body of a request.
#[derive(Debug)]
pub(crate) enum Payload {
    /// These bytes, or none.
    Bytes(Bytes),
    /// What a source yields; it is there once.
    Stream(StreamPayload),
}

impl Request {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        let payload = Payload::Bytes(Bytes::new());
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            payload,
            counts: false,
            authorization: None,
            secrets: Vec::new(),
        }
    }

    /// With a header.
    pub(crate) fn header(mut self, name: Name, value: &str) -> Result<Self> {
        self.headers.insert(name, header_value(value)?);
        Ok(self)
    }

    /// With a body of bytes.
    pub(crate) fn bytes(mut self, bytes: Bytes) -> Self {
        self.payload = Payload::Bytes(bytes);
        self
    }

    /// With a body that comes from a source.
    pub(crate) fn stream(mut self, payload: StreamPayload) -> Self {
        self.payload = Payload::Stream(payload);
        self
    }

    /// Whether it can be sent again as it is.
    pub(crate) const fn is_replayable(&self) -> bool {
        matches!(self.payload, Payload::Bytes(_))
    }

    /// Whether it can be sent again after that.
    pub(crate) fn may_repeat<T: Retried>(&self, outcome: &Result<T>) -> bool {
        // Both say that nothing was done.
        let refused_untouched = || outcome.as_ref().is_ok_and(|answer| matches!(answer.status(), 429 | 503));
        self.is_replayable() && (!self.counts || refused_untouched())
    }

    /// How far its body is, when that comes from a source.
    pub(crate) fn progress(&self) -> Option<Arc<Progress>> {
        match &self.payload {
            Payload::Bytes(_) => None,
            Payload::Stream(stream) => Some(stream.progress()),
        }
    }

    /// Whether it only reads.
    pub(crate) fn reads(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }

    /// Shows who asks.
    pub(crate) fn authorize(&mut self, value: Option<Secret>, secrets: &[Secret]) {
        self.secrets = secrets.iter().chain(&value).cloned().collect();
        self.authorization = value;
    }
}

/// A value for a header.
pub(crate) fn header_value(value: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(value)
        .map_err(|_| Error::Configuration("a value has characters that no header may have".to_owned()))
}

/// A header whose value is in no log.
pub(crate) fn secret_value(secret: &Secret) -> Result<HeaderValue> {
    let mut value = header_value(secret.expose())?;
    value.set_sensitive(true);
    Ok(value)
}

/// A name that the library of headers has no constant for.
pub(crate) const fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

/// A body of a stated length that comes from a source.
pub(crate) struct StreamPayload {
    body: Mutex<Option<SizedBody>>,
    progress: Arc<Progress>,
}

impl std::fmt::Debug for StreamPayload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamPayload").field("progress", &self.progress).finish_non_exhaustive()
    }
}

/// How far a body is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    sent: AtomicU64,
    whole: AtomicBool,
    failure: Mutex<Option<io::Error>>,
}

impl Progress {
    /// How many bytes were taken from the source.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Whether all were.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Acquire)
    }

    /// Why the source yielded no more; told once.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn fail(&self, error: io::Error) -> io::Error {
        let told = io::Error::new(error.kind(), "the source of the body failed");
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        told
    }
}

impl StreamPayload {
    /// The first `length` bytes of `stream`, which are counted by `sent` as they go.
    pub(crate) fn new(stream: ByteStream, length: u64, sent: Option<Sent>) -> Self {
        let progress = Arc::new(Progress::default());
        progress.whole.store(length == 0, Ordering::Release);
        let body = SizedBody {
            stream: Mutex::new(stream),
            remaining: length,
            progress: Arc::clone(&progress),
            sent,
        };
        Self { body: Mutex::new(Some(body)), progress }
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    pub(crate) fn take(&self) -> Option<SizedBody> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Who hears of bytes that go out.
pub(crate) type Sent = Arc<dyn Fn(u64) + Send + Sync>;

/// The body as the library of HTTP takes it: its length is stated, and kept to.
pub(crate) struct SizedBody {
    /// The library wants a body that can be shared; nobody else ever has the lock.
    stream: Mutex<ByteStream>,
    remaining: u64,
    progress: Arc<Progress>,
    sent: Option<Sent>,
}

impl SizedBody {
    fn took(&mut self, mut piece: Bytes) -> Bytes {
        // What lies behind the stated length belongs to the next request.
        piece.truncate(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        let length = piece.len() as u64;
        self.remaining -= length;
        self.progress.sent.fetch_add(length, Ordering::AcqRel);
        self.progress.whole.store(self.remaining == 0, Ordering::Release);
        if let Some(sent) = &self.sent {
            sent(length);
        }
        piece
    }
}

impl http_body::Body for SizedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        while self.remaining > 0 {
            let stream = self.stream.get_mut().unwrap_or_else(PoisonError::into_inner);
            return match stream.as_mut().poll_next(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Ok(piece))) if piece.is_empty() => continue,
                Poll::Ready(Some(Ok(piece))) => Poll::Ready(Some(Ok(Frame::data(self.took(piece))))),
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(self.progress.fail(error)))),
                Poll::Ready(None) => {
                    let short =
                        io::Error::new(io::ErrorKind::UnexpectedEof, "it has fewer bytes than it says");
                    Poll::Ready(Some(Err(self.progress.fail(short))))
                }
            };
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(pieces: &[&'static str], length: u64) -> SizedBody {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
        StreamPayload::new(Box::pin(futures_util::stream::iter(pieces)), length, None).take().unwrap()
    }

    async fn read(mut body: SizedBody) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(frame) =
            std::future::poll_fn(|context| http_body::Body::poll_frame(Pin::new(&mut body), context)).await
        {
            all.extend_from_slice(&frame?.into_data().unwrap());
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_body_has_the_length_that_it_says() {
        assert_eq!(read(payload(&["ab", "", "cd"], 4)).await.unwrap(), b"abcd");
        assert_eq!(read(payload(&["ab", "cd"], 3)).await.unwrap(), b"abc");
        let short = payload(&["ab"], 3);
        let progress = Arc::clone(&short.progress);
        assert!(read(short).await.is_err());
        assert!(!progress.is_whole() && progress.sent() == 2);
        assert_eq!(progress.failure().unwrap().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut request = Request::new(Method::GET, Url::parse("http://a/").unwrap());
        request.authorize(Some(Secret::new("Basic aHVudGVyMg==")), &[Secret::new("hunter2")]);
        let shown = format!("{request:?}");
        assert!(!shown.contains("aHVudGVyMg") && !shown.contains("hunter2"), "{shown}");
    }
}

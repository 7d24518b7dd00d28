//! Bodies on their way in.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use harbor_core::content::Incoming;
use harbor_core::{Error, Result};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body::Body as _;
use tokio::time::{Instant, Sleep, timeout_at};

/// How many of the longest pauses a body may take that is read whole.
const PAUSES: u32 = 10;

/// How much of a body is taken in for nothing when its request is refused, in bytes, and for how long.
const REFUSED: usize = 256 * 1024;
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// A body that nobody has begun to read. In a mutex, which nobody ever waits for, so that a call which holds it can be shared.
pub(crate) struct Unread(Mutex<Option<Body>>);

impl Unread {
    pub(crate) const fn new(body: Body) -> Self {
        Self(Mutex::new(Some(body)))
    }

    fn slot(&mut self) -> &mut Option<Body> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&mut self) -> Body {
        self.slot().take().unwrap_or_default()
    }

    /// Reads the small body of a request that was refused before it was read. Otherwise the connection would be closed on a
    /// client that is still sending, to which that can look like a broken connection instead of the answer.
    pub(crate) async fn drain(&mut self, headers: &HeaderMap) {
        let Some(body) = self.slot().take() else { return };
        let small = body.size_hint().upper().is_none_or(|length| length <= REFUSED as u64);
        // Who asks first whether to send has sent nothing yet.
        if !small || body.is_end_stream() || headers.contains_key(EXPECT) {
            return;
        }
        let mut stream = body.into_data_stream();
        let read = async {
            let mut left = REFUSED;
            while let Some(Ok(piece)) = stream.next().await
                && let Some(rest) = left.checked_sub(piece.len())
            {
                left = rest;
            }
        };
        // Whoever is slower is closed on all the same.
        let _ = tokio::time::timeout(REFUSED_FOR, read).await;
    }
}

/// How many bytes the client announced.
pub(crate) fn announced(headers: &HeaderMap) -> Result<Option<u64>> {
    let Some(value) = headers.get(CONTENT_LENGTH) else { return Ok(None) };
    match value.to_str().ok().and_then(|text| text.trim().parse().ok()) {
        Some(length) => Ok(Some(length)),
        None => Err(Error::BadRequest("Content-Length must be a number of bytes".to_owned())),
    }
}

impl Unread {
    /// The body as the engine takes it: of the announced length, and never silent for longer than `pause`.
    pub(crate) fn incoming(&mut self, headers: &HeaderMap, pause: Duration) -> Result<Incoming> {
        let announced = announced(headers)?;
        Ok(Incoming::new(announced, Paced::new(self.take(), pause)))
    }

    /// The whole body, of at most `limit` bytes, which may take ten pauses altogether: who may do what was asked before it came,
    /// so it must not come for as long as somebody likes.
    pub(crate) async fn whole(
        &mut self,
        headers: &HeaderMap,
        pause: Duration,
        limit: usize,
        too_large: fn() -> Error,
    ) -> Result<Bytes> {
        let announced = announced(headers)?.unwrap_or(0);
        if announced > limit as u64 {
            return Err(too_large());
        }
        let mut stream = Paced::new(self.take(), pause);
        let mut whole = BytesMut::new();
        let end = Instant::now() + pause * PAUSES;
        let late = |_| Error::BodyInterrupted("the body took too long".to_owned());
        while let Some(piece) = timeout_at(end, stream.next()).await.map_err(late)? {
            let piece = piece?;
            if whole.len() + piece.len() > limit {
                return Err(too_large());
            }
            if whole.is_empty() && piece.len() as u64 == announced {
                return Ok(piece);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

/// A body that fails when it pauses for too long.
struct Paced {
    stream: BodyDataStream,
    pause: Duration,
    end: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    fn new(body: Body, pause: Duration) -> Self {
        Self { stream: body.into_data_stream(), pause, end: None }
    }
}

impl Stream for Paced {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(frame) = self.stream.poll_next_unpin(context) {
            // The next pause begins with the next wait.
            self.end = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| broken(&error))));
        }
        let until = Instant::now() + self.pause;
        let end = self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        ready!(end.as_mut().poll(context));
        Poll::Ready(Some(Err(Error::BodyInterrupted("nothing came for too long".to_owned()))))
    }
}

fn broken(error: &axum::Error) -> Error {
    Error::BodyInterrupted(error.to_string())
}

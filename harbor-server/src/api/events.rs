//! The stream of events: server-sent events, as the HTML standard has them (section 9.2).

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt as _, poll_fn, unfold};
use harbor_core::access::permission::ProjectRead;
use harbor_core::{Error, EventFilter, EventStream, Result, Streamed, Timestamp, api};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response};
use tokio::sync::mpsc::channel;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::answer::Answered;
use super::call::Call;

/// After so long the answer ends, and the client comes back and proves anew who it is.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// How long nothing is said at most: proxies close connections on which nothing comes.
const SILENCE: Duration = Duration::from_secs(15);

/// What is said first: that it has begun, and how long to wait before coming back, in milliseconds.
const BEGINNING: &str = "retry: 1000\n: events follow\n\n";

pub(super) async fn answer(call: &Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "streamEvents" => stream(call).await?,
        _ => return Ok(None),
    }))
}

async fn stream(call: &Call<'_>) -> Result<Response<Body>> {
    let actor = call.login()?;
    let project = match call.parameter("project_name") {
        Some(name) => Some(call.project_named::<ProjectRead>(&name, false).await?.target().id),
        None => None,
    };
    let kinds =
        call.parameter("kind").map(|kinds| kinds.split(',').map(|kind| kind.trim().to_owned()).collect());
    let filter = EventFilter { kinds: kinds.unwrap_or_default(), project };
    let events = call.harbor().events().stream(actor, filter, after(call)?).await?;
    let ends = Instant::now() + longest(call)?;
    let pieces = Pieces { events, ends, leaving: call.app.leaving.clone(), begun: false };
    let mut response = Response::new(Body::from_stream(driven(unfold(pieces, Pieces::next), ends)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would keep the events until it has many.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The number of the last event that the client has, which a client that comes back says by itself.
fn after(call: &Call<'_>) -> Result<Option<i64>> {
    let last = call.header("last-event-id").map(str::to_owned).or_else(|| call.parameter("after"));
    let read = |last: String| {
        last.parse()
            .map_err(|_| Error::BadRequest("Last-Event-ID and after are numbers of events".to_owned()))
    };
    last.map(read).transpose()
}

/// How long the answer goes on: as many seconds as the client says, and not for ever.
fn longest(call: &Call<'_>) -> Result<Duration> {
    let Some(text) = call.parameter("seconds") else { return Ok(LONGEST) };
    let seconds = text.parse().map_err(|_| Error::BadRequest("seconds is a number of seconds".to_owned()))?;
    Ok(Duration::from_secs(seconds).min(LONGEST))
}

/// The same pieces. Who does not read them keeps their source no longer than until `ends`: of those who listen there are only so many.
fn driven<T: Send + 'static>(
    pieces: impl Stream<Item = T> + Send + 'static,
    ends: Instant,
) -> impl Stream<Item = T> {
    let (said, mut heard) = channel(1);
    tokio::spawn(async move {
        let mut pieces = pin!(pieces);
        let read = async {
            while let Some(piece) = pieces.next().await {
                if timeout_at(ends, said.send(piece)).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = read => {}
            () = said.closed() => {}
        }
    });
    poll_fn(move |context| heard.poll_recv(context))
}

/// An answer, piece by piece.
struct Pieces {
    events: EventStream,
    ends: Instant,
    leaving: CancellationToken,
    begun: bool,
}

impl Pieces {
    async fn next(mut self) -> Option<(Result<Bytes>, Self)> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some((Ok(Bytes::from_static(BEGINNING.as_bytes())), self));
        }
        let leaving = self.leaving.clone();
        let next = timeout_at(self.ends, timeout(SILENCE, self.events.next()));
        let next = tokio::select! {
            () = leaving.cancelled() => return None,
            next = next => next.ok()?,
        };
        let piece = match next {
            Err(_) => Ok(Bytes::from_static(b": nothing happened\n\n")),
            Ok(streamed) => streamed.transpose()?.and_then(written),
        };
        Some((piece, self))
    }
}

/// What is said of an event.
fn written(streamed: Streamed) -> Result<Bytes> {
    let Streamed::Event(event) = streamed else {
        return Ok(Bytes::from_static(b"event: missed\ndata: {}\n\n"));
    };
    let wire = api::Event {
        id: event.id,
        occurred_at: Timestamp::from_micros(event.at),
        actor: event.actor.clone(),
        project_id: event.project_id,
        what: event.kind.clone(),
    };
    // JSON without a line break, as it is written here, is one line of data.
    let data = serde_json::to_string(&wire).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Bytes::from(format!("id: {}\nevent: {}\ndata: {data}\n\n", event.id, event.kind.name())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says something again and again, until it is dropped.
    fn endless() -> (impl Stream<Item = u64> + Send, CancellationToken) {
        let dropped = CancellationToken::new();
        let guard = dropped.clone().drop_guard();
        let pieces = unfold((0, guard), |(number, guard)| async move { Some((number, (number + 1, guard))) });
        (pieces, dropped)
    }

    #[tokio::test]
    async fn who_does_not_read_keeps_nothing() {
        let (pieces, dropped) = endless();
        let mut heard = pin!(driven(pieces, Instant::now() + Duration::from_millis(50)));
        assert_eq!(heard.next().await, Some(0));
        timeout(Duration::from_secs(10), dropped.cancelled()).await.unwrap();
        let rest: Vec<u64> = heard.collect().await;
        assert!(!rest.is_empty() && rest.len() < 4, "what was said already, and the end: {rest:?}");
    }

    #[tokio::test]
    async fn who_leaves_keeps_nothing() {
        let waits = std::future::pending::<()>();
        let dropped = CancellationToken::new();
        let guard = dropped.clone().drop_guard();
        let pieces = futures_util::stream::once(async move {
            waits.await;
            drop(guard);
        });
        drop(driven(pieces, Instant::now() + Duration::from_secs(3600)));
        timeout(Duration::from_secs(10), dropped.cancelled()).await.unwrap();
    }
}

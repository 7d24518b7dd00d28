//! One connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Version;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::sendfile::{FileQueue, FileStream};
use super::watch::{Activity, Watched};
use crate::app::App;

/// How long nothing may move on a connection. Longer than clients keep one that they do not use, which for those in Go is 90 s: one that
/// is ended from here just as they begin to push fails the push, for they cannot tell whether it arrived.
pub(super) const IDLE: Duration = Duration::from_secs(120);

/// How long the head of a request may take: hyper counts from the end of the answer before, so it is no shorter than the above.
const HEAD: Duration = IDLE;

/// The largest head of a request, the most that is read ahead of a body, and the most of an answer that waits for a slow
/// client, in bytes: a thousand slow clients must not take much memory.
const BUFFER: usize = 64 * 1024;

/// How many headers a request may have.
const HEADERS: usize = 100;

/// How many requests one HTTP/2 connection may have under way.
const STREAMS: u32 = 64;

/// As [`serve`], over a socket that the kernel can send files to.
pub(super) async fn serve_plain(app: Arc<App>, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
    let files = FileQueue::default();
    serve(app, FileStream::new(stream, files.clone()), peer, Some(files), stop).await;
}

/// Speaks HTTP/1.1 or HTTP/2, whichever the client begins with, until the client leaves, falls silent, or `stop` is
/// cancelled: then what is under way is finished and nothing more is taken. `peer` is the other end.
pub(super) async fn serve<S>(
    app: Arc<App>,
    stream: S,
    peer: SocketAddr,
    files: Option<FileQueue>,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new();
    let stream = TokioIo::new(Watched::new(stream, activity.clone()));
    let work = activity.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        // HTTP/2 puts bodies into frames of its own.
        if let Some(files) = files.as_ref().filter(|_| request.version() <= Version::HTTP_11) {
            request.extensions_mut().insert(files.clone());
        }
        request.extensions_mut().insert(ConnectInfo(peer));
        let (app, working) = (Arc::clone(&app), work.work());
        async move {
            let answer = app.handle(request.map(Body::new)).await;
            drop(working);
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let builder = builder();
    let connection = builder.serve_connection(stream, service);
    tokio::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection broke");
                }
                return;
            }
            () = activity.silence(IDLE) => {
                tracing::debug!("a silent connection was ended");
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .max_headers(HEADERS)
        .half_close(false)
        // Whatever the connection says of itself: a stand-in for a file must come to it by reference.
        .writev(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20))
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024)
        .max_send_buf_size(64 * 1024);
    builder
}

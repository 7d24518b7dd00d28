//! The log of requests: structured, one line each. Headers and queries, which may hold secrets, are never in it.

use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, Request, StatusCode};

/// What the log says of a request.
pub(crate) struct Entry {
    /// Kept only where the line will be written: most reads are not logged at all.
    line: Option<(Method, String, HeaderValue)>,
    change: bool,
}

impl Entry {
    pub(crate) fn new(request: &Request<Body>, id: &HeaderValue) -> Self {
        let change = !matches!(*request.method(), Method::GET | Method::HEAD);
        let wanted = change || tracing::enabled!(target: "harbor_server::access", tracing::Level::DEBUG);
        let line = wanted.then(|| (request.method().clone(), request.uri().path().to_owned(), id.clone()));
        Self { line, change }
    }

    /// Changes are told at `info`, reads at `debug`.
    pub(crate) fn write(self, status: StatusCode, took: Duration) {
        let Some((method, path, id)) = self.line else { return };
        let id = id.to_str().unwrap_or("-");
        let (status, micros) = (status.as_u16(), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if self.change {
            tracing::info!(target: "harbor_server::access", request_id = id, %method, path, status, micros, "request");
        } else {
            tracing::debug!(target: "harbor_server::access", request_id = id, %method, path, status, micros, "request");
        }
    }
}

//! The log of requests: structured, one line each. Headers and queries, which may hold secrets, are never in it.

use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, Request, StatusCode};

use crate::net::ClientAddress;

/// What the log says of a request.
pub(crate) struct Entry {
    /// Kept only where the line will be written: most reads are not logged at all.
    line: Option<(Method, String, HeaderValue)>,
    client: ClientAddress,
    change: bool,
}

impl Entry {
    pub(crate) fn new(request: &Request<Body>, client: ClientAddress, id: &HeaderValue) -> Self {
        let change = !matches!(*request.method(), Method::GET | Method::HEAD);
        let wanted = change || tracing::enabled!(target: "harbor_server::access", tracing::Level::DEBUG);
        let line = wanted.then(|| (request.method().clone(), request.uri().path().to_owned(), id.clone()));
        Self { line, client, change }
    }

    /// Changes are told at `info`, reads at `debug`.
    pub(crate) fn write(self, status: StatusCode, took: Duration) {
        let Some((method, path, id)) = self.line else { return };
        let id = id.to_str().unwrap_or("-");
        let client = self.client.0.map(tracing::field::display);
        let (status, micros) = (status.as_u16(), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if self.change {
            tracing::info!(target: "harbor_server::access", request_id = id, client, %method, path, status, micros, "request");
        } else {
            tracing::debug!(target: "harbor_server::access", request_id = id, client, %method, path, status, micros, "request");
        }
    }
}

//! For the fuzz targets only: a registry in memory, asked with whatever bytes.

use std::sync::Arc;

use axum::body::Body;
use harbor_core::Harbor;
use harbor_storage::InMemory as _;
use http::{HeaderName, HeaderValue, Method, Request};
use tokio::runtime::Runtime;

use crate::{App, AppOptions};

/// A registry to ask.
#[derive(Debug)]
pub struct Target {
    runtime: Runtime,
    app: Arc<App>,
}

impl Target {
    /// A registry in memory.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    #[allow(clippy::expect_used, clippy::new_without_default, reason = "a fuzz target fails by panicking")]
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let harbor = runtime.block_on(Harbor::in_memory()).expect("a registry");
        Self { runtime, app: App::new(harbor, AppOptions::default()) }
    }

    /// Reads `bytes` as lines: a method and a target, then headers, then an empty line and a body. Yields the answer's
    /// status, or `None` when hyper would not have let the request through.
    #[must_use]
    pub fn answer(&self, bytes: &[u8]) -> Option<u16> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let (method, target) = lines.next()?.split_once(' ')?;
        let mut request = Request::new(Body::from(body.to_owned()));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
        *request.uri_mut() = target.parse().ok()?;
        for line in lines {
            let (name, value) = line.split_once(':')?;
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            request.headers_mut().append(name, HeaderValue::from_str(value.trim()).ok()?);
        }
        Some(self.runtime.block_on(self.app.handle(request)).status().as_u16())
    }
}

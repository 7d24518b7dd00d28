use std::time::Duration;

use bytes::Bytes;
use url::Url;

/// How long a request may take altogether, unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How many bytes of an answer are read, unless the request says otherwise.
const LARGEST: usize = 1024 * 1024;

/// A request that is to go out.
#[derive(Clone)]
#[must_use]
pub struct Outgoing {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) credentials: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    pub(super) any_certificate: bool,
    pub(super) timeout: Duration,
    pub(super) largest: usize,
}

impl Outgoing {
    /// GET of a URL.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url.into(), Bytes::new())
    }

    /// POST of a body to a URL.
    pub fn post(url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::new("POST", url.into(), body.into())
    }

    const fn new(method: &'static str, url: String, body: Bytes) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            credentials: Vec::new(),
            body,
            any_certificate: false,
            timeout: TIMEOUT,
            largest: LARGEST,
        }
    }

    /// With a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a header that nobody but the host of the URL gets to see: a redirect to another host, port or scheme goes without it,
    /// and it is in no log.
    pub fn credential(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.credentials.push((name, value.into()));
        self
    }

    /// Whatever certificate the other side shows.
    pub const fn any_certificate(mut self, any: bool) -> Self {
        self.any_certificate = any;
        self
    }

    /// In at most this time, from the first look-up to the last byte, redirects and all. Default: 10 seconds.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// With at most so many bytes of the answer's body read. Default: 1 MiB.
    pub const fn largest(mut self, bytes: usize) -> Self {
        self.largest = bytes;
        self
    }
}

impl std::fmt::Debug for Outgoing {
    /// Without its headers and its body.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let origin = Url::parse(&self.url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
        f.debug_struct("Outgoing").field("method", &self.method).field("to", &origin).finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body, up to what was to be read; what had come, where it broke off or was too slow.
    pub body: Bytes,
    /// Whether there was more of it, or may have been.
    pub cut: bool,
}

impl Reply {
    pub(super) const fn new(status: u16, body: Bytes, cut: bool) -> Self {
        Self { status, body, cut }
    }
}

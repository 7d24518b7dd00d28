//! What comes back.

use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use harbor_core::access::Secret;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, Method};
use serde::Deserialize;
use url::Url;

use super::error::{Refusal, RefusalError, fit, innermost};
use super::request::Request;
use super::retry::{Retried, retry_after};
use super::{Error, Result};

/// How much of the body of a refusal is read, in bytes.
const REFUSAL_LIMIT: usize = 256 * 1024;

/// How many errors of a refusal are told.
const REFUSAL_ERRORS: usize = 10;

/// By what registries let a request be found in their logs.
const REQUEST_IDS: [&str; 6] = [
    "x-request-id",
    "x-correlation-id",
    "x-amzn-requestid",
    "x-ms-correlation-request-id",
    "x-github-request-id",
    "cf-ray",
];

/// An answer: its head, and its body as far as it was read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// What answered: another address than was asked, behind a redirect.
    pub(crate) url: Url,
    /// Whether that is another origin.
    pub(crate) elsewhere: bool,
    /// How often it was tried before.
    pub(crate) failed: u32,
    body: Body,
    asked: Asked,
    /// How fast it comes, where that counts.
    pace: Option<Pace>,
}

/// At how many bytes a second a body comes at least that is to keep its pace.
const SLOWEST: u64 = 1024;

/// What is told of one that does not.
pub(crate) const SLOW: &str = "less than 1 KiB a second came";

/// How much came in which time; how long the reader took does not count.
#[derive(Debug, Default)]
struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Whether it is kept, as far as that can be told after a piece for which so long was waited.
    fn is_kept(&mut self, waited: Duration, bytes: usize, over: Duration) -> bool {
        self.waited += waited;
        self.bytes += bytes as u64;
        if self.waited < over {
            return true;
        }
        let least = u128::from(SLOWEST) * self.waited.as_millis() / 1000;
        let is_kept = u128::from(self.bytes) >= least;
        *self = Self::default();
        is_kept
    }
}

#[derive(Debug)]
enum Body {
    Coming(Box<reqwest::Response>),
    Whole(Bytes),
}

/// What was asked, to tell of it.
#[derive(Debug)]
struct Asked {
    method: Method,
    secrets: Vec<Secret>,
    idle: Duration,
}

/// The errors of a refusal, as OCI and Harbor both write them.
#[derive(Deserialize)]
struct Errors {
    errors: Vec<Told>,
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// Host and port of an address.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl Answer {
    pub(crate) fn new(response: reqwest::Response, request: &Request, url: &Url, idle: Duration) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            url: url.clone(),
            elsewhere: url.origin() != request.url.origin(),
            failed: 0,
            body: Body::Coming(Box::new(response)),
            asked: Asked { method: request.method.clone(), secrets: request.secrets.clone(), idle },
            pace: None,
        }
    }

    /// From here on, it is an error when the body comes too slowly.
    pub(crate) fn keep_pace(&mut self) {
        self.pace = Some(Pace::default());
    }

    /// Host and port of what answered.
    pub(crate) fn from(&self) -> String {
        host(&self.url)
    }

    /// A header, when it is there and text.
    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A header that is a number.
    pub(crate) fn number(&self, name: HeaderName) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }

    /// An error about this answer.
    pub(crate) fn bad(&self, what: impl Into<String>) -> Error {
        Error::bad_answer(self.from(), what)
    }

    /// Reads the body, up to so many bytes.
    pub(crate) async fn read(&mut self, what: &'static str, limit: usize) -> Result<Bytes> {
        let announced = self.number(http::header::CONTENT_LENGTH).unwrap_or(0);
        let too_large = Error::TooLarge { what, limit: limit as u64 };
        if self.asked.method != Method::HEAD && announced > limit as u64 {
            return Err(too_large);
        }
        let mut body = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            if piece.len() > limit - body.len() {
                return Err(too_large);
            }
            body.extend_from_slice(&piece);
        }
        let body = body.freeze();
        self.body = Body::Whole(body.clone());
        Ok(body)
    }

    /// The next piece of the body; nothing at its end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>> {
        let unreachable = |cause: String| Error::Unreachable { to: host(&self.url), cause };
        match &mut self.body {
            Body::Whole(bytes) => Ok(Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty())),
            Body::Coming(response) => {
                let (begun, idle) = (Instant::now(), self.asked.idle);
                let piece = match tokio::time::timeout(idle, response.chunk()).await {
                    Ok(piece) => piece.map_err(|error| unreachable(innermost(&error)))?,
                    Err(_) => return Err(unreachable("nothing more came in time".to_owned())),
                };
                let length = piece.as_ref().map_or(0, Bytes::len);
                let mut pace = self.pace.as_mut().filter(|_| length > 0);
                if pace.as_mut().is_some_and(|pace| !pace.is_kept(begun.elapsed(), length, idle)) {
                    return Err(unreachable(SLOW.to_owned()));
                }
                Ok(piece)
            }
        }
    }

    /// Reads what a refusal says. That it breaks off takes nothing from the status.
    pub(crate) async fn read_refusal(&mut self) {
        let mut body = BytesMut::new();
        while body.len() < REFUSAL_LIMIT {
            match self.piece().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) | Err(_) => break,
            }
        }
        self.body = Body::Whole(body.freeze());
    }

    /// The answer, when it has one of these statuses.
    pub(crate) fn expect(self, statuses: &[u16]) -> Result<Self> {
        if statuses.contains(&self.status) { Ok(self) } else { Err(self.into_error()) }
    }

    /// What it is when it is not what was hoped for.
    pub(crate) fn into_error(self) -> Error {
        if self.status < 400 {
            return self.bad(format!("the status {} has no meaning here", self.status));
        }
        Error::Refused(Box::new(self.refusal()))
    }

    /// What it says as a refusal; its body was read.
    pub(crate) fn refusal(&self) -> Refusal {
        let body: &[u8] = match &self.body {
            Body::Whole(body) => body,
            Body::Coming(_) => &[],
        };
        let told = serde_json::from_slice::<Errors>(body).map(|body| body.errors).unwrap_or_default();
        let fit = |text: Option<String>| fit(&text.unwrap_or_default(), &self.asked.secrets);
        let errors = told.into_iter().take(REFUSAL_ERRORS);
        let id = REQUEST_IDS.iter().find_map(|name| self.header(*name));
        Refusal {
            from: self.from(),
            method: self.asked.method.to_string(),
            path: self.url.path().to_owned(),
            status: self.status,
            errors: errors
                .map(|error| RefusalError { code: fit(error.code), message: fit(error.message) })
                .collect(),
            request_id: id.map(|id| fit(Some(id.to_owned()))),
            retry_after: Retried::retry_after(self),
        }
    }
}

impl Retried for Answer {
    fn status(&self) -> u16 {
        self.status
    }

    fn retry_after(&self) -> Option<Duration> {
        retry_after(self.header(RETRY_AFTER)?, SystemTime::now())
    }
}

//! Sessions of pushes: end-4a, end-13, end-14.

use std::fmt;

use harbor_core::oci::{ChunkRange, Route};
use http::header::{CONTENT_LENGTH, LOCATION, RANGE};
use http::{HeaderName, Method};
use url::Url;

use super::{IDLE_BODY, Repository};
use crate::client::answer::Answer;
use crate::client::request::{Request, name};
use crate::client::transport::{Want, is_safe};
use crate::client::{Error, Result};

const CHUNK_MIN_LENGTH: HeaderName = name("oci-chunk-min-length");

/// An upload that was begun: where it goes on, and how far it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Upload {
    /// What it says behind its path may be as good as a credential.
    pub(super) location: Url,
    pub(super) offset: u64,
    pub(super) chunk_min: u64,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Upload {
    /// How many bytes the registry has.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// What an answer to the beginning of an upload says.
    pub(super) fn begun(answer: &Answer, registry: &Url) -> Result<Self> {
        let location =
            next_location(answer, registry)?.ok_or_else(|| answer.bad("an upload without a place"))?;
        let chunk_min = answer.number(CHUNK_MIN_LENGTH).unwrap_or(0);
        Ok(Self { location, offset: 0, chunk_min })
    }

    /// The upload as an answer to one of its requests tells of it; `assumed` is how far it is where that does not say so.
    pub(super) fn moved(&self, answer: &Answer, registry: &Url, assumed: u64) -> Result<Self> {
        let location = next_location(answer, registry)?.unwrap_or_else(|| self.location.clone());
        let offset = offset(answer)?.unwrap_or(assumed);
        Ok(Self { location, offset, chunk_min: self.chunk_min })
    }
}

/// How many bytes an answer says that there are. `0-0` is what some say of none as well, and is taken so.
pub(super) fn offset(answer: &Answer) -> Result<Option<u64>> {
    let Some(range) = answer.header(RANGE) else { return Ok(None) };
    match range.parse::<ChunkRange>() {
        Ok(ChunkRange { first: 0, last: 0 }) => Ok(Some(0)),
        Ok(ChunkRange { first: 0, last }) => Ok(Some(last.saturating_add(1))),
        // Nothing at all: there is no range of nothing.
        Err(_) if range.trim().is_empty() || range.trim() == "0--1" => Ok(Some(0)),
        _ => Err(answer.bad("an upload whose range is none")),
    }
}

/// Where an upload goes on.
fn next_location(answer: &Answer, registry: &Url) -> Result<Option<Url>> {
    let Some(location) = answer.header(LOCATION) else { return Ok(None) };
    let bad = |what: &str| answer.bad(format!("an upload that goes on {what}"));
    let mut location = answer.url.join(location).map_err(|_| bad("at what is no address"))?;
    // A registry behind a proxy may not know that it is reached over TLS. Nothing goes out without.
    let same_host = location.host_str() == registry.host_str();
    let same_port = location.port().is_none() || location.port() == registry.port();
    if registry.scheme() == "https" && location.scheme() == "http" && same_host && same_port {
        let port = registry.port();
        location.set_scheme("https").map_err(|()| bad("nowhere"))?;
        location.set_port(port).map_err(|()| bad("nowhere"))?;
    }
    is_safe(registry, &location).map_err(bad)?;
    Ok(Some(location))
}

impl Repository {
    /// Begins an upload (end-4a), for whoever sends the bytes by other means; [`Repository::blob_push`] does all of it.
    ///
    /// # Errors
    /// When the registry refuses or cannot be reached.
    pub async fn upload_begin(&self) -> Result<Upload> {
        let url = self.registry.at(&Route::Uploads(self.name.clone()));
        let request = Request::new(Method::POST, url).header(CONTENT_LENGTH, "0")?;
        let answer =
            self.registry.call(request, &self.push_scopes(), Want::Whole("an answer", IDLE_BODY)).await?;
        Upload::begun(&answer.expect(&[202])?, &self.registry.inner.url)
    }

    /// How far an upload is (end-13); nothing when it is over, however it ended.
    ///
    /// # Errors
    /// When the registry refuses for another reason, or cannot be reached.
    pub async fn upload_status(&self, upload: &Upload) -> Result<Option<Upload>> {
        let request = Request::new(Method::GET, upload.location.clone());
        let answer =
            self.registry.call(request, &self.push_scopes(), Want::Whole("an answer", IDLE_BODY)).await?;
        match answer.status {
            200 | 202 | 204 => upload.moved(&answer, &self.registry.inner.url, 0).map(Some),
            // Some say so of an upload that they have lost.
            400 | 404 | 410 | 416 => Ok(None),
            _ => Err(answer.into_error()),
        }
    }

    /// Ends an upload and drops its bytes (end-14). One that is over already is fine.
    ///
    /// # Errors
    /// When the registry refuses or cannot be reached.
    pub async fn upload_cancel(&self, upload: Upload) -> Result<()> {
        let request = Request::new(Method::DELETE, upload.location);
        let answer =
            self.registry.call(request, &self.push_scopes(), Want::Whole("an answer", IDLE_BODY)).await?;
        answer.expect(&[200, 202, 204, 404]).map(|_| ())
    }
}

/// Whether an error tells that an upload is over.
pub(super) fn is_over(error: &Error) -> bool {
    error.refusal().is_some_and(|refusal| {
        matches!(refusal.status, 404 | 410)
            || refusal.has_code("BLOB_UPLOAD_UNKNOWN")
            || refusal.has_code("BLOB_UPLOAD_INVALID") && refusal.status != 416
    })
}

//! Pieces of answers.

use axum::body::Body;
use harbor_core::oci::Digest;
use http::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, Response, StatusCode};

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    common(response.headers_mut());
    response
}

/// An answer with a JSON body.
pub(super) fn json(status: StatusCode, body: String) -> Response<Body> {
    let mut response = empty(status);
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    *response.body_mut() = Body::from(body);
    response
}

/// What every answer of `/v2/` says.
pub(super) fn common(headers: &mut HeaderMap) {
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    // Content is the client's: no browser shall guess what it is.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// A value of characters that headers can hold; the callers' are such by construction.
pub(super) fn value(text: impl AsRef<str>) -> HeaderValue {
    HeaderValue::from_str(text.as_ref()).unwrap_or(HeaderValue::from_static(""))
}

/// Names content by its digest: `Docker-Content-Digest` and the entity tag.
pub(super) fn digest(headers: &mut HeaderMap, digest: &Digest) {
    let text = digest.to_string();
    headers.insert(ETAG, value(format!("\"{text}\"")));
    headers.insert(CONTENT_DIGEST, value(text));
}

/// Whether the client has this content already: RFC 9110, section 13.1.2.
pub(super) fn client_has(headers: &HeaderMap, digest: &Digest) -> bool {
    let Some(known) = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()) else { return false };
    let tag = digest.to_string();
    known.split(',').map(str::trim).any(|known| {
        let known = known.strip_prefix("W/").unwrap_or(known);
        known == "*" || known.trim_matches('"') == tag
    })
}

/// The `Range` of an upload: what was received, in the form that the specification has, which cannot tell nothing from one
/// byte.
pub(super) fn received(offset: u64) -> HeaderValue {
    value(format!("0-{}", offset.saturating_sub(1)))
}

//! Pieces of answers.

use axum::body::Body;
use harbor_core::meta::Listed;
use harbor_core::operation::BASE;
use harbor_core::query::{Key, Query};
use harbor_core::{Error, Result};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LINK, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::call::Call;
use super::error::refusal;

const TOTAL: HeaderName = HeaderName::from_static("x-total-count");

/// What a handler yields: nothing for an operation that is not served yet.
pub(super) type Answered = Result<Option<Response<Body>>>;

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    // What people wrote is in it: no browser shall guess what it is, or keep it.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 200 with a value.
pub(super) fn ok<T: Serialize>(value: &T) -> Result<Response<Body>> {
    with(StatusCode::OK, value)
}

/// A value, with a status.
pub(super) fn with<T: Serialize>(status: StatusCode, value: &T) -> Result<Response<Body>> {
    let body = serde_json::to_string(value).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(json(status, body))
}

/// 200 and nothing else.
pub(super) fn done() -> Response<Body> {
    Response::new(Body::empty())
}

/// 201, and where what was made is: below the path of the request.
pub(super) fn created(call: &Call<'_>, key: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::CREATED;
    located(&mut response, call, key);
    response
}

/// 201, and where what was made is: below the base of the API.
pub(super) fn created_at(path: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::try_from(format!("{BASE}{path}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// Says where what was made is.
pub(super) fn located(response: &mut Response<Body>, call: &Call<'_>, key: &str) {
    let path = call.parts.uri.path().trim_end_matches('/');
    if let Ok(location) = HeaderValue::try_from(format!("{path}/{key}")) {
        response.headers_mut().insert(LOCATION, location);
    }
}

/// A page of a list, with how many there are and where the pages beside it are.
pub(super) fn page<T, W: Serialize, K: Key>(
    call: &Call<'_>,
    query: &Query<K>,
    listed: Listed<T>,
    wire: impl FnMut(T) -> W,
) -> Result<Response<Body>> {
    let total = listed.total;
    let entries: Vec<W> = listed.entries.into_iter().map(wire).collect();
    let mut response = ok(&entries)?;
    let headers = response.headers_mut();
    headers.insert(TOTAL, total.into());
    let target = call.parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    if let Some(links) = query.links(target, total)
        && let Ok(links) = HeaderValue::try_from(links)
    {
        headers.insert(LINK, links);
    }
    Ok(response)
}

/// The answer to a method that a path outside of `/v2/` does not have.
pub(crate) fn wrong_method(allowed: &str) -> Response<Body> {
    let message = format!("this path takes {allowed}");
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", &message);
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// The answer to a path that nothing is served at.
pub(crate) fn not_found() -> Response<Body> {
    refusal(StatusCode::NOT_FOUND, "NOT_FOUND", "no such endpoint")
}

//! Refusals: OCI Distribution Specification 1.1, "Error Codes".

use axum::body::Body;
use harbor_core::Error;
use harbor_core::oci::Route;
use http::header::{ALLOW, CONNECTION, HeaderValue, RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::json;

use super::{Needed, auth, respond};
use crate::app::App;

/// The answer to a request that failed. A fault of the server is logged with the request's id, which the client is shown, and
/// with nothing else.
pub(crate) fn refuse(
    app: &App,
    request: &Parts,
    error: &Error,
    id: &HeaderValue,
    needed: Option<&Needed>,
) -> Response<Body> {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut message = error.public_message();
    if status.is_server_error() {
        let id = id.to_str().unwrap_or("-");
        tracing::error!(request_id = id, %error, "a request failed");
        message.push_str(&format!(" (request {id})"));
    }
    let mut response = body(status, error.oci_code().as_str(), &message);
    let answer = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED
        && let Ok(challenge) = HeaderValue::try_from(auth::challenge(app, request, needed))
    {
        answer.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(after) = error.retry_after_seconds() {
        answer.insert(RETRY_AFTER, after.into());
    }
    match error {
        Error::ChunkOutOfOrder { offset } => {
            answer.insert(RANGE, respond::received(*offset));
        }
        // What is left of the body cannot be told from a next request.
        Error::BodyInterrupted(_) => {
            answer.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

fn body(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let body = json!({ "errors": [{ "code": code, "message": message }] });
    respond::json(status, body.to_string())
}

/// The answer to a method that a path does not have.
pub(super) fn wrong_method(route: &Route) -> Response<Body> {
    let allowed = match route {
        Route::Base => "GET, HEAD",
        Route::Catalog | Route::Tags(_) | Route::Referrers(..) => "GET",
        Route::Manifest(..) => "GET, HEAD, PUT, DELETE",
        Route::Blob(..) => "GET, HEAD, DELETE",
        Route::Uploads(_) => "POST",
        Route::Upload(..) => "GET, HEAD, PATCH, PUT, DELETE",
    };
    let message = format!("this path takes {allowed}");
    let mut response = body(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", &message);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

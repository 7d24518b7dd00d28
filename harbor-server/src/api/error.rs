//! Refusals, as Harbor words them (conventions, section 4).

use axum::body::Body;
use harbor_core::api::{ErrorBody, ErrorEntry};
use harbor_core::{Error, StoreErrorKind};
use http::header::{CONNECTION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Response, StatusCode};

use super::json;

/// The word that Harbor has for an error. A match without `_`, so that a new error cannot be forgotten.
fn code(error: &Error) -> &'static str {
    match error {
        Error::NameInvalid(_)
        | Error::DigestInvalid(_)
        | Error::DigestMismatch { .. }
        | Error::TagInvalid(_)
        | Error::SizeInvalid { .. }
        | Error::ManifestInvalid(_)
        | Error::ManifestBlobUnknown(_)
        | Error::ManifestSizeInvalid { .. }
        | Error::RangeInvalid(_)
        | Error::ChunkOutOfOrder { .. }
        | Error::UploadInvalid(_)
        | Error::PageSizeInvalid
        | Error::BodyInterrupted(_)
        | Error::BadRequest(_) => "BAD_REQUEST",
        Error::Unprocessable(_) => "UNPROCESSABLE_ENTITY",
        Error::UnsupportedMediaType(_) => "UNSUPPORTED_MEDIA_TYPE",
        Error::Unauthenticated | Error::OutOfScope => "UNAUTHORIZED",
        Error::Denied | Error::Forbidden(_) => "FORBIDDEN",
        Error::ReadOnly
        | Error::NotByItself(_)
        | Error::PolicyDenied { .. }
        | Error::QuotaExceeded { .. } => "DENIED",
        Error::ManifestUnknown(_)
        | Error::BlobUnknown(_)
        | Error::UploadUnknown
        | Error::NameUnknown
        | Error::NotFound(_)
        | Error::Unsupported(_) => "NOT_FOUND",
        Error::UploadBusy | Error::Conflict(_) | Error::InUse(_) | Error::Contended => "CONFLICT",
        Error::Precondition(_) | Error::Immutable { .. } => "PRECONDITION",
        Error::Referenced(_) => "VIOLATE_FOREIGN_KEY_CONSTRAINT",
        Error::TooLarge { .. } => "REQUEST_ENTITY_TOO_LARGE",
        Error::TooManyRequests { .. } => "TOO_MANY_REQUEST",
        Error::Store(error) if error.kind() == StoreErrorKind::Busy => "TOO_MANY_REQUEST",
        Error::Store(error) if error.kind() == StoreErrorKind::Unavailable => "SERVICE_UNAVAILABLE",
        Error::Store(_) | Error::MissingPart(_) | Error::Internal(_) => "UNKNOWN",
    }
}

/// Why something was refused that its asker has the permission for, and for another reason than how it was asked: what the audit log
/// tells of, where the gate did not.
pub(crate) fn refused_for(error: &Error) -> Option<String> {
    match error {
        Error::Forbidden(_)
        | Error::NotByItself(_)
        | Error::Immutable { .. }
        | Error::QuotaExceeded { .. }
        | Error::PolicyDenied { .. } => Some(error.public_message()),
        _ => None,
    }
}

/// The status of an error: that of the engine, but for what is said of content there and of a request's text here.
fn status(error: &Error) -> StatusCode {
    let status = match error {
        Error::RangeInvalid(_) | Error::ChunkOutOfOrder { .. } => 400,
        error => error.status(),
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The answer to a request that failed. A fault of the server is logged with the request's id, which the client is shown, and
/// with nothing else.
pub(crate) fn refuse(request: &Parts, error: &Error, id: &HeaderValue) -> Response<Body> {
    let status = status(error);
    let mut message = error.public_message();
    if status.is_server_error() {
        let id = id.to_str().unwrap_or("-");
        tracing::error!(request_id = id, path = request.uri.path(), %error, "a request failed");
        message.push_str(&format!(" (request {id})"));
    }
    let mut response = refusal(status, code(error), &message);
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="harbor""#));
    }
    if let Some(after) = error.retry_after_seconds() {
        headers.insert(RETRY_AFTER, after.into());
    }
    if matches!(error, Error::BodyInterrupted(_)) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A refusal with a code and a sentence.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let entry = ErrorEntry { code: code.to_owned(), message: message.to_owned() };
    let body = serde_json::to_string(&ErrorBody { errors: vec![entry] });
    json(status, body.unwrap_or_default())
}

/// The answer to an operation that this server does not serve yet.
pub(super) fn not_yet(id: &str) -> Response<Body> {
    let message = format!("{id} is an operation that this server does not have yet");
    refusal(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", &message)
}

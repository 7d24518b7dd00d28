//! What the engine needs to know of an object store's fault.

use std::error::Error;

use harbor_core::{StoreError, StoreErrorKind};
use object_store::client::{HttpError, HttpErrorKind};

/// A fault of the store while doing something.
pub(super) fn fault(doing: &str, key: &str, error: object_store::Error) -> StoreError {
    StoreError::new(kind(&error), format!("{doing} {key}")).with_source(error)
}

/// A store that does not answer in time.
pub(super) fn timed_out(doing: &str, key: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("{doing} {key}: no answer in time"))
}

fn kind(error: &object_store::Error) -> StoreErrorKind {
    match error {
        object_store::Error::NotFound { .. } => StoreErrorKind::NotFound,
        object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } => {
            StoreErrorKind::Conflict
        }
        error => kind_of_cause(error),
    }
}

fn kind_of_cause(error: &(dyn Error + 'static)) -> StoreErrorKind {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return match error.kind() {
                HttpErrorKind::Decode => StoreErrorKind::Other,
                _ => StoreErrorKind::Unavailable,
            };
        }
        if let Some(kind) = kind_of_status(&error.to_string()) {
            return kind;
        }
        cause = error.source();
    }
    StoreErrorKind::Other
}

/// The client library keeps an answer's status to itself and tells it only in this text.
fn kind_of_status(text: &str) -> Option<StoreErrorKind> {
    let status = text.split_once("status code: ")?.1.split_at_checked(3)?.0.parse().ok()?;
    let says = |code| text.contains(code);
    match status {
        404 => Some(StoreErrorKind::NotFound),
        507 => Some(StoreErrorKind::Full),
        _ if says("QuotaExceeded") || says("XMinioStorageFull") => Some(StoreErrorKind::Full),
        408 | 429 | 500..=599 => Some(StoreErrorKind::Unavailable),
        _ => Some(StoreErrorKind::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_their_kinds() {
        let kind = |text| kind_of_status(&format!("Server returned non-2xx status code: {text}"));
        assert_eq!(kind("503 Service Unavailable: "), Some(StoreErrorKind::Unavailable));
        assert_eq!(kind("507 Insufficient Storage: "), Some(StoreErrorKind::Full));
        assert_eq!(kind("403 Forbidden: <Code>QuotaExceeded</Code>"), Some(StoreErrorKind::Full));
        assert_eq!(kind("403 Forbidden: "), Some(StoreErrorKind::Other));
        assert_eq!(kind("404 Not Found: NoSuchUpload"), Some(StoreErrorKind::NotFound));
        assert_eq!(kind("x"), None);
        assert_eq!(kind_of_status("dns"), None);
    }
}

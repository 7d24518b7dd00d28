//! Credentials in headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harbor_core::access::{Credentials, Secret};
use harbor_core::{Error, Result};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::uri::Authority;

use super::Needed;
use crate::app::App;

/// What a request carries to prove who sent it: RFC 7617 and RFC 6750.
///
/// # Errors
/// [`Error::Unauthenticated`] for a header that is there and does not read: it is never taken for none.
pub(crate) fn credentials(headers: &HeaderMap) -> Result<Option<Credentials>> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Error::Unauthenticated)?;
    let (scheme, rest) = text.split_once(' ').ok_or(Error::Unauthenticated)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(Credentials::Bearer(Secret::new(rest.trim()))));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Error::Unauthenticated);
    }
    let decoded = STANDARD.decode(rest.trim()).map_err(|_| Error::Unauthenticated)?;
    let decoded = String::from_utf8(decoded).map_err(|_| Error::Unauthenticated)?;
    let (username, password) = decoded.split_once(':').ok_or(Error::Unauthenticated)?;
    Ok(Some(Credentials::Basic { username: username.to_owned(), password: Secret::new(password) }))
}

/// The value of `WWW-Authenticate`. As Harbor does: a client without credentials is sent to the token service, one with wrong
/// ones is asked for others.
pub(super) fn challenge(app: &App, request: &Parts, needed: Option<&Needed>) -> String {
    let shown = |scheme: &[u8]| {
        let shown = request.headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().get(..scheme.len()));
        shown.is_some_and(|shown| shown.eq_ignore_ascii_case(scheme))
    };
    if shown(b"basic ") || app.options.accounts.is_none() {
        return r#"Basic realm="harbor""#.to_owned();
    }
    let mut challenge =
        format!(r#"Bearer realm="{}/service/token",service="harbor-registry""#, address(app, request));
    if let Some(Needed { repository: Some(repository), actions }) = needed {
        challenge.push_str(&format!(r#",scope="repository:{repository}:{actions}""#));
        if shown(b"bearer ") {
            // RFC 6750, section 3.1. Without it docker asks for the same token again and again.
            challenge.push_str(r#",error="insufficient_scope""#);
        }
    }
    challenge
}

/// The address that the client reached this registry at. In HTTP/2 the host stands in the request's target, and there is no
/// header of it.
pub(crate) fn address(app: &App, request: &Parts) -> String {
    if let Some(address) = &app.options.external_url {
        return address.trim_end_matches('/').to_owned();
    }
    let scheme = if app.options.tls { "https" } else { "http" };
    let harmless = |host: &&str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
    };
    let header = || request.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = request.uri.authority().map(Authority::as_str).or_else(header).filter(harmless);
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(value: &'static str) -> Result<Option<Credentials>> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        credentials(&headers)
    }

    #[test]
    fn headers_are_read_strictly() {
        assert!(credentials(&HeaderMap::new()).unwrap().is_none());
        let Ok(Some(Credentials::Basic { username, password })) = with("basic YTpiOmM=") else { panic!() };
        assert_eq!((username.as_str(), password.expose()), ("a", "b:c"));
        assert!(matches!(with("Bearer x"), Ok(Some(Credentials::Bearer(_)))));
        for bad in ["", "Basic", "Basic !!!", "Basic YQ==", "Digest x", "Basic /////w=="] {
            assert!(matches!(with(bad), Err(Error::Unauthenticated)), "{bad}");
        }
    }
}

//! `/service/token`: trades a password for a token, as the clients of registries expect it
//! (the Distribution project's "Token Authentication Specification").

use axum::body::Body;

use harbor_auth::{SERVICE, TokenScope, is_personal};
use harbor_core::Error;
use harbor_core::access::Credentials;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::json;
use url::form_urlencoded;

use crate::api;
use crate::app::App;
use crate::v2::{credentials, refuse};

/// The scopes that a client asks for. Several come as several parameters, or as words of one.
///
/// # Errors
/// [`Error::BadRequest`] for a service that this is not.
fn scopes(request: &Parts) -> Result<Vec<TokenScope>, Error> {
    let query = request.uri.query().unwrap_or_default();
    let mut scopes = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "service" if value != SERVICE => {
                return Err(Error::BadRequest(format!("the service of this registry is {SERVICE}")));
            }
            "scope" => scopes.extend(value.split_ascii_whitespace().filter_map(TokenScope::read)),
            _ => {}
        }
    }
    Ok(scopes)
}

pub(crate) async fn answer(app: &App, request: &Parts, id: &HeaderValue) -> Response<Body> {
    let Some(accounts) = &app.options.accounts else {
        return refuse(app, request, &Error::Unsupported("there is no token service here"), id, None);
    };
    if request.method != Method::GET {
        // containerd tries POST first, and falls back on this status.
        return api::wrong_method("GET");
    }
    let issued = async {
        let scopes = scopes(request)?;
        let credentials = credentials(&request.headers)?;
        if credentials.is_none() && scopes.is_empty() {
            return Err(Error::Unauthenticated);
        }
        let actor = app.authenticate(request, credentials.as_ref()).await?;
        // A token of this service is not traded for another one, which would last longer.
        let traded = |shown: &Credentials| matches!(shown, Credentials::Bearer(token) if !is_personal(token));
        if credentials.as_ref().is_some_and(traded) {
            return Err(Error::Unauthenticated);
        }
        accounts.issue(&app.harbor, &actor, &scopes).await
    };
    match issued.await {
        Err(error) => refuse(app, request, &error, id, None),
        Ok(issued) => {
            let body = json!({
                "token": issued.token.expose(),
                "access_token": issued.token.expose(),
                "expires_in": issued.valid_for.as_secs(),
                "issued_at": issued.issued_at.to_string(),
            });
            let mut response = api::json(StatusCode::OK, body.to_string());
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
    }
}

//! `/service/token`: trades a password for a token, as the clients of registries expect it
//! (the Distribution project's "Token Authentication Specification").

use axum::body::Body;
use harbor_core::Error;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::json;

use crate::api;
use crate::app::App;
use crate::v2::{credentials, refuse};

pub(crate) async fn answer(app: &App, request: &Parts, id: &HeaderValue) -> Response<Body> {
    let Some(tokens) = &app.options.tokens else {
        return refuse(app, request, &Error::Unsupported("there is no token service here"), id, None);
    };
    if request.method != Method::GET {
        // containerd tries POST first, and falls back on this status.
        return api::wrong_method("GET");
    }
    let issued = async {
        let credentials = credentials(&request.headers)?;
        let scoped = request.uri.query().is_some_and(|query| query.contains("scope="));
        if credentials.is_none() && !scoped {
            return Err(Error::Unauthenticated);
        }
        let actor = app.harbor.authenticate(credentials.as_ref()).await?;
        Ok(tokens.issue(&actor)?)
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

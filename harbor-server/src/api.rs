//! `/api/v2.0`: what is served of it so far, answering as Harbor does.

use axum::body::Body;
use harbor_core::operation::{self, Lookup};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use crate::app::App;

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The answer to a method that a path outside of `/v2/` does not have.
pub(crate) fn wrong_method(allowed: &str) -> Response<Body> {
    let message = format!("this path takes {allowed}");
    let body = json!({ "errors": [{ "code": "METHOD_NOT_ALLOWED", "message": message }] });
    let mut response = json(StatusCode::METHOD_NOT_ALLOWED, body.to_string());
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// The answer to a path that nothing is served at.
pub(crate) fn not_found() -> Response<Body> {
    let body = r#"{"errors":[{"code":"NOT_FOUND","message":"no such endpoint"}]}"#;
    json(StatusCode::NOT_FOUND, body.to_owned())
}

/// Answers a request whose path begins with `/api/v2.0/`.
pub(crate) async fn answer(app: &App, request: &Parts) -> Response<Body> {
    let path = request.uri.path().strip_prefix(operation::BASE);
    let Some((path, method)) = path.zip(operation::Method::named(request.method.as_str())) else {
        return not_found();
    };
    match operation::find(method, path) {
        Lookup::Found(found) => match found.operation.id {
            "getPing" => ping(&request.method),
            "getHealth" => health(app, &request.method).await,
            id => not_yet(id),
        },
        Lookup::OtherMethod(methods) => {
            let allowed: Vec<_> = methods.into_iter().map(operation::Method::as_str).collect();
            wrong_method(&allowed.join(", "))
        }
        Lookup::Unknown => not_found(),
    }
}

/// The answer to an operation that this server does not serve yet.
fn not_yet(id: &str) -> Response<Body> {
    let message = format!("{id} is an operation that this server does not have yet");
    let body = json!({ "errors": [{ "code": "NOT_IMPLEMENTED", "message": message }] });
    json(StatusCode::NOT_IMPLEMENTED, body.to_string())
}

/// The methods of what is read and nothing else.
const READ: &str = "GET, HEAD";

/// The page of figures.
pub(crate) fn metrics(app: &App, method: &Method) -> Response<Body> {
    if method == Method::GET || method == Method::HEAD { app.metrics.page() } else { wrong_method(READ) }
}

/// `getPing`: answers as long as the process does, whatever the stores do.
pub(crate) fn ping(method: &Method) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        return wrong_method(READ);
    }
    let mut response = Response::new(Body::from("Pong"));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// `getHealth`: the state of each part. As with Harbor the status is 200 and the body tells; the reason of a fault goes to
/// the log, for it may name hosts.
pub(crate) async fn health(app: &App, method: &Method) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        return wrong_method(READ);
    }
    let health = app.harbor.health().await;
    let word = |healthy: bool| if healthy { "healthy" } else { "unhealthy" };
    let part = |name: &str, state: &Result<(), harbor_core::StoreError>| {
        if let Err(error) = state {
            tracing::warn!(component = name, %error, "a part of the registry is unhealthy");
        }
        let mut part = json!({ "name": name, "status": word(state.is_ok()) });
        if state.is_err() {
            part["error"] = json!("see the log of the server");
        }
        part
    };
    let body = json!({
        "status": word(health.is_healthy()),
        "components": [
            part("core", &Ok(())),
            part("database", &health.metadata.1),
            part("registry", &health.blobs.1),
        ],
    });
    let mut response = json(StatusCode::OK, body.to_string());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

//! The OpenAPI 3.1 document of what is served, and a page to read it. Made of the table of operations, of what each takes and
//! answers ([`table`]), and of the types that the handlers themselves take and answer.

mod page;
mod parameters;
mod refusals;
mod responses;
mod shape;
mod table;
mod token_service;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Body;
use harbor_core::operation::{self, BASE, Method, Need, Operation};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

use self::table::{Documented, documented};
use super::json;
use crate::session::SID;

/// Where the document is, below the base of the API.
const DOCUMENT: &str = "/openapi.json";

/// Where the page is.
const PAGE: &str = "/docs";

static TEXT: LazyLock<String> = LazyLock::new(|| document().to_string());
static HTML: LazyLock<String> = LazyLock::new(|| page::render(&document()));

/// Answers a request for the document or the page.
pub(super) fn answer(path: &str, method: Method) -> Option<Response<Body>> {
    let reads = matches!(method, Method::Get | Method::Head);
    match path {
        DOCUMENT if reads => Some(json(StatusCode::OK, TEXT.clone())),
        PAGE if reads => Some(html(&HTML)),
        _ => None,
    }
}

/// The document, as JSON.
pub(crate) fn text() -> &'static str {
    &TEXT
}

fn html(text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // Nothing runs in it and nobody frames it.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn document() -> Value {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut schemas = Map::new();
    shape::of::<harbor_core::api::ErrorBody>().collect(&mut schemas);
    for documented in documented() {
        let Some(operation) = operation::all().find(|operation| operation.id == documented.id) else {
            continue;
        };
        documented.shapes().for_each(|shape| shape.collect(&mut schemas));
        let methods = paths.entry(format!("{BASE}{}", operation.path)).or_default();
        methods.insert(operation.method.as_str().to_ascii_lowercase(), of(operation, documented));
    }
    let mut paths = json!(paths);
    paths[token_service::PATH] = token_service::of();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Harbor",
            "version": "2.0",
            "description": "Harbor's API v2.0, as far as this server serves it, and what it has beside that. A server that was \
                composed without accounts answers 404 to what is about them.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "basic": { "type": "http", "scheme": "basic" },
                "token": { "type": "http", "scheme": "bearer" },
                "session": { "type": "apiKey", "in": "cookie", "name": SID,
                    "description": "What /c/login answers. What changes something needs the token against cross-site requests beside it." },
                "csrf": { "type": "apiKey", "in": "header", "name": "X-Harbor-CSRF-Token",
                    "description": "Of the answer to /c/login, or to any request of the session." },
            },
        },
    })
}

fn of(operation: &Operation, documented: &Documented) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": documented.says,
        "description": needs(operation.need),
        "parameters": parameters::of(operation, documented),
        "responses": responses::of(operation, documented),
        "security": security(operation),
    });
    if let Some(body) = &documented.body {
        described["requestBody"] =
            json!({ "required": true, "content": responses::json_of(&body.reference()) });
    }
    described
}

/// What may be shown to say who one is: one of these.
fn security(operation: &Operation) -> Value {
    let mut ways = vec![json!({ "basic": [] }), json!({ "token": [] })];
    ways.push(if operation.changes() {
        json!({ "session": [], "csrf": [] })
    } else {
        json!({ "session": [] })
    });
    if operation.need == Need::Nothing {
        ways.insert(0, json!({}));
    }
    Value::Array(ways)
}

fn needs(need: Need) -> String {
    match need {
        Need::Nothing => "Needs nothing.".to_owned(),
        Need::Login => "Needs somebody who has logged in.".to_owned(),
        Need::Permission(permission) => format!("Needs the permission {permission}."),
        Need::Own(permission) => format!("Needs to be the user, or the permission {permission}."),
        Need::Registers(permission) => {
            format!("Needs the permission {permission}, unless people may register themselves.")
        }
        Need::Any(permissions) => {
            let names: Vec<String> = permissions.iter().map(ToString::to_string).collect();
            format!("Needs the permission {} where it is about something.", names.join(" or "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_is_there_and_every_operation_exists() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
        for documented in documented() {
            assert!(operation::all().any(|operation| operation.id == documented.id), "{}", documented.id);
        }
    }
}

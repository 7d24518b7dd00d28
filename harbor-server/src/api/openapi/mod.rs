//! The OpenAPI 3.1 document of what is served, and a page to read it. Made of the table of operations, of what each takes and
//! answers ([`table`]), and of the types that the handlers themselves take and answer.

mod page;
mod shape;
mod table;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Body;
use harbor_core::operation::{self, BASE, Method, Need, Operation};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

use self::shape::Shape;
use self::table::{Answer, Documented, documented};
use super::json;

/// Where the document is, below the base of the API.
const DOCUMENT: &str = "/openapi.json";

/// Where the page is.
const PAGE: &str = "/docs";

/// What a refusal may be, of every operation.
const REFUSALS: [(u16, &str); 13] = [
    (400, "The request cannot be read, or names what cannot be."),
    (401, "The operation needs somebody to log in, or the credentials are wrong."),
    (403, "The caller may not do this, or may not know whether the thing exists."),
    (404, "There is no such thing."),
    (409, "It exists already, or a concurrent change got in the way."),
    (412, "What something is at the moment stands in the way."),
    (413, "The body is too large."),
    (415, "The body is not JSON."),
    (422, "A parameter has a value that cannot be served."),
    (429, "Too many requests: come again after the seconds of `Retry-After`."),
    (500, "A fault of the server, told by the request's id and no more."),
    (503, "A store cannot be reached at the moment."),
    (507, "A store is full."),
];

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
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Harbor",
            "version": "2.0",
            "description": "Harbor's API v2.0, as far as this server serves it, and what it has beside that.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "basic": { "type": "http", "scheme": "basic" },
                "token": { "type": "http", "scheme": "bearer" },
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
        "parameters": parameters(operation, documented),
        "responses": responses(documented),
        "security": if operation.need == Need::Nothing {
            json!([{}, { "basic": [] }, { "token": [] }])
        } else {
            json!([{ "basic": [] }, { "token": [] }])
        },
    });
    if let Some(body) = &documented.body {
        described["requestBody"] = json!({ "required": true, "content": content(&body.reference()) });
    }
    described
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

fn parameters(operation: &Operation, documented: &Documented) -> Vec<Value> {
    let mut parameters = Vec::new();
    for segment in operation.path.split('/') {
        if let Some(name) = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            let number = name == "mid" || (name.ends_with("_id") && !name.contains("name"));
            let schema = if number {
                json!({ "type": "integer", "format": "int64" })
            } else {
                json!({ "type": "string", "minLength": 1 })
            };
            parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
        }
    }
    let paged = documented.answer.is_page().then_some(["page", "page_size", "q", "sort"]);
    for name in paged.iter().flatten().chain(documented.query) {
        parameters.push(json!({ "name": name, "in": "query", "schema": query_schema(name) }));
    }
    parameters
}

fn query_schema(name: &str) -> Value {
    match name {
        "page" => json!({ "type": "integer", "minimum": 1, "default": 1 }),
        "page_size" => json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 10 }),
        "seconds" => json!({ "type": "integer", "minimum": 0, "maximum": 300, "default": 300 }),
        "after" => json!({ "type": "integer", "format": "int64" }),
        "public" | "relative" => json!({ "type": "boolean" }),
        _ => json!({ "type": "string" }),
    }
}

fn responses(documented: &Documented) -> Value {
    let mut responses = Map::new();
    let (status, answer) = match &documented.answer {
        Answer::Nothing => (200, json!({ "description": "Done." })),
        Answer::Created => (201, json!({ "description": "Made.", "headers": headers(&["Location"]) })),
        Answer::Made(shape) => {
            let content = content(&shape.reference());
            (201, json!({ "description": "Made.", "headers": headers(&["Location"]), "content": content }))
        }
        Answer::One(shape) => (200, json!({ "description": "It.", "content": content(&shape.reference()) })),
        Answer::Many(shape) => (200, json!({ "description": "All.", "content": content(&list(shape)) })),
        Answer::Page(shape) => {
            let headers = headers(&["X-Total-Count", "Link"]);
            (200, json!({ "description": "A page.", "headers": headers, "content": content(&list(shape)) }))
        }
        Answer::Words => {
            let words = json!({ "type": "object", "additionalProperties": { "type": "string" } });
            (200, json!({ "description": "Values by name.", "content": content(&words) }))
        }
        Answer::Stream(shape) => {
            let content = json!({ "text/event-stream": { "schema": event(shape) } });
            (200, json!({ "description": "Events, until somebody has enough.", "content": content }))
        }
        Answer::Records => {
            let text = json!({ "schema": { "type": "string" } });
            let content = json!({ "application/x-ndjson": text, "text/csv": text });
            (200, json!({ "description": "Records.", "content": content }))
        }
        Answer::Text => {
            let content = json!({ "text/plain": { "schema": { "type": "string" } } });
            (200, json!({ "description": "Text.", "content": content }))
        }
    };
    responses.insert(status.to_string(), answer);
    let errors = content(&json!({ "$ref": "#/components/schemas/Errors" }));
    for (status, description) in REFUSALS {
        responses.insert(status.to_string(), json!({ "description": description, "content": errors }));
    }
    Value::Object(responses)
}

/// One event of a stream, as readers of documents before OpenAPI 3.2 take the schema of a stream: its data is JSON, and empty where
/// it tells that some were missed.
fn event(shape: &Shape) -> Value {
    let text = json!({ "type": "string" });
    let nothing = json!({ "type": "object", "maxProperties": 0 });
    let data = json!({ "type": "string", "contentMediaType": "application/json",
        "contentSchema": { "anyOf": [shape.reference(), nothing] } });
    let properties = json!({ "id": text, "event": text, "data": data });
    json!({ "type": "object", "properties": properties, "required": ["event", "data"] })
}

fn content(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn list(shape: &Shape) -> Value {
    json!({ "type": "array", "items": shape.reference() })
}

fn headers(names: &[&str]) -> Value {
    let header = |name: &&str| ((*name).to_owned(), json!({ "schema": { "type": "string" } }));
    Value::Object(names.iter().map(header).collect())
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

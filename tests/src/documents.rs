//! What the OpenAPI document says of an answer.

use std::collections::HashMap;
use std::sync::LazyLock;

use harbor_core::operation::{self, BASE, Lookup};
use http::Method;
use serde_json::Value;

use crate::Answer;

/// The answers of each operation that is served, by its name and their status.
static DOCUMENTED: LazyLock<HashMap<String, Value>> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(harbor_server::openapi()).expect("the document");
    let methods = document["paths"].as_object().expect("paths").values();
    let operations = methods.flat_map(|path| path.as_object().expect("methods").values());
    let entry = |operation: &Value| {
        (operation["operationId"].as_str().expect("a name").to_owned(), operation["responses"].clone())
    };
    operations.map(entry).collect()
});

/// Fails for an answer of an operation, or of the token service, that the document does not have: its status, its media type, or a header that it lacks.
pub(crate) fn check(method: &Method, path: &str, answer: &Answer) {
    let id = match path.strip_prefix(BASE).zip(operation::Method::named(method.as_str())) {
        _ if path == "/service/token" && method == Method::GET => "getToken",
        Some((path, method)) => match operation::find(method, path) {
            Lookup::Found(found) => found.operation.id,
            Lookup::OtherMethod(_) | Lookup::Unknown => return,
        },
        None => return,
    };
    let Some(responses) = DOCUMENTED.get(id) else {
        assert_eq!(answer.status, 501, "{id} is not documented: {answer}");
        return;
    };
    let documented = &responses[answer.status.to_string()];
    assert!(documented.is_object(), "{id} does not document {}: {answer}", answer.status);
    if method == Method::HEAD {
        return;
    }
    let sent = answer.header("Content-Type").map(|kind| kind.split(';').next().unwrap_or_default());
    let kinds = documented["content"].as_object();
    match sent {
        Some(kind) => {
            let known = kinds.is_some_and(|kinds| kinds.contains_key(kind));
            assert!(known, "{id} does not document {kind}: {answer}");
        }
        None => assert!(kinds.is_none(), "{id} documents a body: {answer}"),
    }
    for (name, header) in documented["headers"].as_object().into_iter().flatten() {
        let there = answer.headers.contains_key(name.as_str());
        assert!(there || header["required"] == false, "{id} documents {name}: {answer}");
    }
    if answer.headers.contains_key("Location") {
        let known = documented["headers"].get("Location").is_some();
        assert!(known, "{id} does not document a Location: {answer}");
    }
}

//! What operations answer.

use std::collections::BTreeSet;

use harbor_core::AdditionKind;
use harbor_core::operation::Operation;
use serde_json::{Map, Value, json};

use super::refusals;
use super::shape::Shape;
use super::table::{Answer, Documented};

/// The answers of an operation, by status.
pub(super) fn of(operation: &Operation, documented: &Documented) -> Value {
    let mut responses = Map::new();
    let (status, answer) = done(&documented.answer);
    responses.insert(status.to_string(), answer);
    for (status, description) in refusals::of(operation, documented) {
        responses.insert(status.to_string(), refusal(description));
    }
    Value::Object(responses)
}

/// A refusal that says so.
pub(super) fn refusal(description: &str) -> Value {
    with(description, &json_of(&json!({ "$ref": "#/components/schemas/Errors" })))
}

/// The answer to what is done.
fn done(answer: &Answer) -> (u16, Value) {
    match answer {
        Answer::Nothing => (200, json!({ "description": "Done." })),
        Answer::Created => {
            (201, json!({ "description": "Made.", "headers": headers(&[("Location", true)]) }))
        }
        Answer::Added => (201, json!({ "description": "Made, at no address of its own." })),
        Answer::Made(shape) => {
            let headers = headers(&[("Location", true)]);
            (
                201,
                json!({ "description": "Made.", "headers": headers, "content": json_of(&shape.reference()) }),
            )
        }
        Answer::Shown(shape) => {
            (201, json!({ "description": "Made.", "content": json_of(&shape.reference()) }))
        }
        Answer::One(shape) => (200, with("It.", &json_of(&shape.reference()))),
        Answer::OneOrNone(shape) => {
            let either = json!({ "anyOf": [shape.reference(), nothing()] });
            (200, with("It, or an empty object.", &json_of(&either)))
        }
        Answer::Many(shape) => (200, with("All.", &json_of(&list(shape)))),
        Answer::Page(shape) => {
            let headers = headers(&[("X-Total-Count", true), ("Link", false)]);
            (200, json!({ "description": "A page.", "headers": headers, "content": json_of(&list(shape)) }))
        }
        Answer::Words => {
            let words = json!({ "type": "object", "additionalProperties": { "type": "string" } });
            (200, with("Values by name.", &json_of(&words)))
        }
        Answer::Stream(shape) => {
            let content = json!({ "text/event-stream": { "schema": event(shape) } });
            (200, with("Events, until somebody has enough.", &content))
        }
        Answer::Records => (200, with("Records.", &texts(&["application/x-ndjson", "text/csv"]))),
        Answer::Text => (200, with("Text.", &texts(&["text/plain"]))),
        Answer::Addition => (200, addition()),
    }
}

/// An addition is of the media type of its kind.
fn addition() -> Value {
    let kinds = AdditionKind::ALL;
    let mut content = Map::new();
    for kind in kinds {
        let kind = kind.content_type().split(';').next().unwrap_or_default();
        // The files of charts are as whoever pushed them wrote them; the rest is read out and written anew.
        let schema = if kind == "application/json" { json!({}) } else { json!({ "type": "string" }) };
        content.insert(kind.to_owned(), json!({ "schema": schema }));
    }
    let types: BTreeSet<_> =
        kinds.iter().map(|kind| format!("{}: {}", kind.name(), kind.content_type())).collect();
    let says = types.into_iter().collect::<Vec<_>>().join("; ");
    with(&format!("The addition. {says}."), &Value::Object(content))
}

fn with(description: &str, content: &Value) -> Value {
    json!({ "description": description, "content": content })
}

fn texts(kinds: &[&str]) -> Value {
    let text = |kind: &&str| ((*kind).to_owned(), json!({ "schema": { "type": "string" } }));
    Value::Object(kinds.iter().map(text).collect())
}

/// One event of a stream, as readers of documents before OpenAPI 3.2 take the schema of a stream: its data is JSON, and empty where
/// it tells that some were missed.
fn event(shape: &Shape) -> Value {
    let text = json!({ "type": "string" });
    let data = json!({ "type": "string", "contentMediaType": "application/json",
        "contentSchema": { "anyOf": [shape.reference(), nothing()] } });
    let properties = json!({ "id": text, "event": text, "data": data });
    json!({ "type": "object", "properties": properties, "required": ["event", "data"] })
}

fn nothing() -> Value {
    json!({ "type": "object", "maxProperties": 0 })
}

/// A body of JSON.
pub(super) fn json_of(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn list(shape: &Shape) -> Value {
    json!({ "type": "array", "items": shape.reference() })
}

/// Headers, and whether each is always there.
fn headers(names: &[(&str, bool)]) -> Value {
    let header = |(name, required): &(&str, bool)| {
        ((*name).to_owned(), json!({ "required": required, "schema": { "type": "string" } }))
    };
    Value::Object(names.iter().map(header).collect())
}

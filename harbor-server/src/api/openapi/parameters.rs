//! The parameters of operations: of the path, of the query, and the headers that change what an operation does.

use harbor_core::AdditionKind;
use harbor_core::operation::Operation;
use serde_json::{Value, json};

use super::table::{Answer, Documented};

/// The parameters of paths that are keys of rows; those named `…_id` beside.
const NUMBERS: [&str; 4] = ["id", "mid", "eid", "tid"];

/// Those named `…_id` that are no keys of rows.
const TEXTS: [&str; 2] = ["job_id", "pool_id"];

/// Parameters of queries that are yes or no; those named `with_…` beside.
const FLAGS: [&str; 4] = ["public", "relative", "follow", "latest_in_repository"];

/// The names of the parameters of an operation's path.
pub(super) fn names(operation: &Operation) -> impl Iterator<Item = &'static str> {
    operation.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// Whether a parameter of a path is a number.
pub(super) fn is_number(name: &str) -> bool {
    // A project is named by its name or its key.
    let key = name.ends_with("_id") && !name.contains("name") && !TEXTS.contains(&name);
    key || NUMBERS.contains(&name)
}

/// Whether a parameter of a query is yes or no.
pub(super) fn is_flag(name: &str) -> bool {
    name.starts_with("with_") || FLAGS.contains(&name)
}

/// The parameters of an operation.
pub(super) fn of(operation: &Operation, documented: &Documented) -> Vec<Value> {
    let in_path = names(operation)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": of_path(name) }));
    let paged = matches!(documented.answer, Answer::Page(_)).then_some(["page", "page_size", "q", "sort"]);
    let names = paged.iter().flatten().chain(documented.query);
    let in_query = names.map(|name| json!({ "name": name, "in": "query", "schema": of_query(name) }));
    in_path.chain(in_query).chain(headers(operation)).collect()
}

/// The headers that change what an operation does.
fn headers(operation: &Operation) -> impl Iterator<Item = Value> {
    let header = |name: &str, says: &str| {
        let schema = json!({ "type": "boolean", "default": false });
        json!({ "name": name, "in": "header", "description": says, "schema": schema })
    };
    let named = names(operation).any(|name| name == "project_name_or_id");
    let named = named.then(|| {
        header("X-Is-Resource-Name", "The project is named by its name, also where that is a number.")
    });
    let located = (operation.id == "createProject").then(|| {
        header(
            "X-Resource-Name-In-Location",
            "Location shall end with the project's name instead of its key.",
        )
    });
    named.into_iter().chain(located)
}

fn of_path(name: &str) -> Value {
    match name {
        "addition" => {
            let names: Vec<_> = AdditionKind::ALL.iter().map(|kind| kind.name()).collect();
            json!({ "type": "string", "enum": names })
        }
        name if is_number(name) => json!({ "type": "integer", "format": "int64" }),
        _ => json!({ "type": "string", "minLength": 1 }),
    }
}

fn of_query(name: &str) -> Value {
    match name {
        "page" => json!({ "type": "integer", "minimum": 1, "default": 1 }),
        "page_size" => json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 10 }),
        "seconds" => json!({ "type": "integer", "minimum": 0, "maximum": 300, "default": 300 }),
        "after" => json!({ "type": "integer", "format": "int64" }),
        name if is_flag(name) => json!({ "type": "boolean" }),
        _ => json!({ "type": "string" }),
    }
}

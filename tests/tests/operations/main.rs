//! The API's operations: what is served and what is not yet; and who may call what.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod callers;
mod everybody;
mod matrix;
mod places;

use std::collections::BTreeSet;

use harbor_core::operation::{self, BASE, Need, Operation};
use harbor_tests::{Answer, Client, TestRegistry};

/// The operations that answer 501. The list may only become shorter.
const NOT_YET: &str = include_str!("not_yet_served.txt");

/// How many there are left: lower it with the list, and never raise it.
const NOT_YET_LEFT: usize = 74;

/// The operations that need no permission and no login. The list may only become shorter.
const OPEN: &str = include_str!("need_nothing.txt");

/// How many there are: lower it with the list, and never raise it.
const OPEN_LEFT: usize = 8;

harbor_tests::on_every_store! {
    what_is_not_served_yet_says_so;
    what_is_served_is_documented;
    what_is_no_operation;
}

/// The path of an operation, with something for each parameter.
pub(crate) fn path(operation: &Operation, parameter: impl Fn(&str) -> String) -> String {
    let segment = |segment: &str| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
        Some(name) => parameter(name),
        None => segment.to_owned(),
    };
    // A stream that would go on ends at once.
    let query = if operation.id == "streamEvents" { "?seconds=0" } else { "" };
    format!("{BASE}{}{query}", operation.path.split('/').map(segment).collect::<Vec<_>>().join("/"))
}

fn something(name: &str) -> String {
    match name {
        "repository_name" => "some%252Fname".to_owned(),
        "project_name_or_id" => "absent".to_owned(),
        name if name.contains("id") => "7000".to_owned(),
        _ => "absent".to_owned(),
    }
}

async fn call(client: &Client, operation: &Operation) -> Answer {
    client.call(operation.method.as_str(), &path(operation, something)).await
}

fn message(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["errors"][0]["message"].as_str().unwrap_or_default().to_owned()
}

async fn what_is_not_served_yet_says_so(registry: &TestRegistry) {
    let expected: BTreeSet<&str> = NOT_YET.lines().collect();
    for client in [registry.anon(), registry.admin()] {
        let mut not_yet = BTreeSet::new();
        for operation in operation::all() {
            let answer = call(&client, operation).await;
            let routed = answer.status != 405 && message(&answer) != "no such endpoint";
            assert!(routed, "{} is not routed: {answer:?}", operation.id);
            if answer.status == 501 {
                not_yet.insert(operation.id);
                if operation.method.as_str() != "HEAD" {
                    assert_eq!(answer.codes(), ["NOT_IMPLEMENTED"]);
                    assert!(message(&answer).contains(operation.id), "{answer:?}");
                }
            }
        }
        let (more, less): (Vec<_>, Vec<_>) =
            (not_yet.difference(&expected).collect(), expected.difference(&not_yet).collect());
        assert_eq!(
            (more, less),
            (Vec::new(), Vec::new()),
            "not served yet and not listed; listed and served"
        );
    }
}

async fn what_is_served_is_documented(registry: &TestRegistry) {
    let document = registry.anon().get(&format!("{BASE}/openapi.json")).await.expect_status(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["paths"]["/service/token"]["get"]["operationId"], "getToken");
    let paths = document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with(BASE));
    let methods = paths.flat_map(|(_, path)| path.as_object().unwrap().values());
    let documented: BTreeSet<&str> =
        methods.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let not_yet: BTreeSet<&str> = NOT_YET.lines().collect();
    let served: BTreeSet<&str> =
        operation::all().map(|operation| operation.id).filter(|id| !not_yet.contains(id)).collect();
    let (more, less): (Vec<_>, Vec<_>) =
        (documented.difference(&served).collect(), served.difference(&documented).collect());
    assert_eq!(
        (more, less),
        (Vec::new(), Vec::new()),
        "documented and not served; served and not documented"
    );
    let page = registry.anon().get(&format!("{BASE}/docs")).await.expect_status(200);
    // Nothing runs in it, nobody frames it, and it is nothing else than it says.
    let policy: BTreeSet<&str> = page.need("Content-Security-Policy").split(';').map(str::trim).collect();
    for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(directive), "{directive} is not in {policy:?}");
    }
    assert!(!policy.iter().any(|directive| directive.starts_with("script-src")), "{policy:?}");
    assert_eq!(page.need("X-Content-Type-Options"), "nosniff");
    assert!(String::from_utf8_lossy(&page.body).contains("createProject"));
}

/// Both lists are compared with what is so elsewhere. Here they are kept from growing: each of their lines is one operation, each
/// once, and what is done is not undone.
#[test]
fn lists_only_become_shorter() {
    for (list, left) in [(NOT_YET, NOT_YET_LEFT), (OPEN, OPEN_LEFT)] {
        let ids: BTreeSet<&str> = list.lines().collect();
        assert_eq!(ids.len(), list.lines().count(), "an operation is listed twice");
        let unknown = |id: &&str| !operation::all().any(|operation| operation.id == *id);
        assert_eq!(ids.iter().copied().filter(unknown).collect::<Vec<_>>(), Vec::<&str>::new());
        assert!(ids.len() <= left, "a list that may only become shorter has {} instead of {left}", ids.len());
        assert!(ids.len() == left, "a list became shorter: lower its bound from {left} to {}", ids.len());
    }
}

#[test]
fn what_needs_nothing_is_listed() {
    let open: BTreeSet<&str> = operation::all()
        .filter(|operation| operation.need == Need::Nothing)
        .map(|operation| operation.id)
        .collect();
    assert_eq!(open, OPEN.lines().collect());
}

async fn what_is_no_operation(registry: &TestRegistry) {
    let anon = registry.anon();
    for path in
        ["/api/v2.0/", "/api/v2.0/nothing", "/api/v2.0/projects//members", "/api/v2.0/ping/pong", "/api/v1"]
    {
        anon.get(path).await.expect_error(404, "NOT_FOUND");
    }
    let answer = anon.delete("/api/v2.0/projects").await.expect_error(405, "METHOD_NOT_ALLOWED");
    assert_eq!(answer.need("Allow"), "GET, HEAD, POST");
    anon.get("/api/v2.0/ping/").await.expect_status(200);
    let version = anon.get("/api/version").await.expect_status(200).json();
    assert_eq!(version, serde_json::json!({ "version": "v2.0" }));
    anon.post("/api/version").await.expect_status(405);
}

//! The API's operations: what is served, and what is not yet.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;

use harbor_core::operation::{BASE, OPERATIONS, Operation};
use harbor_tests::{Answer, Client, TestRegistry};

/// The operations that answer 501. The list may only become shorter.
const NOT_YET: &str = include_str!("not_yet_served.txt");

/// The path of an operation, with something for each parameter.
fn path(operation: &Operation) -> String {
    let segment = |segment: &str| match segment.strip_prefix('{') {
        Some("repository_name}") => "some%252Fname".to_owned(),
        Some(name) if name.contains("id") => "7".to_owned(),
        Some(_) => "library".to_owned(),
        None => segment.to_owned(),
    };
    format!("{BASE}{}", operation.path.split('/').map(segment).collect::<Vec<_>>().join("/"))
}

async fn call(client: &Client, operation: &Operation) -> Answer {
    client.call(operation.method.as_str(), &path(operation)).await
}

#[tokio::test]
async fn what_is_not_served_yet_says_so() {
    let registry = TestRegistry::in_memory().await;
    let expected: BTreeSet<&str> = NOT_YET.lines().collect();
    for client in [registry.anon(), registry.admin()] {
        let mut not_yet = BTreeSet::new();
        for operation in &OPERATIONS {
            let answer = call(&client, operation).await;
            assert!(![404, 405].contains(&answer.status), "{} is not routed: {answer:?}", operation.id);
            if answer.status == 501 {
                not_yet.insert(operation.id);
                if operation.method.as_str() != "HEAD" {
                    assert_eq!(answer.codes(), ["NOT_IMPLEMENTED"]);
                    let body = answer.json();
                    let message = body["errors"][0]["message"].as_str().unwrap_or_default();
                    assert!(message.contains(operation.id), "{message}");
                }
            }
        }
        assert_eq!(not_yet, expected);
    }
    registry.close().await;
}

#[tokio::test]
async fn what_is_no_operation() {
    let registry = TestRegistry::in_memory().await;
    let anon = registry.anon();
    for path in
        ["/api/v2.0/", "/api/v2.0/nothing", "/api/v2.0/projects//members", "/api/v2.0/ping/pong", "/api/v1"]
    {
        anon.get(path).await.expect_error(404, "NOT_FOUND");
    }
    let answer = anon.delete("/api/v2.0/projects").await.expect_error(405, "METHOD_NOT_ALLOWED");
    assert_eq!(answer.need("Allow"), "GET, HEAD, POST");
    anon.get("/api/v2.0/ping/").await.expect_status(200);
    registry.close().await;
}

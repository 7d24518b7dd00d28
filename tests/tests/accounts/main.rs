//! Who somebody is and what they may do, over Harbor's API and the token service, on every pair of stores.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

mod claims;
mod configurations;
mod costs;
mod expiry;
mod gifts;
mod groups;
mod intruders;
mod limits;
mod long_patterns;
mod matching;
mod members;
mod patterns;
mod projects;
mod quotas;
mod robots;
mod secrets;
mod sessions;
mod slow_bodies;
mod throttling;
mod tokens;
mod totp;
mod users;
mod widening;

use harbor_tests::{Client, TestRegistry};
use serde_json::Value;

/// Where the API begins.
const API: &str = "/api/v2.0";

/// A password that the rules allow.
const PASSWORD: &str = "Correct horse 1";

/// The number at the end of where something was made.
fn key(location: &str) -> i64 {
    location.rsplit('/').next().unwrap().parse().unwrap()
}

/// Makes something; yields its key.
async fn make(client: &Client, path: &str, body: &Value) -> i64 {
    let answer = client.post(&format!("{API}{path}")).json(body).await.expect_status(201);
    key(answer.need("Location"))
}

/// Reads something.
async fn read(client: &Client, path: &str) -> Value {
    client.get(&format!("{API}{path}")).await.expect_status(200).json()
}

/// A project of that name that only its members see; yields its key.
async fn private(registry: &TestRegistry, name: &str) -> i64 {
    registry.project(name, false).await;
    read(&registry.admin(), &format!("/projects/{name}")).await["project_id"].as_i64().unwrap()
}

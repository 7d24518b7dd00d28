//! Webhooks: policies over Harbor's API, and deliveries to receivers that are as receivers are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

mod dead_letters;
mod deliveries;
mod egress;
mod policies;
mod restart;
mod secrets;

use std::time::Duration;

use harbor_core::Clock;
use harbor_core::oci::Algorithm;
use harbor_tests::{Client, RegistryBuilder, TestRegistry, content, receiver};
use serde_json::{Value, json};

/// Where the API begins.
const API: &str = "/api/v2.0";

/// Makes a registry whose clock stands still and in which jobs wait for the test; requests may go to `127.0.0.1`, and receivers
/// have little time.
fn by_hand(builder: RegistryBuilder) -> RegistryBuilder {
    builder.clock(Clock::manual()).settings(|settings| {
        settings.job_workers = 0;
        settings.gc_interval = Duration::from_secs(3600);
        settings.egress_allow = vec!["127.0.0.1".parse().unwrap()];
        settings.webhook_timeout = Duration::from_millis(600);
        settings.external_url = Some("https://reg.example.org:8443/".to_owned());
    })
}

/// A policy that tells these targets of these events.
fn policy(name: &str, event_types: &[&str], targets: Vec<Value>) -> Value {
    json!({ "name": name, "enabled": true, "event_types": event_types, "targets": targets })
}

/// A target of an address, with nothing beside.
fn http(address: &str) -> Value {
    json!({ "type": "http", "address": address })
}

fn of(project: &str) -> String {
    format!("{API}/projects/{project}/webhook/policies")
}

/// Makes a policy; yields its address.
async fn make(client: &Client, policies: &str, body: &Value) -> String {
    let made = client.post(policies).json(body).await.expect_status(201);
    assert!(made.body.is_empty());
    made.need("Location").to_owned()
}

async fn read(client: &Client, target: &str) -> Value {
    client.get(target).await.expect_status(200).json()
}

/// Pushes an image under a tag; yields its digest.
async fn push(client: &Client, repository: &str, tag: &str) -> String {
    let set = content::image(Algorithm::Sha256);
    for blob in &set.blobs {
        client.push_blob(repository, blob).await;
    }
    for manifest in set.manifests.iter().take(set.manifests.len() - 1) {
        client.push_manifest(repository, manifest.digest, manifest).await.expect_status(201);
    }
    client.push_manifest(repository, tag, set.top()).await.expect_status(201);
    set.top().digest.to_string()
}

/// The deliveries of a policy, in order, as soon as there are so many.
async fn enqueued(registry: &TestRegistry, policy: &str, count: usize) -> Vec<Value> {
    let (client, path) = (registry.admin(), format!("{policy}/executions?sort=id&page_size=100"));
    for look in 1..2000 {
        let all = read(&client, &path).await;
        let all = all.as_array().unwrap();
        if all.len() >= count {
            assert_eq!(all.len(), count, "{all:#?}");
            return all.clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        // Where a transaction was tried again, a number of the outbox is missing, and what is behind waits for a while.
        if look % 200 == 0 {
            registry.clock.advance(Duration::from_secs(36));
        }
    }
    panic!("{count} deliveries do not come")
}

/// The only task of a delivery.
async fn task(client: &Client, policy: &str, execution: &Value) -> Value {
    let tasks = read(client, &format!("{policy}/executions/{}/tasks", execution["id"])).await;
    assert_eq!(tasks.as_array().unwrap().len(), 1);
    tasks[0].clone()
}

async fn log(client: &Client, policy: &str, execution: &Value) -> String {
    let task = task(client, policy, execution).await;
    let path = format!("{policy}/executions/{}/tasks/{}/log", execution["id"], task["id"]);
    let answer = client.get(&path).await.expect_status(200);
    assert!(answer.need("Content-Type").starts_with("text/plain"));
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// How far the deliveries of a policy are, in order.
async fn statuses(client: &Client, policy: &str) -> Vec<String> {
    let all = read(client, &format!("{policy}/executions?sort=id&page_size=100")).await;
    let status = |one: &Value| one["status"].as_str().unwrap().to_owned();
    all.as_array().unwrap().iter().map(status).collect()
}

/// Runs what is due, and what comes due of it until so much time has passed.
async fn run_for(registry: &TestRegistry, time: Duration) {
    registry.harbor.run_due_jobs().await.unwrap();
    registry.clock.advance(time);
    registry.harbor.run_due_jobs().await.unwrap();
}

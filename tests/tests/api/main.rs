//! What a registry holds, over Harbor's API: repositories, artifacts, tags, labels, accessories; on every pair of stores.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

mod accessories;
mod additions;
mod artifacts;
mod audit;
mod copies;
mod deletes;
mod events;
mod immutable;
mod labels;
mod lists;
mod pulls;
mod repositories;

mod restore;
mod retention;
mod search;
mod tags;

use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, DataSet};
use harbor_tests::{Answer, Call, Client};
use serde_json::Value;

/// Where the API begins.
const API: &str = "/api/v2.0";

const SHA: Algorithm = Algorithm::Sha256;

/// The address of a repository: `project/name/with/slashes`.
fn at(repository: &str) -> String {
    let (project, name) = repository.split_once('/').unwrap();
    format!("{API}/projects/{project}/repositories/{}", name.replace('/', "%252F"))
}

/// The address of an artifact.
fn artifact(repository: &str, reference: impl std::fmt::Display) -> String {
    format!("{}/artifacts/{reference}", at(repository))
}

/// Reads something.
async fn read(client: &Client, target: impl AsRef<str>) -> Value {
    client.get(target.as_ref()).await.expect_status(200).json()
}

/// One member of each entry of a list, and how many entries the whole list has.
async fn listed(call: Call, member: &str) -> (Vec<String>, u64) {
    let answer: Answer = call.await.expect_status(200);
    let total = answer.need("X-Total-Count").parse().unwrap();
    let text = |entry: &Value| match &entry[member] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    (answer.json().as_array().unwrap().iter().map(text).collect(), total)
}

/// Pushes an image under a tag.
async fn push_image(client: &Client, repository: &str, tag: &str) -> DataSet {
    let set = content::image(SHA);
    client.push(repository, Some(tag), &set).await;
    set
}

/// The digest of what a set is about.
fn digest(set: &DataSet) -> String {
    set.top().digest.to_string()
}

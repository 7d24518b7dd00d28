//! Runs every example as its reader would.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::process::Command;

fn run(program: &str, says: &str) {
    let output = Command::new(program).output().expect("the example starts");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains(says), "{out}");
}

/// Each noun of the client has an example that runs.
#[test]
fn api() {
    run(env!("CARGO_BIN_EXE_api"), "-- audit");
    let nouns = include_str!("../api/main.rs");
    let files = ["content", "jobs", "people", "projects", "retention", "system", "webhooks"];
    for file in files {
        let path = format!("{}/../harbor-replicate/src/client/api/{file}.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("the nouns of the client");
        let made = text.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(" {"));
        for noun in made.filter_map(|line| line.split_once(' ')).map(|(noun, _)| noun) {
            assert!(nouns.contains(&format!(" {noun}")), "{noun} has no example");
        }
    }
    let output = Command::new(env!("CARGO_BIN_EXE_api")).arg("nonsense").output();
    let output = output.expect("the example starts");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no noun nonsense"));
}

#[test]
fn client() {
    run(
        env!("CARGO_BIN_EXE_client"),
        "what an image is made of, by way of two registries: 2 blobs were sent",
    );
}

/// What other verbs do of themselves: `open_signed` verifies, and a copy for a platform chooses.
const WITHIN_OTHERS: [&str; 2] = ["verify", "choose"];

/// Each verb of the distribution client, and of places, stands in an example that runs.
#[test]
fn distribution() {
    run(env!("CARGO_BIN_EXE_distribution"), "-- bundles");
    let shown = concat!(
        include_str!("../distribution/access.rs"),
        include_str!("../distribution/content.rs"),
        include_str!("../distribution/places.rs"),
    );
    let client = format!("{}/../harbor-replicate/src/client", env!("CARGO_MANIFEST_DIR"));
    for folder in ["registry", "place", "copy", "bundle"] {
        for file in std::fs::read_dir(format!("{client}/{folder}")).expect("the client") {
            let text = std::fs::read_to_string(file.expect("a file").path()).unwrap_or_default();
            let verbs = text
                .lines()
                .filter_map(|line| line.strip_prefix("    pub async fn ")?.split_once(['(', '<']));
            for (verb, _) in verbs.filter(|(verb, _)| !WITHIN_OTHERS.contains(verb)) {
                assert!(shown.contains(&format!("{verb}(")), "{verb} of {folder} has no example");
            }
        }
    }
}

#[test]
fn embed() {
    run(env!("CARGO_BIN_EXE_embed"), "/hello says hello");
}

#[test]
fn in_memory() {
    run(env!("CARGO_BIN_EXE_in_memory"), "and came back");
}

#[test]
fn own_auth() {
    run(env!("CARGO_BIN_EXE_own_auth"), "user:grace may push, user:alan may not");
}

#[test]
fn own_policy() {
    run(env!("CARGO_BIN_EXE_own_policy"), "refused by policy no-latest");
}

#[test]
fn own_storage() {
    run(env!("CARGO_BIN_EXE_own_storage"), "5 bytes went through");
}

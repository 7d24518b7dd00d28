//! Runs every example as its reader would.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::process::Command;

fn run(program: &str, says: &str) {
    let output = Command::new(program).output().expect("the example starts");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains(says), "{out}");
}

#[test]
fn client() {
    run(
        env!("CARGO_BIN_EXE_client"),
        "what an image is made of, by way of two registries: 2 blobs were sent",
    );
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

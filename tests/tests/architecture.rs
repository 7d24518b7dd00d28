//! Who may depend on whom: the rules of `harbor-core/ARCHITECTURE.md`, over what cargo says.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The dependencies of each member, without those of its tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    let of = |package: &Value| {
        let dependencies = package["dependencies"].as_array().expect("dependencies");
        dependencies.iter().filter(|dependency| dependency["kind"].is_null()).map(name).collect()
    };
    packages.iter().map(|package| (name(package), of(package))).collect()
}

/// Whether a member has a dependency that only a feature turns on.
fn is_optional(member: &str, dependency: &str) -> bool {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let package = packages.iter().find(|package| package["name"] == member).expect("a member");
    let of = package["dependencies"].as_array().expect("dependencies");
    of.iter().any(|found| found["name"] == dependency && found["optional"] == true && found["kind"].is_null())
}

#[test]
fn members_depend_on_what_they_may() {
    let members =
        ["harbor-core", "harbor-storage", "harbor-auth", "harbor-scan", "harbor-replicate", "harbor-server"];
    let dependencies = dependencies();
    let among = |member: &str| -> Vec<&String> {
        let of = dependencies.get(member).unwrap_or_else(|| panic!("{member} is a member"));
        of.iter().filter(|name| name.starts_with("harbor")).collect()
    };
    assert!(among("harbor-core").is_empty(), "the engine depends on no other member");
    for domain in ["harbor-storage", "harbor-auth", "harbor-scan", "harbor-replicate"] {
        assert_eq!(among(domain), ["harbor-core"], "{domain} meets the others in traits only");
    }
    for (member, of) in &dependencies {
        let may = ["harbor-examples", "harbor-tests", "harborctl"].contains(&member.as_str());
        assert!(may || !of.contains("harbor-server"), "{member} must not depend on the server");
    }
    assert!(members.iter().all(|member| dependencies.contains_key(*member)));
}

#[test]
fn the_engine_knows_no_driver() {
    let of = &dependencies()["harbor-core"];
    for foreign in ["axum", "hyper", "sqlx", "object_store", "rustls"] {
        assert!(!of.contains(foreign), "harbor-core must not depend on {foreign}");
    }
    // Who embeds the engine without webhooks has no client of HTTP in it.
    assert!(is_optional("harbor-core", "reqwest"), "harbor-core has its client of HTTP behind a feature");
    for (path, text) in sources("harbor-core/src") {
        let client = path.ends_with("egress/client.rs");
        assert!(client || !text.contains("reqwest"), "{} must go through egress", path.display());
    }
}

#[test]
fn harborctl_is_free_of_databases_and_stores_by_default() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["tree", "--locked", "--offline", "-p", "harborctl", "-e", "normal", "--prefix", "none"]);
    let output = command.current_dir(root()).output().expect("cargo runs");
    let tree = String::from_utf8(output.stdout).expect("text");
    assert!(tree.starts_with("harborctl "), "{}", String::from_utf8_lossy(&output.stderr));
    for foreign in ["sqlx", "object_store", "harbor-storage", "harbor-server"] {
        let is_there = tree.lines().any(|line| line.split(' ').next() == Some(foreign));
        assert!(!is_there, "harborctl depends on {foreign}");
    }
}

/// Source files of a folder, with their texts.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 1, "a walk that saw nothing proves nothing");
    found
}

#[test]
fn write_transactions_are_opened_by_the_gate_alone() {
    for (path, text) in sources("harbor-core/src/engine") {
        if !path.ends_with("gate.rs") {
            assert!(!text.contains("metadata.begin("), "{} must go through Harbor::write", path.display());
        }
    }
    for (path, text) in sources("harbor-server/src") {
        assert!(!text.contains(".begin()"), "{} must go through the engine", path.display());
    }
}

#[test]
fn proofs_are_minted_by_the_gate_alone() {
    for (path, text) in sources("harbor-core/src") {
        if !path.ends_with("gate.rs") && !path.ends_with("authorized.rs") {
            assert!(!text.contains("::mint("), "{} must not mint a proof", path.display());
        }
    }
}

#[test]
fn statements_are_in_rows_alone() {
    for (path, text) in sources("harbor-storage/src/sql") {
        // Tests of how lists are put together have some of their own.
        let in_rows = path.components().any(|part| part.as_os_str() == "rows") || path.ends_with("tests.rs");
        assert!(in_rows || !text.contains("sql!(\""), "{} holds a statement", path.display());
    }
}

#[test]
fn files_stay_short() {
    for member in
        ["harbor-core", "harbor-storage", "harbor-auth", "harbor-replicate", "harbor-server", "harborctl"]
    {
        for (path, text) in sources(&format!("{member}/src")) {
            assert!(text.lines().count() <= 520, "{} should become a folder", path.display());
        }
    }
}

#[test]
fn the_top_level_is_as_planned() {
    let planned = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "harbor-core",
        "harbor-storage",
        "harbor-auth",
        "harbor-scan",
        "harbor-replicate",
        "harbor-server",
        "harborctl",
        "examples",
        "tests",
    ];
    let output = Command::new("git").args(["ls-files"]).current_dir(root()).output().expect("git runs");
    let listed = String::from_utf8(output.stdout).expect("text");
    let top: BTreeSet<&str> = listed.lines().filter_map(|path| path.split('/').next()).collect();
    let extra: Vec<_> = top.iter().filter(|name| !name.starts_with('.') && !planned.contains(name)).collect();
    assert!(extra.is_empty(), "not planned at the top level: {extra:?}");
}

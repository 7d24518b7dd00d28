//! The command line against a running server: transcripts of what it prints, and what it is to scripts. One file a noun, or a
//! few that belong together.
//!
//! Transcripts are compared with `snapshots/`; `INSTA_UPDATE=always` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

mod account;
mod alone;
mod any_call;
mod broken_off;
mod content;
mod help;
mod images;
mod jobs;
mod local;
mod moments;
mod moving;
mod people;
mod places;
mod projects;
mod runs;
mod shown;
mod system;
mod terminal;
mod tls;
mod transcript;

use harbor_tests::{Harborctl, Ran, TestRegistry};
use transcript::Transcript;

/// A command line that is logged in as the administrator.
async fn logged_in(registry: &TestRegistry) -> Harborctl {
    let harborctl = Harborctl::new();
    let server = format!("http://{}", registry.address());
    let login = ["login", &server, "-u", "admin", "--password-stdin", "--store", "file", "--name", "test"];
    let ran = harborctl.told(&login, &registry.password("admin")).await;
    assert_eq!(ran.code, Some(0), "{}", ran.told);
    harborctl
}

/// What a command line prints that fails with a code.
async fn fails(harborctl: &Harborctl, arguments: &[&str], code: i32) -> Ran {
    let ran = harborctl.run(arguments).await;
    assert_eq!(ran.code, Some(code), "{arguments:?}: {} {}", ran.out, ran.told);
    ran
}

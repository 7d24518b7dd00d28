//! `harborctl`, as a library: the registry from a terminal and from scripts.
//!
//! It has no commands yet; it tells its version and what it is.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

/// The registry from a terminal and from scripts. It has no commands yet.
#[derive(Debug, Parser)]
#[command(name = "harborctl", version, about)]
struct Arguments {}

/// Runs the program as the command line says.
#[must_use]
pub fn run() -> ExitCode {
    let Arguments {} = Arguments::parse();
    match Arguments::command().print_help() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

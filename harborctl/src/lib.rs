//! `harborctl`, as a library: the registry from a terminal and from scripts.
//!
//! It works with this registry and with Harbor itself, by the API client and the distribution client of `harbor-replicate`.
//! [`Cli`] is the command line, [`run`] the whole program, [`run_with`] the same with arguments and a place for what it prints.
//!
//! | where | has |
//! |---|---|
//! | `command.rs` | the command line as a whole, and which command does what |
//! | `context/` | servers and who one is there: the file of contexts, the stores of secrets |
//! | `account.rs` | `login`, `logout`, `whoami` |
//! | `noun/` | a file for each noun of the API, with its verbs |
//! | `content/` | what moves content and looks at it: `push`, `pull`, `copy`, `inspect`, `tree`, `diff`, `delete` |
//! | `content/airgap.rs`, `content/key.rs` | `export` and `import`, and the keys that sign archives |
//! | `local/` | what needs no server (feature `local`): `run`, `check`, `gc`, `backup`, `restore`, `migrate-database` |
//! | `output/` | tables, JSON, YAML, names; lists as they come |
//! | `session.rs` | what a verb has in hand: the API as somebody, and where to print |
//! | `terminal.rs` | questions to whoever sits there |
//! | `failure.rs` | what went wrong, what to try, and the exit code |
//! | `hint.rs` | what to try where a failure does not say it, by the command that was typed |

mod account;
mod api;
mod body;
mod command;
mod completion;
mod content;
mod context;
mod examples;
mod failure;
mod hint;
#[cfg(feature = "local")]
mod local;
mod lookup;
mod names;
mod noun;
mod output;
mod session;
mod terminal;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

pub use command::Cli;
pub use failure::{Failure, Kind, exit_codes};

/// Runs the program as the command line says, and tells on the standard error what went wrong.
#[must_use]
pub fn run() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return told(&Failure::new(Kind::Failed, format!("the program cannot start: {error}"))),
    };
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let outcome = runtime.block_on(run_as(arguments, || {
        // Whoever waits for the standard input does not hear it, and is ended all the same.
        tokio::spawn(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                std::process::exit(i32::from(Kind::Interrupted.number()));
            }
        });
    }));
    // A thread that reads the standard input cannot be told to stop.
    runtime.shutdown_background();
    // What does not end with a line break is still to be written.
    match outcome.and_then(|()| io::stdout().flush().map_err(Failure::from)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => told(&failure),
    }
}

/// Runs one command; the first argument is the program's name.
///
/// # Errors
/// [`Failure`], with the exit code that stands for it. What is wrong with the arguments has been told by then.
pub async fn run_with(arguments: Vec<OsString>) -> Result<(), Failure> {
    run_as(arguments, || ()).await
}

/// The same, with something to be done ahead of a command that ends with Ctrl-C.
async fn run_as(arguments: Vec<OsString>, ahead: impl FnOnce()) -> Result<(), Failure> {
    let (cli, names) = match parsed(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Err(Failure::told(Kind::Usage)) } else { Ok(()) };
        }
    };
    let outcome = if cli.runs_another() {
        Box::pin(cli.run()).await
    } else {
        ahead();
        tokio::select! {
            // First, so that it is heard from the beginning on.
            biased;
            _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
            outcome = Box::pin(cli.run()) => outcome,
        }
    };
    outcome.map_err(|failure| failure.or_try(|kind, what| hint::of(kind, what, &names)))
}

/// The command line, for completions, manuals and documentation.
#[must_use]
pub fn command_line() -> clap::Command {
    examples::with_examples(Cli::command())
}

/// The command line as it was typed, and the names of the command in it.
fn parsed(arguments: Vec<OsString>) -> Result<(Cli, Vec<String>), clap::Error> {
    let mut command = command_line();
    let matches = command.try_get_matches_from_mut(arguments)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((cli, hint::typed(&matches)))
}

fn told(failure: &Failure) -> ExitCode {
    if let Some(text) = failure.text() {
        let _ = writeln!(io::stderr(), "{text}");
    }
    failure.kind().code()
}

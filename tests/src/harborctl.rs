//! The built command line, as somebody at a terminal runs it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::process::Build;

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The built `harborctl`, with contexts of its own.
#[derive(Debug)]
pub struct Harborctl {
    home: TempDir,
    environment: Vec<(String, String)>,
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What it printed.
    pub out: String,
    /// What it told beside.
    pub told: String,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
}

impl Harborctl {
    /// With nothing remembered.
    #[must_use]
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a folder"), environment: Vec::new() }
    }

    /// With a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The folder that is its home, and where it runs.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The program, not yet started, without any setting of whoever runs the tests.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = Build::Last.program("harborctl").expect("`cargo build --bin harborctl` comes first");
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.home()).args(arguments).kill_on_drop(true);
        command
    }

    /// Runs a command.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        self.told(arguments, "").await
    }

    /// Runs a command that reads something from its standard input.
    pub async fn told(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a program that runs");
        let mut stdin = child.stdin.take().expect("its input");
        // One that does not read ends before all is written.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.expect("a command that ends").expect("its output");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Ran { out: text(output.stdout), told: text(output.stderr), code: output.status.code() }
    }

    /// Runs a command that does what it should, and yields what it printed.
    pub async fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, Some(0), "{arguments:?}: {} {}", ran.out, ran.told);
        ran.out
    }
}

impl Default for Harborctl {
    fn default() -> Self {
        Self::new()
    }
}

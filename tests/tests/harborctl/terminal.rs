//! At a terminal: what is asked for and typed there, and bars where scripts are told lines. The terminal is `script`'s, of util-linux.

use std::process::Stdio;
use std::time::Duration;

use harbor_core::oci::Algorithm;
use harbor_tests::content::{Maker, Piece};
use harbor_tests::{Harborctl, TestRegistry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::logged_in;

/// How long it is waited for what is to be shown.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that runs at a terminal.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    shown: String,
}

impl Terminal {
    fn of(harborctl: &Harborctl, arguments: &[&str]) -> Self {
        let inner = harborctl.command(arguments);
        let inner = inner.as_std();
        let words = std::iter::once(inner.get_program()).chain(inner.get_args());
        let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let mut command = Command::new("script");
        command.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("TERM", "xterm").env("SHELL", "/bin/sh").current_dir(harborctl.home());
        // What it keeps of the session goes nowhere, and it ends as the command does.
        command.args(["--quiet", "--return", "--flush", "--command", &line.join(" "), "/dev/null"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("script, of util-linux");
        let (keys, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, keys, screen, shown: String::new() }
    }

    /// Reads on; false when there is no more.
    async fn more(&mut self) -> bool {
        let mut piece = [0; 4096];
        // The terminal is gone when the command is.
        let read = tokio::time::timeout(PATIENCE, self.screen.read(&mut piece));
        let count = read.await.unwrap_or_else(|_| panic!("nothing more: {}", self.shown)).unwrap_or(0);
        self.shown.push_str(&String::from_utf8_lossy(&piece[..count]));
        count > 0
    }

    /// Waits for something to be shown.
    async fn shows(&mut self, text: &str) {
        while !self.shown.contains(text) {
            assert!(self.more().await, "{text} was not shown: {}", self.shown);
        }
    }

    async fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.unwrap();
        self.keys.flush().await.unwrap();
    }

    /// Waits for the end; all that was shown, and the exit code.
    async fn ends(mut self) -> (String, Option<i32>) {
        while self.more().await {}
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        (self.shown, status.code())
    }
}

/// A password is asked for, is not shown as it is typed, and works.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_password_is_typed() {
    let registry = TestRegistry::in_memory().await;
    let (server, password) = (format!("http://{}", registry.address()), registry.password("admin"));
    let harborctl = Harborctl::new();
    let mut login = Terminal::of(&harborctl, &["login", &server, "-u", "admin", "--store", "file"]);
    login.shows("Password").await;
    // The question is there before the terminal stops to show what is typed.
    tokio::time::sleep(Duration::from_millis(300)).await;
    login.types(&format!("{password}\n")).await;
    let (shown, code) = login.ends().await;
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains(&password), "{shown}");
    assert!(harborctl.ok(&["whoami"]).await.contains("admin"));
    registry.close().await;
}

/// Who is asked before something is deleted for ever, and says no, has it still.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_question_is_answered() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    harborctl.ok(&["project", "create", "kept"]).await;
    for (answer, code) in [("n\n", 1), ("\n", 1), ("y\n", 0)] {
        assert!(harborctl.ok(&["project", "list", "-o", "name"]).await.contains("kept"));
        let mut delete = Terminal::of(&harborctl, &["project", "delete", "kept"]);
        delete.shows("[y/N]").await;
        delete.types(answer).await;
        let (shown, ended) = delete.ends().await;
        assert_eq!(ended, Some(code), "{answer:?}: {shown}");
    }
    assert!(!harborctl.ok(&["project", "list", "-o", "name"]).await.contains("kept"));
    registry.close().await;
}

/// Ctrl-C while a password is asked for ends it, and what is typed from there on is shown again.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_question_is_left() {
    let harborctl = Harborctl::new();
    let mut login = Terminal::of(&harborctl, &["login", "http://127.0.0.1:1", "-u", "grace"]);
    login.shows("Password").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    login.types("\u{3}").await;
    let (shown, code) = login.ends().await;
    assert_eq!(code, Some(130), "{shown}");
}

/// A copy has bars with rate and remaining time; with `--quiet` nothing, and elsewhere lines.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_copy_has_bars() {
    let registry = TestRegistry::in_memory().await;
    let maker = Maker::image(Algorithm::Sha256);
    let image = (0..4).fold(maker, |maker, _| maker.layer(Piece::blob(Algorithm::Sha256, 40_000_000))).done();
    registry.admin().push("library/app", Some("1"), &image).await;
    let harborctl = logged_in(&registry).await;
    let (shown, code) = Terminal::of(&harborctl, &["pull", "library/app:1", "one.tar"]).ends().await;
    assert_eq!(code, Some(0), "{shown}");
    for part in ["5 blobs", "/152.59 MiB", " MiB/s", "s left", "\u{1b}["] {
        assert!(shown.contains(part), "{part}: {shown:?}");
    }
    let manifest = format!("{} manifest", image.top().digest);
    assert!(!shown.contains(&manifest), "{shown:?}");
    let (shown, code) =
        Terminal::of(&harborctl, &["--quiet", "pull", "library/app:1", "two.tar"]).ends().await;
    assert_eq!((shown.as_str(), code), ("", Some(0)));
    let ran = harborctl.run(&["pull", "library/app:1", "three.tar"]).await;
    assert!(ran.told.contains("5 blobs") && ran.told.contains(&manifest), "{}", ran.told);
    assert!(!ran.told.contains('\u{1b}') && !ran.told.contains("B/s"), "{}", ran.told);
    registry.close().await;
}

//! The built program, as an operator runs it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::raw::RawConnection;
use crate::registry::PASSWORD;

/// How long it may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `harbor-server`, killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    base: String,
    said: Vec<String>,
}

/// Which build of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// `HARBOR_SERVER_BIN`, or what was built last, optimised or not.
    Last,
    /// `HARBOR_SERVER_BIN`, or the optimised one.
    Release,
}

impl Build {
    fn path(self) -> PathBuf {
        if let Some(path) = std::env::var_os("HARBOR_SERVER_BIN") {
            return path.into();
        }
        let newest = self.program("harbor-server");
        newest.expect("`cargo build --bin harbor-server` comes first, or set HARBOR_SERVER_BIN")
    }

    /// What was built of a program.
    pub(crate) fn program(self, name: &str) -> Option<PathBuf> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
        let profiles: &[&str] = if self == Self::Release { &["release"] } else { &["release", "debug"] };
        let built = profiles.iter().map(|profile| target.join(profile).join(name));
        let when = |path: &PathBuf| path.metadata().and_then(|file| file.modified()).ok();
        built.filter(|path| path.exists()).max_by_key(when)
    }

    /// The program, not yet started, without any setting of whoever runs the tests.
    #[must_use]
    pub fn command(self) -> Command {
        let mut command = Command::new(self.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HARBOR_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// The program on a free port, over the data folder at `data`, with the administrator's password of the tests.
    #[must_use]
    pub fn over(self, data: &Path) -> Command {
        let mut command = self.command();
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data).env("HARBOR_ADMIN_PASSWORD", PASSWORD);
        command
    }
}

/// Runs a program that ends by itself.
pub async fn outcome(mut command: Command) -> Output {
    tokio::time::timeout(PATIENCE, command.output()).await.expect("a program that ends").expect("its output")
}

impl Process {
    /// Starts it over the data folder at `data`, and waits until it is ready. Its log goes to `server.log` there.
    pub async fn start(data: &Path) -> Self {
        Self::launch(Build::Last.over(data), &data.join("server.log")).await
    }

    /// Starts `command`, and waits until it is ready. Its log is added to the file `log`.
    pub async fn launch(mut command: Command, log: &Path) -> Self {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log);
        let child = command.stdout(Stdio::piped()).stderr(file.expect("a log")).spawn();
        let mut child = child.expect("a program that runs");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let ready = async {
            let mut said = Vec::new();
            while let Some(line) = lines.next_line().await.expect("a line") {
                if let Some(base) = line.strip_prefix("harbor-server is ready ") {
                    // A worker listens nowhere.
                    return (base.strip_prefix("at ").unwrap_or_default().to_owned(), said);
                }
                said.push(line);
            }
            panic!("harbor-server ended: see {}", log.display())
        };
        let (base, said) = tokio::time::timeout(PATIENCE, ready).await.expect("a server that gets ready");
        Self { child, base, said }
    }

    /// What it said on standard output before it was ready.
    #[must_use]
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let (_, address) = self.base.split_once("://").expect("a scheme");
        address.parse().expect("an address")
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().expect("a process that runs")
    }

    /// A client without credentials.
    #[must_use]
    pub fn anon(&self) -> Client {
        Client::new(&self.base)
    }

    /// The administrator.
    #[must_use]
    pub fn admin(&self) -> Client {
        self.anon().basic("admin", PASSWORD)
    }

    /// A connection on which anything can be said.
    pub async fn raw(&self) -> RawConnection {
        RawConnection::open(self.address()).await
    }

    /// Ends it as a loss of power would, as far as a process can.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("an end");
    }

    /// Asks it to stop, as a service manager does.
    pub async fn terminate(&self) {
        let told = Command::new("kill").args(["-TERM", &self.id().to_string()]).status().await;
        assert!(told.expect("a signal").success(), "the signal was not sent");
    }

    /// Waits until it has ended; true when it says that all went well.
    pub async fn ended(mut self) -> bool {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("a server that stops").expect("a status").success()
    }

    /// Asks it to stop and waits until it has; true when it says that all went well.
    pub async fn stop(self) -> bool {
        self.terminate().await;
        self.ended().await
    }
}

//! The built program, as an operator runs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::registry::PASSWORD;

/// How long it may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `harbor-server`, killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    base: String,
}

/// `HARBOR_SERVER_BIN`, or what was built last, optimised or not.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("HARBOR_SERVER_BIN") {
        return path.into();
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let built = ["release", "debug"].map(|profile| target.join(profile).join("harbor-server"));
    let when = |path: &PathBuf| path.metadata().and_then(|file| file.modified()).ok();
    let newest = built.into_iter().filter(|path| path.exists()).max_by_key(when);
    newest.expect("`cargo build --bin harbor-server` comes first, or set HARBOR_SERVER_BIN")
}

impl Process {
    /// Starts it over the data folder at `data`, and waits until it is ready. Its log goes to `server.log` there.
    pub async fn start(data: &Path) -> Self {
        let options = std::fs::OpenOptions::new().create(true).append(true).open(data.join("server.log"));
        let mut child = Command::new(program())
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env("HARBOR_ADMIN_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(options.expect("a log"))
            .kill_on_drop(true)
            .spawn()
            .expect("a program that runs");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.expect("a line") {
                if let Some(base) = line.strip_prefix("harbor-server is ready at ") {
                    return base.to_owned();
                }
            }
            panic!("harbor-server ended: see {}", data.join("server.log").display())
        };
        let base = tokio::time::timeout(PATIENCE, ready).await.expect("a server that gets ready");
        Self { child, base }
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

    /// Ends it as a loss of power would, as far as a process can.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("an end");
    }

    /// Asks it to stop, as a service manager does; true when it says that all went well.
    pub async fn stop(mut self) -> bool {
        let id = self.child.id().expect("a process that runs").to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await.expect("a signal");
        assert!(told.success(), "the signal was not sent");
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("a server that stops").expect("a status").success()
    }
}

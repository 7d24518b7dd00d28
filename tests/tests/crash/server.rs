//! The program under test.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::client::Client;

pub(crate) const PASSWORD: &str = "only for this test";

pub(crate) struct Server {
    child: Child,
    url: String,
}

fn binary() -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/harbor-server");
    let binary = std::env::var_os("HARBOR_SERVER_BIN").map_or_else(built, PathBuf::from);
    assert!(
        binary.exists(),
        "{} is not there: build it with `cargo build --release --bin harbor-server`, or set HARBOR_SERVER_BIN",
        binary.display()
    );
    binary
}

impl Server {
    pub(crate) async fn start(folder: &Path) -> Self {
        let config = folder.join("harbor.toml");
        let data = folder.join("data");
        let settings = "[settings]\ngc_grace = 3\ngc_interval = 1\nupload_expiry = 3\n";
        let text = format!("listen = \"127.0.0.1:0\"\ndata = {data:?}\nlog = \"warn\"\n{settings}");
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new(binary())
            .arg("--config")
            .arg(&config)
            .env("HARBOR_ADMIN_PASSWORD", PASSWORD)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, url)) = line.split_once("ready at ") {
                    return url.to_owned();
                }
            }
            panic!("the server ended before it was ready");
        };
        let url =
            tokio::time::timeout(Duration::from_secs(20), ready).await.expect("the server does not start");
        Self { child, url }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.url.clone())
    }

    /// SIGKILL: it gets no chance to tidy up.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

//! Programs that keep credentials: docker's `docker-credential-*`.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use harbor_core::access::Secret;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use crate::client::{Credential, Error, Result};

/// How long a helper may take; it may ask somebody at the screen.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much of what it says is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// The name that stands for an identity token in the place of a password.
const TOKEN: &str = "<token>";

/// What helpers say of what they do not have.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// A program that keeps credentials, by docker's protocol. What it prints is never told.
///
/// ```no_run
/// use harbor_replicate::client::{Credential, docker::CredentialHelper};
///
/// # async fn example() -> harbor_replicate::client::Result<()> {
/// let helper = CredentialHelper::new("secretservice")?;
/// helper.store("registry.example", "grace", &"a password".into()).await?;
/// assert_eq!(helper.get("registry.example").await?, Some(Credential::password("grace", "a password")));
/// helper.erase("registry.example").await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialHelper {
    program: OsString,
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pair {
    #[serde(default, rename = "ServerURL")]
    server: String,
    #[serde(default)]
    username: String,
    secret: String,
}

impl CredentialHelper {
    /// The helper `docker-credential-<name>` of the path.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the name could be more than the end of a program's name.
    pub fn new(name: &str) -> Result<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(Error::Configuration("a credential helper has a name that none may have".to_owned()));
        }
        let name = format!("docker-credential-{name}");
        Ok(Self { program: name.clone().into(), name })
    }

    /// The same, in a folder.
    pub(super) fn in_folder(self, folder: &Path) -> Self {
        Self { program: folder.join(&self.name).into_os_string(), ..self }
    }

    /// The helper at a path.
    #[must_use]
    pub fn at(path: impl Into<OsString>) -> Self {
        let program = path.into();
        Self { name: program.to_string_lossy().into_owned(), program }
    }

    /// What it has for a server; nothing when it has nothing.
    ///
    /// # Errors
    /// [`Error::Helper`] when it cannot be run, fails or is not understood.
    pub async fn get(&self, server: &str) -> Result<Option<Credential>> {
        let (succeeded, said) = self.run("get", server.as_bytes()).await?;
        if !succeeded {
            let nothing = said.expose().trim() == NOT_FOUND;
            return if nothing { Ok(None) } else { Err(self.failed("get failed")) };
        }
        let pair: Pair = serde_json::from_str(said.expose())
            .map_err(|_| self.failed("answered what is not of docker's protocol"))?;
        Ok(Some(match pair.username.as_str() {
            TOKEN => Credential::Identity(Secret::new(pair.secret)),
            _ => Credential::password(pair.username, pair.secret),
        }))
    }

    /// Gives it a name and a password for a server; for an identity token, the name is `<token>`.
    ///
    /// # Errors
    /// [`Error::Helper`] when it cannot be run or fails.
    pub async fn store(&self, server: &str, username: &str, secret: &Secret) -> Result<()> {
        let (server, username, secret) = (server.to_owned(), username.to_owned(), secret.expose().to_owned());
        let pair = serde_json::to_vec(&Pair { server, username, secret });
        let pair = pair.map_err(|_| self.failed("cannot be told such a name"))?;
        self.succeed("store", &pair).await
    }

    /// Lets it forget a server.
    ///
    /// # Errors
    /// [`Error::Helper`] when it cannot be run or fails.
    pub async fn erase(&self, server: &str) -> Result<()> {
        self.succeed("erase", server.as_bytes()).await
    }

    async fn succeed(&self, verb: &str, told: &[u8]) -> Result<()> {
        match self.run(verb, told).await? {
            (true, _) => Ok(()),
            (false, _) => Err(self.failed(format!("{verb} failed"))),
        }
    }

    /// Whether it succeeded, and what it said.
    async fn run(&self, verb: &str, told: &[u8]) -> Result<(bool, Secret)> {
        let mut command = Command::new(&self.program);
        // What it says to the terminal may be secret as well.
        command
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let child =
            command.spawn().map_err(|error| self.failed(format!("cannot be run: {}", error.kind())))?;
        let talked = tokio::time::timeout(PATIENCE, talk(child, told)).await;
        let talked = talked.map_err(|_| self.failed("did not answer in time"))?;
        talked.map_err(|error| self.failed(format!("broke off: {}", error.kind())))
    }

    fn failed(&self, what: impl Into<String>) -> Error {
        Error::Helper { helper: self.name.clone(), what: what.into() }
    }
}

async fn talk(mut child: Child, told: &[u8]) -> std::io::Result<(bool, Secret)> {
    let mut said = Vec::new();
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let tell = async {
        if let Some(mut stdin) = stdin {
            // One that does not read what it is told may know it all the same.
            let _ = stdin.write_all(told).await;
            let _ = stdin.shutdown().await;
        }
    };
    let hear = async {
        match stdout {
            Some(stdout) => stdout.take(LIMIT).read_to_end(&mut said).await,
            None => Ok(0),
        }
    };
    let ((), heard) = tokio::join!(tell, hear);
    heard?;
    let status = child.wait().await?;
    Ok((status.success(), Secret::new(String::from_utf8_lossy(&said))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        for bad in ["", "../x", "a/b", "a b", "a;b", "$(x)"] {
            assert!(CredentialHelper::new(bad).is_err(), "{bad}");
        }
        assert_eq!(CredentialHelper::new("ecr-login").unwrap().name, "docker-credential-ecr-login");
    }
}

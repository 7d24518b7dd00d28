//! `harborctl run`: a registry for the life of a command.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use harbor_auth::AccountOptions;
use harbor_core::Settings;
use harbor_core::access::Secret;
use harbor_server::{App, AppOptions, RunError, Server, Standalone};
use harbor_storage::blobs::FolderBlobs;
use harbor_storage::sql::SqlMetadata;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::{Failure, Kind, Outcome};
use crate::session::Session;

/// The database of a registry in a folder.
const DATABASE: &str = "registry.db";

/// The password of its administrator.
const PASSWORD: &str = "run.password";

/// How passwords begin that are made here: every rule of passwords takes them.
const BEGINS: &str = "Aa1";

/// How many random bytes follow, in hexadecimal digits.
const RANDOM: usize = 24;

/// Run a command with a registry of its own, on a free port, that ends with it
#[derive(Debug, Args)]
#[command(after_help = "\
The command has in its environment:
  HARBOR_URL, HARBOR_USERNAME, HARBOR_PASSWORD   for harborctl and scripts
  HARBOR_REGISTRY                                host and port, for names of images
  DOCKER_CONFIG, REGISTRY_AUTH_FILE              credentials for docker, podman, skopeo, crane, helm

Its exit code is that of the command. Without --data, nothing is left behind.

Examples:
  harborctl run -- sh -c 'docker push $HARBOR_REGISTRY/library/app'
  harborctl run --data cache -- make integration-test")]
pub(crate) struct Run {
    /// Keep what is pushed in this folder, and find it there the next time
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The command, and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Run {
    pub(crate) async fn run(self, _session: &Session) -> Outcome {
        // From the beginning on: whatever comes, nothing is left behind.
        let mut signals = Signals::new()?;
        // The password is in it.
        let nobody_else = std::fs::Permissions::from_mode(0o700);
        let scratch = tempfile::Builder::new().prefix("harborctl-run-").permissions(nobody_else).tempdir();
        let scratch =
            scratch.map_err(|error| Failure::new(Kind::Failed, format!("no folder can be made: {error}")))?;
        let (registry, password, server) = match signals.heard_during(self.open(scratch.path())).await {
            (opened, false) => opened?,
            (opened, true) => {
                if let Ok((registry, ..)) = opened {
                    registry.harbor.shutdown().await;
                }
                return Err(Failure::interrupted());
            }
        };
        let address =
            server.address().map_err(|error| failed(RunError::Io("listening".to_owned(), error)))?;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(stop.clone()));
        let outcome = self.command(&scratch, &address.to_string(), &password, &mut signals).await;
        stop.cancel();
        let _ = serving.await;
        registry.harbor.shutdown().await;
        outcome
    }

    /// The registry, the password of its administrator, and a server for it.
    async fn open(&self, scratch: &Path) -> Outcome<(Standalone, Secret, Server)> {
        let (registry, password) = match &self.data {
            Some(data) => {
                let password = kept_password(data)?;
                (kept(data, &password).await, password)
            }
            None => {
                let password = password()?;
                (passing(scratch, &password).await, password)
            }
        };
        let registry = registry.map_err(failed)?;
        let server = serve(&registry).await.map_err(failed)?;
        Ok((registry, password, server))
    }

    /// Runs the command until it ends, and yields its exit code as a failure where it is not 0.
    async fn command(
        &self,
        scratch: &TempDir,
        registry: &str,
        password: &Secret,
        signals: &mut Signals,
    ) -> Outcome {
        let auth = credentials(scratch.path(), registry, password)?;
        let (program, arguments) =
            self.command.split_first().ok_or_else(|| Failure::usage("there is no command"))?;
        let child = Command::new(program)
            .args(arguments)
            .env("HARBOR_URL", format!("http://{registry}"))
            // Nobody on the way shall see the password.
            .envs(no_proxy())
            .env("HARBOR_REGISTRY", registry)
            .env("HARBOR_USERNAME", "admin")
            .env("HARBOR_PASSWORD", password.expose())
            .env_remove("HARBOR_TOKEN")
            .env_remove("HARBORCTL_CONTEXT")
            .env("DOCKER_CONFIG", &auth)
            .env("REGISTRY_AUTH_FILE", auth.join("config.json"))
            .kill_on_drop(true)
            .spawn();
        let child = child.map_err(|error| {
            Failure::new(Kind::Failed, format!("{} cannot be run: {error}", program.to_string_lossy()))
        })?;
        let status = ended(child, signals).await?;
        match code_of(status) {
            0 => Ok(()),
            code => Err(Failure::told(Kind::Command(code))),
        }
    }
}

/// What ends this program, which it hears instead.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Outcome<Self> {
        let heard = |kind| {
            signal(kind)
                .map_err(|error| Failure::new(Kind::Failed, format!("signals cannot be heard: {error}")))
        };
        Ok(Self {
            interrupt: heard(SignalKind::interrupt())?,
            terminate: heard(SignalKind::terminate())?,
            hangup: heard(SignalKind::hangup())?,
        })
    }

    /// Waits for something to the end, for what is half made cannot be taken away; and tells whether any was heard meanwhile.
    async fn heard_during<T>(&mut self, work: impl Future<Output = T>) -> (T, bool) {
        tokio::pin!(work);
        let mut heard = false;
        loop {
            tokio::select! {
                done = &mut work => return (done, heard),
                _ = self.next() => heard = true,
            }
        }
    }

    /// The next one, as it is passed on. Ctrl-C at a terminal reaches the command as well.
    async fn next(&mut self) -> Option<Signal> {
        tokio::select! {
            _ = self.interrupt.recv() => None,
            _ = self.terminate.recv() => Some(Signal::TERM),
            _ = self.hangup.recv() => Some(Signal::HUP),
        }
    }
}

/// Until the command has ended. What ends this program alone is passed on.
async fn ended(mut child: Child, signals: &mut Signals) -> Outcome<ExitStatus> {
    let wrong = |error: std::io::Error| Failure::new(Kind::Failed, format!("the command is lost: {error}"));
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    loop {
        tokio::select! {
            status = child.wait() => return status.map_err(wrong),
            passed_on = signals.next() => {
                // One that is gone has ended.
                let _ = pid.zip(passed_on).map(|(pid, signal)| kill_process(pid, signal));
            }
        }
    }
}

/// The variables that keep programs from reaching this machine by way of a proxy.
fn no_proxy() -> impl Iterator<Item = (&'static str, String)> {
    ["no_proxy", "NO_PROXY"].into_iter().map(|name| {
        let before = std::env::var(name).unwrap_or_default();
        let apart = if before.is_empty() { "" } else { "," };
        (name, format!("{before}{apart}127.0.0.1,localhost"))
    })
}

/// As a shell tells it.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn password() -> Outcome<Secret> {
    use std::fmt::Write as _;
    let mut bytes = [0; RANDOM];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Kind::Failed, format!("the system has no random numbers: {error}")))?;
    let mut text = BEGINS.to_owned();
    bytes.iter().for_each(|byte| {
        let _ = write!(text, "{byte:02x}");
    });
    Ok(Secret::new(text))
}

/// The password of the administrator of a registry in a folder, which is in a file beside it: nobody but `run` knows it. Where there is a
/// registry and no such file, somebody else's password holds, and shall hold.
fn kept_password(data: &Path) -> Outcome<Secret> {
    let file = data.join(PASSWORD);
    let wrong = |error: std::io::Error| {
        Failure::new(Kind::Failed, format!("{} cannot be used: {error}", file.display()))
    };
    match std::fs::read_to_string(&file) {
        Ok(password) if is_ours(&password) && is_private(&file).map_err(wrong)? => {
            return Ok(Secret::new(password));
        }
        Ok(_) => {
            let what = format!("{} is not as harborctl run wrote it, for its owner alone", file.display());
            return Err(Failure::new(Kind::Conflict, what).hint("another folder for --data"));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(wrong(error)),
    }
    if data.join(DATABASE).exists() {
        let what = format!("{} has a registry whose administrator has another password", data.display());
        return Err(Failure::new(Kind::Conflict, what)
            .hint("harbor-server --data for that one, and a folder of its own for harborctl run"));
    }
    let password = password()?;
    std::fs::create_dir_all(data).map_err(wrong)?;
    // Made with 0600, and whole or not at all.
    let written = tempfile::NamedTempFile::new_in(data).and_then(|mut made| {
        made.write_all(password.expose().as_bytes())?;
        made.as_file().sync_all()?;
        made.persist(&file).map_err(|error| error.error)
    });
    written.map(|_| password).map_err(wrong)
}

/// Whether a password is one that was made here, which nobody guesses: see [`password`].
fn is_ours(password: &str) -> bool {
    let random = password.strip_prefix(BEGINS).unwrap_or_default();
    random.len() == 2 * RANDOM && random.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether nobody but its owner reads a file.
fn is_private(file: &Path) -> std::io::Result<bool> {
    Ok(file.metadata()?.permissions().mode() & 0o077 == 0)
}

/// A registry in a folder, for the next time as well.
async fn kept(data: &Path, password: &Secret) -> Result<Standalone, RunError> {
    let io = |error| RunError::Io(format!("opening {}", data.display()), error);
    std::fs::create_dir_all(data).map_err(io)?;
    let file = data.join(DATABASE);
    let (metadata, blobs) =
        tokio::try_join!(SqlMetadata::sqlite(&file), FolderBlobs::open(data.join("blobs")))?;
    open(metadata, blobs, password).await
}

/// A registry that is gone with this program: what it knows needs no disk.
async fn passing(scratch: &Path, password: &Secret) -> Result<Standalone, RunError> {
    let (metadata, blobs) =
        tokio::try_join!(SqlMetadata::in_memory(), FolderBlobs::passing(scratch.join("blobs")))?;
    open(metadata, blobs, password).await
}

async fn open(metadata: SqlMetadata, blobs: FolderBlobs, password: &Secret) -> Result<Standalone, RunError> {
    let mut options = AccountOptions::default();
    (options.admin_password, options.admin_password_is_random) = (Some(password.clone()), true);
    let registry =
        Standalone::open(Arc::new(metadata), Arc::new(blobs), options, Settings::default()).await?;
    registry.harbor.start().await?;
    Ok(registry)
}

async fn serve(registry: &Standalone) -> Result<Server, RunError> {
    let mut options = AppOptions::default();
    options.accounts = Some(registry.accounts.clone());
    let app = App::new(registry.harbor.clone(), options);
    let server = Server::bind(app, ([127, 0, 0, 1], 0).into(), None).await;
    server.map_err(|error| RunError::Io("listening".to_owned(), error))
}

/// A folder as docker's, with the credentials of the registry alone.
fn credentials(scratch: &Path, registry: &str, password: &Secret) -> Outcome<PathBuf> {
    let auth = STANDARD.encode(format!("admin:{}", password.expose()));
    let config = json!({"auths": {registry: {"auth": auth}}});
    let folder = scratch.join("docker");
    let written = std::fs::create_dir(&folder)
        .and_then(|()| {
            let mut made = std::fs::File::options();
            made.write(true).create_new(true).mode(0o600).open(folder.join("config.json"))
        })
        .and_then(|mut file| file.write_all(config.to_string().as_bytes()));
    written.map_err(|error| Failure::new(Kind::Failed, format!("credentials cannot be written: {error}")))?;
    Ok(folder)
}

fn failed(error: RunError) -> Failure {
    Failure::new(Kind::Failed, error.to_string())
}

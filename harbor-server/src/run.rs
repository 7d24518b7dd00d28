//! The program: from settings to a server that runs until it is told to stop.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use harbor_auth::AccountOptions;
use harbor_core::access::Secret;
use harbor_storage::blobs;
use harbor_storage::sql::SqlMetadata;
use tokio_util::sync::CancellationToken;

use crate::app::{App, AppOptions};
use crate::config::{Config, ConfigError, Flags, Role};
use crate::forward::{ForwardOptions, forward_audit};
use crate::net::Server;
use crate::standalone::Standalone;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A store could not be opened.
    #[error("{0}")]
    Store(#[from] harbor_core::StoreError),
    /// The registry could not be started.
    #[error("{0}")]
    Engine(#[from] harbor_core::Error),
    /// The socket could not be opened, or another call to the operating system failed.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
}

/// How the server came to its end.
enum Ended {
    /// What was under way was finished, or had its time.
    Orderly,
    /// It was told to stop a second time.
    BrokenOff,
}

/// Runs the server as the command line, the environment and the configuration file say, until it is told to stop.
#[must_use]
pub fn run() -> ExitCode {
    let flags = Flags::parse();
    let role = flags.role;
    let password = std::env::var("HARBOR_ADMIN_PASSWORD").ok().filter(|password| !password.is_empty());
    let outcome = Config::read(flags, password.map(Secret::new)).map_err(RunError::from).and_then(|config| {
        start_log(&config)?;
        raise_file_limit();
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.enable_all().thread_keep_alive(std::time::Duration::from_secs(5)).build();
        let runtime = runtime.map_err(|error| RunError::Io("starting the runtime".to_owned(), error))?;
        let ended = runtime.block_on(async {
            match role {
                Some(Role::Worker) => work(config).await,
                None => serve(config).await,
            }
        });
        if matches!(ended, Ok(Ended::BrokenOff)) {
            // Otherwise the end would wait for threads that are in the midst of something.
            runtime.shutdown_background();
        }
        ended
    });
    match outcome {
        Ok(Ended::Orderly) => ExitCode::SUCCESS,
        Ok(Ended::BrokenOff) => ExitCode::FAILURE,
        Err(error) => {
            // The log may not be running yet, and a person is reading.
            let _ = writeln!(std::io::stderr(), "harbor-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start_log(config: &Config) -> Result<(), ConfigError> {
    use tracing_subscriber::EnvFilter;

    let unread =
        |error| ConfigError::Invalid(format!("the log filter {:?} does not read: {error}", config.log));
    let filter = EnvFilter::try_new(&config.log).map_err(unread)?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only where a log runs already, which then serves.
    let _ = if config.log_json { log.json().try_init() } else { log.try_init() };
    Ok(())
}

/// Lets the process open as many files as it is allowed to: each connection is one, and the usual limit is a thousand.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files was not raised");
    }
}

/// The registry that the settings say, started.
async fn open(config: &mut Config) -> Result<Standalone, RunError> {
    let (metadata, blobs) =
        tokio::try_join!(SqlMetadata::connect(&config.database), blobs::open(&config.blobs))?;
    let mut options = AccountOptions::default();
    options.admin_password = config.admin_password.take();
    options.configuration = config.settings.configuration.clone();
    options.login_limits = config.login_limits;
    let mut opened = Standalone::open(Arc::new(metadata), blobs, options, config.settings.clone()).await?;
    if let Some(password) = opened.made_password.take() {
        show(&password);
    }
    opened.harbor.start().await?;
    Ok(opened)
}

/// Tokens of which the first is cancelled when the process is told to stop, and the second when it is told again.
fn told() -> Result<(CancellationToken, CancellationToken), RunError> {
    let (stop, at_once) = (CancellationToken::new(), CancellationToken::new());
    cancel_when_told([stop.clone(), at_once.clone()])
        .map_err(|error| RunError::Io("listening to signals".to_owned(), error))?;
    Ok((stop, at_once))
}

/// Runs jobs, and nothing else.
async fn work(mut config: Config) -> Result<Ended, RunError> {
    let harbor = open(&mut config).await?.harbor;
    let (stop, at_once) = told()?;
    let forwarding = tokio::spawn(forward_audit(
        harbor.clone(),
        forwarding_to(config.audit_forward_authorities),
        stop.clone(),
    ));
    say(&format!("harbor-server is ready to run {} jobs at once", config.settings.job_workers));
    let orderly = async {
        stop.cancelled().await;
        let _ = forwarding.await;
        harbor.shutdown().await;
    };
    Ok(until(orderly, at_once).await)
}

/// Until it has come to its end in order, or is told to stop at once.
async fn until(orderly: impl Future<Output = ()>, at_once: CancellationToken) -> Ended {
    tokio::select! {
        () = orderly => {
            tracing::info!("stopped");
            Ended::Orderly
        }
        () = at_once.cancelled() => {
            tracing::warn!("told to stop a second time: what was under way is broken off");
            Ended::BrokenOff
        }
    }
}

async fn serve(mut config: Config) -> Result<Ended, RunError> {
    let Standalone { harbor, accounts, .. } = open(&mut config).await?;
    let options = AppOptions {
        accounts: Some(accounts),
        external_url: config.external_url,
        tls: config.tls.is_some(),
        trusted_proxies: config.trusted_proxies,
        limits: config.limits,
        ..AppOptions::default()
    };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let server = Server::bind(App::new(harbor.clone(), options), config.listen, config.tls).await;
    let server = server.map_err(|error| RunError::Io(format!("listening on {}", config.listen), error))?;
    let address = server.address().map_err(|error| RunError::Io("listening".to_owned(), error))?;
    // Whoever reads that it is ready may tell it to stop.
    let (stop, at_once) = told()?;
    say(&format!("harbor-server is ready at {scheme}://{address}"));
    let forwarding = tokio::spawn(forward_audit(
        harbor.clone(),
        forwarding_to(config.audit_forward_authorities),
        stop.clone(),
    ));
    let orderly = async {
        server.serve(stop).await;
        let _ = forwarding.await;
        harbor.shutdown().await;
    };
    Ok(until(orderly, at_once).await)
}

/// How the audit log is forwarded.
fn forwarding_to(authorities: Option<PathBuf>) -> ForwardOptions {
    let default = ForwardOptions::default();
    ForwardOptions { authorities: authorities.unwrap_or(default.authorities), ..default }
}

/// The password, once in the life of a registry: at once, for it is stored, and the start may still fail.
fn show(password: &Secret) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(
        out,
        "The administrator is admin, the password {} (shown only now; HARBOR_ADMIN_PASSWORD sets another)",
        password.expose()
    );
    let _ = out.flush();
}

/// One line, for people and for scripts.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Cancels at SIGTERM or at Ctrl-C, from now on: the first token at the first signal, the next one at the next.
fn cancel_when_told(tokens: [CancellationToken; 2]) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for token in tokens {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            token.cancel();
        }
    });
    Ok(())
}

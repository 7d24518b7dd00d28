//! The program: from settings to a server that runs until it is told to stop.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use harbor_auth::{AccountOptions, Accounts};
use harbor_core::access::Secret;
use harbor_core::meta::MetadataStore;
use harbor_core::{Clock, Harbor};
use harbor_storage::blobs;
use harbor_storage::sql::SqlMetadata;
use tokio_util::sync::CancellationToken;

use crate::app::{App, AppOptions};
use crate::config::{Config, ConfigError, Flags};
use crate::net::Server;

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
    let password = std::env::var("HARBOR_ADMIN_PASSWORD").ok().filter(|password| !password.is_empty());
    let outcome = Config::read(flags, password.map(Secret::new)).map_err(RunError::from).and_then(|config| {
        start_log(&config)?;
        raise_file_limit();
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.enable_all().thread_keep_alive(std::time::Duration::from_secs(5)).build();
        let runtime = runtime.map_err(|error| RunError::Io("starting the runtime".to_owned(), error))?;
        let ended = runtime.block_on(serve(config));
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

async fn serve(config: Config) -> Result<Ended, RunError> {
    let (metadata, blobs) =
        tokio::try_join!(SqlMetadata::connect(&config.database), blobs::open(&config.blobs))?;
    let metadata = Arc::new(metadata);
    let mut options = AccountOptions::default();
    options.admin_password = config.admin_password;
    options.configuration = config.settings.configuration.clone();
    options.login_limits = config.login_limits;
    let metadata: Arc<dyn MetadataStore> = metadata;
    let (accounts, made) = Accounts::bootstrap(Arc::clone(&metadata), options, Clock::System).await?;
    if let Some(password) = made {
        show(&password);
    }
    let harbor = assemble(metadata, blobs, accounts.clone(), config.settings)?;
    harbor.start().await?;

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
    let (stop, at_once) = (CancellationToken::new(), CancellationToken::new());
    // Whoever reads that it is ready may tell it to stop.
    cancel_when_told([stop.clone(), at_once.clone()])
        .map_err(|error| RunError::Io("listening to signals".to_owned(), error))?;
    greet(scheme, &address.to_string());
    let orderly = async {
        server.serve(stop).await;
        harbor.shutdown().await;
    };
    tokio::select! {
        () = orderly => {
            tracing::info!("stopped");
            Ok(Ended::Orderly)
        }
        () = at_once.cancelled() => {
            tracing::warn!("told to stop a second time: what was under way is broken off");
            Ok(Ended::BrokenOff)
        }
    }
}

fn assemble(
    metadata: Arc<dyn MetadataStore>,
    blobs: Arc<dyn harbor_core::blob::BlobStore>,
    accounts: Accounts,
    settings: harbor_core::Settings,
) -> harbor_core::Result<Harbor> {
    Harbor::builder()
        .metadata_arc(metadata)
        .blobs_arc(blobs)
        .authenticator(accounts.clone())
        .authorizer(accounts)
        .settings(settings)
        .build()
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

/// One line with the address, for people and for scripts.
fn greet(scheme: &str, address: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "harbor-server is ready at {scheme}://{address}");
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

//! Static settings: flag over environment over file over default.

mod file;
mod limits;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use harbor_auth::LoginLimits;
use harbor_core::access::Secret;
use harbor_core::job::Cron;
use harbor_core::{ConfigKey, Network, Settings};

use crate::limits::Limits;
use crate::net::{ProxyHeader, TlsFiles, TrustedProxies};
use file::File;

/// Why the settings cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("reading the configuration {path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not TOML, or a value has the wrong type.
    #[error("the configuration {path} does not read: {error}")]
    Syntax {
        /// The file.
        path: String,
        /// Where and why.
        error: String,
    },
    /// A key that there is not.
    #[error("the configuration {path} has an unknown key {key:?}{}", nearest.as_ref().map(|near| format!("; did you mean {near:?}?")).unwrap_or_default())]
    UnknownKey {
        /// The file.
        path: String,
        /// The key.
        key: String,
        /// The known key that is most like it.
        nearest: Option<String>,
    },
    /// A combination that makes no sense.
    #[error("{0}")]
    Invalid(String),
}

/// The shortest lease of a job: a node must be able to renew it in time.
const LEAST_LEASE: Duration = Duration::from_secs(3);

/// The folder for everything that is kept.
const DATA: &str = "./harbor-data";

/// A password is no flag: flags are seen by everybody on the machine.
const PASSWORD_HELP: &str = "HARBOR_ADMIN_PASSWORD sets the password of the administrator, admin. Without it, one is made \
    and shown at the first start.";

/// An OCI registry that speaks the Harbor API: one program, one folder.
#[derive(Debug, Default, Parser)]
#[command(name = "harbor-server", version, about, after_help = PASSWORD_HELP)]
pub(crate) struct Flags {
    /// The address to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "HARBOR_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// The folder for everything that is kept [default: ./harbor-data]
    #[arg(long, env = "HARBOR_DATA", value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// The database: sqlite:PATH, postgres://…, mysql://… [default: SQLite in the data folder]
    #[arg(long, env = "HARBOR_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// The blob store: file:PATH, memory:, s3://BUCKET, az://CONTAINER, gs://BUCKET [default: the data folder]
    #[arg(long, env = "HARBOR_BLOBS_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) blobs: Option<String>,
    /// A TOML file with these settings and more
    #[arg(long, env = "HARBOR_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What is logged, as tracing filters have it [default: info]
    #[arg(long, env = "HARBOR_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How it is logged: text or json [default: text]
    #[arg(long, env = "HARBOR_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Values of the configuration that nobody may set while the server runs, as JSON: {"self_registration": false}
    #[arg(long, env = "HARBOR_CONFIGURATION", value_name = "JSON")]
    pub(crate) configuration: Option<String>,
    /// The address that clients reach the registry at, when it stands behind a proxy
    #[arg(long, env = "HARBOR_EXTERNAL_URL", value_name = "URL")]
    pub(crate) external_url: Option<String>,
    /// The proxies whose word is taken for where a request comes from: 10.0.0.0/8,2001:db8::1 [default: none]
    #[arg(long, env = "HARBOR_TRUSTED_PROXIES", value_name = "NETWORKS")]
    pub(crate) trusted_proxies: Option<String>,
    /// The header in which they say so: x-forwarded-for or forwarded [default: x-forwarded-for]
    #[arg(long, env = "HARBOR_PROXY_HEADER", value_name = "HEADER")]
    pub(crate) proxy_header: Option<String>,
    /// Networks beside the internet that outgoing requests may go to, those of webhooks as well: 10.0.0.0/8,fd00::/8 [default: none]
    #[arg(long, env = "HARBOR_EGRESS_ALLOW", value_name = "NETWORKS")]
    pub(crate) egress_allow: Option<String>,
    #[command(flatten)]
    pub(crate) limits: limits::FlagLimits,
    /// The certificate for TLS, as PEM
    #[arg(long, env = "HARBOR_TLS_CERTIFICATE", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The private key for TLS, as PEM
    #[arg(long, env = "HARBOR_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// What the process is for, unless it is a server that runs jobs as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum Role {
    /// Run jobs and serve nothing: beside servers over one PostgreSQL or MySQL, with their settings
    Worker,
}

/// The settings of a server, complete and checked.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The address of the database.
    pub database: String,
    /// The address of the blob store.
    pub blobs: String,
    /// What is logged.
    pub log: String,
    /// Whether logs are JSON.
    pub log_json: bool,
    /// The address that clients use.
    pub external_url: Option<String>,
    /// The proxies whose word is taken for where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// A PEM file of the certificates that a receiver of the audit log must show one of, or one that comes from them, over TLS.
    /// Those of the system, without.
    pub audit_forward_authorities: Option<PathBuf>,
    /// How often content may be pulled and pushed.
    pub limits: Limits,
    /// When logins are refused.
    pub login_limits: LoginLimits,
    /// The certificate, when TLS is spoken.
    pub tls: Option<TlsFiles>,
    /// The engine's settings.
    pub settings: Settings,
    /// The administrator's password, when it was given.
    pub admin_password: Option<Secret>,
}

impl Config {
    /// Reads the settings: flags and environment from `flags`, the rest from its file.
    ///
    /// # Errors
    /// [`ConfigError`] says which setting is wrong and what it should be.
    pub(crate) fn read(flags: Flags, admin_password: Option<Secret>) -> Result<Self, ConfigError> {
        let file = match &flags.config {
            None => File::default(),
            Some(path) => File::read(path)?,
        };
        let data = flags.data.or(file.data).unwrap_or_else(|| PathBuf::from(DATA));
        let listen = flags.listen.or(file.listen).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
        let listen = resolve(&listen)?;
        let (database, blobs) = stores(&data, flags.database.or(file.database), flags.blobs.or(file.blobs));
        let format = flags.log_format.or(file.log_format).unwrap_or_else(|| "text".to_owned());
        let log_json = match format.as_str() {
            "json" => true,
            "text" => false,
            other => return Err(ConfigError::Invalid(format!("log_format is text or json, not {other:?}"))),
        };
        let certificate = flags.tls_certificate.or(file.tls.certificate);
        let tls = match (certificate, flags.tls_key.or(file.tls.key)) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            _ => return Err(ConfigError::Invalid("TLS needs both a certificate and a key".to_owned())),
        };
        let named = |list: String| list.split(',').map(|one| one.trim().to_owned()).collect();
        let networks = flags.trusted_proxies.filter(|list| !list.is_empty()).map(named);
        let allowed = flags.egress_allow.filter(|list| !list.is_empty()).map(named);
        let allowed = allowed.or(file.settings.egress_allow.clone()).unwrap_or_default();
        let trusted_proxies = trusted(
            &networks.or(file.server.trusted_proxies).unwrap_or_default(),
            flags.proxy_header.or(file.server.proxy_header).as_deref(),
        )?;
        let (limits, login_limits) = limits::read(flags.limits, file.limits)?;
        let mut settings = file.settings.over(Settings::default());
        settings.node = rustix::system::uname().nodename().to_string_lossy().into_owned();
        settings.egress_allow = self::networks("egress_allow", &allowed)?;
        let external_url = flags.external_url.or(file.external_url);
        settings.external_url.clone_from(&external_url);
        jobs(&settings, flags.role)?;
        settings.configuration = fixed(file.configuration, flags.configuration.as_deref())?;
        Ok(Self {
            listen,
            database,
            blobs,
            log: flags.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            log_json,
            external_url,
            trusted_proxies,
            audit_forward_authorities: file.server.audit_forward_authorities,
            limits,
            login_limits,
            tls,
            settings,
            admin_password,
        })
    }
}

/// Where the stores are, when the addresses are not set: in the data folder.
fn stores(data: &std::path::Path, database: Option<String>, blobs: Option<String>) -> (String, String) {
    let below = |scheme: &str, name: &str| format!("{scheme}:{}", data.join(name).display());
    (
        database.unwrap_or_else(|| below("sqlite", "registry.db")),
        blobs.unwrap_or_else(|| below("file", "blobs")),
    )
}

/// Where a server keeps what it has: what [`Config`] says of it, for those who work on the stores without one.
#[derive(Clone, Debug, Default)]
pub struct StoreSettings {
    /// The data folder, where it is not the default.
    pub data: Option<PathBuf>,
    /// The address of the database, where it is not in the data folder.
    pub database: Option<String>,
    /// The address of the blob store, where it is not in the data folder.
    pub blobs: Option<String>,
    /// The server's configuration file. What it says comes after what is said here.
    pub file: Option<PathBuf>,
}

impl StoreSettings {
    /// What the file and the environment set of the engine.
    ///
    /// # Errors
    /// As one of them does not read.
    pub fn engine(&self) -> Result<Settings, ConfigError> {
        let file = self.file.as_deref().map_or_else(|| Ok(File::default()), File::read)?;
        let mut settings = file.settings.over(Settings::default());
        let environment = std::env::var("HARBOR_CONFIGURATION").ok();
        settings.configuration = fixed(file.configuration, environment.as_deref())?;
        Ok(settings)
    }

    /// The addresses of the database and of the blob store.
    ///
    /// # Errors
    /// As the file does not read.
    pub fn addresses(self) -> Result<(String, String), ConfigError> {
        let file = self.file.as_deref().map_or_else(|| Ok(File::default()), File::read)?;
        let data = self.data.or(file.data).unwrap_or_else(|| PathBuf::from(DATA));
        Ok(stores(&data, self.database.or(file.database), self.blobs.or(file.blobs)))
    }
}

/// Checks what is set of jobs.
fn jobs(settings: &Settings, role: Option<Role>) -> Result<(), ConfigError> {
    let invalid = |why: String| Err(ConfigError::Invalid(why));
    if role == Some(Role::Worker) && settings.job_workers == 0 {
        return invalid(
            "a worker with settings.job_workers = 0 has nothing to do: 10 is the default".to_owned(),
        );
    }
    if settings.job_lease < LEAST_LEASE {
        return invalid(format!("settings.job_lease must be {} seconds or more", LEAST_LEASE.as_secs()));
    }
    match Cron::parse("0 0 0 * * *", &settings.time_zone) {
        Ok(_) => Ok(()),
        Err(error) => invalid(format!("settings.time_zone: {error}")),
    }
}

/// The proxies that are trusted, and the header that they write.
fn trusted(networks: &[String], header: Option<&str>) -> Result<TrustedProxies, ConfigError> {
    let header = match header {
        None => ProxyHeader::default(),
        Some(name) => ProxyHeader::named(name).ok_or_else(|| {
            ConfigError::Invalid(format!("proxy_header is x-forwarded-for or forwarded, not {name:?}"))
        })?,
    };
    Ok(TrustedProxies { networks: self::networks("trusted_proxies", networks)?, header })
}

/// Ranges of addresses, of a setting.
fn networks(setting: &str, networks: &[String]) -> Result<Vec<Network>, ConfigError> {
    let read = |network: &String| {
        network.parse().map_err(|error| ConfigError::Invalid(format!("{setting}: {error}")))
    };
    networks.iter().map(read).collect()
}

/// The values of the configuration that a file and the environment fix.
fn fixed(
    file: BTreeMap<String, serde_json::Value>,
    environment: Option<&str>,
) -> Result<BTreeMap<ConfigKey, serde_json::Value>, ConfigError> {
    let all = file.into_iter().chain(configuration(environment)?);
    harbor_core::fixed_configuration(all).map_err(|error| ConfigError::Invalid(error.to_string()))
}

/// The values of the configuration that the environment fixes.
fn configuration(text: Option<&str>) -> Result<BTreeMap<String, serde_json::Value>, ConfigError> {
    let unread = |error| ConfigError::Invalid(format!("HARBOR_CONFIGURATION does not read as JSON: {error}"));
    text.map_or(Ok(BTreeMap::new()), |text| serde_json::from_str(text).map_err(unread))
}

/// The address that a text means: numbers, or a name of this machine.
fn resolve(listen: &str) -> Result<SocketAddr, ConfigError> {
    use std::net::ToSocketAddrs as _;

    let resolved = listen.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    resolved.ok_or_else(|| {
        ConfigError::Invalid(format!("{listen:?} is no address to listen on: write it as 127.0.0.1:8080"))
    })
}

/// Seconds, as files have them.
pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

//! The configuration file: TOML, with unknown keys refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harbor_core::Settings;
use serde::Deserialize;

use super::limits::FileLimits;
use super::{ConfigError, seconds};

/// What a file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) listen: Option<String>,
    pub(super) data: Option<PathBuf>,
    pub(super) database: Option<String>,
    pub(super) blobs: Option<String>,
    pub(super) log: Option<String>,
    pub(super) log_format: Option<String>,
    pub(super) external_url: Option<String>,
    pub(super) tls: Tls,
    pub(super) server: Server,
    pub(super) limits: FileLimits,
    pub(super) settings: EngineSettings,
    /// Values of the configuration that nobody may set while the server runs.
    pub(super) configuration: BTreeMap<String, serde_json::Value>,
}

/// `[tls]`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tls {
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

/// `[server]`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Server {
    pub(super) trusted_proxies: Option<Vec<String>>,
    pub(super) proxy_header: Option<String>,
    pub(super) audit_forward_authorities: Option<PathBuf>,
}

/// `[settings]`: times in seconds, sizes in bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EngineSettings {
    gc_grace: Option<u64>,
    gc_interval: Option<u64>,
    job_workers: Option<u32>,
    job_lease: Option<u64>,
    time_zone: Option<String>,
    pub(super) egress_allow: Option<Vec<String>>,
    webhook_timeout: Option<u64>,
    upload_expiry: Option<u64>,
    upload_lease: Option<u64>,
    blob_limit: Option<u64>,
    sparse_manifests: Option<bool>,
    manifest_entries: Option<usize>,
    cache_bytes: Option<u64>,
    redirect_for: Option<u64>,
}

/// Every key, for the check and for the nearest known one.
const KEYS: &[&str] = &[
    "listen",
    "data",
    "database",
    "blobs",
    "log",
    "log_format",
    "external_url",
    "tls",
    "tls.certificate",
    "tls.key",
    "server",
    "server.trusted_proxies",
    "server.proxy_header",
    "server.audit_forward_authorities",
    "limits",
    "limits.pulls_per_principal",
    "limits.pulls_per_address",
    "limits.pushes_per_principal",
    "limits.pushes_per_address",
    "limits.login_failures_of_name",
    "limits.login_failures_of_address",
    "limits.login_window",
    "limits.login_lock",
    "settings",
    "settings.gc_grace",
    "settings.gc_interval",
    "settings.job_workers",
    "settings.job_lease",
    "settings.time_zone",
    "settings.egress_allow",
    "settings.webhook_timeout",
    "settings.upload_expiry",
    "settings.upload_lease",
    "settings.blob_limit",
    "settings.sparse_manifests",
    "settings.manifest_entries",
    "settings.cache_bytes",
    "settings.redirect_for",
    "configuration",
];

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Read { path: name.clone(), error })?;
        Self::parse(&name, &text)
    }

    fn parse(path: &str, text: &str) -> Result<Self, ConfigError> {
        let syntax =
            |error: toml::de::Error| ConfigError::Syntax { path: path.to_owned(), error: error.to_string() };
        let table: toml::Table = toml::from_str(text).map_err(syntax)?;
        if let Some(key) = unknown(&table, "") {
            let nearest = nearest(&key);
            return Err(ConfigError::UnknownKey { path: path.to_owned(), key, nearest });
        }
        toml::from_str(text).map_err(syntax)
    }
}

/// The first key that there is not.
fn unknown(table: &toml::Table, prefix: &str) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let path = format!("{prefix}{key}");
        match value {
            // Its keys are the engine's to know.
            _ if prefix == "configuration." => None,
            _ if !KEYS.contains(&path.as_str()) => Some(path),
            toml::Value::Table(inner) => unknown(inner, &format!("{path}.")),
            _ => None,
        }
    })
}

/// The known key that is most like `key`, if one is like it at all.
fn nearest(key: &str) -> Option<String> {
    let likeness = |known: &&&str| (strsim::jaro_winkler(known, key) * 1000.0) as u32;
    let last = key.rsplit('.').next().unwrap_or(key);
    let alike = |known: &&&str| {
        let known_last = known.rsplit('.').next().unwrap_or(known);
        strsim::jaro_winkler(known, key).max(strsim::jaro_winkler(known_last, last)) > 0.75
    };
    KEYS.iter().filter(alike).max_by_key(likeness).map(|known| (*known).to_owned())
}

impl EngineSettings {
    /// These settings where the file has them, and `settings` elsewhere.
    pub(super) fn over(self, mut settings: Settings) -> Settings {
        settings.gc_grace = self.gc_grace.map_or(settings.gc_grace, seconds);
        settings.gc_interval = self.gc_interval.map_or(settings.gc_interval, seconds);
        settings.job_workers = self.job_workers.unwrap_or(settings.job_workers);
        settings.job_lease = self.job_lease.map_or(settings.job_lease, seconds);
        settings.time_zone = self.time_zone.unwrap_or(settings.time_zone);
        settings.webhook_timeout = self.webhook_timeout.map_or(settings.webhook_timeout, seconds);
        settings.upload_expiry = self.upload_expiry.map_or(settings.upload_expiry, seconds);
        settings.upload_lease = self.upload_lease.map_or(settings.upload_lease, seconds);
        settings.blob_limit = self.blob_limit.or(settings.blob_limit);
        settings.sparse_manifests = self.sparse_manifests.unwrap_or(settings.sparse_manifests);
        settings.manifest_entries = self.manifest_entries.unwrap_or(settings.manifest_entries);
        settings.cache_bytes = self.cache_bytes.unwrap_or(settings.cache_bytes);
        settings.redirect_for = self.redirect_for.map(seconds).or(settings.redirect_for);
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_refused_with_the_nearest_known_one() {
        for (text, near) in [
            ("listn = '1'", Some("listen")),
            ("[tls]\ncertificat = 'x'", Some("tls.certificate")),
            ("[settings]\ngrace_gc = 1", None),
            ("[settings]\ngc_gracee = 1", Some("settings.gc_grace")),
            ("zzzz = 1", None),
        ] {
            let Err(ConfigError::UnknownKey { nearest, .. }) = File::parse("f", text) else {
                panic!("{text}")
            };
            if near.is_some() {
                assert_eq!(nearest.as_deref(), near, "{text}");
            }
        }
    }

    /// The file that people begin with: as it is, and with what is commented out.
    #[test]
    fn the_example_reads() {
        let text = include_str!("../../../examples/deploy/harbor.toml");
        File::parse("harbor.toml", text).unwrap();
        let settings = |line: &str| line.contains(" = ") || line.starts_with("# [");
        let uncomment = |line: &str| match line.strip_prefix("# ") {
            Some(rest) if settings(line) => rest.to_owned(),
            _ => line.to_owned(),
        };
        let all: Vec<String> = text.lines().map(uncomment).collect();
        let file = File::parse("harbor.toml", &all.join("\n")).unwrap();
        assert!(file.tls.key.is_some() && file.settings.blob_limit.is_some() && file.external_url.is_some());
    }

    #[test]
    fn every_key_reads() {
        let text = "listen = '[::1]:80'\ndata = 'd'\ndatabase = 'sqlite:x'\nblobs = 'memory:'\nlog = 'debug'\n\
            log_format = 'json'\nexternal_url = 'https://r'\n[tls]\ncertificate = 'c'\nkey = 'k'\n[server]\n\
            trusted_proxies = ['10.0.0.0/8']\nproxy_header = 'forwarded'\naudit_forward_authorities = 'a'\n[limits]\n\
            pulls_per_principal = '1/second'\npulls_per_address = '1/second'\n\
            pushes_per_principal = '1/second'\npushes_per_address = '1/second'\n\
            login_failures_of_name = 1\nlogin_failures_of_address = 2\nlogin_window = 3\nlogin_lock = 4\n\
            [settings]\n\
            gc_grace = 1\ngc_interval = 2\negress_allow = ['10.0.0.0/8']\nwebhook_timeout = 9\nupload_expiry = 3\nupload_lease = 4\nblob_limit = 5\n\
            sparse_manifests = true\nmanifest_entries = 8\ncache_bytes = 6\nredirect_for = 7\n";
        let file = File::parse("f", text).unwrap();
        assert_eq!(file.settings.over(Settings::default()).blob_limit, Some(5));
        assert!(matches!(File::parse("f", "listen = 1"), Err(ConfigError::Syntax { .. })));
    }
}

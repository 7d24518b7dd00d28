//! What can be set when a registry is built.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::ConfigKey;
use crate::Network;

/// Settings of the engine. Every one has a default that suits a small registry and a large one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How long content that nothing refers to is kept, from its push or from the deletion of what referred to it: the time
    /// that a client has between the push of a blob and the push of its manifest. Default: 2 hours, as Harbor has it.
    pub gc_grace: Duration,
    /// How often the workers look for due reviews when nothing wakes them. Default: 10 seconds.
    pub gc_interval: Duration,
    /// How many jobs this process runs at once. Default: 10, as Harbor has it. None: jobs wait for other nodes.
    pub job_workers: u32,
    /// The machine that this process runs on, as people know it. Default: none is told.
    pub node: String,
    /// For how long a node has a job without saying that it is alive. Default: 30 seconds.
    pub job_lease: Duration,
    /// The time zone of schedules that have none of their own, by its IANA name. Default: UTC.
    pub time_zone: String,
    /// How long an upload that nobody writes to is kept. Default: 24 hours.
    pub upload_expiry: Duration,
    /// How long a node holds an upload without renewing its lease. Default: 30 seconds.
    pub upload_lease: Duration,
    /// The address that clients reach the registry at, as `https://registry.example.org`, which events tell of. Default: none is told.
    pub external_url: Option<String>,
    /// Networks beside the internet that outgoing requests may go to, those of webhooks as well. Default: none.
    pub egress_allow: Vec<Network>,
    /// How long a receiver of webhooks may take over one delivery. Default: 10 seconds.
    pub webhook_timeout: Duration,
    /// The largest blob taken, in bytes. Default: no limit.
    pub blob_limit: Option<u64>,
    /// Values of the configuration that are fixed, so that nobody can set them while the registry runs.
    pub configuration: BTreeMap<ConfigKey, Value>,
    /// Whether manifests may refer to blobs and manifests that the repository lacks ("sparse" manifests). Default: no.
    pub sparse_manifests: bool,
    /// How many blobs and manifests one manifest may list. Each is a row or two of the transaction that stores it, for which
    /// other writers wait on SQLite. Default: 8192; images have at most 127 layers, and large indexes some thousand entries.
    pub manifest_entries: usize,
    /// How much memory the caches of manifests and small blobs may take, in bytes. Default: 16 MiB.
    pub cache_bytes: u64,
    /// For how long a signed address of a blob works. `None`, the default: blobs are served by this process and clients are
    /// not redirected to the store.
    pub redirect_for: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gc_grace: Duration::from_secs(2 * 60 * 60),
            gc_interval: Duration::from_secs(10),
            job_workers: 10,
            node: String::new(),
            job_lease: Duration::from_secs(30),
            time_zone: "UTC".to_owned(),
            upload_expiry: Duration::from_secs(24 * 60 * 60),
            upload_lease: Duration::from_secs(30),
            external_url: None,
            egress_allow: Vec::new(),
            webhook_timeout: Duration::from_secs(10),
            blob_limit: None,
            configuration: BTreeMap::new(),
            sparse_manifests: false,
            manifest_entries: 8192,
            cache_bytes: 16 * 1024 * 1024,
            redirect_for: None,
        }
    }
}

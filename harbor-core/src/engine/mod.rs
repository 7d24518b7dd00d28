//! The engine: a registry as a value.

mod announce;
mod artifacts;
pub mod audit;
mod builder;
mod cache;
mod configuration;
pub mod content;
mod forward_target;
mod gaps;
mod gate;
mod gc;
mod health;
mod immutable;
mod invalidate;
mod jobs;
mod labels;
mod lists;
mod matching;
mod notices;
mod outbox;
mod page;
mod projects;
mod proof;
mod pulls;
mod quota;
mod repositories;
mod retention;
mod runs;
mod search;
mod settings;
mod standing;
mod stream;
mod webhooks;
mod workers;

use std::fmt;
use std::sync::Arc;

pub use artifacts::{Addition, AdditionKind, Artifacts, Found, FoundTag, Restored, With};
pub use audit::{Audit, PurgeAudit, Purged};
pub use builder::Builder;
pub use configuration::{
    ConfigKey, Configuration, Configurations, LONGEST_ROBOT_LIFE, fixed as fixed_configuration,
};
pub use forward_target::ForwardTarget;
pub use gate::Write;
pub use gc::{CollectGarbage, Freed, GcReport};
pub use health::Health;
pub use immutable::{ImmutableRules, NewImmutableRule};
pub use jobs::{Enqueue, Jobs, Rhythm, SCHEDULER, TaskLog};
pub use labels::{LabelChange, Labels, NewLabel};
pub use projects::{MetadataKey, NewProject, ProjectChange, Projects};
pub use proof::EitherProof;
pub use quota::Quotas;
pub use repositories::Repositories;
pub use retention::{
    Judged, RETENTION_ID, Retain, Retained, RetentionList, RetentionRead, RetentionUpdate, Retentions,
};
pub use runs::{RunChange, Runs, SystemJob};
pub use search::{FoundAll, Statistics};
pub use settings::Settings;
pub use stream::{EventFilter, EventStream, Events, Streamed};
#[cfg(feature = "egress")]
pub use webhooks::Tried;
pub use webhooks::{
    Delivery, FailingTarget, HookJob, LastTrigger, NewWebhook, SlackJob, WebhookCreate, WebhookDelete,
    WebhookList, WebhookRead, WebhookUpdate, Webhooks,
};

use crate::access::{Authenticator, Authorizer, Turns};
use crate::blob::BlobStore;
use crate::event::EventSink;
use crate::job::Kinds;
use crate::meta::MetadataStore;
use crate::policy::Policy;
use crate::{Clock, Timestamp};

/// The assembled registry: a value, cheap to clone, of which one process may hold many.
#[derive(Clone)]
pub struct Harbor {
    inner: Arc<Inner>,
}

/// What all clones share.
struct Inner {
    metadata: Arc<dyn MetadataStore>,
    blobs: Arc<dyn BlobStore>,
    authenticators: Vec<Arc<dyn Authenticator>>,
    authorizer: Arc<dyn Authorizer>,
    policies: Vec<Arc<dyn Policy>>,
    sinks: Vec<Arc<dyn EventSink>>,
    kinds: Kinds,
    clock: Clock,
    opened: Timestamp,
    settings: Settings,
    caches: cache::Caches,
    leases: content::Leases,
    workers: workers::Workers,
    health: health::Last,
    pulls: pulls::Pulls,
    notices: notices::Notices,
    tail: stream::Tail,
    audit: audit::Buffer,
    audit_signer: Option<Arc<dyn audit::AuditSigner>>,
    sealing: audit::Sealing,
    event_gaps: gaps::Gaps,
    /// Held by whoever looks at what is due on this node: the worker, for a batch, or a run of the job, until it is over.
    collecting: tokio::sync::Mutex<()>,
    asked: gc::Asked,
    matching: Turns,
    hooks: webhooks::Seen,
    #[cfg(feature = "egress")]
    egress: crate::egress::Egress,
}

impl Harbor {
    /// Begins to assemble a registry.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The use cases of content: blobs, uploads, manifests, tags, referrers.
    #[must_use]
    pub const fn content(&self) -> content::Content<'_> {
        content::Content::new(self)
    }

    /// The use cases of projects.
    #[must_use]
    pub const fn projects(&self) -> Projects<'_> {
        Projects::new(self)
    }

    /// What the driver of its bytes is called.
    #[must_use]
    pub fn blob_store_name(&self) -> &str {
        self.inner.blobs.name()
    }

    /// The use cases of the configuration.
    #[must_use]
    pub const fn configurations(&self) -> Configurations<'_> {
        Configurations::new(self)
    }

    /// The use cases of repositories.
    #[must_use]
    pub const fn repositories(&self) -> Repositories<'_> {
        Repositories::new(self)
    }

    /// The use cases of artifacts.
    #[must_use]
    pub const fn artifacts(&self) -> Artifacts<'_> {
        Artifacts::new(self)
    }

    /// The use cases of the audit log.
    #[must_use]
    pub const fn audit(&self) -> Audit<'_> {
        Audit::new(self)
    }

    /// The use cases of jobs, whatever their kind.
    #[must_use]
    pub const fn jobs(&self) -> Jobs<'_> {
        Jobs::new(self)
    }

    /// The use cases of labels.
    #[must_use]
    pub const fn labels(&self) -> Labels<'_> {
        Labels::new(self)
    }

    /// The use cases of rules of immutable tags.
    #[must_use]
    pub const fn immutable_rules(&self) -> ImmutableRules<'_> {
        ImmutableRules::new(self)
    }

    /// The use cases of retention.
    #[must_use]
    pub const fn retentions(&self) -> Retentions<'_> {
        Retentions::new(self)
    }

    /// The use cases of quotas.
    #[must_use]
    pub const fn quotas(&self) -> Quotas<'_> {
        Quotas::new(self)
    }

    /// The use cases of webhooks.
    #[must_use]
    pub const fn webhooks(&self) -> Webhooks<'_> {
        Webhooks::new(self)
    }

    /// The settings that it was built with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The present, by the registry's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }
}

impl fmt::Debug for Harbor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harbor")
            .field("metadata", &self.inner.metadata)
            .field("blobs", &self.inner.blobs)
            .field("authorizer", &self.inner.authorizer)
            .field("policies", &self.inner.policies)
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}

//! Assembling a registry from its parts.

use std::sync::Arc;

use super::audit::AuditSigner;
use super::{CollectGarbage, Harbor, Inner, PurgeAudit, Retain, Settings, cache, content, workers};
use crate::access::{Authenticator, Authorizer};
use crate::blob::BlobStore;
use crate::event::EventSink;
use crate::job::{Done, Job, Kinds, Running};
use crate::meta::MetadataStore;
use crate::policy::Policy;
use crate::{Clock, Error, Result};

/// Takes the parts of a registry. Two stores and an authorizer are needed; a part that is missing is an error of
/// [`Builder::build`], not a panic.
#[derive(Debug, Default)]
#[must_use]
pub struct Builder {
    metadata: Option<Arc<dyn MetadataStore>>,
    blobs: Option<Arc<dyn BlobStore>>,
    authenticators: Vec<Arc<dyn Authenticator>>,
    authorizer: Option<Arc<dyn Authorizer>>,
    policies: Vec<Arc<dyn Policy>>,
    sinks: Vec<Arc<dyn EventSink>>,
    audit_signer: Option<Arc<dyn AuditSigner>>,
    kinds: Kinds,
    clock: Clock,
    settings: Settings,
    #[cfg(feature = "egress")]
    egress: Option<crate::egress::Egress>,
}

impl Builder {
    /// Where rows are kept.
    pub fn metadata(mut self, store: impl MetadataStore) -> Self {
        self.metadata = Some(Arc::new(store));
        self
    }

    /// Where rows are kept, shared with the caller.
    pub fn metadata_arc(mut self, store: Arc<dyn MetadataStore>) -> Self {
        self.metadata = Some(store);
        self
    }

    /// Where bytes are kept.
    pub fn blobs(mut self, store: impl BlobStore) -> Self {
        self.blobs = Some(Arc::new(store));
        self
    }

    /// Where bytes are kept, shared with the caller.
    pub fn blobs_arc(mut self, store: Arc<dyn BlobStore>) -> Self {
        self.blobs = Some(store);
        self
    }

    /// Adds one who tells who somebody is; they are asked in this order. Without any, everybody is anonymous.
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.authenticators.push(Arc::new(authenticator));
        self
    }

    /// Who tells what somebody may do.
    pub fn authorizer(mut self, authorizer: impl Authorizer) -> Self {
        self.authorizer = Some(Arc::new(authorizer));
        self
    }

    /// Adds a policy; they are asked in this order.
    pub fn policy(mut self, policy: impl Policy) -> Self {
        self.policies.push(Arc::new(policy));
        self
    }

    /// Adds a receiver of events.
    pub fn event_sink(mut self, sink: impl EventSink) -> Self {
        self.sinks.push(Arc::new(sink));
        self
    }

    /// Who signs heads of the audit log. Without one, changes of its lines are found, and not that its end was cut off.
    pub fn audit_signer(mut self, signer: impl AuditSigner) -> Self {
        self.audit_signer = Some(Arc::new(signer));
        self
    }

    /// Makes a function run the jobs of a kind. It may run a job again that ran before.
    pub fn job<J, F>(mut self, run: impl Fn(J, Running) -> F + Send + Sync + 'static) -> Self
    where
        J: Job,
        F: Future<Output = Result<Done>> + Send + 'static,
    {
        self.kinds.put(run);
        self
    }

    /// Replaces the system's clock, for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Replaces the client of all outgoing HTTP, which otherwise follows the setting `egress_allow`.
    #[cfg(feature = "egress")]
    pub fn egress(mut self, egress: crate::egress::Egress) -> Self {
        self.egress = Some(egress);
        self
    }

    /// Replaces the default settings.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The registry. Nothing runs yet: [`Harbor::start`] makes the first project and starts the workers.
    ///
    /// # Errors
    /// [`Error::MissingPart`] names the method that was not called.
    pub fn build(self) -> Result<Harbor> {
        let metadata = self.metadata.ok_or(Error::MissingPart("metadata"))?;
        let blobs = self.blobs.ok_or(Error::MissingPart("blobs"))?;
        let authorizer = self.authorizer.ok_or(Error::MissingPart("authorizer"))?;
        let mut kinds = self.kinds;
        kinds.put(CollectGarbage::run);
        kinds.put(Retain::run);
        #[cfg(feature = "egress")]
        {
            kinds.put(super::HookJob::run);
            kinds.put(super::SlackJob::run);
        }
        #[cfg(feature = "egress")]
        let egress = self.egress.unwrap_or_else(|| {
            let allowed = crate::egress::Allowed::new(self.settings.egress_allow.clone());
            crate::egress::Egress::new(allowed)
        });
        kinds.put(PurgeAudit::run);
        let sinks = self.sinks.len();
        let caches = cache::Caches::new(metadata.sharing(), self.settings.cache_bytes);
        Ok(Harbor {
            inner: Arc::new(Inner {
                metadata,
                blobs,
                authenticators: self.authenticators,
                authorizer,
                policies: self.policies,
                sinks: self.sinks,
                kinds,
                opened: self.clock.now(),
                clock: self.clock,
                settings: self.settings,
                caches,
                leases: content::Leases::default(),
                workers: workers::Workers::new(sinks),
                health: Default::default(),
                pulls: Default::default(),
                notices: Default::default(),
                tail: Default::default(),
                audit: Default::default(),
                audit_signer: self.audit_signer,
                sealing: Default::default(),
                event_gaps: Default::default(),
                collecting: Default::default(),
                asked: Default::default(),
                matching: Default::default(),
                hooks: Default::default(),
                #[cfg(feature = "egress")]
                egress,
            }),
        })
    }
}

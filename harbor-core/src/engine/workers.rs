//! The workers that run beside the requests: garbage collection, the outbox, the counting of pulls, the audit log, and finding out what
//! manifests of earlier versions are.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::announce::Announcer;
use super::jobs::Node;
use super::outbox::Delivered;
use super::{Harbor, Inner};
use crate::Result;
use crate::meta::{Sharing, Topic};

/// How long the outbox sleeps when nothing is written: other nodes may have written.
const OUTBOX_INTERVAL: Duration = Duration::from_secs(5);

/// How often it is looked for what other nodes wrote, while somebody listens to the stream of events.
const TAIL_INTERVAL: Duration = Duration::from_secs(1);

/// How often pulls are written down.
const PULLS_INTERVAL: Duration = Duration::from_secs(10);

/// How often it is looked whether there is something to tell of quotas that nobody was woken for.
const NOTICES_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// How long lines of the audit log that wait are kept, so that many are written at once.
const AUDIT_DELAY: Duration = Duration::from_secs(1);

/// How often it is looked for lines of the audit log that are not sealed: other nodes may have written.
const SEAL_INTERVAL: Duration = Duration::from_secs(5);

/// How often it is looked for such lines when nobody says that there are some.
const AUDIT_INTERVAL: Duration = Duration::from_secs(60);

/// How often it is looked for manifests of which nobody knows what they are, while there are some.
const DESCRIBE_INTERVAL: Duration = Duration::from_secs(60);

/// Handles of the running workers.
#[derive(Debug, Default)]
pub(super) struct Workers {
    tracker: TaskTracker,
    stop: Mutex<Option<CancellationToken>>,
    /// Held by a worker that looks for the first time.
    first: tokio::sync::Mutex<()>,
    /// One for each receiver of events.
    outbox: Vec<Arc<Notify>>,
    gc: Arc<Notify>,
    /// Many pulls wait to be written down.
    pulls: Arc<Notify>,
    hooks: Arc<Notify>,
    notices: Arc<Notify>,
    tail: Arc<Notify>,
    /// Tells other nodes.
    announcer: Arc<Announcer>,
    /// Lines were written to the audit log.
    seal: Arc<Notify>,
    /// Lines of the audit log wait to be written down.
    audit: Arc<Notify>,
    /// Who runs jobs here, once they are started.
    node: OnceLock<Arc<Node>>,
    /// Who runs jobs here for a while, by [`Harbor::run_due_jobs`].
    by_hand: Mutex<Vec<Weak<Node>>>,
}

impl Workers {
    /// For a registry with so many receivers of events.
    pub(super) fn new(sinks: usize) -> Self {
        Self { outbox: (0..sinks).map(|_| Arc::default()).collect(), ..Self::default() }
    }

    /// There are events, for this node and for the others.
    pub(super) fn wake_outbox(&self) {
        self.heard(Topic::Events);
        self.announcer.announce(Topic::Events);
    }

    /// There are jobs to begin or to end, on this node or on another.
    pub(super) fn wake_jobs(&self) {
        self.heard(Topic::Jobs);
        self.announcer.announce(Topic::Jobs);
    }

    /// There is something for this node.
    pub(super) fn heard(&self, topic: Topic) {
        match topic {
            Topic::Events => {
                self.outbox.iter().for_each(|sink| sink.notify_one());
                self.hooks.notify_one();
                self.tail.notify_one();
            }
            Topic::Jobs => {
                if let Some(node) = self.node.get() {
                    node.wake();
                }
            }
        }
    }

    /// Who runs jobs here, if somebody does.
    pub(super) fn node(&self) -> Option<&Arc<Node>> {
        self.node.get()
    }

    /// Somebody runs jobs here for as long as they hold that node.
    pub(super) fn add_by_hand(&self, node: &Arc<Node>) {
        let mut by_hand = self.by_hand.lock().unwrap_or_else(PoisonError::into_inner);
        by_hand.retain(|node| node.strong_count() > 0);
        by_hand.push(Arc::downgrade(node));
    }

    /// All who run jobs here.
    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        let by_hand = self.by_hand.lock().unwrap_or_else(PoisonError::into_inner);
        self.node.get().cloned().into_iter().chain(by_hand.iter().filter_map(Weak::upgrade)).collect()
    }

    pub(super) fn wake_notices(&self) {
        self.notices.notify_one();
    }

    /// Cancelled when the workers stop; never when they were not started.
    pub(super) fn stopping(&self) -> CancellationToken {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    pub(super) fn wake_audit(&self) {
        self.audit.notify_one();
    }

    pub(super) fn wake_seal(&self) {
        self.seal.notify_one();
    }

    pub(super) fn wake_pulls(&self) {
        self.pulls.notify_one();
    }

    pub(super) fn wake_gc(&self) {
        self.gc.notify_one();
    }
}

impl Harbor {
    /// Makes the project `library` where it is missing, and starts the workers. They stop at [`Harbor::shutdown`], or
    /// when the last clone of the registry is dropped. A second call does nothing.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn start(&self) -> Result<()> {
        self.projects().ensure_library().await?;
        let workers = &self.inner.workers;
        let stop = {
            let mut slot = workers.stop.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.is_some() {
                return Ok(());
            }
            slot.insert(CancellationToken::new()).clone()
        };
        let weak = Arc::downgrade(&self.inner);
        let interval = self.inner.settings.gc_interval;
        workers.tracker.spawn(run(
            Weak::clone(&weak),
            stop.clone(),
            Arc::clone(&workers.gc),
            interval,
            Kind::Gc,
        ));
        for (kind, wake, interval) in [
            (Kind::Pulls, Arc::clone(&workers.pulls), PULLS_INTERVAL),
            (Kind::Describe, Arc::default(), DESCRIBE_INTERVAL),
            (Kind::Notices, Arc::clone(&workers.notices), NOTICES_INTERVAL),
            (Kind::Tail, Arc::clone(&workers.tail), TAIL_INTERVAL),
        ] {
            workers.tracker.spawn(run(Weak::clone(&weak), stop.clone(), wake, interval, kind));
        }
        let (audit, wake) = (Weak::clone(&weak), Arc::clone(&workers.audit));
        workers.tracker.spawn(run(audit, stop.clone(), wake, AUDIT_INTERVAL, Kind::Audit));
        let (seal, wake) = (Weak::clone(&weak), Arc::clone(&workers.seal));
        workers.tracker.spawn(run(seal, stop.clone(), wake, SEAL_INTERVAL, Kind::Seal));
        for (number, wake) in workers.outbox.iter().enumerate() {
            let (weak, wake) = (Weak::clone(&weak), Arc::clone(wake));
            workers.tracker.spawn(run(weak, stop.clone(), wake, OUTBOX_INTERVAL, Kind::Outbox(number)));
        }
        if cfg!(feature = "egress") {
            let (weak, wake) = (Weak::clone(&weak), Arc::clone(&workers.hooks));
            workers.tracker.spawn(run(weak, stop.clone(), wake, OUTBOX_INTERVAL, Kind::Webhooks));
        }
        if self.inner.metadata.sharing() == Sharing::Shared {
            let announcer = Arc::clone(&workers.announcer);
            workers.tracker.spawn(Self::speak(Weak::clone(&weak), announcer, stop.clone()));
            workers.tracker.spawn(Self::hear(Weak::clone(&weak), stop.clone()));
        }
        self.start_jobs(&weak, &stop).await
    }

    /// Starts the workers that run jobs.
    async fn start_jobs(&self, weak: &Weak<Inner>, stop: &CancellationToken) -> Result<()> {
        let workers = &self.inner.workers;
        if self.inner.settings.job_workers == 0 {
            return Ok(());
        }
        self.release_tasks().await?;
        let node =
            workers.node.get_or_init(|| Arc::new(Node::new(self.inner.settings.job_workers, self.now())));
        workers.tracker.spawn(Self::dispatch(Weak::clone(weak), Arc::clone(node), stop.clone()));
        workers.tracker.spawn(Self::beat(Weak::clone(weak), Arc::clone(node), stop.clone()));
        Ok(())
    }

    /// Stops the workers, each after the step that it is at, and closes the stores.
    pub async fn shutdown(&self) {
        let stop = self.inner.workers.stop.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(stop) = stop {
            stop.cancel();
        }
        // The dispatcher may be at something else; what runs here is to know at once.
        self.inner.workers.nodes().iter().for_each(|node| node.stop_all());
        self.inner.workers.tracker.close();
        self.inner.workers.tracker.wait().await;
        if let Err(error) = self.write_pulls().await {
            tracing::warn!(%error, "the last pulls were not counted");
        }
        if let Err(error) = self.write_audit().await {
            tracing::warn!(%error, "the last refusals were not written to the audit log");
        }
        if let Err(error) = self.seal_audit().await {
            tracing::warn!(%error, "the last lines of the audit log were not sealed, and will be at the next start");
        }
        self.inner.metadata.close().await;
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Gc,
    /// Writing down pulls.
    Pulls,
    /// Writing down lines of the audit log that wait.
    Audit,
    /// Sealing the audit log.
    Seal,
    /// Finding out what manifests of earlier versions are.
    Describe,
    /// Telling of quotas.
    Notices,
    /// Handing events on to those who listen.
    Tail,
    /// Delivery to the sink of that number.
    Outbox(usize),
    /// Enqueueing deliveries of webhooks.
    Webhooks,
}

/// How long a worker waits at most for another one that looks for the first time.
const FIRST: Duration = Duration::from_millis(100);

/// A worker that fails again and again waits up to so many times its interval.
const LONGEST_WAIT: u32 = 64;

/// Works until there is nothing to do, then sleeps until it is woken or `interval` has passed; after failures longer and
/// longer, and nothing wakes it. Holds the registry only while it works, so that dropping the last clone ends it.
async fn run(inner: Weak<Inner>, stop: CancellationToken, wake: Arc<Notify>, interval: Duration, kind: Kind) {
    let (mut wait, mut first) = (1, true);
    loop {
        let Some(inner) = inner.upgrade() else { return };
        let worked = match std::mem::take(&mut first) {
            true => first_work(&Harbor { inner }, kind, &stop).await,
            false => work(&Harbor { inner }, kind, &stop).await,
        };
        wait = if worked { 1 } else { (wait * 2).min(LONGEST_WAIT) };
        tokio::select! {
            () = stop.cancelled() => return,
            () = wake.notified(), if worked => linger(kind, &stop).await,
            () = tokio::time::sleep(interval * wait) => {}
        }
    }
}

/// Waits for more to do along with what is there, where that is worth it.
async fn linger(kind: Kind, stop: &CancellationToken) {
    if matches!(kind, Kind::Audit | Kind::Seal) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(AUDIT_DELAY) => {}
        }
    }
}

/// The same, one worker behind the other: all at once would open many connections, of which one or two are enough for what there is
/// to do mostly.
async fn first_work(harbor: &Harbor, kind: Kind, stop: &CancellationToken) -> bool {
    let _turn = tokio::time::timeout(FIRST, harbor.inner.workers.first.lock()).await;
    work(harbor, kind, stop).await
}

/// Works until there is nothing to do. False when it failed.
async fn work(harbor: &Harbor, kind: Kind, stop: &CancellationToken) -> bool {
    while !stop.is_cancelled() {
        let step = match kind {
            Kind::Gc => harbor.gc_online().await.map(|report| match report.reviewed {
                0 => Delivered::All,
                _ => Delivered::More,
            }),
            Kind::Pulls => harbor.write_pulls().await.map(|()| Delivered::All),
            Kind::Tail => harbor.tail_events().await,
            Kind::Notices => harbor.write_notices().await.map(|()| Delivered::All),
            Kind::Audit => harbor.write_audit().await.map(|()| Delivered::All),
            Kind::Seal => harbor.seal_batch().await,
            Kind::Describe => harbor.describe_batch().await.map(|more| match more {
                true => Delivered::More,
                false => Delivered::All,
            }),
            Kind::Outbox(number) => harbor.deliver_events(number, stop).await,
            Kind::Webhooks => harbor.fan_out().await,
        };
        match step {
            Ok(Delivered::More) => {}
            Ok(Delivered::All) => return true,
            Ok(Delivered::Refused) => return false,
            Err(error) => {
                tracing::warn!(worker = ?kind, %error, "a worker failed and will try again");
                return false;
            }
        }
    }
    true
}

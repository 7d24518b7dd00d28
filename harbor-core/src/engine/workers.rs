//! The workers that run beside the requests: garbage collection and the outbox.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Harbor, Inner};
use crate::Result;

/// How long the outbox sleeps when nothing is written: other nodes may have written.
const OUTBOX_INTERVAL: Duration = Duration::from_secs(5);

/// Handles of the running workers.
#[derive(Debug, Default)]
pub(super) struct Workers {
    tracker: TaskTracker,
    stop: Mutex<Option<CancellationToken>>,
    outbox: Arc<Notify>,
    gc: Arc<Notify>,
}

impl Workers {
    pub(super) fn wake_outbox(&self) {
        self.outbox.notify_one();
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
        if !self.inner.sinks.is_empty() {
            let wake = Arc::clone(&workers.outbox);
            workers.tracker.spawn(run(weak, stop, wake, OUTBOX_INTERVAL, Kind::Outbox));
        }
        Ok(())
    }

    /// Stops the workers, each after the step that it is at, and closes the stores.
    pub async fn shutdown(&self) {
        let stop = self.inner.workers.stop.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(stop) = stop {
            stop.cancel();
        }
        self.inner.workers.tracker.close();
        self.inner.workers.tracker.wait().await;
        self.inner.metadata.close().await;
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Gc,
    Outbox,
}

/// Works until there is nothing to do, then sleeps until it is woken or `interval` has passed. Holds the registry only
/// while it works, so that dropping the last clone ends it.
async fn run(inner: Weak<Inner>, stop: CancellationToken, wake: Arc<Notify>, interval: Duration, kind: Kind) {
    loop {
        let Some(inner) = inner.upgrade() else { return };
        work(&Harbor { inner }, kind, &stop).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = wake.notified() => {}
            () = tokio::time::sleep(interval) => {}
        }
    }
}

async fn work(harbor: &Harbor, kind: Kind, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let more = match kind {
            Kind::Gc => harbor.gc_batch().await.map(|report| report.reviewed > 0),
            Kind::Outbox => harbor.deliver_events().await,
        };
        match more {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(worker = ?kind, %error, "a worker failed and will try again");
                return;
            }
        }
    }
}

//! Between nodes: what one enqueues or tells, the others hear of at once, where the store can carry word.
//!
//! Announced is after the commit and beside it: within a transaction, PostgreSQL would make all that announce wait for each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Harbor, Inner};
use crate::Result;
use crate::meta::Topic;

/// How often something is announced at most: who pushes a thousand times a second announces no more often.
const PAUSE: Duration = Duration::from_millis(50);

/// How long to wait before it is tried again to hear.
const AGAIN: Duration = Duration::from_secs(5);

/// What is to be announced.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    jobs: AtomicBool,
    events: AtomicBool,
    wake: Notify,
}

impl Announcer {
    const fn waiting(&self, topic: Topic) -> &AtomicBool {
        match topic {
            Topic::Jobs => &self.jobs,
            Topic::Events => &self.events,
        }
    }

    /// There is something for other nodes, too.
    pub(super) fn announce(&self, topic: Topic) {
        self.waiting(topic).store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

impl Harbor {
    /// Announces what there is to announce, until it is told to stop.
    pub(super) async fn speak(inner: Weak<Inner>, announcer: Arc<Announcer>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = announcer.wake.notified() => {}
            }
            let Some(inner) = inner.upgrade() else { return };
            for topic in Topic::ALL {
                if announcer.waiting(topic).swap(false, Ordering::AcqRel)
                    && let Err(error) = inner.metadata.announce(topic).await
                {
                    // The others look by themselves now and then.
                    tracing::debug!(%error, topic = topic.name(), "other nodes were not told");
                }
            }
            drop(inner);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Hears what other nodes announce, until it is told to stop.
    pub(super) async fn hear(inner: Weak<Inner>, stop: CancellationToken) {
        loop {
            let heard = tokio::select! {
                () = stop.cancelled() => return,
                heard = hear_on(&inner) => heard,
            };
            match heard {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "other nodes are not heard; it is tried again"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }
}

/// Hears until that fails; returns at once where the store carries no word, and when the registry is gone.
async fn hear_on(inner: &Weak<Inner>) -> Result<()> {
    let Some(registry) = inner.upgrade() else { return Ok(()) };
    let Some(mut announcements) = registry.metadata.announcements().await? else { return Ok(()) };
    // What was announced before was not heard.
    Topic::ALL.into_iter().for_each(|topic| registry.workers.heard(topic));
    drop(registry);
    loop {
        let topic = announcements.next().await?;
        let Some(registry) = inner.upgrade() else { return Ok(()) };
        registry.workers.heard(topic);
    }
}

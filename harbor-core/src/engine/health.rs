//! Whether the parts of the registry work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Harbor;
use crate::access::Authorized;
use crate::access::permission::SystemVolumesRead;
use crate::blob::Space;
use crate::{Result, StoreError, StoreErrorKind};

/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(2);

/// The last answer, and when it was given.
pub(super) type Last = tokio::sync::Mutex<Option<(Instant, Arc<Health>)>>;

/// How long a part may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The state of the parts.
#[derive(Debug)]
#[non_exhaustive]
pub struct Health {
    /// The metadata store: its name, and what is wrong with it.
    pub metadata: (String, Result<(), StoreError>),
    /// The blob store: its name, and what is wrong with it.
    pub blobs: (String, Result<(), StoreError>),
}

impl Harbor {
    /// How much room the store of bytes has, where it knows.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn volumes(&self, _proof: &Authorized<SystemVolumesRead>) -> Result<Option<Space>> {
        Ok(self.inner.blobs.space().await?)
    }
}

impl Health {
    /// Whether every part works.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        self.metadata.1.is_ok() && self.blobs.1.is_ok()
    }
}

impl Harbor {
    /// Asks each part whether it works. An answer is good for a few seconds, and one question is asked at a time: asking writes
    /// to the stores, and anybody may ask.
    pub async fn health(&self) -> Arc<Health> {
        let inner = &self.inner;
        let mut last = inner.health.lock().await;
        if let Some((at, health)) = &*last
            && at.elapsed() < FRESH
        {
            return Arc::clone(health);
        }
        let (metadata, blobs) = tokio::join!(patient(inner.metadata.check()), patient(inner.blobs.check()));
        let health = Arc::new(Health {
            metadata: (inner.metadata.name().to_owned(), metadata),
            blobs: (inner.blobs.name().to_owned(), blobs),
        });
        *last = Some((Instant::now(), Arc::clone(&health)));
        health
    }
}

async fn patient(check: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
    let late = || StoreError::new(StoreErrorKind::Unavailable, "no answer in time");
    tokio::time::timeout(PATIENCE, check).await.unwrap_or_else(|_| Err(late()))
}

//! Whether the parts of the registry work.

use std::time::Duration;

use super::Harbor;
use crate::{StoreError, StoreErrorKind};

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

impl Health {
    /// Whether every part works.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        self.metadata.1.is_ok() && self.blobs.1.is_ok()
    }
}

impl Harbor {
    /// Asks each part whether it works.
    pub async fn health(&self) -> Health {
        let inner = &self.inner;
        let (metadata, blobs) = tokio::join!(patient(inner.metadata.check()), patient(inner.blobs.check()));
        Health {
            metadata: (inner.metadata.name().to_owned(), metadata),
            blobs: (inner.blobs.name().to_owned(), blobs),
        }
    }
}

async fn patient(check: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
    let late = || StoreError::new(StoreErrorKind::Unavailable, "no answer in time");
    tokio::time::timeout(PATIENCE, check).await.unwrap_or_else(|_| Err(late()))
}

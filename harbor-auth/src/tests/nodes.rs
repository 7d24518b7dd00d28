//! A store that tells how often it was read, and that fails or waits when a test says so.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use harbor_core::meta::{MetadataStore, Reads, Sharing, Transaction};
use harbor_core::{StoreError, StoreErrorKind};
use harbor_storage::sql::SqlMetadata;
use tokio::sync::RwLock;

/// A store in memory, shared with other nodes.
#[derive(Debug)]
pub(crate) struct Nodes {
    inner: SqlMetadata,
    sharing: Sharing,
    reads: AtomicUsize,
    /// Whether reading fails.
    pub(crate) unreadable: AtomicBool,
    /// Whether beginning to write fails.
    pub(crate) unwritable: AtomicBool,
    /// Whoever holds this for writing holds up those who read.
    pub(crate) gate: RwLock<()>,
}

impl Nodes {
    pub(crate) async fn new(sharing: Sharing) -> Self {
        let inner = SqlMetadata::in_memory().await.unwrap();
        let (unreadable, unwritable) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { inner, sharing, reads: AtomicUsize::new(0), unreadable, unwritable, gate: RwLock::default() }
    }

    /// How often somebody read since it was asked last.
    pub(crate) fn take_reads(&self) -> usize {
        self.reads.swap(0, Ordering::SeqCst)
    }
}

fn pass(fails: &AtomicBool) -> Result<(), StoreError> {
    match fails.load(Ordering::SeqCst) {
        true => Err(StoreError::new(StoreErrorKind::Unavailable, "it is gone")),
        false => Ok(()),
    }
}

#[async_trait]
impl MetadataStore for Nodes {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn sharing(&self) -> Sharing {
        self.sharing
    }

    async fn read(&self) -> Result<Box<dyn Reads>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let _open = self.gate.read().await;
        pass(&self.unreadable)?;
        self.inner.read().await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        pass(&self.unwritable)?;
        self.inner.begin().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

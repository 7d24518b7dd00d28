//! Stores that fail, and say something in doing so that no client may read.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use harbor_core::blob::{BlobBody, BlobStore, BlobWriter, DriverState, Location, SignOptions, UploadId};
use harbor_core::meta::{MetadataStore, Reads, Sharing, Transaction};
use harbor_core::{StoreError, StoreErrorKind};
use tokio::sync::Semaphore;

/// Stands in the text of every fault.
pub const CANARY: &str = "canary-at-db.internal.example";

/// Turns faults of one kind on and off.
#[derive(Clone, Debug)]
pub struct Switch {
    on: Arc<AtomicBool>,
    kind: StoreErrorKind,
}

impl Switch {
    /// Off, for now.
    #[must_use]
    pub fn new(kind: StoreErrorKind) -> Self {
        Self { on: Arc::new(AtomicBool::new(false)), kind }
    }

    /// From now on everything fails, or nothing does.
    pub fn set(&self, on: bool) {
        self.on.store(on, Ordering::SeqCst);
    }

    fn pass(&self) -> Result<(), StoreError> {
        if self.on.load(Ordering::SeqCst) {
            let source = std::io::Error::other(format!("/var/lib/{CANARY}: password={CANARY}"));
            return Err(StoreError::new(self.kind, format!("asking {CANARY}")).with_source(source));
        }
        Ok(())
    }
}

/// A blob store that fails while its switch is on.
#[derive(Debug)]
pub struct FailingBlobs {
    /// Does the work otherwise.
    pub inner: Arc<dyn BlobStore>,
    /// When it fails.
    pub switch: Switch,
}

#[async_trait]
impl BlobStore for FailingBlobs {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn writer(
        &self,
        upload: UploadId,
        state: &DriverState,
        offset: u64,
    ) -> Result<Box<dyn BlobWriter>, StoreError> {
        self.switch.pass()?;
        self.inner.writer(upload, state, offset).await
    }

    async fn discard(&self, upload: UploadId, state: &DriverState) -> Result<(), StoreError> {
        self.switch.pass()?;
        self.inner.discard(upload, state).await
    }

    async fn tidy(&self, upload: UploadId, state: &DriverState) -> Result<(), StoreError> {
        self.switch.pass()?;
        self.inner.tidy(upload, state).await
    }

    async fn open(&self, location: &Location, range: Range<u64>) -> Result<BlobBody, StoreError> {
        self.switch.pass()?;
        self.inner.open(location, range).await
    }

    async fn delete(&self, location: &Location) -> Result<(), StoreError> {
        self.switch.pass()?;
        self.inner.delete(location).await
    }

    async fn signed_url(
        &self,
        location: &Location,
        options: &SignOptions,
    ) -> Result<Option<String>, StoreError> {
        self.switch.pass()?;
        self.inner.signed_url(location, options).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.switch.pass()?;
        self.inner.check().await
    }
}

/// A metadata store that fails while its switch is on.
#[derive(Debug)]
pub struct FailingMetadata {
    /// Does the work otherwise.
    pub inner: Arc<dyn MetadataStore>,
    /// When it fails.
    pub switch: Switch,
}

#[async_trait]
impl MetadataStore for FailingMetadata {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn sharing(&self) -> Sharing {
        self.inner.sharing()
    }

    async fn read(&self) -> Result<Box<dyn Reads>, StoreError> {
        self.switch.pass()?;
        self.inner.read().await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        self.switch.pass()?;
        self.inner.begin().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.switch.pass()?;
        self.inner.check().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// A metadata store in which nothing is written while its switch is on, and everything is read.
#[derive(Debug)]
pub struct FailingWrites {
    /// Does the work otherwise.
    pub inner: Arc<dyn MetadataStore>,
    /// When it fails.
    pub switch: Switch,
}

#[async_trait]
impl MetadataStore for FailingWrites {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn sharing(&self) -> Sharing {
        self.inner.sharing()
    }

    async fn read(&self) -> Result<Box<dyn Reads>, StoreError> {
        self.inner.read().await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        self.switch.pass()?;
        self.inner.begin().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// A metadata store of which one transaction waits: whoever begins it stands there until they may go on.
#[derive(Debug)]
pub struct HeldMetadata {
    inner: Arc<dyn MetadataStore>,
    before: AtomicUsize,
    begun: AtomicUsize,
    reached: Semaphore,
    go_on: Semaphore,
}

impl HeldMetadata {
    /// Does the work with `inner`, and holds what is begun after so many transactions.
    #[must_use]
    pub fn new(inner: Arc<dyn MetadataStore>, before: usize) -> Self {
        let (reached, go_on) = (Semaphore::new(0), Semaphore::new(0));
        let before = AtomicUsize::new(before);
        Self { inner, before, begun: AtomicUsize::new(0), reached, go_on }
    }

    /// Holds another one: that which is begun after so many more.
    pub fn hold_after(&self, more: usize) {
        self.before.store(self.begun.load(Ordering::SeqCst) + more, Ordering::SeqCst);
    }

    /// Waits until somebody stands there.
    pub async fn reached(&self) {
        self.reached.acquire().await.expect("a semaphore that nobody closes").forget();
    }

    /// Lets them go on.
    pub fn go_on(&self) {
        self.go_on.add_permits(1);
    }
}

#[async_trait]
impl MetadataStore for HeldMetadata {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn sharing(&self) -> Sharing {
        self.inner.sharing()
    }

    async fn read(&self) -> Result<Box<dyn Reads>, StoreError> {
        self.inner.read().await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        if self.begun.fetch_add(1, Ordering::SeqCst) == self.before.load(Ordering::SeqCst) {
            self.reached.add_permits(1);
            self.go_on.acquire().await.expect("a semaphore that nobody closes").forget();
        }
        self.inner.begin().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }

    /// Others have the store too.
    async fn close(&self) {}
}

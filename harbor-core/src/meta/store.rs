//! `MetadataStore`: the port that a database driver implements.

use std::fmt;

use async_trait::async_trait;

use super::{
    AccessoryRows, Announcements, ArtifactRows, ArtifactRowsMut, AuditChainRows, AuditChainRowsMut,
    AuditRows, AuditRowsMut, BlobRows, BlobRowsMut, EventRows, EventRowsMut, ExecutionRows, ExecutionRowsMut,
    GarbageRows, GarbageRowsMut, GroupRows, GroupRowsMut, ImmutableRows, ImmutableRowsMut, LabelRows,
    LabelRowsMut, ManifestRows, ManifestRowsMut, MemberRows, MemberRowsMut, PersonalTokenRows,
    PersonalTokenRowsMut, ProjectRows, ProjectRowsMut, Publish, Published, QuotaRows, QuotaRowsMut,
    RepositoryRows, RepositoryRowsMut, RetentionRows, RetentionRowsMut, ReviewRows, ReviewRowsMut,
    RevisionRows, RevisionRowsMut, RobotRows, RobotRowsMut, RoleRows, RoleRowsMut, RowResult, ScheduleRows,
    ScheduleRowsMut, SessionRows, SessionRowsMut, SettingRows, SettingRowsMut, TagRows, TagRowsMut, TaskRows,
    TaskRowsMut, Topic, TrashRows, TrashRowsMut, UploadRows, UploadRowsMut, UserRows, UserRowsMut,
    WebhookRows, WebhookRowsMut, WorkerPoolRows, WorkerPoolRowsMut,
};

/// Why a pushed blob's link is reviewed.
pub const PUSHED: &str = "blob pushed";

/// Whether another process may change the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// This process alone has the store, and the store makes sure of it. What was read may be cached until this process
    /// changes it.
    Exclusive,
    /// Several nodes share the store. What was read must be checked again before it is relied upon.
    Shared,
}

/// Everything that can be read.
pub trait Reads:
    ProjectRows
    + QuotaRows
    + RepositoryRows
    + BlobRows
    + ManifestRows
    + ArtifactRows
    + AccessoryRows
    + LabelRows
    + ImmutableRows
    + RetentionRows
    + TagRows
    + TaskRows
    + TrashRows
    + UploadRows
    + ReviewRows
    + GarbageRows
    + EventRows
    + ExecutionRows
    + AuditRows
    + AuditChainRows
    + SettingRows
    + GroupRows
    + MemberRows
    + PersonalTokenRows
    + RevisionRows
    + RobotRows
    + RoleRows
    + ScheduleRows
    + SessionRows
    + UserRows
    + WebhookRows
    + WorkerPoolRows
    + Send
{
}

impl<T> Reads for T where
    T: ProjectRows
        + QuotaRows
        + RepositoryRows
        + BlobRows
        + ManifestRows
        + ArtifactRows
        + AccessoryRows
        + LabelRows
        + ImmutableRows
        + RetentionRows
        + TagRows
        + TaskRows
        + TrashRows
        + UploadRows
        + ReviewRows
        + GarbageRows
        + EventRows
        + ExecutionRows
        + AuditRows
        + AuditChainRows
        + SettingRows
        + GroupRows
        + MemberRows
        + PersonalTokenRows
        + RevisionRows
        + RobotRows
        + RoleRows
        + ScheduleRows
        + SessionRows
        + UserRows
        + WebhookRows
        + WorkerPoolRows
        + Send
{
}

/// A transaction: everything that can be read and changed, until it is committed. Dropped, it never was.
#[async_trait]
pub trait Transaction:
    Reads
    + ProjectRowsMut
    + QuotaRowsMut
    + RepositoryRowsMut
    + BlobRowsMut
    + ManifestRowsMut
    + ArtifactRowsMut
    + LabelRowsMut
    + ImmutableRowsMut
    + RetentionRowsMut
    + TagRowsMut
    + TaskRowsMut
    + TrashRowsMut
    + UploadRowsMut
    + ReviewRowsMut
    + GarbageRowsMut
    + EventRowsMut
    + ExecutionRowsMut
    + AuditRowsMut
    + AuditChainRowsMut
    + SettingRowsMut
    + GroupRowsMut
    + MemberRowsMut
    + PersonalTokenRowsMut
    + RevisionRowsMut
    + RobotRowsMut
    + RoleRowsMut
    + ScheduleRowsMut
    + SessionRowsMut
    + UserRowsMut
    + WebhookRowsMut
    + WorkerPoolRowsMut
    + Send
{
    /// Makes what an upload brought a blob of its repository: ensures the blob, links it, puts the review of the link, and
    /// ends the session. The blob is locked.
    ///
    /// Every push does this. The provided method is made of the row methods; a driver for which each call is dear may do it
    /// in fewer.
    ///
    /// # Errors
    /// As the row methods fail.
    async fn publish(&mut self, publish: &Publish<'_>) -> RowResult<Published> {
        let Publish { upload, repository, digest, size, location, due, now } = *publish;
        let blob = self.blob_ensure(digest, size, location, now).await?;
        let link = self.link_ensure(repository, blob.id, now).await?;
        self.review_put(link, due, PUSHED).await?;
        let used = blob.location == *location;
        let was_there =
            if used { self.upload_delete(upload).await? } else { self.upload(upload).await?.is_some() };
        Ok(match (was_there, used) {
            (false, _) => Published::Gone,
            (true, true) => Published::Used,
            (true, false) => Published::Unused,
        })
    }

    /// Makes all changes durable and visible, at once.
    ///
    /// # Errors
    /// `Conflict` when a concurrent transaction won: nothing was changed, and the whole transaction may be tried again.
    /// After any other error it is unknown whether the changes were made.
    async fn commit(self: Box<Self>) -> RowResult<()>;
}

/// Keeps rows.
///
/// # Contract
///
/// Each item, and each method of each row trait, is one test of the module `conformance` (feature `conformance`).
///
/// * **Atomic**: a transaction that is dropped changes nothing; one that is committed changes everything. One in which a
///   method failed with a fault of the store changes nothing, and refuses to go on or to be committed. A change that
///   the store refuses fails at once, or at the latest at the commit.
/// * **Durable**: when `commit` returns, the changes survive a loss of power.
/// * **Isolated**: nobody reads what is not committed. A method whose doc says that it *locks* a row makes other
///   transactions that lock it wait, so that what was read of the row stays true until the commit.
/// * **Reads do not wait** for writers.
/// * **Ordered**: lists come in the order of bytes (tags, names) or of keys, and go on after a given one.
/// * **Counted**: what a project holds ([`QuotaRows`]) is what its repositories link to and have, in every state that anybody
///   can read. Transactions that add to the same project do not wait for each other before they commit or claim room.
/// * **Text**: names differ when their bytes differ; case and accents count.
/// * **Keys** are never used again, also after a delete.
/// * **Migrated**: connecting applies the migrations that are missing, under a lock, and refuses (`TooNew`) a store that a
///   newer version migrated.
///
/// ```no_run
/// # async fn example(store: &dyn harbor_core::meta::MetadataStore) -> Result<(), harbor_core::StoreError> {
/// let name = "library".parse().expect("a name");
/// let project = store.read().await?.project(&name).await?;
/// assert!(project.is_some());
/// # Ok(()) }
/// ```
#[async_trait]
pub trait MetadataStore: fmt::Debug + Send + Sync + 'static {
    /// A short name of the driver, for logs and metrics: `sqlite`, `postgresql`, `mysql`.
    fn name(&self) -> &str;

    /// Whether another process may change the rows.
    fn sharing(&self) -> Sharing;

    /// Something to read with. Each method sees what is committed when it is called.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot be reached, or has no connection free in time.
    async fn read(&self) -> RowResult<Box<dyn Reads>>;

    /// A new transaction.
    ///
    /// # Errors
    /// As [`MetadataStore::read`].
    async fn begin(&self) -> RowResult<Box<dyn Transaction>>;

    /// Tells the other processes that share the store that there is something for them. What was committed before is visible to
    /// who hears of it. It may get lost, so nobody relies on it alone; a driver that cannot does nothing.
    ///
    /// # Errors
    /// As [`MetadataStore::read`].
    async fn announce(&self, _topic: Topic) -> RowResult<()> {
        Ok(())
    }

    /// Hears what other processes announce from now on; `None` for a driver that cannot.
    ///
    /// # Errors
    /// As [`MetadataStore::read`].
    async fn announcements(&self) -> RowResult<Option<Box<dyn Announcements>>> {
        Ok(None)
    }

    /// Whether the store can be reached, for health checks.
    ///
    /// # Errors
    /// What is wrong.
    async fn check(&self) -> RowResult<()>;

    /// Closes every connection, when the process ends.
    async fn close(&self);
}

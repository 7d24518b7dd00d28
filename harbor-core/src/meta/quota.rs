//! Quotas: what a project may hold, and what it holds.
//!
//! A project holds the distinct content of its repositories: the blobs that they link to and the manifests that they have,
//! each digest once, whoever else has it. The methods that link, store, unlink and delete count it, each in its own
//! transaction, so nobody can forget to: [`link_ensure`](super::BlobRowsMut::link_ensure),
//! [`links_delete`](super::BlobRowsMut::links_delete), [`publish`](super::Transaction::publish),
//! [`manifest_ensure`](super::ManifestRowsMut::manifest_ensure) and
//! [`manifest_delete`](super::ManifestRowsMut::manifest_delete).

use async_trait::async_trait;

use super::{Listed, ProjectId, QuotaId, RowResult, UserId};
use crate::Timestamp;
use crate::oci::{Digest, ProjectName};
use crate::query::{Query, keys};

/// The limit of a project that has none.
pub const UNLIMITED: i64 = -1;

/// How many transactions that claimed room in one project beside others a store lets be between claim and commit at most.
pub const CLAIMS: u64 = 32;

/// The quota of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Its key.
    pub id: QuotaId,
    /// The project.
    pub project: ProjectId,
    /// The project's name.
    pub project_name: ProjectName,
    /// Who made the project, when that was a user.
    pub owner: Option<UserId>,
    /// The name of that user, while there is one.
    pub owner_name: Option<String>,
    /// What the project may hold, in bytes, or [`UNLIMITED`].
    pub hard: i64,
    /// What it holds, in bytes.
    pub used: u64,
    /// When the quota was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

/// What a project may hold and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What it may hold, in bytes, or [`UNLIMITED`].
    pub hard: i64,
    /// What it holds, in bytes, with what the asking transaction adds.
    pub used: u64,
}

/// What a transaction changes of what a project holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The project.
    pub project: ProjectId,
    /// By how many bytes it grows; less than none when it shrinks.
    pub bytes: i64,
    /// What it might hold when that was counted, in bytes, or [`UNLIMITED`]. Of a project that does not grow, it is that.
    pub hard: i64,
}

keys! {
    /// What lists of quotas are filtered and sorted by.
    pub enum QuotaKey {
        /// `id`.
        Id: Int, "id", "ID", filter, sort;
        /// `reference_id`, the project's key.
        Project: Int, "reference_id", "ReferenceID", filter;
        /// `hard.storage`. No limit comes after every limit.
        Hard: Int, "hard.storage", "", sort;
        /// `used.storage`.
        Used: Int, "used.storage", "", sort;
        /// `creation_time`.
        CreatedAt: Time, "creation_time", "CreationTime", sort;
        /// `update_time`.
        UpdatedAt: Time, "update_time", "UpdateTime", sort;
    }
}

/// Reads quotas.
#[async_trait]
pub trait QuotaRows {
    /// The quota of that key.
    async fn quota(&mut self, id: QuotaId) -> RowResult<Option<Quota>>;

    /// The quota of that project.
    async fn quota_of(&mut self, project: ProjectId) -> RowResult<Option<Quota>>;

    /// A page of the quotas, the newest first unless the query has another order.
    async fn quotas(&mut self, query: &Query<QuotaKey>) -> RowResult<Listed<Quota>>;

    /// What a project may hold and holds. Of a project that there is not: no limit, and nothing.
    async fn usage(&mut self, project: ProjectId) -> RowResult<Usage>;

    /// Whether any repository of the project has content of that digest.
    async fn content_is_held(&mut self, project: ProjectId, digest: &Digest) -> RowResult<bool>;
}

/// Changes quotas.
#[async_trait]
pub trait QuotaRowsMut {
    /// Sets what a project may hold, in bytes, or [`UNLIMITED`]. False when there is no such quota.
    async fn quota_set(&mut self, id: QuotaId, hard: i64, now: Timestamp) -> RowResult<bool>;

    /// What this transaction changes so far of what projects hold, in the order of their keys. Costs nothing.
    async fn growth(&mut self) -> RowResult<Vec<Growth>>;

    /// Claims room in a project for what this transaction adds, and yields what the project would hold with it. To be called
    /// when nothing is left to be done but to commit, once per project and in the order of their keys: from here on others
    /// may wait for this transaction.
    ///
    /// `alone`, it waits until everybody who claimed room in the project has committed, and whoever claims after it waits in
    /// turn: what it yields is exact. Otherwise it waits only for who claims alone; of others that claim beside it, at most
    /// [`CLAIMS`] at a time with it, it does not see what they add before they commit.
    async fn usage_claim(&mut self, project: ProjectId, alone: bool) -> RowResult<Usage>;
}

//! The chain of hashes over the audit log.

use async_trait::async_trait;

use super::{AuditId, AuditRow, RowResult};
use crate::Timestamp;

/// The place of a line in the chain. It stays when the line is purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLink {
    /// Its number: 1 and up, without gaps.
    pub seq: i64,
    /// The line.
    pub line: AuditId,
    /// SHA-256 of the line, in hexadecimal.
    pub content: String,
    /// SHA-256 of the hash before it and of `content`, in hexadecimal.
    pub hash: String,
    /// What the purge is told by that the line went with; empty while the line is there.
    pub purged: String,
}

/// A signed head of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// The number of the link that it is about.
    pub seq: i64,
    /// The hash of that link.
    pub hash: String,
    /// When it was signed.
    pub at: Timestamp,
    /// The key that it is signed with.
    pub key: String,
    /// The signature, in base64.
    pub signature: String,
}

/// Reads the chain.
#[async_trait]
pub trait AuditChainRows {
    /// The last link.
    async fn audit_last_link(&mut self) -> RowResult<Option<AuditLink>>;

    /// The links behind that of a number, in order, at most so many.
    async fn audit_links(&mut self, after: i64, limit: u32) -> RowResult<Vec<AuditLink>>;

    /// The links of lines that are there, in the order of their numbers.
    async fn audit_links_of(&mut self, lines: &[AuditId]) -> RowResult<Vec<AuditLink>>;

    /// The lines behind that of one key, up to that of another, in order, at most so many.
    async fn audit_between(&mut self, after: AuditId, to: AuditId, limit: u32) -> RowResult<Vec<AuditRow>>;

    /// The last head.
    async fn audit_last_head(&mut self) -> RowResult<Option<AuditHead>>;

    /// The heads behind that of a number, in order, at most so many.
    async fn audit_heads(&mut self, after: i64, limit: u32) -> RowResult<Vec<AuditHead>>;
}

/// Changes the chain.
#[async_trait]
pub trait AuditChainRowsMut {
    /// Adds links.
    async fn audit_link(&mut self, links: &[AuditLink]) -> RowResult<()>;

    /// Says that the lines of links are purged, and what the purge is told by.
    async fn audit_links_purge(&mut self, links: &[i64], purged: &str) -> RowResult<()>;

    /// Cuts off the links up to a number, and the heads that are about links ahead of that one.
    async fn audit_links_cut(&mut self, to: i64) -> RowResult<()>;

    /// Adds a head, in place of one of the same number, and deletes those up to another number.
    async fn audit_head(&mut self, head: &AuditHead, forget: i64) -> RowResult<()>;
}

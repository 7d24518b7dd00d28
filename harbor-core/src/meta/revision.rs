//! Revisions: numbers that are counted up with every change of some kind, so that nodes know when what they remember is old.

use async_trait::async_trait;

use super::RowResult;

/// Who may do what: users, groups, members, roles, robots, tokens, sessions.
pub const ACCESS: &str = "access";

/// Of the keys that tokens are signed with: counted whenever another one is made.
pub const TOKEN_KEYS: &str = "token-keys";

/// Reads revisions.
#[async_trait]
pub trait RevisionRows {
    /// The number of a kind; 0 before the first change.
    async fn revision(&mut self, kind: &str) -> RowResult<i64>;
}

/// Counts revisions.
#[async_trait]
pub trait RevisionRowsMut {
    /// Counts a kind up.
    async fn revision_count(&mut self, kind: &str) -> RowResult<()>;
}

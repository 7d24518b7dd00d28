//! Sessions: what a browser's cookie stands for.

use async_trait::async_trait;

use super::{RowResult, UserId};
use crate::Timestamp;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The SHA-256 of what the cookie holds, in hexadecimal digits.
    pub digest: String,
    /// Whose it is.
    pub user: UserId,
    /// The user's epoch when it logged in.
    pub epoch: i64,
    /// When it logged in.
    pub created_at: Timestamp,
    /// When it ends, unless it is used before.
    pub expires_at: Timestamp,
}

/// Reads sessions.
#[async_trait]
pub trait SessionRows {
    /// The session of that digest.
    async fn session(&mut self, digest: &str) -> RowResult<Option<Session>>;

    /// Whether there is one that ended before `now`.
    async fn session_has_ended(&mut self, now: Timestamp) -> RowResult<bool>;
}

/// Changes sessions.
#[async_trait]
pub trait SessionRowsMut {
    /// Makes a session.
    async fn session_insert(&mut self, session: &Session) -> RowResult<()>;

    /// Puts off its end.
    async fn session_extend(&mut self, digest: &str, expires_at: Timestamp) -> RowResult<()>;

    /// Ends a session. False when it was not there.
    async fn session_delete(&mut self, digest: &str) -> RowResult<bool>;

    /// Deletes up to `limit` sessions that ended before `now`; yields how many.
    async fn sessions_expire(&mut self, now: Timestamp, limit: u32) -> RowResult<u64>;
}

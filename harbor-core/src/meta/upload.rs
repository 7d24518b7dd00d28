//! Upload sessions.

use async_trait::async_trait;

use super::{RepositoryId, RowResult};
use crate::Timestamp;
use crate::blob::{DriverState, UploadId};

/// An upload session: what any node needs to go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its name.
    pub id: UploadId,
    /// The one repository that it belongs to.
    pub repository: RepositoryId,
    /// The one principal that it belongs to.
    pub principal: String,
    /// How many bytes were acknowledged.
    pub offset: u64,
    /// The saved state of the hasher after those bytes.
    pub hash_state: Vec<u8>,
    /// The driver's state after those bytes.
    pub driver_state: DriverState,
}

/// Reads upload sessions.
#[async_trait]
pub trait UploadRows {
    /// The session of that name.
    async fn upload(&mut self, id: UploadId) -> RowResult<Option<Upload>>;

    /// Up to `limit` sessions that nobody wrote to since `before` and nobody holds at `now`.
    async fn uploads_idle(&mut self, before: Timestamp, now: Timestamp, limit: u32)
    -> RowResult<Vec<Upload>>;
}

/// Changes upload sessions.
#[async_trait]
pub trait UploadRowsMut {
    /// Opens a session.
    async fn upload_insert(&mut self, upload: &Upload, now: Timestamp) -> RowResult<()>;

    /// Records how far a session is, and whose it is. False when it is gone.
    async fn upload_save(&mut self, upload: &Upload, now: Timestamp) -> RowResult<bool>;

    /// Takes or renews the lease on a session for `holder`. False when somebody else holds it, or it is gone.
    async fn upload_lease(
        &mut self,
        id: UploadId,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> RowResult<bool>;

    /// Gives the lease back, when `holder` has it.
    async fn upload_release(&mut self, id: UploadId, holder: &str) -> RowResult<()>;

    /// Ends a session. False when it is gone already.
    async fn upload_delete(&mut self, id: UploadId) -> RowResult<bool>;
}

//! Settings that all nodes share, by key.

use async_trait::async_trait;

use super::RowResult;

/// Reads settings.
#[async_trait]
pub trait SettingRows {
    /// The value of a key.
    async fn setting(&mut self, key: &str) -> RowResult<Option<String>>;
}

/// Changes settings.
#[async_trait]
pub trait SettingRowsMut {
    /// Sets the value of a key.
    async fn setting_put(&mut self, key: &str, value: &str) -> RowResult<()>;

    /// Sets the value of a key that has none, and yields the value that it then has: of several nodes that start at once,
    /// one wins.
    async fn setting_claim(&mut self, key: &str, value: &str) -> RowResult<String>;
}

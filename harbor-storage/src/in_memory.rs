//! A registry in memory, in one line.

use harbor_core::access::AllowAll;
use harbor_core::{Harbor, Result};

use crate::blobs::MemoryBlobs;
use crate::sql::SqlMetadata;

/// Registries in memory, for tests and short lives.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> harbor_core::Result<()> {
/// use harbor_core::Harbor;
/// use harbor_storage::InMemory;
///
/// let harbor = Harbor::in_memory().await?;
/// assert!(harbor.health().await.is_healthy());
/// # Ok(()) }
/// ```
pub trait InMemory: Sized {
    /// A started registry whose rows and blobs are in memory and in which everybody may do everything. It has the project
    /// `library`. It is gone with its last clone.
    ///
    /// # Errors
    /// When SQLite cannot make a database in memory.
    fn in_memory() -> impl Future<Output = Result<Self>> + Send;
}

impl InMemory for Harbor {
    async fn in_memory() -> Result<Self> {
        let harbor = Self::builder()
            .metadata(SqlMetadata::in_memory().await?)
            .blobs(MemoryBlobs::default())
            .authorizer(AllowAll)
            .build()?;
        harbor.start().await?;
        Ok(harbor)
    }
}

//! A registry with accounts of its own, over stores.

use std::sync::Arc;

use harbor_auth::{AccountOptions, Accounts, AuditKeys};
use harbor_core::access::Secret;
use harbor_core::blob::BlobStore;
use harbor_core::meta::MetadataStore;
use harbor_core::{Clock, Harbor, Settings};

use crate::run::RunError;

/// A registry with accounts of its own: what `harbor-server` serves, and what a program embeds that wants all of it.
///
/// Nothing runs yet: [`Harbor::start`] makes the first project and starts the workers.
#[derive(Debug)]
#[non_exhaustive]
pub struct Standalone {
    /// The engine.
    pub harbor: Harbor,
    /// The accounts, for [`AppOptions`](crate::AppOptions).
    pub accounts: Accounts,
    /// The password of the administrator, `admin`, where one was made: to be shown once.
    pub made_password: Option<Secret>,
}

impl Standalone {
    /// Puts it together over stores that are open.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn open(
        metadata: Arc<dyn MetadataStore>,
        blobs: Arc<dyn BlobStore>,
        options: AccountOptions,
        settings: Settings,
    ) -> Result<Self, RunError> {
        let (accounts, made_password) =
            Accounts::bootstrap(Arc::clone(&metadata), options, Clock::System).await?;
        let keys = AuditKeys::load(Arc::clone(&metadata), Clock::System.now()).await?;
        let harbor = Harbor::builder()
            .metadata_arc(metadata)
            .blobs_arc(blobs)
            .authenticator(accounts.clone())
            .authorizer(accounts.clone())
            .audit_signer(keys)
            .settings(settings)
            .build()?;
        Ok(Self { harbor, accounts, made_password })
    }
}

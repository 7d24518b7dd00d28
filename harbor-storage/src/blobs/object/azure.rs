//! Azure Blob Storage.

use harbor_core::StoreError;
use object_store::azure::MicrosoftAzureBuilder;

use super::ObjectBlobs;
use super::backend::{Bucket, client_options, retries};
use crate::blobs::Secret;
use crate::blobs::configuration_fault;

/// Where a container of Azure Blob Storage is and how to get in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AzureOptions {
    /// The container's name.
    pub container: String,
    /// The storage account; from the environment (`AZURE_STORAGE_ACCOUNT_NAME`) when not given.
    pub account: Option<String>,
    /// The account's key. Without one, the environment is asked (key, client secret, workload identity, managed
    /// identity).
    pub key: Option<Secret>,
    /// The address of the account's blob service, when it is not the usual one of Azure.
    pub endpoint: Option<String>,
    /// A prefix of all names.
    pub prefix: String,
    /// Whether clients are sent to the store itself for reading, with signed addresses.
    pub signed_urls: bool,
}

impl AzureOptions {
    /// A container, with account and credentials from the environment.
    pub fn new(container: impl Into<String>) -> Self {
        Self {
            container: container.into(),
            account: None,
            key: None,
            endpoint: None,
            prefix: String::new(),
            signed_urls: false,
        }
    }

    fn builder(&self) -> MicrosoftAzureBuilder {
        let given = self.account.is_some() && self.key.is_some();
        if given { MicrosoftAzureBuilder::new() } else { MicrosoftAzureBuilder::from_env() }
    }
}

impl ObjectBlobs {
    /// Opens a container of Azure Blob Storage. Nothing is asked of the server yet; see
    /// [`check`](harbor_core::blob::BlobStore::check).
    ///
    /// # Errors
    /// When the options contradict each other or name no server.
    pub fn azure(options: &AzureOptions) -> Result<Self, StoreError> {
        let mut builder = options
            .builder()
            .with_container_name(&options.container)
            .with_client_options(client_options(options.endpoint.as_deref()))
            .with_retry(retries());
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        if let Some(account) = &options.account {
            builder = builder.with_account(account);
        }
        if let Some(key) = &options.key {
            builder = builder.with_access_key(key.expose());
        }
        let client = builder.build().map_err(|error| configuration_fault("the Azure container", error))?;
        Ok(Self::new(Bucket::new("azure", client, &options.prefix, options.signed_urls)?))
    }
}

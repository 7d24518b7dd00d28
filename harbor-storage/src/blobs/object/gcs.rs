//! Google Cloud Storage.

use harbor_core::StoreError;
use object_store::gcp::GoogleCloudStorageBuilder;

use super::ObjectBlobs;
use super::backend::{Bucket, client_options, retries};
use crate::blobs::Secret;
use crate::blobs::configuration_fault;

/// Where a bucket of Google Cloud Storage is and how to get in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GcsOptions {
    /// The bucket's name.
    pub bucket: String,
    /// The address of a server other than Google's.
    pub endpoint: Option<String>,
    /// The key of a service account, as JSON. Without one, the environment is asked (`GOOGLE_SERVICE_ACCOUNT`,
    /// application default credentials, the metadata server).
    pub service_account_key: Option<Secret>,
    /// Sends a token that means nothing: for servers that ask for none.
    pub anonymous: bool,
    /// A prefix of all names.
    pub prefix: String,
    /// Whether clients are sent to the store itself for reading, with signed addresses.
    pub signed_urls: bool,
}

impl GcsOptions {
    /// A bucket, with credentials from the environment.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            endpoint: None,
            service_account_key: None,
            anonymous: false,
            prefix: String::new(),
            signed_urls: false,
        }
    }

    fn builder(&self) -> GoogleCloudStorageBuilder {
        let given = self.anonymous || self.service_account_key.is_some();
        if given { GoogleCloudStorageBuilder::new() } else { GoogleCloudStorageBuilder::from_env() }
    }
}

impl ObjectBlobs {
    /// Opens a bucket of Google Cloud Storage. Nothing is asked of the server yet; see
    /// [`check`](harbor_core::blob::BlobStore::check).
    ///
    /// # Errors
    /// When the options contradict each other or name no server.
    pub fn gcs(options: &GcsOptions) -> Result<Self, StoreError> {
        let mut builder = options
            .builder()
            .with_bucket_name(&options.bucket)
            .with_client_options(client_options(options.endpoint.as_deref()))
            .with_retry(retries());
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_base_url(endpoint);
        }
        if options.anonymous {
            // The library can leave credentials away when it reads, but not when it writes.
            builder = builder.with_bearer_token("anonymous");
        }
        if let Some(key) = &options.service_account_key {
            builder = builder.with_service_account_key(key.expose());
        }
        let client = builder.build().map_err(|error| configuration_fault("the GCS bucket", error))?;
        Ok(Self::new(Bucket::new("gcs", client, &options.prefix, options.signed_urls)?))
    }
}

//! S3, and what speaks its protocol: MinIO, Ceph, R2, Garage, ….

use harbor_core::StoreError;
use object_store::aws::AmazonS3Builder;

use super::ObjectBlobs;
use super::backend::{Bucket, client_options, retries};
use crate::blobs::Secret;
use crate::blobs::configuration_fault;

/// Where an S3 bucket is and how to get in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct S3Options {
    /// The bucket's name.
    pub bucket: String,
    /// The address of a server other than AWS, such as `http://minio:9000`; its buckets are then part of the path.
    pub endpoint: Option<String>,
    /// The region; `us-east-1` when nothing says otherwise.
    pub region: Option<String>,
    /// The access key's id. Without one, the environment is asked as the AWS SDKs do (variables, web identity, container
    /// and instance metadata).
    pub access_key: Option<String>,
    /// The access key's secret.
    pub secret_key: Option<Secret>,
    /// A session token that belongs to the key.
    pub session_token: Option<Secret>,
    /// A prefix of all keys, such as `registry/production`.
    pub prefix: String,
    /// Whether clients are sent to the store itself for reading, with signed addresses.
    pub signed_urls: bool,
}

impl S3Options {
    /// A bucket of AWS, with credentials from the environment.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            endpoint: None,
            region: None,
            access_key: None,
            secret_key: None,
            session_token: None,
            prefix: String::new(),
            signed_urls: false,
        }
    }

    fn builder(&self) -> AmazonS3Builder {
        if self.access_key.is_some() { AmazonS3Builder::new() } else { AmazonS3Builder::from_env() }
    }
}

impl ObjectBlobs {
    /// Opens a bucket of S3. Nothing is asked of the server yet; see
    /// [`check`](harbor_core::blob::BlobStore::check).
    ///
    /// # Errors
    /// When the options contradict each other or name no server.
    pub fn s3(options: &S3Options) -> Result<Self, StoreError> {
        let endpoint = options.endpoint.as_deref();
        let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
        let mut builder = options
            .builder()
            .with_bucket_name(&options.bucket)
            .with_client_options(client_options(endpoint))
            .with_retry(retries())
            // Deleting many at once is not what every server can do, and we delete one at a time.
            .with_disable_bulk_delete(true)
            // TLS guards the bytes already, and hashing them once more for the signature is most of a push's work.
            .with_unsigned_payload(!plain);
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false);
        }
        if let Some(region) = &options.region {
            builder = builder.with_region(region);
        }
        if let Some(key) = &options.access_key {
            builder = builder.with_access_key_id(key);
        }
        if let Some(secret) = &options.secret_key {
            builder = builder.with_secret_access_key(secret.expose());
        }
        if let Some(token) = &options.session_token {
            builder = builder.with_token(token.expose());
        }
        let client = builder.build().map_err(|error| configuration_fault("the S3 bucket", error))?;
        Ok(Self::new(Bucket::new("s3", client, &options.prefix, options.signed_urls)?))
    }
}

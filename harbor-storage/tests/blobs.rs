//! The conformance suite of the blob store, run by every driver.

// Fixtures are helpers outside of `#[test]`, where the lint does not know that this is a test.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use harbor_core::blob::BlobStore;
use harbor_core::blob::conformance::BlobStoreFixture;
use harbor_storage::blobs::{FolderBlobs, MemoryBlobs};

mod memory {
    use super::*;

    struct Fixture(MemoryBlobs);

    #[async_trait]
    impl BlobStoreFixture for Fixture {
        async fn open(&self) -> Arc<dyn BlobStore> {
            Arc::new(self.0.clone())
        }

        async fn count(&self) -> Option<usize> {
            Some(self.0.count())
        }
    }

    harbor_core::blob_store_conformance!(Fixture(MemoryBlobs::new()));
}

/// A folder, whose bytes last or do not.
struct Folder {
    dir: tempfile::TempDir,
    lasts: bool,
}

impl Folder {
    fn new(lasts: bool) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), lasts }
    }
}

#[async_trait]
impl BlobStoreFixture for Folder {
    async fn open(&self) -> Arc<dyn BlobStore> {
        let dir = self.dir.path();
        let opened = if self.lasts { FolderBlobs::open(dir).await } else { FolderBlobs::passing(dir).await };
        Arc::new(opened.unwrap())
    }

    async fn count(&self) -> Option<usize> {
        let Ok(folders) = std::fs::read_dir(self.dir.path().join("blobs")) else { return Some(0) };
        Some(folders.map(|folder| folder.unwrap().path().read_dir().unwrap().count()).sum())
    }
}

mod folder {
    use super::*;

    harbor_core::blob_store_conformance!(Folder::new(true));
}

mod passing_folder {
    use super::*;

    harbor_core::blob_store_conformance!(Folder::new(false));
}

/// A value that the one who started the server must have set. Failing is right: a test that skips itself says "ok".
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; this test runs against a server"))
}

/// A bucket of a server, with a prefix of its own.
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
struct Bucket(Arc<dyn BlobStore>);

#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
#[async_trait]
impl BlobStoreFixture for Bucket {
    async fn open(&self) -> Arc<dyn BlobStore> {
        Arc::clone(&self.0)
    }
}

#[cfg(feature = "s3")]
mod s3 {
    use harbor_core::blob::UploadId;
    use harbor_storage::blobs::{ObjectBlobs, S3Options};

    use super::*;

    fn fixture() -> Bucket {
        let mut options = S3Options::new(setting("HARBOR_TEST_S3_BUCKET"));
        options.endpoint = Some(setting("HARBOR_TEST_S3_ENDPOINT"));
        options.access_key = Some(setting("AWS_ACCESS_KEY_ID"));
        options.secret_key = Some(setting("AWS_SECRET_ACCESS_KEY").into());
        options.prefix = format!("conformance/{}", UploadId::random());
        options.signed_urls = true;
        Bucket(Arc::new(ObjectBlobs::s3(&options).unwrap()))
    }

    harbor_core::blob_store_conformance!(fixture(), #[ignore = "needs an S3 server"]);
}

#[cfg(feature = "azure")]
mod azure {
    use harbor_core::blob::UploadId;
    use harbor_storage::blobs::{AzureOptions, ObjectBlobs};

    use super::*;

    fn fixture() -> Bucket {
        let mut options = AzureOptions::new(setting("HARBOR_TEST_AZURE_CONTAINER"));
        options.endpoint = Some(setting("HARBOR_TEST_AZURE_ENDPOINT"));
        options.account = Some(setting("HARBOR_TEST_AZURE_ACCOUNT"));
        options.key = Some(setting("HARBOR_TEST_AZURE_KEY").into());
        options.prefix = format!("conformance/{}", UploadId::random());
        options.signed_urls = true;
        Bucket(Arc::new(ObjectBlobs::azure(&options).unwrap()))
    }

    harbor_core::blob_store_conformance!(fixture(), #[ignore = "needs an Azure Blob Storage server"]);
}

#[cfg(feature = "gcs")]
mod gcs {
    use harbor_core::blob::UploadId;
    use harbor_storage::blobs::{GcsOptions, ObjectBlobs};

    use super::*;

    fn fixture() -> Bucket {
        let mut options = GcsOptions::new(setting("HARBOR_TEST_GCS_BUCKET"));
        options.endpoint = Some(setting("HARBOR_TEST_GCS_ENDPOINT"));
        options.anonymous = true;
        options.prefix = format!("conformance/{}", UploadId::random());
        Bucket(Arc::new(ObjectBlobs::gcs(&options).unwrap()))
    }

    harbor_core::blob_store_conformance!(fixture(), #[ignore = "needs a Google Cloud Storage server"]);
}

//! The conformance suite of the blob store, run by every driver.

// Fixtures are helpers outside of `#[test]`, where the lint does not know that this is a test.
#![allow(clippy::unwrap_used)]

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

mod folder {
    use super::*;

    struct Fixture(tempfile::TempDir);

    #[async_trait]
    impl BlobStoreFixture for Fixture {
        async fn open(&self) -> Arc<dyn BlobStore> {
            Arc::new(FolderBlobs::open(self.0.path()).await.unwrap())
        }

        async fn count(&self) -> Option<usize> {
            let Ok(folders) = std::fs::read_dir(self.0.path().join("blobs")) else { return Some(0) };
            Some(folders.map(|folder| folder.unwrap().path().read_dir().unwrap().count()).sum())
        }
    }

    harbor_core::blob_store_conformance!(Fixture(tempfile::tempdir().unwrap()));
}

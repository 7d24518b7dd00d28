//! What a registry has in its blob store, behind its back: in a folder, or in a bucket.

use std::path::PathBuf;
use std::sync::Arc;

use harbor_core::oci::Digest;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _};

use super::place::{Place, files};

/// A bucket, and what stands ahead of all keys there.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    client: Arc<AmazonS3>,
    prefix: String,
}

/// How the store keeps a blob.
#[derive(Debug)]
pub(super) enum Object {
    /// A file.
    File(PathBuf),
    /// An object.
    Remote(Bucket, Key),
}

impl Bucket {
    /// With the credentials of the environment.
    pub(super) fn new(endpoint: &str, bucket: &str, prefix: String) -> Self {
        let builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_endpoint(endpoint);
        let builder = builder.with_allow_http(true).with_virtual_hosted_style_request(false);
        Self { client: Arc::new(builder.build().unwrap()), prefix }
    }

    fn key(&self, location: &str) -> Key {
        Key::from(format!("{}/{location}", self.prefix))
    }
}

impl Object {
    /// What is in it; nothing where it is not there.
    pub(super) async fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::File(path) => std::fs::read(path).ok(),
            Self::Remote(bucket, key) => match bucket.client.get(key).await {
                Err(Error::NotFound { .. }) => None,
                found => Some(found.unwrap().bytes().await.unwrap().to_vec()),
            },
        }
    }

    pub(super) async fn put(&self, bytes: Vec<u8>) {
        match self {
            Self::File(path) => {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, &bytes).unwrap();
            }
            Self::Remote(bucket, key) => {
                bucket.client.put(key, bytes.clone().into()).await.unwrap();
            }
        }
        assert_eq!(self.bytes().await, Some(bytes));
    }

    pub(super) async fn remove(&self) {
        assert!(self.bytes().await.is_some());
        match self {
            Self::File(path) => std::fs::remove_file(path).unwrap(),
            Self::Remote(bucket, key) => bucket.client.delete(key).await.unwrap(),
        }
        assert!(self.bytes().await.is_none());
    }
}

impl Place {
    /// What is at a location.
    pub(super) fn object(&self, location: &str) -> Object {
        match &self.bucket {
            None => Object::File(self.data().join("blobs").join(location)),
            Some(bucket) => Object::Remote(bucket.clone(), bucket.key(location)),
        }
    }

    /// A blob, as it is kept.
    pub(super) async fn object_of(&self, digest: Digest) -> Object {
        self.object(&self.text(&format!("SELECT location FROM blobs WHERE digest = '{digest}'")).await)
    }

    /// What is in quarantine, by its names there.
    pub(super) async fn quarantine(&self) -> Vec<String> {
        let Some(bucket) = &self.bucket else { return files(&self.data().join("blobs/quarantine")) };
        let folder = bucket.key("quarantine");
        let listed = bucket.client.list_with_delimiter(Some(&folder));
        let objects = listed.await.unwrap().objects;
        objects.into_iter().map(|object| object.location.filename().unwrap().to_owned()).collect()
    }
}

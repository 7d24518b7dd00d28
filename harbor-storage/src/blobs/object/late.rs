//! The driver over a bucket in memory, whose requests can come late: as those of a node that stood still.

// Helpers outside of `#[test]`, where the lint does not know that this is a test.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use harbor_core::StoreErrorKind;
use harbor_core::blob::conformance::BlobStoreFixture;
use harbor_core::oci::{Algorithm, Digest};
use http::Method;
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::*;

/// A bucket in memory.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    objects: InMemory,
    frozen: AtomicBool,
    /// Whether somebody who maintains it may look at all of it.
    maintained: AtomicBool,
    late: Mutex<Vec<(Path, PutPayload)>>,
    /// Multipart uploads and their parts.
    parts: Mutex<HashMap<MultipartId, HashMap<String, PutPayload>>>,
}

impl Memory {
    fn driver(&self) -> ObjectBlobs {
        ObjectBlobs::new(Bucket::new("memory", self.clone(), "some/prefix", false).unwrap())
    }

    /// From now on, what is put is on its way for as long as it takes.
    fn freeze(&self) {
        self.0.frozen.store(true, Ordering::SeqCst);
    }

    /// What is put next arrives at once again.
    fn overtake(&self) {
        self.0.frozen.store(false, Ordering::SeqCst);
    }

    /// What was on its way arrives.
    async fn thaw(&self) {
        let late = std::mem::take(&mut *self.0.late.lock().unwrap());
        assert!(!late.is_empty(), "nothing was on its way");
        for (path, payload) in late {
            self.0.objects.put(&path, payload).await.unwrap();
        }
    }

    async fn keys(&self) -> Vec<String> {
        self.0.objects.list(None).map_ok(|object| object.location.to_string()).try_collect().await.unwrap()
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}

#[async_trait]
impl ObjectStore for Memory {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if !self.0.frozen.load(Ordering::SeqCst) {
            return self.0.objects.put_opts(path, payload, options).await;
        }
        self.0.late.lock().unwrap().push((path.clone(), payload));
        Ok(PutResult { e_tag: Some("\"late\"".to_owned()), version: None, extensions: Default::default() })
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.objects.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.objects.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.objects.delete_stream(paths)
    }

    fn list(&self, below: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        assert!(self.0.maintained.load(Ordering::SeqCst), "the store is never listed");
        self.0.objects.list(below)
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        panic!("the store is never listed")
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        assert!(self.0.maintained.load(Ordering::SeqCst), "nothing is copied");
        self.0.objects.copy_opts(from, to, options).await
    }
}

/// As S3 has it: a blob is made of the parts that are named, whatever else was sent.
#[async_trait]
impl MultipartStore for Memory {
    async fn create_multipart(&self, _: &Path) -> Result<MultipartId> {
        let id = UploadId::random().to_string();
        self.0.parts.lock().unwrap().insert(id.clone(), HashMap::new());
        Ok(id)
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, _: usize, part: PutPayload) -> Result<PartId> {
        let content_id = UploadId::random().to_string();
        let mut uploads = self.0.parts.lock().unwrap();
        let parts = uploads.get_mut(id).ok_or_else(|| no_such_upload(path))?;
        parts.insert(content_id.clone(), part);
        Ok(PartId { content_id })
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        let sent = self.0.parts.lock().unwrap().remove(id).ok_or_else(|| no_such_upload(path))?;
        let named = parts.iter().flat_map(|part| sent[&part.content_id].iter().cloned());
        self.0.objects.put(path, PutPayload::from_iter(named)).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        let gone = self.0.parts.lock().unwrap().remove(id);
        gone.map(drop).ok_or_else(|| no_such_upload(path))
    }
}

fn no_such_upload(path: &Path) -> object_store::Error {
    object_store::Error::NotFound { path: path.to_string(), source: "no such upload".into() }
}

#[async_trait]
impl Signer for Memory {
    async fn signed_url(&self, _: Method, _: &Path, _: Duration) -> Result<url::Url> {
        panic!("nothing is signed")
    }
}

#[async_trait]
impl BlobStoreFixture for Memory {
    async fn open(&self) -> Arc<dyn BlobStore> {
        Arc::new(self.driver())
    }

    async fn count(&self) -> Option<usize> {
        // What the health check puts does not count.
        let objects = self.keys().await.iter().filter(|key| !key.ends_with("/probe")).count();
        Some(objects + self.0.parts.lock().unwrap().len())
    }
}

harbor_core::blob_store_conformance!(Memory::default());

async fn park(
    store: &ObjectBlobs,
    upload: UploadId,
    state: &DriverState,
    at: u64,
    more: &str,
) -> DriverState {
    let mut writer = store.writer(upload, state, at).await.unwrap();
    writer.write(vec![Bytes::copy_from_slice(more.as_bytes())]).await.unwrap();
    writer.park().await.unwrap()
}

async fn commit(store: &ObjectBlobs, upload: UploadId, state: &DriverState, at: u64) -> Location {
    let writer = store.writer(upload, state, at).await.unwrap();
    // Nobody looks at the digest.
    writer.commit(&Digest::of(Algorithm::Sha256, b"")).await.unwrap()
}

async fn content(store: &ObjectBlobs, location: &Location, size: u64) -> Bytes {
    store.open(location, 0..size).await.unwrap().bytes().await.unwrap()
}

/// A node stands still while it parks; another one goes on from what was recorded and makes a blob of it. When the first
/// one's request arrives, the blob stays what it is; and nothing is left when it is deleted.
#[tokio::test]
async fn a_remainder_that_comes_late_does_not_hit_the_blob() {
    let bucket = Memory::default();
    let (store, upload, nothing) = (bucket.driver(), UploadId::random(), DriverState::default());
    bucket.freeze();
    park(&store, upload, &nothing, 0, "what the first node had").await;
    bucket.overtake();
    let state = park(&store, upload, &nothing, 0, "the content").await;
    let location = commit(&store, upload, &state, 11).await;
    store.tidy(upload, &state).await.unwrap();
    bucket.thaw().await;
    assert_eq!(content(&store, &location, 11).await, "the content");
    store.delete(&location).await.unwrap();
    assert_eq!(bucket.keys().await, [""; 0]);
}

/// The same, when the upload was not finished yet: the other node's remainder is lost, and that is seen.
#[tokio::test]
async fn a_remainder_that_comes_late_is_not_taken_for_another() {
    let bucket = Memory::default();
    let (store, upload, nothing) = (bucket.driver(), UploadId::random(), DriverState::default());
    bucket.freeze();
    park(&store, upload, &nothing, 0, "something else").await;
    bucket.overtake();
    let state = park(&store, upload, &nothing, 0, "the content").await;
    bucket.thaw().await;
    let mut writer = store.writer(upload, &state, 11).await.unwrap();
    let fault = writer.write(vec![Bytes::from_static(b"more")]).await.unwrap_err();
    assert_eq!(fault.kind(), StoreErrorKind::Corrupt, "{fault}");
    store.discard(upload, &state).await.unwrap();
    assert_eq!(bucket.keys().await, [""; 0]);
}

/// A large upload was finished, and that could not be recorded: finishing it again finds it done. Not so with bytes that
/// nobody recorded.
#[tokio::test]
async fn a_large_upload_is_finished_twice() {
    const PART: usize = 8 * 1024 * 1024;
    let bucket = Memory::default();
    let (store, upload, nothing) = (bucket.driver(), UploadId::random(), DriverState::default());
    let large = "x".repeat(PART + 5);
    let state = park(&store, upload, &nothing, 0, &large).await;
    let size = large.len() as u64;
    let location = commit(&store, upload, &state, size).await;
    assert_eq!(commit(&store, upload, &state, size).await, location);
    assert!(content(&store, &location, size).await == large);
    let mut writer = store.writer(upload, &state, size).await.unwrap();
    writer.write(vec![Bytes::from_static(b"more")]).await.unwrap();
    let fault = writer.commit(&Digest::of(Algorithm::Sha256, b"")).await.unwrap_err();
    assert_eq!(fault.kind(), StoreErrorKind::NotFound, "{fault}");
    store.delete(&location).await.unwrap();
    assert_eq!(bucket.keys().await, [""; 0]);
}

/// A node that wakes when all is over removes what it put.
#[tokio::test]
async fn tidying_up_leaves_the_blob_alone() {
    let bucket = Memory::default();
    let (store, upload, nothing) = (bucket.driver(), UploadId::random(), DriverState::default());
    let state = park(&store, upload, &nothing, 0, "the content").await;
    let location = commit(&store, upload, &state, 11).await;
    assert_eq!(bucket.keys().await.len(), 2, "a second attempt to finish needs the remainder");
    assert_eq!(commit(&store, upload, &state, 11).await, location);
    store.tidy(upload, &state).await.unwrap();
    assert_eq!(bucket.keys().await, [format!("some/prefix/blobs/{upload}")]);
    assert_eq!(content(&store, &location, 11).await, "the content");
}

/// What is there is told of, also what belongs to an upload that is not over; and what is put aside is found no more.
#[cfg(feature = "backup")]
#[tokio::test]
async fn who_maintains_it_sees_all() {
    use harbor_core::StoreErrorKind;
    use harbor_core::oci::{Algorithm, Digest};

    use crate::blobs::Shelf as _;

    let memory = Memory::default();
    let store = memory.driver();
    memory.0.maintained.store(true, Ordering::SeqCst);
    let (whole, parked) = (UploadId::random(), UploadId::random());
    let mut writer = store.writer(whole, &DriverState::default(), 0).await.unwrap();
    writer.write(vec!["hello".into()]).await.unwrap();
    let location = writer.commit(&Digest::of(Algorithm::Sha256, b"hello")).await.unwrap();
    let mut writer = store.writer(parked, &DriverState::default(), 0).await.unwrap();
    writer.write(vec!["hel".into()]).await.unwrap();
    writer.park().await.unwrap();
    assert_eq!(store.place(whole), location);
    let list = async || {
        let all: Vec<_> = store.list().await.unwrap().try_collect().await.unwrap();
        all.into_iter().map(|one| (one.upload, one.location, one.size)).collect::<Vec<_>>()
    };
    assert_eq!(list().await, [(whole, Some(location.clone()), 5), (parked, None, 3)]);
    let aside = store.set_aside(&location).await.unwrap().unwrap();
    assert!(memory.keys().await.contains(&format!("some/prefix/{aside}")));
    assert_eq!(store.open(&location, 0..5).await.unwrap_err().kind(), StoreErrorKind::NotFound);
    assert_eq!(list().await, [(parked, None, 3)]);
    assert_eq!(store.set_aside(&location).await.unwrap(), None);
}

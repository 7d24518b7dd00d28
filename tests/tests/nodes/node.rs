//! Nodes, and the few things that the tests do with them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use harbor_core::access::permission::{
    ArtifactDelete, GarbageCollectionCreate, RepositoryPull, RepositoryPush, TagDelete,
};
use harbor_core::access::{Action, Actor, AllowAll, Authorized, InRepository};
use harbor_core::blob::UploadId;
use harbor_core::content::{BlobSource, Incoming, ManifestPush};
use harbor_core::oci::{Algorithm, Digest, Reference};
use harbor_core::{Error, GcReport, Harbor, Result, Settings};
use harbor_storage::blobs::{ObjectBlobs, S3Options};
use harbor_storage::sql::SqlMetadata;
use harbor_tests::Database;

/// A value that the one who started the server must have set. Failing is right: a test that skips itself says "ok".
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; this test runs against servers"))
}

/// Two nodes, over a database and a part of a bucket of their own.
pub(crate) struct Pair {
    pub(crate) a: Harbor,
    pub(crate) b: Harbor,
    _database: Database,
}

impl Pair {
    pub(crate) async fn new(database: Database) -> Self {
        let (url, name) = (database.url(), database.name());
        let (a, b) = tokio::join!(node(url, name), node(url, name));
        Self { a, b, _database: database }
    }

    pub(crate) async fn started(database: Database) -> Self {
        let pair = Self::new(database).await;
        pair.a.start().await.unwrap();
        pair.b.start().await.unwrap();
        pair
    }
}

async fn node(url: &str, prefix: &str) -> Harbor {
    let mut options = S3Options::new(setting("HARBOR_TEST_S3_BUCKET"));
    options.endpoint = Some(setting("HARBOR_TEST_S3_ENDPOINT"));
    options.access_key = Some(setting("AWS_ACCESS_KEY_ID"));
    options.secret_key = Some(setting("AWS_SECRET_ACCESS_KEY").into());
    options.prefix = format!("nodes/{prefix}");
    let mut settings = Settings::default();
    settings.gc_grace = Duration::from_millis(700);
    // Collected by hand.
    settings.gc_interval = Duration::from_secs(600);
    settings.upload_lease = Duration::from_secs(3);
    Harbor::builder()
        .metadata_arc(Arc::new(SqlMetadata::connect(url).await.unwrap()))
        .blobs(ObjectBlobs::s3(&options).unwrap())
        .authorizer(AllowAll)
        .settings(settings)
        .build()
        .unwrap()
}

pub(crate) fn sha(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}

/// Bytes that follow from the seed.
pub(crate) fn content(seed: u64, size: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.to_le_bytes()[7]
    };
    std::iter::repeat_with(next).take(size).collect::<Vec<u8>>().into()
}

async fn may<A: Action<Scope = InRepository>>(harbor: &Harbor, name: &str) -> Authorized<A> {
    harbor.authorize(&Actor::user("pusher"), &name.parse().unwrap()).await.unwrap()
}

pub(crate) async fn start(harbor: &Harbor, name: &str) -> UploadId {
    let proof = may::<RepositoryPush>(harbor, name).await;
    harbor.content().upload_start(proof, Default::default()).await.unwrap().id
}

pub(crate) async fn append(harbor: &Harbor, name: &str, id: UploadId, chunk: Bytes) -> Result<u64> {
    append_body(harbor, name, id, Incoming::whole(chunk)).await
}

pub(crate) async fn append_body(harbor: &Harbor, name: &str, id: UploadId, body: Incoming) -> Result<u64> {
    let proof = may::<RepositoryPush>(harbor, name).await;
    harbor.content().upload_append(proof, id, None, body).await.map(|status| status.offset)
}

pub(crate) async fn finish(
    harbor: &Harbor,
    name: &str,
    id: UploadId,
    last: Bytes,
    digest: &Digest,
) -> Result<()> {
    let proof = may::<RepositoryPush>(harbor, name).await;
    harbor.content().upload_finish(proof, id, None, digest, Incoming::whole(last)).await.map(drop)
}

pub(crate) async fn push(harbor: &Harbor, name: &str, blob: Bytes) -> Result<()> {
    let proof = may::<RepositoryPush>(harbor, name).await;
    harbor.content().blob_put(proof, &sha(&blob), Incoming::whole(blob.clone())).await.map(drop)
}

pub(crate) async fn read(harbor: &Harbor, name: &str, digest: &Digest) -> Result<Bytes> {
    let proof = may::<RepositoryPull>(harbor, name).await;
    match harbor.content().blob_read(proof, digest, None).await?.source {
        BlobSource::Body(body) => Ok(body.bytes().await?),
        BlobSource::Redirect(address) => panic!("a redirect to {address}"),
    }
}

pub(crate) async fn delete_blob(harbor: &Harbor, name: &str, digest: &Digest) -> Result<()> {
    harbor.content().blob_delete(may::<ArtifactDelete>(harbor, name).await, digest).await
}

/// The blobs of an image: one of its own, and one that many have.
pub(crate) fn blobs_of(number: u64) -> [Bytes; 2] {
    [content(number + 1_000, 300), content(number % 5 + 1, 3_000)]
}

fn manifest(number: u64) -> String {
    let [config, layer] = blobs_of(number);
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
        "config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},
        "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":{}}}]}}"#,
        sha(&config),
        config.len(),
        sha(&layer),
        layer.len()
    )
}

/// Pushes an image; again from the start when its blobs were collected before the manifest came.
pub(crate) async fn push_image(harbor: &Harbor, name: &str, number: u64, tag: &str) -> Result<Digest> {
    loop {
        for blob in blobs_of(number) {
            push(harbor, name, blob).await?;
        }
        let push = ManifestPush {
            reference: Reference::Tag(tag.parse().unwrap()),
            tags: Vec::new(),
            media_type: None,
            payload: manifest(number).into(),
        };
        let proof = may::<RepositoryPush>(harbor, name).await;
        match harbor.content().manifest_put(proof, push).await {
            Err(Error::ManifestBlobUnknown(_)) => {}
            outcome => return outcome.map(|pushed| pushed.digest),
        }
    }
}

pub(crate) async fn tagged(harbor: &Harbor, name: &str, tag: &str) -> Option<Digest> {
    let proof = may::<RepositoryPull>(harbor, name).await;
    match harbor.content().manifest(proof, &Reference::Tag(tag.parse().unwrap())).await {
        Ok(manifest) => Some(manifest.digest),
        Err(Error::ManifestUnknown(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn has_manifest(harbor: &Harbor, name: &str, digest: &Digest) -> bool {
    let proof = may::<RepositoryPull>(harbor, name).await;
    match harbor.content().manifest(proof, &Reference::Digest(*digest)).await {
        Ok(_) => true,
        Err(Error::ManifestUnknown(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn delete_tag(harbor: &Harbor, name: &str, tag: &str) {
    let proof = may::<TagDelete>(harbor, name).await;
    harbor.content().tag_delete(proof, &tag.parse().unwrap()).await.unwrap();
}

pub(crate) async fn delete_manifest(harbor: &Harbor, name: &str, digest: &Digest) {
    let proof = may::<ArtifactDelete>(harbor, name).await;
    harbor.content().manifest_delete(proof, digest).await.unwrap();
}

pub(crate) async fn collect(harbor: &Harbor) -> Result<GcReport> {
    let proof = harbor.authorize::<GarbageCollectionCreate>(&Actor::user("pusher"), ()).await?;
    harbor.collect_garbage(proof).await
}

//! A small registry over stores that can fail, and what can be seen of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harbor_core::access::permission::{
    ArtifactDelete, GarbageCollectionCreate, ProjectCreate, ProjectDelete, ProjectRead, RepositoryPull,
    RepositoryPush, TagDelete,
};
use harbor_core::access::{Action, Actor, AllowAll, Authorized, InRepository};
use harbor_core::blob::UploadId;
use harbor_core::content::{BlobSource, Incoming, ManifestPush, PageRequest};
use harbor_core::meta::MetadataStore;
use harbor_core::oci::{Algorithm, Digest, ProjectName, Reference, RepositoryName, Tag};
use harbor_core::{Clock, Error, GcReport, Harbor, NewProject, Result};
use harbor_storage::blobs::MemoryBlobs;
use harbor_storage::sql::SqlMetadata;

use crate::blobs::FaultyBlobs;
use crate::faults::Faults;
use crate::rows::FaultyMetadata;

/// The repositories that the cases use.
pub(crate) const ONE: &str = "library/one";
pub(crate) const TWO: &str = "library/two";

/// Blobs that the cases push.
pub(crate) const CONFIG: &[u8] = b"{\"a\": \"config\"}";
pub(crate) const LAYER: &[u8] = b"a layer";
pub(crate) const EXTRA: &[u8] = b"an extra blob";
pub(crate) const CHUNKS: [&[u8]; 3] = [b"first chunk, ", b"second chunk, ", b"last chunk"];

pub(crate) fn sha(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}

/// A manifest of the config and the layer; `number` makes it another one.
pub(crate) fn manifest(number: u32) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
        "config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},
        "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":{}}}],
        "annotations":{{"number":"{number}"}}}}"#,
        sha(CONFIG),
        CONFIG.len(),
        sha(LAYER),
        LAYER.len()
    )
}

pub(crate) struct World {
    pub(crate) faults: Faults,
    pub(crate) metadata: Arc<SqlMetadata>,
    pub(crate) blobs: MemoryBlobs,
    pub(crate) clock: Clock,
    /// The registry that lives through the faults.
    pub(crate) harbor: Harbor,
    pub(crate) upload: Mutex<Option<UploadId>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let faults = Faults::default();
        let metadata = Arc::new(SqlMetadata::in_memory().await.unwrap());
        let (blobs, clock) = (MemoryBlobs::new(), Clock::manual());
        let store = Arc::<SqlMetadata>::clone(&metadata);
        let harbor = Harbor::builder()
            .metadata(FaultyMetadata { inner: store, faults: faults.clone() })
            .blobs(FaultyBlobs { inner: blobs.clone(), faults: faults.clone() })
            .authorizer(AllowAll)
            .clock(clock.clone())
            .build()
            .unwrap();
        let world = Self { faults, metadata, blobs, clock, harbor, upload: Mutex::new(None) };
        world.create("library").await.unwrap();
        world
    }

    /// Another registry over the same stores, which has cached nothing and never fails.
    pub(crate) fn fresh(&self) -> Harbor {
        let metadata: Arc<dyn MetadataStore> = Arc::<SqlMetadata>::clone(&self.metadata);
        let builder = Harbor::builder().metadata_arc(metadata).blobs(self.blobs.clone());
        builder.authorizer(AllowAll).clock(self.clock.clone()).build().unwrap()
    }

    async fn may<A: Action<Scope = InRepository>>(&self, name: &str) -> Result<Authorized<A>> {
        let name: RepositoryName = name.parse().unwrap();
        self.harbor.authorize(&Actor::user("pusher"), &name).await
    }

    pub(crate) async fn create(&self, name: &str) -> Result<()> {
        let proof = self.harbor.authorize::<ProjectCreate>(&Actor::user("pusher"), ()).await?;
        let new = NewProject { public: true, ..NewProject::new(name.parse().unwrap()) };
        self.harbor.projects().create(proof, new).await.map(drop)
    }

    pub(crate) async fn delete_project(&self, name: &str) -> Result<()> {
        let name: ProjectName = name.parse().unwrap();
        let proof = self.harbor.authorize::<ProjectDelete>(&Actor::user("pusher"), &name).await?;
        self.harbor.projects().delete(proof).await
    }

    pub(crate) async fn push_blob(&self, to: &str, content: &'static [u8]) -> Result<()> {
        let proof = self.may::<RepositoryPush>(to).await?;
        self.harbor.content().blob_put(proof, &sha(content), Incoming::whole(content)).await.map(drop)
    }

    pub(crate) async fn push_manifest(&self, to: &str, number: u32, tags: &[&str]) -> Result<()> {
        let proof = self.may::<RepositoryPush>(to).await?;
        let mut tags: Vec<Tag> = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        let reference = Reference::Tag(tags.remove(0));
        let push = ManifestPush { reference, tags, media_type: None, payload: manifest(number).into() };
        self.harbor.content().manifest_put(proof, push).await.map(drop)
    }

    /// A tagged image with its blobs.
    pub(crate) async fn push_image(&self, to: &str, number: u32, tags: &[&str]) -> Result<()> {
        self.push_blob(to, CONFIG).await?;
        self.push_blob(to, LAYER).await?;
        self.push_manifest(to, number, tags).await
    }

    pub(crate) async fn delete_tag(&self, from: &str, tag: &str) -> Result<()> {
        let proof = self.may::<TagDelete>(from).await?;
        self.harbor.content().tag_delete(proof, &tag.parse().unwrap()).await
    }

    pub(crate) async fn delete_manifest(&self, from: &str, number: u32) -> Result<()> {
        let proof = self.may::<ArtifactDelete>(from).await?;
        self.harbor.content().manifest_delete(proof, &sha(manifest(number).as_bytes())).await
    }

    pub(crate) async fn delete_blob(&self, from: &str, content: &[u8]) -> Result<()> {
        let proof = self.may::<ArtifactDelete>(from).await?;
        self.harbor.content().blob_delete(proof, &sha(content)).await
    }

    /// False when there is nothing to mount.
    pub(crate) async fn mount(&self, to: &str, from: &str, content: &[u8]) -> Result<bool> {
        let proof = self.may::<RepositoryPush>(to).await?;
        let from = from.parse().unwrap();
        let mounted = self.harbor.content().blob_mount(&proof, Some(&from), &sha(content)).await?;
        Ok(mounted.is_some())
    }

    pub(crate) async fn start(&self) -> Result<()> {
        let proof = self.may::<RepositoryPush>(ONE).await?;
        let begun = self.harbor.content().upload_start(proof, Default::default()).await?;
        *self.upload.lock().unwrap() = Some(begun.id);
        Ok(())
    }

    fn session(&self) -> UploadId {
        self.upload.lock().unwrap().unwrap()
    }

    pub(crate) async fn append(&self, chunk: usize) -> Result<()> {
        let proof = self.may::<RepositoryPush>(ONE).await?;
        let body = Incoming::whole(CHUNKS[chunk]);
        self.harbor.content().upload_append(proof, self.session(), None, body).await.map(drop)
    }

    pub(crate) async fn finish(&self) -> Result<()> {
        let proof = self.may::<RepositoryPush>(ONE).await?;
        let (body, digest) = (Incoming::whole(CHUNKS[2]), sha(&CHUNKS.concat()));
        self.harbor.content().upload_finish(proof, self.session(), None, &digest, body).await.map(drop)
    }

    pub(crate) async fn cancel(&self) -> Result<()> {
        let proof = self.may::<RepositoryPush>(ONE).await?;
        self.harbor.content().upload_cancel(proof, self.session()).await
    }

    pub(crate) async fn collect(&self, harbor: &Harbor) -> Result<GcReport> {
        let proof = harbor.authorize::<GarbageCollectionCreate>(&Actor::user("pusher"), ()).await?;
        harbor.collect_garbage(proof).await
    }

    /// Beyond the grace of orphans, the expiry of uploads and every wait after a failure.
    pub(crate) fn wait(&self) {
        self.clock.advance(Duration::from_secs(50 * 60 * 60));
    }
}

/// Everything that a client can see, as a set of facts. Panics when what is seen is not whole.
pub(crate) async fn facts(harbor: &Harbor) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    for project in ["library", "other"] {
        let found = harbor.authorize::<ProjectRead>(&Actor::user("pusher"), &project.parse().unwrap()).await;
        if seen(found).is_some() {
            facts.insert(format!("project {project}"));
        }
    }
    let catalog = harbor.content().catalog(&Actor::user("pusher"), PageRequest::default()).await.unwrap();
    facts.extend(catalog.entries.iter().map(|name| format!("listed {name}")));
    for name in [ONE, TWO] {
        facts.extend(facts_of(harbor, name).await);
    }
    facts
}

async fn facts_of(harbor: &Harbor, name: &str) -> BTreeSet<String> {
    let repository: RepositoryName = name.parse().unwrap();
    let content = harbor.content();
    let pull =
        async || harbor.authorize::<RepositoryPull>(&Actor::user("pusher"), &repository).await.unwrap();
    let mut facts = BTreeSet::new();
    let listed = seen(content.tags(pull().await, PageRequest::default()).await);
    let listed = listed.map_or_else(Vec::new, |page| page.entries.clone());
    for tag in ["latest", "v1", "v2"] {
        let tag: Tag = tag.parse().unwrap();
        let found = seen(content.manifest(pull().await, &Reference::Tag(tag.clone())).await);
        assert_eq!(found.is_some(), listed.contains(&tag), "{name}:{tag} in the list and by name");
        if let Some(manifest) = found {
            facts.insert(format!("tag {name}:{tag} {}", manifest.digest));
            let by_digest = seen(content.manifest(pull().await, &Reference::Digest(manifest.digest)).await);
            assert!(by_digest.is_some(), "{name}:{tag} dangles");
        }
    }
    let whole = CHUNKS.concat();
    for blob in [CONFIG, LAYER, EXTRA, &whole] {
        if blob_is_whole(harbor, &repository, blob).await {
            facts.insert(format!("blob {name} {}", sha(blob)));
        }
    }
    for number in 1..=2 {
        let digest = sha(manifest(number).as_bytes());
        if let Some(found) = seen(content.manifest(pull().await, &Reference::Digest(digest)).await) {
            assert_eq!(found.payload, manifest(number));
            for blob in [CONFIG, LAYER] {
                assert!(
                    facts.contains(&format!("blob {name} {}", sha(blob))),
                    "{name}@{digest} lacks a blob"
                );
            }
            facts.insert(format!("manifest {name} {digest}"));
        }
    }
    facts
}

/// Reads what the caches keep, whatever comes of it.
pub(crate) async fn fill_caches(harbor: &Harbor) {
    let (content, name) = (harbor.content(), ONE.parse::<RepositoryName>().unwrap());
    let pull = async || harbor.authorize::<RepositoryPull>(&Actor::user("pusher"), &name).await.unwrap();
    let _ = content.tags(pull().await, PageRequest::default()).await;
    let _ = content.catalog(&Actor::user("pusher"), PageRequest::default()).await;
    let _ = content.blob_read(pull().await, &sha(EXTRA), None).await;
    for tag in ["latest", "v2"] {
        let _ = content.manifest(pull().await, &Reference::Tag(tag.parse().unwrap())).await;
    }
    for number in 1..=2 {
        let digest = sha(manifest(number).as_bytes());
        let _ = content.manifest(pull().await, &Reference::Digest(digest)).await;
    }
}

/// Whether the repository has the blob. Panics when it has, and the bytes are others.
async fn blob_is_whole(harbor: &Harbor, repository: &RepositoryName, content: &[u8]) -> bool {
    let pull = async || harbor.authorize::<RepositoryPull>(&Actor::user("pusher"), repository).await.unwrap();
    let found = seen(harbor.content().blob(pull().await, &sha(content)).await);
    let Some(read) = seen(harbor.content().blob_read(pull().await, &sha(content), None).await) else {
        assert!(found.is_none(), "a blob is there and cannot be read");
        return false;
    };
    assert_eq!(found.expect("a blob can be read and is not there").size, content.len() as u64);
    let BlobSource::Body(body) = read.source else { panic!("a redirect out of memory") };
    assert_eq!(body.bytes().await.unwrap(), content, "the bytes of a blob");
    true
}

/// What is there; `None` when it is not; panics on every other fault.
#[track_caller]
fn seen<T>(outcome: Result<T>) -> Option<T> {
    match outcome {
        Ok(found) => Some(found),
        Err(Error::NameUnknown | Error::ManifestUnknown(_) | Error::BlobUnknown(_)) => None,
        Err(error) => panic!("reading failed: {error}"),
    }
}

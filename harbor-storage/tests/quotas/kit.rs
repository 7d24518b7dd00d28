//! A registry to test with, on whichever database.

use std::sync::Arc;
use std::time::Duration;

use harbor_core::access::permission::{
    ArtifactDelete, GarbageCollectionCreate, ProjectCreate, QuotaRead, QuotaUpdate, RepositoryPush,
};
use harbor_core::access::{Action, Actor, Authorizer, Decision, Permission, ProjectFilter, Target};
use harbor_core::content::{Incoming, ManifestPush};
use harbor_core::meta::{MetadataStore, Quota};
use harbor_core::oci::{Algorithm, Digest, MediaType, ProjectName, Reference, RepositoryName};
use harbor_core::{Clock, Error, Harbor, NewProject, Result, Settings, StoreError};
use harbor_storage::blobs::MemoryBlobs;

/// Long enough for a test.
const GRACE: Duration = Duration::from_secs(1000);

/// Everybody may do everything, but only administrators may change quotas.
#[derive(Debug)]
struct Lenient;

#[async_trait::async_trait]
impl Authorizer for Lenient {
    async fn decide(
        &self,
        actor: &Actor,
        permission: Permission,
        _: Target<'_>,
    ) -> Result<Decision, StoreError> {
        let denied = permission == QuotaUpdate::PERMISSION && !actor.is_administrator();
        Ok(if denied { Decision::Deny } else { Decision::Allow })
    }

    async fn projects(&self, _: &Actor, _: Permission) -> Result<ProjectFilter, StoreError> {
        Ok(ProjectFilter::All)
    }
}

pub(crate) struct Registry {
    pub(crate) harbor: Harbor,
    pub(crate) store: Arc<dyn MetadataStore>,
    clock: Clock,
}

pub(crate) fn project(name: &str) -> ProjectName {
    name.parse().unwrap()
}

pub(crate) fn name(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

pub(crate) fn digest(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}

/// A manifest with these layers, which says `note` so that it is another one than others.
pub(crate) fn manifest(note: usize, layers: &[&[u8]]) -> Vec<u8> {
    let descriptor = |content: &[u8]| {
        let (digest, size) = (digest(content), content.len());
        format!(r#"{{"mediaType":"application/octet-stream","digest":"{digest}","size":{size}}}"#)
    };
    let config = layers.first().map(|layer| descriptor(layer)).unwrap_or_default();
    let layers: Vec<String> = layers.iter().map(|layer| descriptor(layer)).collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{config},"layers":[{}],"annotations":{{"note":"{note}"}}}}"#,
        MediaType::OCI_MANIFEST,
        layers.join(",")
    )
    .into_bytes()
}

impl Registry {
    pub(crate) fn new(store: Arc<dyn MetadataStore>, change: impl FnOnce(&mut Settings)) -> Self {
        let clock = Clock::manual();
        let mut settings = Settings::default();
        settings.gc_grace = GRACE;
        change(&mut settings);
        let harbor = Harbor::builder()
            .metadata_arc(Arc::clone(&store))
            .blobs(MemoryBlobs::default())
            .authorizer(Lenient)
            .clock(clock.clone())
            .settings(settings)
            .build()
            .unwrap();
        Self { harbor, store, clock }
    }

    pub(crate) async fn create(&self, actor: &Actor, name: &str, limit: Option<i64>) -> Result<Quota> {
        let mut new = NewProject::new(project(name));
        new.storage_limit = limit;
        let proof = self.harbor.authorize::<ProjectCreate>(actor, ()).await?;
        self.harbor.projects().create(proof, new).await?;
        self.quota(name).await
    }

    pub(crate) async fn quota(&self, name: &str) -> Result<Quota> {
        let name = project(name);
        let proof = self.harbor.authorize::<QuotaRead>(&Actor::anonymous(), &name).await?;
        self.harbor.quotas().of_project(&proof).await
    }

    pub(crate) async fn limit(&self, name: &str, hard: i64) -> Result<()> {
        let quota = self.quota(name).await?;
        let admin = Actor::administrator("admin");
        let proof = self.harbor.authorize::<QuotaUpdate>(&admin, ()).await?;
        self.harbor.quotas().set(proof, quota.id, hard).await
    }

    pub(crate) async fn push(&self, repository: &str, content: &[u8]) -> Result<()> {
        let incoming = Incoming::whole(content.to_vec());
        self.push_as(repository, &digest(content), incoming).await
    }

    pub(crate) async fn push_as(&self, repository: &str, digest: &Digest, body: Incoming) -> Result<()> {
        let name = name(repository);
        let proof = self.harbor.authorize::<RepositoryPush>(&Actor::anonymous(), &name).await?;
        self.harbor.content().blob_put(proof, digest, body).await.map(|_| ())
    }

    pub(crate) async fn mount(&self, repository: &str, from: &str, content: &[u8]) -> Result<bool> {
        let (to, from) = (name(repository), name(from));
        let proof = self.harbor.authorize::<RepositoryPush>(&Actor::anonymous(), &to).await?;
        let mounted = self.harbor.content().blob_mount(&proof, Some(&from), &digest(content)).await?;
        Ok(mounted.is_some())
    }

    pub(crate) async fn push_manifest(&self, repository: &str, payload: Vec<u8>) -> Result<()> {
        let name = name(repository);
        let proof = self.harbor.authorize::<RepositoryPush>(&Actor::anonymous(), &name).await?;
        let push = ManifestPush {
            reference: Reference::Digest(digest(&payload)),
            tags: Vec::new(),
            media_type: None,
            payload: payload.into(),
        };
        self.harbor.content().manifest_put(proof, push).await.map(|_| ())
    }

    pub(crate) async fn delete_manifest(&self, repository: &str, payload: &[u8]) -> Result<()> {
        let name = name(repository);
        let proof = self.harbor.authorize::<ArtifactDelete>(&Actor::anonymous(), &name).await?;
        self.harbor.content().manifest_delete(proof, &digest(payload)).await
    }

    pub(crate) async fn delete_blob(&self, repository: &str, content: &[u8]) -> Result<()> {
        let name = name(repository);
        let proof = self.harbor.authorize::<ArtifactDelete>(&Actor::anonymous(), &name).await?;
        self.harbor.content().blob_delete(proof, &digest(content)).await
    }

    /// Collects what nothing has referred to for long.
    pub(crate) async fn collect(&self) {
        self.clock.advance(GRACE * 2);
        let admin = Actor::administrator("admin");
        let proof = self.harbor.authorize::<GarbageCollectionCreate>(&admin, ()).await.unwrap();
        let report = self.harbor.collect_garbage(proof).await.unwrap();
        assert_eq!(report.failed, 0);
    }
}

/// It was refused for want of room.
#[track_caller]
pub(crate) fn assert_full<T: std::fmt::Debug>(outcome: Result<T>, text: &str) {
    let error = outcome.expect_err("this should not have had room");
    assert!(matches!(error, Error::QuotaExceeded { .. }), "{error}");
    assert_eq!((error.status(), error.oci_code().as_str()), (403, "DENIED"));
    assert_eq!(error.to_string(), text);
}

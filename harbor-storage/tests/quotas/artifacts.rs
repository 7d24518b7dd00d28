//! What the registry of these tests does with artifacts: tags, indexes, copies, deletions, and what is put back.

use harbor_core::access::permission::{
    ArtifactCreate, ArtifactDelete, ArtifactList, ArtifactRead, RepositoryDelete, RepositoryPull,
    RepositoryPush, TagCreate, TagDelete,
};
use harbor_core::access::{Action, Actor, Authorized, InRepository};
use harbor_core::content::ManifestPush;
use harbor_core::oci::{Digest, MediaType, Reference, Tag};
use harbor_core::query::Query;
use harbor_core::{Error, Result};

use super::kit::{Registry, digest, name};

/// An index that lists these manifests.
pub(crate) fn index(note: usize, listed: &[Vec<u8>]) -> Vec<u8> {
    let descriptor = |payload: &Vec<u8>| {
        let (kind, digest, size) = (MediaType::OCI_MANIFEST, digest(payload), payload.len());
        format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{size}}}"#)
    };
    let listed: Vec<String> = listed.iter().map(descriptor).collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}],"annotations":{{"note":"{note}"}}}}"#,
        MediaType::OCI_INDEX,
        listed.join(",")
    )
    .into_bytes()
}

impl Registry {
    async fn proof<A: Action<Scope = InRepository>>(&self, repository: &str) -> Result<Authorized<A>> {
        let name = name(repository);
        self.harbor.authorize::<A>(&Actor::anonymous(), &name).await
    }

    pub(crate) async fn push_tagged(&self, repository: &str, payload: Vec<u8>, tag: &Tag) -> Result<()> {
        let push = ManifestPush {
            reference: Reference::Tag(tag.clone()),
            tags: Vec::new(),
            media_type: None,
            payload: payload.into(),
        };
        let proof = self.proof::<RepositoryPush>(repository).await?;
        self.harbor.content().manifest_put(proof, push).await.map(|_| ())
    }

    pub(crate) async fn tag(&self, repository: &str, digest: Digest, tag: &Tag) -> Result<()> {
        let proof = self.proof::<TagCreate>(repository).await?;
        self.harbor.artifacts().tag_create(proof, &Reference::Digest(digest), tag).await
    }

    pub(crate) async fn delete_tag(&self, repository: &str, tag: &Tag) -> Result<()> {
        let proof = self.proof::<TagDelete>(repository).await?;
        self.harbor.content().tag_delete(proof, tag).await
    }

    pub(crate) async fn copy(&self, repository: &str, from: &str, digest: Digest) -> Result<()> {
        let to = self.proof::<ArtifactCreate>(repository).await?;
        let reads = self.proof::<ArtifactRead>(from).await?;
        let pulls = self.proof::<RepositoryPull>(from).await?;
        self.harbor.artifacts().copy(to, reads, pulls, &Reference::Digest(digest)).await
    }

    pub(crate) async fn delete_artifact(&self, repository: &str, digest: Digest) -> Result<()> {
        let proof = self.proof::<ArtifactDelete>(repository).await?;
        self.harbor.artifacts().delete(proof, &Reference::Digest(digest)).await
    }

    /// Puts back one of what was deleted.
    pub(crate) async fn restore(&self, repository: &str, which: usize) -> Result<()> {
        let reads = self.proof::<ArtifactList>(repository).await?;
        let deleted = self.harbor.artifacts().trash(&reads, &Query::default()).await?.entries;
        let one = deleted.get(which % deleted.len().max(1)).ok_or(Error::NotFound("deleted artifact"))?;
        let proof = self.proof::<ArtifactCreate>(repository).await?;
        self.harbor.artifacts().restore(proof, &one.digest).await.map(|_| ())
    }

    pub(crate) async fn delete_repository(&self, repository: &str) -> Result<()> {
        let proof = self.proof::<RepositoryDelete>(repository).await?;
        self.harbor.repositories().delete(proof).await
    }
}

//! More tags for an artifact, and fewer.

use std::slice;

use super::Artifacts;
use crate::access::Authorized;
use crate::access::permission::{TagCreate, TagDelete};
use crate::engine::gate::contended;
use crate::engine::immutable::{Fate, refuse_immutable};
use crate::event::EventKind;
use crate::meta::{Artifact, Repository};
use crate::oci::{Reference, Tag};
use crate::policy::Step;
use crate::{Error, Result};

impl Artifacts<'_> {
    /// Gives an artifact another tag.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when the repository has the tag.
    pub async fn tag_create(
        &self,
        proof: Authorized<TagCreate>,
        reference: &Reference,
        tag: &Tag,
    ) -> Result<()> {
        let repository = self.existing(proof.target()).await?;
        let artifact = self.read_named(&repository, reference).await?;
        contended!(self.try_tag_create(&proof, &repository, &artifact, tag))
    }

    async fn try_tag_create(
        &self,
        proof: &Authorized<TagCreate>,
        repository: &Repository,
        artifact: &Artifact,
        tag: &Tag,
    ) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let now = write.now();
        let rows = write.rows();
        let id = rows.manifest_lock(repository.id, &artifact.digest).await?;
        let id = id.ok_or(Error::NotFound("artifact"))?;
        if rows.tag(repository.id, tag).await?.is_some() {
            return Err(Error::Conflict(format!("tag {tag}")));
        }
        rows.tag_insert(repository.id, tag, id, now).await?;
        let name = &repository.name;
        write.audit(format!("{name}:{tag}")).await?;
        let pushed = EventKind::ArtifactPushed {
            repository: name.to_string(),
            digest: artifact.digest,
            media_type: artifact.media_type.to_string(),
            tags: vec![tag.to_string()],
        };
        write.event(pushed);
        let (repository_name, tag_name, digest) = (name.to_string(), tag.to_string(), artifact.digest);
        write.event(EventKind::TagCreated { repository: repository_name, tag: tag_name, digest });
        write.changed_tag(repository.id, tag);
        write.commit().await
    }

    /// Takes a tag from an artifact, which stays.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a tag of another artifact; [`Error::Immutable`]; or a policy's refusal.
    pub async fn tag_delete(
        &self,
        proof: Authorized<TagDelete>,
        reference: &Reference,
        tag: &Tag,
    ) -> Result<()> {
        let repository = self.existing(proof.target()).await?;
        let artifact = self.read_named(&repository, reference).await?;
        self.content().ask_policies(proof.actor(), proof.target(), Step::TagDelete { tag }).await?;
        contended!(self.try_tag_delete(&proof, &repository, &artifact, tag))
    }

    async fn try_tag_delete(
        &self,
        proof: &Authorized<TagDelete>,
        repository: &Repository,
        artifact: &Artifact,
        tag: &Tag,
    ) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let digest = write.rows().tag_delete(repository.id, tag).await?;
        // One that names another is left alone: this transaction is dropped.
        let digest = digest.filter(|named| *named == artifact.digest).ok_or(Error::NotFound("tag"))?;
        refuse_immutable(
            write.rows(),
            repository.project,
            &repository.name,
            slice::from_ref(tag),
            Fate::Deleted,
        )
        .await?;
        let name = &repository.name;
        write.audit(format!("{name}:{tag}")).await?;
        let (repository_name, tag_name) = (name.to_string(), tag.to_string());
        write.event(EventKind::TagDeleted { repository: repository_name, tag: tag_name, digest });
        write.changed_tag(repository.id, tag);
        write.commit().await
    }
}

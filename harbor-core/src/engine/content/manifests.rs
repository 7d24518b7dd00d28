//! Reading and deleting manifests.

use std::sync::Arc;

use super::Content;
use crate::access::permission::{ArtifactDelete, RepositoryPull};
use crate::access::{Actor, Authorized};
use crate::engine::audit;
use crate::engine::cache::Entry;
use crate::engine::gate::{Write, contended};
use crate::engine::immutable::{Fate, refuse_immutable};
use crate::event::EventKind;
use crate::meta::{Manifest, ManifestId, ProjectId, Repository};
use crate::oci::{Digest, Reference, RepositoryName, Tag};
use crate::policy::Step;
use crate::{Error, Result};

impl Content<'_> {
    /// The manifest that `reference` names.
    ///
    /// # Errors
    /// [`Error::NameUnknown`], [`Error::ManifestUnknown`], or a policy's refusal.
    pub async fn manifest(
        &self,
        proof: Authorized<RepositoryPull>,
        reference: &Reference,
    ) -> Result<Arc<Manifest>> {
        let repository = self.existing(proof.target()).await?;
        let found = match reference {
            Reference::Tag(tag) => self.manifest_by_tag(&repository, tag).await?,
            Reference::Digest(digest) => self.manifest_by_digest(&repository, digest).await?,
        };
        let manifest = found.ok_or_else(|| Error::ManifestUnknown(reference.to_string()))?;
        let step = Step::ManifestPull { manifest: &manifest, reference };
        self.ask_policies(proof.actor(), proof.target(), step).await?;
        Ok(manifest)
    }

    /// Counts a pull of a manifest that was sent to a client who asked for `reference`, and notes it where somebody wants to be
    /// told. Both are written down later.
    pub fn count_pull(
        &self,
        actor: &Actor,
        name: &RepositoryName,
        manifest: &Manifest,
        reference: &Reference,
    ) {
        self.harbor.count_pull(manifest.id, reference);
        self.harbor.note_pull(actor, name, &manifest.digest, reference);
    }

    /// Tells the audit log of a pull of a manifest that is sent to a client who asked for `reference`, where pulls are told. It
    /// is written down later.
    pub fn tell_pull(
        &self,
        actor: &Actor,
        repository: (ProjectId, &RepositoryName),
        manifest: &Manifest,
        reference: &Reference,
    ) {
        let now = || self.harbor.now();
        self.harbor.tell_pull(|| audit::pull(actor, repository, &manifest.digest, reference, now()));
    }

    /// On one node both lookups are exact caches. On many, the tag is looked up each time, and its manifest, which cannot
    /// change, is cached.
    pub(in crate::engine) async fn manifest_by_tag(
        &self,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Option<Arc<Manifest>>> {
        let caches = &self.harbor.inner.caches;
        if let Some(digest) = caches.tag(repository.id, tag)
            && let Some(manifest) = caches.manifest(repository.id, &digest)
        {
            return Ok(Some(manifest));
        }
        let before = caches.generation();
        let mut rows = self.harbor.read().await?;
        if !caches.is_exact() {
            let Some(digest) = rows.tag(repository.id, tag).await? else { return Ok(None) };
            if let Some(manifest) = caches.manifest(repository.id, &digest) {
                return Ok(Some(manifest));
            }
        }
        let Some(manifest) = rows.manifest_by_tag(repository.id, tag).await?.map(Arc::new) else {
            return Ok(None);
        };
        caches.keep(before, Entry::Tag(repository.id, tag.clone(), manifest.digest));
        caches.keep(before, Entry::Manifest(repository.id, Arc::clone(&manifest)));
        Ok(Some(manifest))
    }

    pub(in crate::engine) async fn manifest_by_digest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<Arc<Manifest>>> {
        let caches = &self.harbor.inner.caches;
        let cached = caches.manifest(repository.id, digest);
        if caches.is_exact() && cached.is_some() {
            return Ok(cached);
        }
        let before = caches.generation();
        let mut rows = self.harbor.read().await?;
        if cached.is_some() {
            let there = rows.manifests_present(repository.id, &[*digest]).await?;
            return Ok(cached.filter(|_| !there.is_empty()));
        }
        let manifest = rows.manifest(repository.id, digest).await?.map(Arc::new);
        if let Some(manifest) = &manifest {
            caches.keep(before, Entry::Manifest(repository.id, Arc::clone(manifest)));
        }
        Ok(manifest)
    }

    /// Deletes a manifest with the tags that name it. Its blobs are left to garbage collection.
    ///
    /// # Errors
    /// [`Error::NameUnknown`], [`Error::ManifestUnknown`], [`Error::Immutable`], or a policy's refusal.
    pub async fn manifest_delete(&self, proof: Authorized<ArtifactDelete>, digest: &Digest) -> Result<()> {
        self.ask_policies(proof.actor(), proof.target(), Step::ManifestDelete { digest }).await?;
        contended!(self.try_manifest_delete(&proof, digest))
    }

    async fn try_manifest_delete(&self, proof: &Authorized<ArtifactDelete>, digest: &Digest) -> Result<()> {
        let repository = self.existing(proof.target()).await?;
        let mut write = self.harbor.write(proof).await?;
        let manifest = write.rows().manifest_lock(repository.id, digest).await?;
        let manifest = manifest.ok_or_else(|| Error::ManifestUnknown(digest.to_string()))?;
        self.remove_manifest(&mut write, &repository, manifest, digest).await?;
        write.commit().await
    }

    /// Deletes a manifest that the caller has locked, and tells of it.
    pub(in crate::engine) async fn remove_manifest(
        &self,
        write: &mut Write<'_>,
        repository: &Repository,
        manifest: ManifestId,
        digest: &Digest,
    ) -> Result<()> {
        let (now, by) = (write.now(), write.actor().principal());
        let due = now.plus(self.harbor.settings().gc_grace);
        let rows = write.rows();
        rows.trash_put(manifest, &by, now, due).await?;
        let (tags, mut links) = rows.manifest_delete(manifest).await?;
        refuse_immutable(rows, repository.project, &repository.name, &tags, Fate::Deleted).await?;
        // In the order of keys: two manifests may have layers in common.
        links.sort_unstable();
        for link in links {
            rows.review_put(link, due, "manifest deleted").await?;
        }
        let name = &repository.name;
        // Also where its repository is deleted.
        write.audit_along::<ArtifactDelete>(format!("{name}@{digest}")).await?;
        let gone = tags.iter().map(Tag::to_string).collect();
        write.event(EventKind::ArtifactDeleted { repository: name.to_string(), digest: *digest, tags: gone });
        for tag in &tags {
            let (repository, tag) = (name.to_string(), tag.to_string());
            write.event(EventKind::TagDeleted { repository, tag, digest: *digest });
        }
        write.changed_manifest(repository.id, digest);
        write.changed_catalog();
        // Their reviews are due again: who asks for one of them relies on the answer.
        write.changed_blobs(repository.id);
        for tag in &tags {
            write.changed_tag(repository.id, tag);
        }
        Ok(())
    }
}

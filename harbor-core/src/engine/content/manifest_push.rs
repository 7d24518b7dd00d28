//! Storing manifests.

use std::collections::BTreeSet;
use std::slice;

use bytes::Bytes;

use super::Content;
use crate::access::permission::RepositoryPush;
use crate::access::{Authorized, RepositoryTarget};
use crate::engine::artifacts::{attributes, describe, has_attributes};
use crate::engine::gate::{Write, contended};
use crate::engine::immutable::{Fate, refuse_immutable};
use crate::event::EventKind;
use crate::meta::{AccessoryKind, Described, LinkId, ManifestId, NewManifest, RepositoryId, Stored};
use crate::oci::{Algorithm, Digest, MANIFEST_LIMIT, ManifestError, ManifestView, MediaType, Reference, Tag};
use crate::policy::Step;
use crate::{Error, Result};

/// A manifest as a client sends it.
#[derive(Clone, Debug)]
pub struct ManifestPush {
    /// What the client calls it: a tag, or its digest, which is then verified.
    pub reference: Reference,
    /// More tags that shall name it.
    pub tags: Vec<Tag>,
    /// The `Content-Type` that it came with.
    pub media_type: Option<MediaType>,
    /// Its bytes, stored as they are.
    pub payload: Bytes,
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestPushed {
    /// Its digest, in the algorithm of the reference, or SHA-256 when it was pushed by tag.
    pub digest: Digest,
    /// The manifest that it refers to: `OCI-Subject`.
    pub subject: Option<Digest>,
    /// The tags that name it now: `OCI-Tag`.
    pub tags: Vec<Tag>,
}

/// The largest config that is looked into, in bytes.
const LARGEST_CONFIG: u64 = 1024 * 1024;

/// What the audit log says of a manifest that somebody pushed or copied.
pub(in crate::engine) const PUSHED: &str = "push artifact";

/// A push that was read and verified.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Verified {
    pub(in crate::engine) view: ManifestView,
    pub(in crate::engine) digest: Digest,
    pub(in crate::engine) tags: Vec<Tag>,
    pub(in crate::engine) payload: Bytes,
    /// What is read from its config.
    pub(in crate::engine) attributes: Option<String>,
    /// What it is to which other manifest, where that is known from elsewhere.
    pub(in crate::engine) accessory: Option<(AccessoryKind, Digest)>,
}

impl ManifestPush {
    fn verify(self, limit: usize) -> Result<Verified> {
        if self.payload.len() > MANIFEST_LIMIT {
            return Err(Error::ManifestInvalid(ManifestError::TooLarge));
        }
        let mut tags = self.tags;
        let digest = match self.reference {
            Reference::Tag(tag) => {
                tags.insert(0, tag);
                Digest::of(Algorithm::Sha256, &self.payload)
            }
            Reference::Digest(expected) => {
                let actual = Digest::of(expected.algorithm(), &self.payload);
                if actual != expected {
                    return Err(Error::DigestMismatch {
                        expected: Box::new(expected),
                        actual: Box::new(actual),
                    });
                }
                expected
            }
        };
        let mut seen = BTreeSet::new();
        tags.retain(|tag| seen.insert(tag.clone()));
        let view = ManifestView::parse(self.media_type.as_ref(), &self.payload)?;
        let actual = view.listed();
        if actual > limit {
            return Err(Error::ManifestInvalid(ManifestError::TooMany { actual, limit }));
        }
        Ok(Verified { view, digest, tags, payload: self.payload, attributes: None, accessory: None })
    }
}

impl Content<'_> {
    /// Stores a manifest, and lets its tags name it, at once: whoever sees the tag sees the manifest and every blob of it.
    ///
    /// # Errors
    /// [`Error::DigestMismatch`], [`Error::ManifestInvalid`], [`Error::ManifestBlobUnknown`] for content that the repository
    /// lacks (unless [`Settings::sparse_manifests`](crate::Settings::sparse_manifests)), [`Error::Immutable`] for a tag that is there
    /// and that a rule holds, [`Error::QuotaExceeded`], or a policy's refusal.
    pub async fn manifest_put(
        &self,
        proof: Authorized<RepositoryPush>,
        push: ManifestPush,
    ) -> Result<ManifestPushed> {
        let mut push = push.verify(self.harbor.settings().manifest_entries)?;
        let step = Step::ManifestPush {
            manifest: &push.view,
            payload: &push.payload,
            digest: &push.digest,
            tags: &push.tags,
        };
        self.ask_policies(proof.actor(), proof.target(), step).await?;
        push.attributes = self.attributes(proof.target(), &push).await;
        contended!(self.try_manifest_put(&proof, &push))?;
        Ok(ManifestPushed {
            digest: push.digest,
            subject: push.view.subject.map(|subject| subject.digest),
            tags: push.tags,
        })
    }

    async fn try_manifest_put(&self, proof: &Authorized<RepositoryPush>, push: &Verified) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let repository = self.ensure_repository(&mut write, proof.target()).await?;
        self.store_manifest(&mut write, proof.target(), repository.id, push, PUSHED).await?;
        write.commit().await
    }

    /// Stores a manifest in a repository that has its blobs, and lets its tags name it. The audit log says it in these words.
    pub(in crate::engine) async fn store_manifest(
        &self,
        write: &mut Write<'_>,
        target: &RepositoryTarget,
        repository: RepositoryId,
        push: &Verified,
        words: &str,
    ) -> Result<ManifestId> {
        let now = write.now();
        let (links, missing) = self.lock_blobs(write, repository, &push.view).await?;
        let children = self.check_children(write, repository, &push.view).await?;
        let described = self.described(write, repository, push, &children).await?;
        let manifest = NewManifest {
            repository,
            digest: push.digest,
            media_type: &push.view.media_type,
            artifact_type: push.view.artifact_type.as_deref(),
            subject: push.view.subject.as_ref().map(|subject| subject.digest),
            annotations: &push.view.annotations,
            payload: &push.payload,
            links: &links,
            missing: &missing,
            children: &children,
            complete: !self.harbor.settings().sparse_manifests,
            described: &described,
            now,
        };
        let (id, stored) = write.rows().manifest_ensure(&manifest).await?;
        if stored != Stored::Before {
            write.changed_catalog();
        }
        if stored == Stored::First {
            write.event(EventKind::RepositoryCreated { repository: target.name.to_string() });
        }
        let mut moved = Vec::new();
        for tag in &push.tags {
            let put = write.rows().tag_put(repository, tag, id, now).await?;
            moved.extend(put.moved.then_some(tag));
            // As with Harbor, whatever digest it names, and shall name.
            if put.ruled {
                let (project, name) = (target.project.id, &target.name);
                refuse_immutable(write.rows(), project, name, slice::from_ref(tag), Fate::Moved).await?;
            }
            write.changed_tag(repository, tag);
        }
        self.tell(write, target, push, &moved, words).await?;
        Ok(id)
    }

    /// What is read from the config of an artifact. None when it cannot be read: the push does not depend on it.
    async fn attributes(&self, target: &RepositoryTarget, push: &Verified) -> Option<String> {
        let kind = describe(&push.view, 0, &[], 0).kind;
        let config = push.view.config.as_ref().filter(|_| has_attributes(&kind))?;
        let repository = self.existing(target).await.ok()?;
        let bytes = self.blob_bytes(&repository, &config.digest, LARGEST_CONFIG).await;
        let bytes =
            bytes.inspect_err(|error| tracing::debug!(%error, "a config was not looked into")).ok()?;
        attributes(&kind, &bytes)
    }

    /// What the manifest is, with the size of what it lists.
    async fn described(
        &self,
        write: &mut Write<'_>,
        repository: RepositoryId,
        push: &Verified,
        children: &[Digest],
    ) -> Result<Described> {
        let mut listed = 0_u64;
        if !children.is_empty() {
            let sizes = write.rows().artifact_sizes(repository, children).await?;
            listed = sizes.iter().fold(0, |sum, (_, size)| sum.saturating_add(*size));
        }
        let described = describe(&push.view, push.payload.len(), &push.tags, listed);
        let accessory = described.accessory.or(push.accessory);
        Ok(Described { attributes: push.attributes.clone(), accessory, ..described })
    }

    /// Locks the links to every blob that the manifest needs, so that garbage collection cannot take one before the
    /// manifest refers to it. Yields the links, and the blobs that are missing when that is allowed.
    async fn lock_blobs(
        &self,
        write: &mut Write<'_>,
        repository: RepositoryId,
        view: &ManifestView,
    ) -> Result<(Vec<LinkId>, Vec<Digest>)> {
        let mut needed = view.required_blobs();
        // A non-distributable layer may be here all the same, and is then kept.
        let optional: Vec<Digest> = view.layers.iter().map(|layer| layer.digest).collect();
        let mut wanted: Vec<Digest> = needed.keys().copied().chain(optional).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let linked = write.rows().links_lock(repository, &wanted).await?;
        for blob in &linked {
            match needed.remove(&blob.digest) {
                Some(stated) if stated != blob.size => {
                    return Err(Error::ManifestSizeInvalid {
                        digest: Box::new(blob.digest),
                        stated,
                        actual: blob.size,
                    });
                }
                _ => {}
            }
        }
        match needed.keys().next() {
            Some(missing) if !self.harbor.settings().sparse_manifests => {
                Err(Error::ManifestBlobUnknown(*missing))
            }
            _ => Ok((linked.iter().map(|blob| blob.link).collect(), needed.into_keys().collect())),
        }
    }

    /// The manifests that an index lists: each must be there, unless sparse manifests are allowed.
    async fn check_children(
        &self,
        write: &mut Write<'_>,
        repository: RepositoryId,
        view: &ManifestView,
    ) -> Result<Vec<Digest>> {
        let mut children: Vec<Digest> = view.manifests.iter().map(|child| child.digest).collect();
        children.sort_unstable();
        children.dedup();
        if !children.is_empty() && !self.harbor.settings().sparse_manifests {
            let present = write.rows().manifests_present(repository, &children).await?;
            let present: BTreeSet<Digest> = present.into_iter().map(|(digest, _)| digest).collect();
            if let Some(missing) = children.iter().find(|child| !present.contains(child)) {
                return Err(Error::ManifestBlobUnknown(*missing));
            }
        }
        Ok(children)
    }

    /// Tells of a push, and of the tags that name another manifest since.
    async fn tell(
        &self,
        write: &mut Write<'_>,
        target: &RepositoryTarget,
        push: &Verified,
        moved: &[&Tag],
        words: &str,
    ) -> Result<()> {
        let name = &target.name;
        let digest = &push.digest;
        let resource = match push.tags.first() {
            Some(tag) => format!("{name}:{tag}"),
            None => format!("{name}@{digest}"),
        };
        write.audit_as(resource, format!("{words}: {name}@{digest}")).await?;
        let event = EventKind::ArtifactPushed {
            repository: name.to_string(),
            digest: push.digest,
            media_type: push.view.media_type.to_string(),
            tags: push.tags.iter().map(Tag::to_string).collect(),
        };
        write.event(event);
        for tag in moved {
            let (repository, tag) = (name.to_string(), tag.to_string());
            write.event(EventKind::TagCreated { repository, tag, digest: push.digest });
        }
        Ok(())
    }
}

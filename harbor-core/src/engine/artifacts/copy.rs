//! Copying an artifact into another repository, without its bytes leaving the registry.

use std::collections::BTreeSet;

use super::{Artifacts, With};
use crate::access::permission::{ArtifactCreate, ArtifactRead, RepositoryPull};
use crate::access::{Authorized, RepositoryTarget};
use crate::engine::content::{PUSHED, Verified};
use crate::engine::gate::{Write, contended};
use crate::engine::immutable::{Fate, refuse_immutable};
use crate::meta::{Artifact, ManifestId, Repository};
use crate::oci::{Digest, ManifestView, Reference, Tag};
use crate::policy::Step;
use crate::query::Query;
use crate::{Error, Result};

/// Why the link of a blob that was copied is reviewed.
const COPIED: &str = "blob copied";

/// One manifest of a copy.
struct Piece {
    push: Verified,
    /// What of its blobs the source has.
    blobs: Vec<Digest>,
}

/// A step through what is to be copied.
enum Visit {
    /// What it needs comes first.
    Enter(Artifact),
    /// All that is planned already.
    Leave(Artifact),
}

impl Artifacts<'_> {
    /// Copies what `reference` names in the source, with all its tags: first what it lists, then its accessories, then itself.
    /// What the target has already stays as it is. Whoever copies gets the content, so they may pull it from the source.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotByItself`] for an accessory, which goes with its subject; [`Error::Immutable`] for a tag that
    /// is there; [`Error::QuotaExceeded`]; [`Error::Unprocessable`] for more manifests or tags than are copied at a time; or a policy's refusal.
    pub async fn copy(
        &self,
        proof: Authorized<ArtifactCreate>,
        from: Authorized<ArtifactRead>,
        pulls: Authorized<RepositoryPull>,
        reference: &Reference,
    ) -> Result<()> {
        let source = self.existing(from.target()).await?;
        let root = self.get(&from, reference, With { tags: true, ..With::default() }).await?;
        if root.artifact.accessory.is_some() {
            let why = "an accessory is not copied by itself: copy its subject";
            return Err(Error::NotByItself(why));
        }
        let tags: Vec<Tag> = root.tags.into_iter().map(|found| found.tag.name).collect();
        self.refuse_more_tags(root.artifact.id, tags.len() as u64).await?;
        self.refuse_taken(proof.target(), &tags).await?;
        let root_id = root.artifact.id;
        let plan = self.plan(&source, root.artifact).await?;
        for artifact in &plan {
            let tags = if artifact.id == root_id { &tags[..] } else { &[] };
            let piece = self.piece(&from, &source, artifact, tags).await?;
            let step = Step::ManifestPush {
                manifest: &piece.push.view,
                payload: &piece.push.payload,
                digest: &piece.push.digest,
                tags,
            };
            self.content().ask_policies(proof.actor(), proof.target(), step).await?;
            // All of that may have taken a while, and what is copied now is not for who may not pull it any more.
            self.harbor.ask_again(&pulls).await?;
            contended!(self.try_copy(&proof, &source, &piece))?;
        }
        Ok(())
    }

    /// Refuses a copy of less than all tags: more than lists have of them are not put at once.
    async fn refuse_more_tags(&self, artifact: ManifestId, found: u64) -> Result<()> {
        let count = Query::default().page(1, 1);
        let total = self.harbor.read().await?.artifact_tags(artifact, &count).await?.total;
        if total > found {
            let most = format!(
                "the artifact has {total} tags, and at most {found} are copied at a time: delete some of them"
            );
            return Err(Error::Unprocessable(most));
        }
        Ok(())
    }

    /// Refuses a copy that would end at an immutable tag of the target, before any of it is made. The transaction that puts the
    /// tags asks again.
    async fn refuse_taken(&self, target: &RepositoryTarget, tags: &[Tag]) -> Result<()> {
        let repository = match self.content().existing(target).await {
            Err(Error::NameUnknown) => return Ok(()),
            repository => repository?,
        };
        let mut rows = self.harbor.read().await?;
        let mut taken = Vec::new();
        for tag in tags {
            taken.extend(rows.tag(repository.id, tag).await?.map(|_| tag.clone()));
        }
        refuse_immutable(&mut *rows, repository.project, &repository.name, &taken, Fate::Moved).await
    }

    /// What is copied, in the order in which it can be: what is listed and what belongs to a manifest comes ahead of it.
    async fn plan(&self, source: &Repository, root: Artifact) -> Result<Vec<Artifact>> {
        let mut rows = self.harbor.read().await?;
        let limit = self.harbor.settings().manifest_entries;
        let mut seen = BTreeSet::from([root.id]);
        let (mut plan, mut waiting) = (Vec::new(), vec![Visit::Enter(root)]);
        while let Some(visit) = waiting.pop() {
            let artifact = match visit {
                Visit::Enter(artifact) => artifact,
                Visit::Leave(artifact) => {
                    plan.push(artifact);
                    continue;
                }
            };
            let mut below: Vec<Digest> =
                rows.references_of(&[artifact.id]).await?.into_iter().map(|entry| entry.digest).collect();
            below.extend(rows.accessories_of(&[artifact.id]).await?.iter().map(|accessory| accessory.digest));
            waiting.push(Visit::Leave(artifact));
            for digest in below {
                let needed = rows.artifact(source.id, &digest).await?;
                waiting.extend(needed.filter(|needed| seen.insert(needed.id)).map(Visit::Enter));
            }
            if seen.len() > limit {
                let most = format!("at most {limit} manifests are copied at a time");
                return Err(Error::Unprocessable(most));
            }
        }
        Ok(plan)
    }

    async fn piece(
        &self,
        from: &Authorized<ArtifactRead>,
        source: &Repository,
        artifact: &Artifact,
        tags: &[Tag],
    ) -> Result<Piece> {
        let manifest = self.content().manifest_by_digest(source, &artifact.digest).await?;
        let manifest = manifest.ok_or(Error::NotFound("artifact"))?;
        let reference = Reference::Digest(artifact.digest);
        let step = Step::ManifestPull { manifest: &manifest, reference: &reference };
        self.content().ask_policies(from.actor(), from.target(), step).await?;
        let view = ManifestView::parse(Some(&manifest.media_type), &manifest.payload)?;
        let named: BTreeSet<Digest> =
            view.config.iter().chain(&view.layers).map(|blob| blob.digest).collect();
        let push = Verified {
            view,
            digest: manifest.digest,
            tags: tags.to_vec(),
            payload: manifest.payload.clone(),
            attributes: artifact.attributes.clone(),
            accessory: artifact.accessory,
        };
        Ok(Piece { push, blobs: named.into_iter().collect() })
    }

    async fn try_copy(
        &self,
        proof: &Authorized<ArtifactCreate>,
        source: &Repository,
        piece: &Piece,
    ) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let target = proof.target();
        let repository = self.content().ensure_repository(&mut write, target).await?;
        self.link_blobs(&mut write, source, &repository, target, &piece.blobs).await?;
        self.content().store_manifest(&mut write, target, repository.id, &piece.push, PUSHED).await?;
        write.commit().await
    }

    /// Links to the target what blobs the source has of these.
    async fn link_blobs(
        &self,
        write: &mut Write<'_>,
        source: &Repository,
        repository: &Repository,
        target: &RepositoryTarget,
        blobs: &[Digest],
    ) -> Result<()> {
        let (now, grace) = (write.now(), self.harbor.settings().gc_grace);
        let rows = write.rows();
        let mut linked = Vec::new();
        for digest in blobs {
            linked.extend(rows.linked_blob(source.id, digest).await?);
        }
        // In the order of keys, so that two copies of the same layers do not lock each other out.
        linked.sort_unstable_by_key(|linked| linked.blob);
        for linked in &linked {
            // Garbage collection was quicker.
            if rows.blob_lock(linked.blob).await?.is_none() {
                continue;
            }
            let link = rows.link_ensure(repository.id, linked.blob, now).await?;
            rows.review_put(link, now.plus(grace), COPIED).await?;
        }
        tracing::debug!(to = %target.name, blobs = linked.len(), "blobs were linked by a copy");
        write.changed_blobs(repository.id);
        Ok(())
    }
}

//! Deleting an artifact, with what goes with it.

use std::collections::{BTreeMap, BTreeSet};

use super::Artifacts;
use crate::access::Authorized;
use crate::access::permission::ArtifactDelete;
use crate::engine::gate::{Write, contended};
use crate::meta::{Accessory, AccessoryRows, ArtifactRows, ManifestId, Repository, TagKey};
use crate::oci::{Digest, Reference, Tag};
use crate::policy::Step;
use crate::query::{Order, Query};
use crate::{Error, Result, Timestamp};

/// How many accessories, or tags, are read at a time.
const AT_A_TIME: u32 = 1000;

/// Manifests that went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Deleted {
    /// How many.
    pub(in crate::engine) manifests: u64,
    /// How many bytes they had.
    pub(in crate::engine) bytes: u64,
}

impl Artifacts<'_> {
    /// Deletes an artifact with its tags, its accessories, and, of an index, what it lists and nothing else refers to. Blobs are
    /// left to garbage collection.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Referenced`] while an index lists it; [`Error::Immutable`] for a tag of it, or of what goes
    /// with it; or a policy's refusal.
    pub async fn delete(&self, proof: Authorized<ArtifactDelete>, reference: &Reference) -> Result<()> {
        let repository = self.existing(proof.target()).await?;
        let artifact = self.read_named(&repository, reference).await?;
        let step = Step::ManifestDelete { digest: &artifact.digest };
        self.content().ask_policies(proof.actor(), proof.target(), step).await?;
        contended!(self.try_delete(&proof, &repository, reference, &artifact.digest))
    }

    async fn try_delete(
        &self,
        proof: &Authorized<ArtifactDelete>,
        repository: &Repository,
        reference: &Reference,
        digest: &Digest,
    ) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let id = write.rows().manifest_lock(repository.id, digest).await?;
        let id = id.ok_or(Error::NotFound("artifact"))?;
        // Whoever names it by a tag means what the tag names, and the policies were asked about that.
        if let Reference::Tag(tag) = reference
            && write.rows().tag(repository.id, tag).await? != Some(*digest)
        {
            return Err(Error::Contended);
        }
        let (_, listed) = write.rows().artifact_is_held(id).await?;
        if listed {
            let why = "an index of this repository lists the artifact: delete the index first";
            return Err(Error::Referenced(why));
        }
        self.delete_deeply(&mut write, repository, id, *digest).await?;
        write.commit().await
    }

    /// Deletes a manifest that the caller has locked, and then what nothing holds any more. A [`Trial`](super::Trial) goes the same
    /// way.
    pub(in crate::engine) async fn delete_deeply(
        &self,
        write: &mut Write<'_>,
        repository: &Repository,
        id: ManifestId,
        digest: Digest,
    ) -> Result<Deleted> {
        let mut waiting = vec![(id, digest)];
        let (mut gone, mut bytes) = (BTreeSet::new(), 0_u64);
        while let Some((id, digest)) = waiting.pop() {
            if !gone.insert(id) {
                continue;
            }
            let accessories = accessories_of(write.rows(), id).await?;
            let children = write.rows().references_of(&[id]).await?;
            bytes = bytes.saturating_add(write.rows().manifest_size(id).await?);
            self.content().remove_manifest(write, repository, id, &digest).await?;
            for digest in accessories.iter().map(|accessory| accessory.digest) {
                // Its tag is a name for what it is, so it does not keep it.
                if let Some((id, (_, false))) = holders(write, repository, &digest).await? {
                    waiting.push((id, digest));
                }
            }
            for digest in children.iter().map(|child| child.digest) {
                if let Some((id, (false, false))) = holders(write, repository, &digest).await? {
                    waiting.push((id, digest));
                }
            }
        }
        Ok(Deleted { manifests: gone.len() as u64, bytes })
    }
}

/// All accessories of a manifest, however many there are: none is left without what it belongs to.
pub(super) async fn accessories_of<R>(rows: &mut R, id: ManifestId) -> Result<Vec<Accessory>>
where
    R: AccessoryRows + Send + ?Sized,
{
    let mut all = Vec::new();
    for number in 1.. {
        let page = rows.accessories(id, &Query::default().page(number, AT_A_TIME)).await?;
        let last = page.entries.len() < AT_A_TIME as usize;
        all.extend(page.entries);
        if last {
            break;
        }
    }
    Ok(all)
}

/// All tags of a manifest, each with when it was set last.
pub(in crate::engine) async fn tags_of<R>(rows: &mut R, id: ManifestId) -> Result<BTreeMap<Tag, Timestamp>>
where
    R: ArtifactRows + Send + ?Sized,
{
    let mut all = BTreeMap::new();
    for number in 1.. {
        let query = Query::default().sort(TagKey::Id, Order::Ascending).page(number, AT_A_TIME);
        let page = rows.artifact_tags(id, &query).await?.entries;
        let last = page.len() < AT_A_TIME as usize;
        all.extend(page.into_iter().map(|tag| (tag.name, tag.pushed_at)));
        if last {
            break;
        }
    }
    Ok(all)
}

/// The manifest of that digest, locked; and whether a tag names it, and an index lists it.
async fn holders(
    write: &mut Write<'_>,
    repository: &Repository,
    digest: &Digest,
) -> Result<Option<(ManifestId, (bool, bool))>> {
    let rows = write.rows();
    let Some(id) = rows.manifest_lock(repository.id, digest).await? else { return Ok(None) };
    Ok(Some((id, rows.artifact_is_held(id).await?)))
}

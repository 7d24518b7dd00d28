//! Putting back what was deleted, while all that it refers to is still there.

use std::collections::BTreeSet;

use super::Artifacts;
use crate::access::Authorized;
use crate::access::permission::{ArtifactCreate, ArtifactList};
use crate::engine::Harbor;
use crate::engine::content::Verified;
use crate::engine::gate::{Write, contended};
use crate::meta::{LabelId, Listed, Repository, TrashKey, Trashed, TrashedManifest};
use crate::oci::{Digest, ManifestView, Tag};
use crate::policy::Step;
use crate::query::Query;
use crate::{Error, Result};

/// How many deleted manifests are forgotten in one transaction.
const FORGOTTEN: u32 = 1000;

/// What the audit log says of a manifest that came back.
const RESTORED: &str = "restore artifact";

/// What was put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Its tags, and those of what came back with it.
    pub tags: Vec<Tag>,
    /// Tags that something else has since, which keeps them.
    pub taken: Vec<Tag>,
    /// How many manifests came back: the artifact, what it lists, and what belongs to it.
    pub manifests: u64,
}

/// A manifest that comes back.
#[derive(Clone)]
struct Returning {
    push: Verified,
    /// The labels that it had.
    labels: Vec<LabelId>,
}

/// A step through what is to be put back.
enum Visit {
    /// What it needs comes first.
    Enter(TrashedManifest),
    /// All that is planned already.
    Leave(TrashedManifest),
}

impl Artifacts<'_> {
    /// A page of what was deleted of a repository and can be put back.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such repository.
    pub async fn trash(
        &self,
        proof: &Authorized<ArtifactList>,
        query: &Query<TrashKey>,
    ) -> Result<Listed<Trashed>> {
        let repository = self.existing(proof.target()).await?;
        Ok(self.harbor.read().await?.trash(repository.id, query).await?)
    }

    /// Puts back an artifact that was deleted, whoever or whatever deleted it: with what it lists and what belonged to it and was
    /// deleted along, with its labels (whoever may put it back puts back what was on it), and with those of its tags that nothing else
    /// has since. It counts as pushed now. All of it comes back, or nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what was not deleted, or longer ago than [`Settings::gc_grace`](crate::Settings::gc_grace);
    /// [`Error::Conflict`] when it is there; [`Error::Precondition`] when something that it refers to is not there any more;
    /// [`Error::QuotaExceeded`]; [`Error::Unprocessable`] for more manifests than are put back at a time; or a policy's refusal.
    pub async fn restore(&self, proof: Authorized<ArtifactCreate>, digest: &Digest) -> Result<Restored> {
        let repository = self.existing(proof.target()).await?;
        let plan = self.restorable(&repository, digest).await?;
        for Returning { push, .. } in &plan {
            let step = Step::ManifestPush {
                manifest: &push.view,
                payload: &push.payload,
                digest: &push.digest,
                tags: &push.tags,
            };
            self.content().ask_policies(proof.actor(), proof.target(), step).await?;
        }
        contended!(self.try_restore(&proof, &repository, &plan))
    }

    /// What comes back, in the order in which it can.
    async fn restorable(&self, repository: &Repository, digest: &Digest) -> Result<Vec<Returning>> {
        let limit = self.harbor.settings().manifest_entries;
        let mut rows = self.harbor.read().await?;
        let root = rows.trashed(repository.id, digest).await?;
        if rows.artifact(repository.id, digest).await?.is_some() {
            return Err(Error::Conflict(format!("artifact {digest}")));
        }
        let root = root.filter(|root| root.entry.until > self.harbor.now());
        let mut waiting = vec![Visit::Enter(root.ok_or(Error::NotFound("deleted artifact"))?)];
        let (mut plan, mut seen) = (Vec::new(), BTreeSet::from([*digest]));
        while let Some(visit) = waiting.pop() {
            let found = match visit {
                Visit::Enter(found) => found,
                Visit::Leave(found) => {
                    plan.push(returning(found)?);
                    continue;
                }
            };
            let view = ManifestView::parse(Some(&found.entry.media_type), &found.payload)?;
            let mut below: Vec<Digest> = view.manifests.iter().map(|child| child.digest).collect();
            let (subject, at) = (found.entry.digest, found.entry.deleted_at);
            let most = u32::try_from(limit).unwrap_or(u32::MAX);
            below.extend(rows.trashed_of(repository.id, &subject, at, most).await?);
            waiting.push(Visit::Leave(found));
            for digest in below {
                if !seen.insert(digest) || rows.artifact(repository.id, &digest).await?.is_some() {
                    continue;
                }
                waiting.extend(rows.trashed(repository.id, &digest).await?.map(Visit::Enter));
            }
            if seen.len() > limit {
                let most = format!("at most {limit} manifests are put back at a time");
                return Err(Error::Unprocessable(most));
            }
        }
        Ok(plan)
    }

    async fn try_restore(
        &self,
        proof: &Authorized<ArtifactCreate>,
        repository: &Repository,
        plan: &[Returning],
    ) -> Result<Restored> {
        let mut write = self.harbor.write(proof).await?;
        let mut restored = Restored::default();
        for Returning { push, labels } in plan {
            let (free, taken) = self.split(&mut write, repository, &push.tags).await?;
            let push = Verified { tags: free.clone(), ..push.clone() };
            let content = self.content();
            let stored =
                content.store_manifest(&mut write, proof.target(), repository.id, &push, RESTORED).await;
            let manifest = stored.map_err(|error| match error {
                Error::ManifestBlobUnknown(missing) => Error::Precondition(format!(
                    "{missing}, which the artifact needs, is not there any more: push the artifact again"
                )),
                error => error,
            })?;
            for label in labels {
                // Some may be gone, and none goes as long as this is not over.
                if write.rows().label_lock(*label).await?.is_some() {
                    write.rows().label_put(*label, manifest).await?;
                }
            }
            write.rows().trash_delete(repository.id, &push.digest).await?;
            restored.tags.extend(free);
            restored.taken.extend(taken);
            restored.manifests += 1;
        }
        write.commit().await?;
        Ok(restored)
    }

    /// Which of these tags are free, and which are taken.
    async fn split(
        &self,
        write: &mut Write<'_>,
        repository: &Repository,
        tags: &[Tag],
    ) -> Result<(Vec<Tag>, Vec<Tag>)> {
        let (mut free, mut taken) = (Vec::new(), Vec::new());
        for tag in tags {
            let is_taken = write.rows().tag(repository.id, tag).await?.is_some();
            if is_taken { taken.push(tag.clone()) } else { free.push(tag.clone()) }
        }
        Ok((free, taken))
    }
}

fn returning(found: TrashedManifest) -> Result<Returning> {
    let push = Verified {
        view: ManifestView::parse(Some(&found.entry.media_type), &found.payload)?,
        digest: found.entry.digest,
        tags: found.entry.tags,
        payload: found.payload,
        attributes: found.attributes,
        accessory: found.accessory,
    };
    Ok(Returning { push, labels: found.labels })
}

impl Harbor {
    /// Forgets some of what can be put back no more.
    pub(in crate::engine) async fn forget_trash(&self) -> Result<()> {
        contended!(async {
            let mut write = self.write_as_system().await?;
            let now = write.now();
            if write.rows().trash_expire(now, FORGOTTEN).await? == 0 {
                return Ok(());
            }
            write.commit().await
        })
    }
}

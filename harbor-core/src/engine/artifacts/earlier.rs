//! Manifests of earlier versions of this program: finding out what they are, a few at a time, beside the requests.

use super::{attributes, describe, has_attributes};
use crate::Result;
use crate::engine::Harbor;
use crate::engine::content::Content;
use crate::engine::gate::contended;
use crate::meta::{Described, Manifest, ManifestId, Repository, RepositoryId};
use crate::oci::{Digest, ManifestView, Tag};

/// The setting that tells how far this came: the key of a manifest, or [`ALL`].
const HOW_FAR: &str = "artifacts.described";

/// Nothing is left.
const ALL: &str = "all";

/// How many manifests are looked at in one batch.
const BATCH: u32 = 50;

/// How many bytes of manifests are looked at in one batch; one larger than that is looked at alone.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;

/// The largest config that is looked into, in bytes.
const LARGEST_CONFIG: u64 = 1024 * 1024;

impl Harbor {
    /// Finds out what the next few manifests are of which nobody knows. False when there are none left. Several nodes may do
    /// this at once: all find the same.
    pub(in crate::engine) async fn describe_batch(&self) -> Result<bool> {
        let mut rows = self.read().await?;
        let how_far = rows.setting(HOW_FAR).await?;
        if how_far.as_deref() == Some(ALL) {
            return Ok(false);
        }
        let after = how_far.and_then(|after| after.parse().ok()).map_or(ManifestId::new(0), ManifestId::new);
        let found = rows.artifacts_undescribed(after, BATCH, BATCH_BYTES).await?;
        drop(rows);
        for (repository, manifest) in &found {
            self.describe_earlier(*repository, manifest).await?;
        }
        let last = found.last().map(|(_, manifest)| manifest.id.get().to_string());
        let how_far = last.as_deref().unwrap_or(ALL);
        contended!(self.note_how_far(how_far))?;
        Ok(how_far != ALL)
    }

    async fn note_how_far(&self, how_far: &str) -> Result<()> {
        let mut write = self.write_as_system().await?;
        write.rows().setting_put(HOW_FAR, how_far).await?;
        write.commit().await
    }

    async fn describe_earlier(&self, repository: RepositoryId, manifest: &Manifest) -> Result<()> {
        let mut rows = self.read().await?;
        let Some(entry) = rows.repository_entry(repository).await? else { return Ok(()) };
        let tags = rows.tags_of(&[manifest.id]).await?;
        let tags: Vec<Tag> = tags.into_iter().map(|tag| tag.name).collect();
        let described = match ManifestView::parse(Some(&manifest.media_type), &manifest.payload) {
            Ok(view) => {
                let listed: Vec<Digest> = view.manifests.iter().map(|child| child.digest).collect();
                let sizes = rows.artifact_sizes(repository, &listed).await?;
                let listed = sizes.iter().fold(0_u64, |sum, (_, size)| sum.saturating_add(*size));
                let described = describe(&view, manifest.payload.len(), &tags, listed);
                self.with_attributes(&entry.repository, &view, described).await
            }
            // What was once taken and does not read any more.
            Err(_) => Described { kind: "UNKNOWN".to_owned(), ..Described::default() },
        };
        drop(rows);
        contended!(self.note_what_it_is(repository, manifest, &described))
    }

    async fn with_attributes(
        &self,
        repository: &Repository,
        view: &ManifestView,
        described: Described,
    ) -> Described {
        let Some(config) = view.config.as_ref().filter(|_| has_attributes(&described.kind)) else {
            return described;
        };
        let bytes = Content::new(self).blob_bytes(repository, &config.digest, LARGEST_CONFIG).await;
        let read = bytes.ok().and_then(|bytes| attributes(&described.kind, &bytes));
        Described { attributes: read, ..described }
    }

    async fn note_what_it_is(
        &self,
        repository: RepositoryId,
        manifest: &Manifest,
        described: &Described,
    ) -> Result<()> {
        let mut write = self.write_as_system().await?;
        let rows = write.rows();
        if let Some(id) = rows.manifest_lock(repository, &manifest.digest).await? {
            rows.artifact_describe(id, described).await?;
        }
        write.commit().await
    }
}

//! Tags, and the list of repositories.

use super::{Content, Page, PageRequest};
use crate::access::permission::{RepositoryPull, TagDelete};
use crate::access::{Actor, Authorized};
use crate::engine::gate::contended;
use crate::event::EventKind;
use crate::oci::{RepositoryName, Tag};
use crate::policy::Step;
use crate::{Error, Result};

impl Content<'_> {
    /// Tags of the repository, in the order of their bytes.
    ///
    /// # Errors
    /// [`Error::NameUnknown`] when the repository does not exist.
    pub async fn tags(&self, proof: Authorized<RepositoryPull>, page: PageRequest) -> Result<Page<Tag>> {
        let repository = self.existing(proof.target()).await?;
        if page.size() == 0 {
            return Ok(Page { entries: Vec::new(), more: false });
        }
        let mut rows = self.harbor.read().await?;
        let tags = rows.tags(repository.id, page.after.as_deref(), page.size() + 1).await?;
        Ok(Page::cut(tags, page.size()))
    }

    /// Names of the repositories that `actor` may pull from, in the order of their bytes.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn catalog(&self, actor: &Actor, page: PageRequest) -> Result<Page<RepositoryName>> {
        let filter = self.harbor.visible::<RepositoryPull>(actor).await?;
        if page.size() == 0 {
            return Ok(Page { entries: Vec::new(), more: false });
        }
        let mut rows = self.harbor.read().await?;
        let names = rows.repositories(&filter, page.after.as_deref(), page.size() + 1).await?;
        Ok(Page::cut(names, page.size()))
    }

    /// Deletes a tag; the manifest that it named stays.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`] when there is no such tag.
    pub async fn tag_delete(&self, proof: Authorized<TagDelete>, tag: &Tag) -> Result<()> {
        self.ask_policies(proof.actor(), proof.target(), Step::TagDelete { tag }).await?;
        contended!(self.try_tag_delete(&proof, tag))
    }

    async fn try_tag_delete(&self, proof: &Authorized<TagDelete>, tag: &Tag) -> Result<()> {
        let name = &proof.target().name;
        let repository = self.existing(proof.target()).await?;
        let mut write = self.harbor.write(proof).await?;
        let digest = write.rows().tag_delete(repository.id, tag).await?;
        let digest = digest.ok_or_else(|| Error::ManifestUnknown(tag.to_string()))?;
        write.audit(format!("{name}:{tag}")).await?;
        let (repository_name, tag_name) = (name.to_string(), tag.to_string());
        write.event(EventKind::TagDeleted { repository: repository_name, tag: tag_name, digest }).await?;
        write.changed_tag(repository.id, tag);
        write.commit().await
    }
}

//! Tags, and the list of repositories.

use std::slice;
use std::sync::Arc;

use super::{Content, Page, PageRequest};
use crate::access::permission::{RepositoryPull, TagDelete};
use crate::access::{Actor, Authorized};
use crate::engine::cache::Entry;
use crate::engine::gate::contended;
use crate::engine::immutable::{Fate, refuse_immutable};
use crate::event::EventKind;
use crate::oci::{RepositoryName, Tag};
use crate::policy::Step;
use crate::{Error, Result};

impl Content<'_> {
    /// Tags of the repository, in the order of their bytes.
    ///
    /// # Errors
    /// [`Error::NameUnknown`] when the repository does not exist.
    pub async fn tags(&self, proof: Authorized<RepositoryPull>, page: PageRequest) -> Result<Arc<Page<Tag>>> {
        let repository = self.existing(proof.target()).await?;
        let page = page.shortened();
        let (size, caches) = (page.size(), &self.harbor.inner.caches);
        if size == 0 {
            return Ok(Arc::new(Page { entries: Vec::new(), more: false }));
        }
        if let Some(list) = caches.tag_list(repository.id, &page) {
            return Ok(list);
        }
        let before = caches.generation();
        let mut rows = self.harbor.read().await?;
        let tags = rows.tags(repository.id, page.comes_after().as_deref(), size + 1).await?;
        let list = Arc::new(Page::cut(tags, size));
        caches.keep(before, Entry::TagList(repository.id, page, Arc::clone(&list)));
        Ok(list)
    }

    /// Names of the repositories that `actor` may pull from, in the order of their bytes.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn catalog(&self, actor: &Actor, page: PageRequest) -> Result<Arc<Page<RepositoryName>>> {
        let filter = self.harbor.catalogued(actor).await?;
        let page = page.shortened();
        let (size, caches) = (page.size(), &self.harbor.inner.caches);
        if size == 0 {
            return Ok(Arc::new(Page { entries: Vec::new(), more: false }));
        }
        let asked = (filter, page);
        // Patterns may be long and as many as there are people: such a list is read anew each time.
        let kept = !asked.0.has_patterns();
        if let Some(list) = kept.then(|| caches.catalog(&asked)).flatten() {
            return Ok(list);
        }
        let before = caches.generation();
        let (filter, page) = asked;
        let limited = self.harbor.matched(actor, filter.clone()).await?;
        let mut rows = self.harbor.read().await?;
        let names = rows.repositories(&limited, page.comes_after().as_deref(), size + 1).await?;
        let list = Arc::new(Page::cut(names, size));
        if kept {
            caches.keep(before, Entry::Catalog(filter, page, Arc::clone(&list)));
        }
        Ok(list)
    }

    /// Deletes a tag; the manifest that it named stays.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`] when there is no such tag; [`Error::Immutable`]; or a policy's refusal.
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
        refuse_immutable(write.rows(), repository.project, name, slice::from_ref(tag), Fate::Deleted).await?;
        write.audit(format!("{name}:{tag}")).await?;
        let (repository_name, tag_name) = (name.to_string(), tag.to_string());
        write.event(EventKind::TagDeleted { repository: repository_name, tag: tag_name, digest });
        write.changed_tag(repository.id, tag);
        write.commit().await
    }
}

//! The use cases of repositories.

use std::collections::HashSet;

use super::Harbor;
use super::content::Content;
use super::gate::contended;
use crate::access::permission::{RepositoryDelete, RepositoryList, RepositoryRead, RepositoryUpdate};
use crate::access::{Action, Actor, Authorized, RepositoryTarget};
use crate::blob::UploadId;
use crate::event::EventKind;
use crate::meta::{LinkId, Listed, Repository, RepositoryEntry, RepositoryKey};
use crate::oci::Digest;
use crate::policy::Step;
use crate::query::Query;
use crate::{Error, Result, StoreErrorKind};

/// How many manifests of a repository one transaction deletes.
const MANIFESTS: u32 = 32;

/// How many links to blobs one transaction deletes.
const LINKS: u32 = 128;

/// How many upload sessions are ended at a time.
const UPLOADS: u32 = 256;

/// How long a description may be, in bytes.
const LONGEST: usize = 64 * 1024;

/// Use cases of repositories: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Repositories<'a> {
    harbor: &'a Harbor,
}

impl<'a> Repositories<'a> {
    pub(super) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    /// A page of the repositories of a project that hold an artifact, or have held one, of those that the caller may list. As with
    /// Harbor, one of which all artifacts were deleted stays; what an upload made that came to no artifact is none.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn list(
        &self,
        proof: &Authorized<RepositoryList>,
        query: &Query<RepositoryKey>,
    ) -> Result<Listed<RepositoryEntry>> {
        let filter = self.harbor.visible_of::<RepositoryList>(proof.actor(), proof.target()).await?;
        let filter = self.harbor.matched(proof.actor(), filter).await?;
        Ok(self.harbor.read().await?.repository_entries(&filter, query).await?)
    }

    /// A page of all such repositories that `actor` may know of.
    ///
    /// # Errors
    /// As the stores fail.
    pub async fn list_all(
        &self,
        actor: &Actor,
        query: &Query<RepositoryKey>,
    ) -> Result<Listed<RepositoryEntry>> {
        let filter = self.harbor.visible::<RepositoryList>(actor).await?;
        let filter = self.harbor.matched(actor, filter).await?;
        Ok(self.harbor.read().await?.repository_entries(&filter, query).await?)
    }

    /// A repository.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, proof: &Authorized<RepositoryRead>) -> Result<RepositoryEntry> {
        let repository = self.existing(proof.target()).await?;
        let entry = self.harbor.read().await?.repository_entry(repository.id).await?;
        entry.ok_or(Error::NotFound("repository"))
    }

    async fn existing(&self, target: &RepositoryTarget) -> Result<Repository> {
        Content::new(self.harbor).existing(target).await.map_err(|error| match error {
            Error::NameUnknown => Error::NotFound("repository"),
            error => error,
        })
    }

    /// Sets what is written about a repository.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::BadRequest`] for what is too long, or cannot be stored.
    pub async fn describe(&self, proof: Authorized<RepositoryUpdate>, description: &str) -> Result<()> {
        if description.len() > LONGEST || description.contains('\0') {
            let rule = format!("a description has at most {LONGEST} bytes, and no NUL");
            return Err(Error::BadRequest(rule));
        }
        let repository = self.existing(proof.target()).await?;
        contended!(self.try_describe(&proof, &repository, description))
    }

    async fn try_describe(
        &self,
        proof: &Authorized<RepositoryUpdate>,
        repository: &Repository,
        description: &str,
    ) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        let now = write.now();
        if !write.rows().repository_describe(repository.id, description, now).await? {
            return Err(Error::NotFound("repository"));
        }
        write.audit(repository.name.as_str()).await?;
        write.commit().await
    }

    /// Deletes a repository and all that is in it, in small transactions: others are not kept waiting, and who does it again
    /// goes on where it broke off. While somebody writes to an upload of it, its row stays until that is over; lists do not have
    /// it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Immutable`] while it has such a tag; or a policy's refusal.
    pub async fn delete(&self, proof: Authorized<RepositoryDelete>) -> Result<()> {
        let repository = self.existing(proof.target()).await?;
        self.harbor.refuse_any_immutable(&repository).await?;
        self.delete_manifests(&proof, &repository).await?;
        self.end_uploads(&repository).await?;
        self.delete_links(&proof, &repository).await?;
        contended!(self.try_note(&proof, &repository))?;
        contended!(self.try_delete_row(&proof, &repository))?;
        self.harbor.inner.workers.wake_gc();
        Ok(())
    }

    /// Deletes what an upload made that came to no manifest: ends the upload, unless somebody is writing to it at the moment, and
    /// deletes the links to its blobs and the row.
    pub(super) async fn clear<A: Action>(
        &self,
        proof: &Authorized<A>,
        repository: &Repository,
    ) -> Result<()> {
        self.end_uploads(repository).await?;
        self.delete_links(proof, repository).await?;
        contended!(self.try_delete_row(proof, repository))
    }

    async fn delete_manifests(
        &self,
        proof: &Authorized<RepositoryDelete>,
        repository: &Repository,
    ) -> Result<()> {
        let content = Content::new(self.harbor);
        loop {
            let digests = self.harbor.read().await?.repository_manifests(repository.id, MANIFESTS).await?;
            if digests.is_empty() {
                return Ok(());
            }
            for digest in &digests {
                let step = Step::ManifestDelete { digest };
                content.ask_policies(proof.actor(), proof.target(), step).await?;
            }
            contended!(self.try_delete_manifests(proof, repository, &digests))?;
        }
    }

    async fn try_delete_manifests(
        &self,
        proof: &Authorized<RepositoryDelete>,
        repository: &Repository,
        digests: &[Digest],
    ) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        for digest in digests {
            if let Some(id) = write.rows().manifest_lock(repository.id, digest).await? {
                Content::new(self.harbor).remove_manifest(&mut write, repository, id, digest).await?;
            }
        }
        write.commit().await
    }

    /// Ends the uploads that nobody is writing to at the moment.
    async fn end_uploads(&self, repository: &Repository) -> Result<()> {
        // One that somebody writes to stays, and so does one whose bytes cannot be removed now: neither is tried again.
        let mut tried = HashSet::new();
        loop {
            let uploads = self.harbor.read().await?.repository_uploads(repository.id, UPLOADS).await?;
            let before = tried.len();
            for id in uploads {
                if tried.insert(id) {
                    self.end_upload_unless_busy(id).await?;
                }
            }
            if tried.len() == before {
                return Ok(());
            }
        }
    }

    async fn end_upload_unless_busy(&self, id: UploadId) -> Result<()> {
        let lease = match self.harbor.lease(id).await {
            Err(Error::UploadBusy) => return Ok(()),
            lease => lease?,
        };
        let ended = self.harbor.cancel_upload(id).await;
        lease.release(self.harbor).await;
        ended
    }

    /// Deletes the links to blobs: no manifest refers to them any more, unless somebody pushed one meanwhile.
    async fn delete_links<A: Action>(&self, proof: &Authorized<A>, repository: &Repository) -> Result<()> {
        loop {
            let links = self.harbor.read().await?.repository_links(repository.id, LINKS).await?;
            if links.is_empty() || !contended!(self.try_delete_links(proof, repository, &links))? {
                return Ok(());
            }
        }
    }

    /// Whether some could be deleted.
    async fn try_delete_links<A: Action>(
        &self,
        proof: &Authorized<A>,
        repository: &Repository,
        links: &[LinkId],
    ) -> Result<bool> {
        let mut write = self.harbor.write(proof).await?;
        let now = write.now();
        let rows = write.rows();
        let gone = rows.links_unreferenced(links).await?;
        rows.links_delete(&gone, now).await?;
        write.changed_blobs(repository.id);
        write.commit().await?;
        Ok(!gone.is_empty())
    }

    async fn try_note(&self, proof: &Authorized<RepositoryDelete>, repository: &Repository) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        // The row may have to wait for an upload; lists do not.
        write.rows().repository_unlist(repository.id).await?;
        write.audit(repository.name.as_str()).await?;
        write.event(EventKind::RepositoryDeleted { repository: repository.name.to_string() });
        write.commit().await
    }

    /// Deletes the row, unless something belongs to it again, or still.
    async fn try_delete_row<A: Action>(&self, proof: &Authorized<A>, repository: &Repository) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        match write.rows().repository_delete(repository.id).await {
            Err(error) if error.kind() == StoreErrorKind::Conflict => return Ok(()),
            deleted => deleted?,
        };
        write.changed_repository(&repository.name);
        match write.commit().await {
            Err(error) if super::gate::lost(&error) => Ok(()),
            committed => committed,
        }
    }
}

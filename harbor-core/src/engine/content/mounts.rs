//! Mounting: linking a blob of one repository in another, without sending it again.

use super::{Content, StoredBlob};
use crate::access::permission::{RepositoryPull, RepositoryPush};
use crate::access::{Actor, Authorized};
use crate::engine::gate::contended;
use crate::meta::LinkedBlob;
use crate::oci::{Digest, RepositoryName};
use crate::{Error, Result};

/// How many repositories that have a blob are tried when the client names none.
const CANDIDATES: u32 = 32;

impl Content<'_> {
    /// Links the blob of that digest from the repository `from`, or, when the client names none, from any repository that
    /// the actor may pull from. `None` when that cannot be done, for whatever reason: the client then sends the bytes, and
    /// learns nothing of repositories that it may not see.
    ///
    /// # Errors
    /// [`Error::QuotaExceeded`], or as the stores fail.
    pub async fn blob_mount(
        &self,
        proof: &Authorized<RepositoryPush>,
        from: Option<&RepositoryName>,
        digest: &Digest,
    ) -> Result<Option<StoredBlob>> {
        let candidates = match from {
            Some(from) => vec![from.clone()],
            None => self.harbor.read().await?.blob_repositories(digest, CANDIDATES).await?,
        };
        for candidate in candidates {
            if let Some(source) = self.source_of(proof.actor(), &candidate, digest).await?
                && contended!(self.try_mount(proof, &source))?
            {
                return Ok(Some(StoredBlob { digest: source.digest, size: source.size }));
            }
        }
        Ok(None)
    }

    /// The blob in `repository`, when the actor may pull it from there.
    async fn source_of(
        &self,
        actor: &Actor,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<LinkedBlob>> {
        let pull = match self.harbor.authorize_quietly::<RepositoryPull>(actor, repository).await {
            Ok(pull) => pull,
            Err(Error::Store(error)) => return Err(Error::Store(error)),
            Err(_) => return Ok(None),
        };
        let repository = match self.existing(pull.target()).await {
            Err(Error::NameUnknown) => return Ok(None),
            found => found?,
        };
        match self.linked(&repository, digest).await {
            Ok(linked) => Ok(Some(LinkedBlob::clone(&linked))),
            Err(Error::BlobUnknown(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// False when garbage collection was quicker.
    async fn try_mount(&self, proof: &Authorized<RepositoryPush>, source: &LinkedBlob) -> Result<bool> {
        let target = proof.target();
        let mut write = self.harbor.write(proof).await?;
        let now = write.now();
        let due = now.plus(self.harbor.settings().gc_grace);
        let repository = self.ensure_repository(&mut write, target).await?;
        let rows = write.rows();
        if rows.blob_lock(source.blob).await?.is_none() {
            return Ok(false);
        }
        let link = rows.link_ensure(repository.id, source.blob, now).await?;
        rows.review_put(link, due, "blob mounted").await?;
        write.changed_blob(repository.id, &source.digest);
        write.commit().await?;
        Ok(true)
    }
}

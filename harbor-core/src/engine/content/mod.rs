//! The content engine: blobs, uploads, manifests, tags, referrers.

mod blobs;
mod gather;
mod ingest;
mod lease;
mod manifest_push;
mod manifests;
mod mounts;
mod referrers;
mod tags;
mod uploads;

pub use blobs::{BlobRead, BlobSource, StoredBlob};
pub use ingest::Incoming;
pub(super) use lease::Leases;
pub use manifest_push::{ManifestPush, ManifestPushed};
pub(in crate::engine) use manifest_push::{PUSHED, Verified};
pub use referrers::ReferrersPage;
pub use uploads::{UploadOptions, UploadStatus};

use super::Harbor;
use super::cache::Entry;
use super::gate::Write;
pub use super::page::{Page, PageRequest};
use crate::access::{Actor, RepositoryTarget};
use crate::meta::Repository;
use crate::oci::RepositoryName;
use crate::policy::{Step, Verdict};
use crate::{Error, Result, StoreErrorKind};

/// Use cases of content: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    harbor: &'a Harbor,
}

impl<'a> Content<'a> {
    pub(in crate::engine) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    /// The repository of that name, when it is there.
    async fn repository(&self, name: &RepositoryName) -> Result<Option<Repository>> {
        let caches = &self.harbor.inner.caches;
        if let Some(repository) = caches.repository(name) {
            return Ok(Some(repository));
        }
        let before = caches.generation();
        let repository = self.harbor.read().await?.repository(name).await?;
        if let Some(repository) = &repository {
            caches.keep(before, Entry::Repository(repository.clone()));
        }
        Ok(repository)
    }

    /// The repository that a proof is for, for reading.
    pub(in crate::engine) async fn existing(&self, target: &RepositoryTarget) -> Result<Repository> {
        match self.repository(&target.name).await? {
            // The same name in another incarnation of the project is another repository.
            Some(repository) if repository.project == target.project.id => Ok(repository),
            _ => Err(Error::NameUnknown),
        }
    }

    /// The repository that a proof is for, made where it is missing.
    pub(in crate::engine) async fn ensure_repository(
        &self,
        write: &mut Write<'_>,
        target: &RepositoryTarget,
    ) -> Result<Repository> {
        let now = write.now();
        let ensured = write.rows().repository_ensure(target.project.id, &target.name, now).await;
        ensured.map_err(|error| match error.kind() {
            // The project was deleted since the permission was granted.
            StoreErrorKind::NotFound => Error::NameUnknown,
            _ => Error::Store(error),
        })
    }

    /// Asks the policies, in order; the first denial wins.
    pub(in crate::engine) async fn ask_policies(
        &self,
        actor: &Actor,
        on: &RepositoryTarget,
        step: Step<'_>,
    ) -> Result<()> {
        for policy in &self.harbor.inner.policies {
            let verdict = policy.check(actor, on, step).await.unwrap_or_else(|error| {
                tracing::error!(policy = policy.name(), %error, "a policy could not decide, so it denies");
                Verdict::Deny("the policy could not decide".to_owned())
            });
            if let Verdict::Deny(reason) = verdict {
                return Err(Error::PolicyDenied { policy: policy.name().to_owned(), reason });
            }
        }
        Ok(())
    }
}

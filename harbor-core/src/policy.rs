//! The port of policies: a verdict before content moves.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::StoreError;
use crate::access::{Actor, RepositoryTarget};
use crate::meta::Manifest;
use crate::oci::{Digest, ManifestView, Reference, Tag};

/// What is about to happen.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// A manifest is about to be stored, and to be named by `tags`. Its digest is verified and its blobs are present.
    ManifestPush {
        /// What is in it.
        manifest: &'a ManifestView,
        /// Its bytes.
        payload: &'a Bytes,
        /// Its digest.
        digest: &'a Digest,
        /// The tags that will name it.
        tags: &'a [Tag],
    },
    /// A manifest is about to be served.
    ManifestPull {
        /// The manifest.
        manifest: &'a Manifest,
        /// What it was asked for by.
        reference: &'a Reference,
    },
    /// A manifest is about to be deleted, with its tags.
    ManifestDelete {
        /// Its digest.
        digest: &'a Digest,
    },
    /// A tag is about to be deleted.
    TagDelete {
        /// The tag.
        tag: &'a Tag,
    },
}

/// The verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No objection.
    Allow,
    /// Refused, for a reason that the client may read.
    Deny(String),
}

/// Gives a verdict on a step.
///
/// Policies are asked in the order in which they were given to the builder; the first denial wins, and its reason reaches
/// the client. A policy that fails to decide denies.
///
/// # Contract
/// * It has no effect of its own: a step that it allowed may still fail.
/// * What must hold under races is not a policy but a condition inside the transaction.
/// * A reason holds no secret.
///
/// ```
/// use harbor_core::access::{Actor, RepositoryTarget};
/// use harbor_core::policy::{Policy, Step, Verdict};
/// use harbor_core::StoreError;
///
/// /// Refuses the tag `latest`.
/// #[derive(Debug)]
/// struct NoLatest;
///
/// #[async_trait::async_trait]
/// impl Policy for NoLatest {
///     fn name(&self) -> &str {
///         "no-latest"
///     }
///     async fn check(&self, _: &Actor, _: &RepositoryTarget, step: Step<'_>) -> Result<Verdict, StoreError> {
///         Ok(match step {
///             Step::ManifestPush { tags, .. } if tags.iter().any(|tag| tag.as_str() == "latest") => {
///                 Verdict::Deny("name a version, not latest".to_owned())
///             }
///             _ => Verdict::Allow,
///         })
///     }
/// }
/// ```
#[async_trait]
pub trait Policy: fmt::Debug + Send + Sync + 'static {
    /// What the policy is called in refusals and logs.
    fn name(&self) -> &str;

    /// The verdict on `step`, which `actor` wants to take on `repository`.
    async fn check(
        &self,
        actor: &Actor,
        repository: &RepositoryTarget,
        step: Step<'_>,
    ) -> Result<Verdict, StoreError>;
}

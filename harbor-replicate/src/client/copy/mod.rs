//! Copying images from any place to any other, without a file in between.

mod found;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use harbor_core::oci::{Digest, Reference, RepositoryName, Tag};

use super::place::{Destination, Source};
use super::{Error, Manifest, Platform, PushOptions, Pushed, Repository, Result};
use found::Found;
pub use found::cosign_tags;

/// How many blobs go at the same time unless the caller says otherwise.
const JOBS: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// Is told how a copy goes. Its methods are called by several blobs in turns, and should not take long.
pub trait CopyProgress: Send + Sync {
    /// Everything is known that belongs to it: so many blobs, of so many bytes altogether. What of them is there already shows when
    /// each has its turn.
    fn plans(&self, blobs: usize, bytes: u64) {
        let _ = (blobs, bytes);
    }

    /// A blob's turn has come; `size` is in bytes.
    fn begins(&self, digest: &Digest, size: u64);

    /// So many more of its bytes went out. Bytes that are sent again count again.
    fn moves(&self, digest: &Digest, bytes: u64);

    /// A blob is there.
    fn ends(&self, digest: &Digest, pushed: Pushed);

    /// A manifest is there, with all that it refers to.
    fn stored(&self, digest: &Digest);
}

/// How an image is copied.
#[derive(Clone)]
#[non_exhaustive]
pub struct CopyOptions {
    /// How many blobs go at the same time. Default: 4.
    pub jobs: NonZeroUsize,
    /// Whether what refers to the image and its members goes along: signatures, SBOMs, attestations, also those that cosign keeps
    /// by tag. Default: no.
    pub referrers: bool,
    /// Of an index, the image for this platform alone; it is that image that is copied, and named. Default: all of it.
    pub platform: Option<Platform>,
    /// In chunks of so many bytes: see [`PushOptions::chunk`].
    pub chunk: Option<u64>,
    /// Who is told how it goes.
    pub progress: Option<Arc<dyn CopyProgress>>,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self { jobs: JOBS, referrers: false, platform: None, chunk: None, progress: None }
    }
}

impl fmt::Debug for CopyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOptions")
            .field("jobs", &self.jobs)
            .field("referrers", &self.referrers)
            .field("platform", &self.platform)
            .field("chunk", &self.chunk)
            .finish_non_exhaustive()
    }
}

impl CopyOptions {
    /// With so many blobs at the same time.
    #[must_use]
    pub const fn jobs(mut self, jobs: NonZeroUsize) -> Self {
        self.jobs = jobs;
        self
    }

    /// With what refers to the image, or without.
    #[must_use]
    pub const fn referrers(mut self, referrers: bool) -> Self {
        self.referrers = referrers;
        self
    }

    /// Of an index, the image for a platform alone, or all of it.
    #[must_use]
    pub fn platform(mut self, platform: impl Into<Option<Platform>>) -> Self {
        self.platform = platform.into();
        self
    }

    /// In chunks of so many bytes, or each blob in one request.
    #[must_use]
    pub fn chunk(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.chunk = bytes.into();
        self
    }

    /// With somebody who is told how it goes.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn CopyProgress>) -> Self {
        self.progress = Some(progress);
        self
    }
}

/// What a copy came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// The digest of what was copied.
    pub digest: Digest,
    /// How many manifests were stored.
    pub manifests: usize,
    /// How many blobs were sent.
    pub sent: usize,
    /// How many were linked from another repository of the registry.
    pub mounted: usize,
    /// How many were there.
    pub existed: usize,
    /// How many bytes of blobs went out.
    pub bytes: u64,
}

/// Copies what a manifest of `from` stands for, an image, an index with all of its members, or an artifact, to another place, and gives
/// it a name there: a tag, as a rule. Blobs go straight on, several at a time; where both are of one registry they are linked
/// instead of sent. Manifests come last, those that others list first: whoever sees the name sees everything. What is
/// there already is not sent, so a copy that was cut off is gone on with by copying again.
///
/// Several may be copied to one layout or archive before it is made visible by [`Destination::commit`].
///
/// ```no_run
/// use harbor_replicate::client::place::{Destination as _, Layout, LayoutArchive};
/// use harbor_replicate::client::{CopyOptions, copy};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let from = Layout::open("images/").await?;
/// let to = LayoutArchive::create("images.tar").await?;
/// copy(&from, from.find(Some("12")).await?, &to, Some("12"), &CopyOptions::default()).await?;
/// to.commit().await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// Whatever reading or writing ends with; [`Error::TooLarge`] when more manifests belong to it than are kept; [`Error::Absent`] when it
/// has nothing for the platform.
pub async fn copy(
    from: &dyn Source,
    top: Manifest,
    to: &dyn Destination,
    name: Option<&str>,
    options: &CopyOptions,
) -> Result<Copied> {
    let top = match &options.platform {
        Some(platform) => platform.choose(from, top).await?,
        None => top,
    };
    // Told before anything was sent.
    to.accepts(&top, name)?;
    let mut found = Found::default();
    found.add(from, top.clone(), options).await?;
    let copy = Copy { from, to, options, bytes: AtomicU64::new(0) };
    let pushed = copy.blobs(&found.blobs).await?;
    copy.manifests(&found.manifests).await?;
    for (manifest, tag) in &found.roots {
        to.write_name(manifest, tag.as_ref().map(Tag::as_str)).await?;
    }
    to.write_name(&top, name).await?;
    let count = |how: Pushed| pushed.iter().filter(|pushed| **pushed == how).count();
    Ok(Copied {
        digest: top.digest,
        manifests: found.manifests.len(),
        sent: count(Pushed::Sent),
        mounted: count(Pushed::Mounted),
        existed: count(Pushed::Existed),
        bytes: copy.bytes.into_inner(),
    })
}

impl Repository {
    /// Copies an image to another repository, of this registry or of another: see [`copy`].
    ///
    /// ```no_run
    /// use harbor_replicate::client::{CopyOptions, Registry};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let from = Registry::builder("docker.io").build()?.repository("library/debian".parse()?);
    /// let to = Registry::builder("http://127.0.0.1:8080").build()?.repository("library/debian".parse()?);
    /// let copied = from.copy_to(&"stable".parse().unwrap(), &to, Some(&"stable".parse()?), &CopyOptions::default()).await?;
    /// println!("{} with {} blobs", copied.digest, copied.sent);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`copy`].
    pub async fn copy_to(
        &self,
        reference: &Reference,
        destination: &Self,
        tag: Option<&Tag>,
        options: &CopyOptions,
    ) -> Result<Copied> {
        let top = self.manifest(reference).await?;
        copy(self, top, destination, tag.map(Tag::as_str), options).await
    }
}

/// A copy that is under way.
struct Copy<'a> {
    from: &'a dyn Source,
    to: &'a dyn Destination,
    options: &'a CopyOptions,
    bytes: AtomicU64,
}

impl Copy<'_> {
    async fn blobs(&self, blobs: &BTreeMap<Digest, u64>) -> Result<Vec<Pushed>> {
        if let Some(progress) = &self.options.progress {
            progress.plans(blobs.len(), blobs.values().fold(0, |sum: u64, size| sum.saturating_add(*size)));
        }
        // As a list, so that the whole may be a task of its own: of a closure the compiler does not see that.
        let copies: Vec<_> = blobs.iter().map(|(digest, size)| self.blob(digest, *size).boxed()).collect();
        stream::iter(copies).buffer_unordered(self.options.jobs.get()).try_collect().await
    }

    async fn blob(&self, digest: &Digest, size: u64) -> Result<Pushed> {
        let progress = self.options.progress.as_ref();
        if let Some(progress) = progress {
            progress.begins(digest, size);
        }
        let counted = Arc::new(AtomicU64::new(0));
        let mut push = PushOptions::default().chunk(self.options.chunk).sent({
            let (counted, progress, digest) = (Arc::clone(&counted), progress.cloned(), *digest);
            move |bytes| {
                counted.fetch_add(bytes, Ordering::Relaxed);
                if let Some(progress) = &progress {
                    progress.moves(&digest, bytes);
                }
            }
        });
        if let Some(from) = self.mount_from() {
            push = push.mount_from(from);
        }
        let source = self.from.read_blob(digest, size).await?;
        let pushed = self.to.write_blob(digest, &*source, &push).await.map_err(of_source)?;
        self.bytes.fetch_add(counted.load(Ordering::Relaxed), Ordering::Relaxed);
        if let Some(progress) = progress {
            progress.ends(digest, pushed);
        }
        Ok(pushed)
    }

    fn mount_from(&self) -> Option<RepositoryName> {
        let (from, to) = (self.from.repository()?, self.to.repository()?);
        let mounts = from.registry().is_same(to.registry()) && from.name() != to.name();
        mounts.then(|| from.name().clone())
    }

    async fn manifests(&self, manifests: &[Manifest]) -> Result<()> {
        for manifest in manifests {
            self.to.write_manifest(manifest).await?;
            if let Some(progress) = &self.options.progress {
                progress.stored(&manifest.digest);
            }
        }
        Ok(())
    }
}

/// What the place that is read from said, instead of that something could not be read.
fn of_source(error: Error) -> Error {
    match error {
        Error::Source(cause) => match cause.downcast::<Error>() {
            Ok(said) => said,
            Err(cause) => Error::Source(cause),
        },
        error => error,
    }
}

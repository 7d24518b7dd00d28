//! Copying images from one registry to another, without a file in between.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use harbor_core::oci::{Digest, ManifestView, Reference, RepositoryName, Tag};

use super::{Error, Manifest, PushOptions, Pushed, Repository, Result};

/// How many manifests a copy may take along.
const MANIFESTS: usize = 5_000;

/// How many bytes they may have altogether: they are kept until the blobs are there.
const MANIFEST_BYTES: usize = 64 * 1024 * 1024;

/// How many blobs go at the same time unless the caller says otherwise.
const JOBS: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// Is told how a copy goes. Its methods are called by several blobs in turns, and should not take long.
pub trait CopyProgress: Send + Sync {
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
    /// Whether what refers to the image and its members goes along: signatures, SBOMs, attestations. Default: no.
    pub referrers: bool,
    /// In chunks of so many bytes: see [`PushOptions::chunk`].
    pub chunk: Option<u64>,
    /// Who is told how it goes.
    pub progress: Option<Arc<dyn CopyProgress>>,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self { jobs: JOBS, referrers: false, chunk: None, progress: None }
    }
}

impl fmt::Debug for CopyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOptions")
            .field("jobs", &self.jobs)
            .field("referrers", &self.referrers)
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

impl Repository {
    /// Copies an image, an index with all of its members, or an artifact to another repository, of this registry or of
    /// another, and gives it a tag there. Blobs go straight on, several at a time; where both are of one registry they are linked
    /// instead of sent. Manifests come last, those that others list first: whoever sees the tag sees everything. What is
    /// there already is not sent, so a copy that was cut off is gone on with by copying again.
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
    /// Whatever ends a pull or a push; [`Error::TooLarge`] when more manifests belong to it than are kept.
    pub async fn copy_to(
        &self,
        reference: &Reference,
        destination: &Self,
        tag: Option<&Tag>,
        options: &CopyOptions,
    ) -> Result<Copied> {
        let top = self.manifest(reference).await?;
        let mut found = Found::default();
        found.add(self, top.clone(), options).await?;
        let copy = Copy { from: self, to: destination, options, bytes: AtomicU64::new(0) };
        let pushed = copy.blobs(&found.blobs).await?;
        copy.manifests(&found.manifests).await?;
        if let Some(tag) = tag {
            let named = Reference::Tag(tag.clone());
            destination.manifest_put(&named, &top.media_type, top.bytes.clone()).await?;
        }
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
}

/// What belongs to what is copied.
#[derive(Default)]
struct Found {
    /// Each behind those that it lists.
    manifests: Vec<Manifest>,
    /// Blobs with their sizes.
    blobs: BTreeMap<Digest, u64>,
    seen: HashSet<Digest>,
    /// What refers to something, for when all of that is known: it may list what is still to come.
    referrers: Vec<(Digest, u64)>,
    /// How many manifests were got, and how many bytes they have.
    kept: usize,
    bytes: usize,
}

/// What is to be done next.
enum Step {
    /// Look at a manifest.
    Look(Manifest),
    /// Store one: all that it lists is ahead of it.
    Store(Manifest),
}

impl Found {
    /// A manifest of `from` and all that belongs to it. Nothing of a manifest decides how deep this goes but the memory that
    /// is allowed for it.
    async fn add(&mut self, from: &Repository, top: Manifest, options: &CopyOptions) -> Result<()> {
        let mut steps = vec![Step::Look(top)];
        loop {
            match steps.pop() {
                Some(Step::Store(manifest)) => self.manifests.push(manifest),
                Some(Step::Look(manifest)) => {
                    if self.seen.insert(manifest.digest) {
                        self.look(from, manifest, options, &mut steps).await?;
                    }
                }
                None => match self.referrers.pop() {
                    Some((digest, size)) => steps.extend(self.referrer(from, digest, size).await?),
                    None => return Ok(()),
                },
            }
        }
    }

    /// What refers to something. Lists that clients keep may have what is there no more.
    async fn referrer(&mut self, from: &Repository, digest: Digest, size: u64) -> Result<Option<Step>> {
        if self.seen.contains(&digest) {
            return Ok(None);
        }
        match get(from, digest, size).await {
            Err(error) if error.is_absent() => Ok(None),
            got => {
                let manifest = got?;
                self.account(&manifest)?;
                Ok(Some(Step::Look(manifest)))
            }
        }
    }

    async fn look(
        &mut self,
        from: &Repository,
        manifest: Manifest,
        options: &CopyOptions,
        steps: &mut Vec<Step>,
    ) -> Result<()> {
        let view = view(from, &manifest)?;
        if options.referrers {
            self.list_referrers(from, &manifest.digest).await?;
        }
        // The last is done first: members, then the manifest that lists them.
        steps.push(Step::Store(manifest));
        self.blobs.extend(view.required_blobs());
        let members = view.manifests.iter().map(|entry| (entry.digest, entry.size));
        let members: BTreeMap<_, _> = members.filter(|(digest, _)| !self.seen.contains(digest)).collect();
        let members = stream::iter(members).map(|(digest, size)| get(from, digest, size));
        let mut members = members.buffer_unordered(options.jobs.get());
        while let Some(member) = members.next().await {
            let member = member?;
            self.account(&member)?;
            steps.push(Step::Look(member));
        }
        Ok(())
    }

    async fn list_referrers(&mut self, from: &Repository, subject: &Digest) -> Result<()> {
        let mut listed = from.referrers(subject, None);
        while let Some(entry) = listed.next().await {
            let entry = entry?;
            self.referrers.push((entry.digest, entry.size));
            if self.referrers.len() > MANIFESTS {
                return Err(too_large());
            }
        }
        Ok(())
    }

    /// Counts what is kept.
    fn account(&mut self, manifest: &Manifest) -> Result<()> {
        self.kept += 1;
        self.bytes += manifest.bytes.len();
        if self.kept > MANIFESTS || self.bytes > MANIFEST_BYTES { Err(too_large()) } else { Ok(()) }
    }
}

fn too_large() -> Error {
    Error::TooLarge { what: "what belongs to the image", limit: MANIFEST_BYTES as u64 }
}

fn view(from: &Repository, manifest: &Manifest) -> Result<ManifestView> {
    manifest.view().map_err(|error| {
        Error::bad_answer(from.registry().host(), format!("the manifest {}: {error}", manifest.digest))
    })
}

/// A manifest that is listed with a size.
async fn get(from: &Repository, digest: Digest, size: u64) -> Result<Manifest> {
    let manifest = from.manifest(&Reference::Digest(digest)).await?;
    let actual = manifest.bytes.len() as u64;
    if actual == size { Ok(manifest) } else { Err(Error::Size { expected: size, actual }) }
}

/// A copy that is under way.
struct Copy<'a> {
    from: &'a Repository,
    to: &'a Repository,
    options: &'a CopyOptions,
    bytes: AtomicU64,
}

impl Copy<'_> {
    async fn blobs(&self, blobs: &BTreeMap<Digest, u64>) -> Result<Vec<Pushed>> {
        let copies = stream::iter(blobs).map(|(digest, size)| self.blob(digest, *size));
        copies.buffer_unordered(self.options.jobs.get()).try_collect().await
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
        let source = self.from.blob_source(digest, size);
        let pushed = self.to.blob_push(digest, &source, &push).await.map_err(of_source)?;
        self.bytes.fetch_add(counted.load(Ordering::Relaxed), Ordering::Relaxed);
        if let Some(progress) = progress {
            progress.ends(digest, pushed);
        }
        Ok(pushed)
    }

    fn mount_from(&self) -> Option<RepositoryName> {
        let mounts = self.from.registry().is_same(self.to.registry()) && self.from.name() != self.to.name();
        mounts.then(|| self.from.name().clone())
    }

    async fn manifests(&self, manifests: &[Manifest]) -> Result<()> {
        for manifest in manifests {
            let reference = Reference::Digest(manifest.digest);
            self.to.manifest_put(&reference, &manifest.media_type, manifest.bytes.clone()).await?;
            if let Some(progress) = &self.options.progress {
                progress.stored(&manifest.digest);
            }
        }
        Ok(())
    }
}

/// What the registry that is read from said, instead of that something could not be read.
fn of_source(error: Error) -> Error {
    match error {
        Error::Source(cause) => match cause.downcast::<Error>() {
            Ok(said) => said,
            Err(cause) => Error::Source(cause),
        },
        error => error,
    }
}

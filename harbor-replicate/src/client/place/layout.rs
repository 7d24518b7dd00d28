//! Reading OCI image layouts: OCI Image Specification 1.1, `image-layout.md`, as a folder and as a tar.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use harbor_core::oci::{Descriptor, Digest, MANIFEST_LIMIT, ManifestKind, MediaType, Tag};
use serde::Deserialize;

use super::files::{Files, Region, RegionSource, blob_name};
use super::index::{self, FULL_NAME, Index, NAME};
use super::{Source, check};
use crate::client::{BlobSource, Error, Listing, Manifest, Result};

/// How many manifests are looked at to find what refers to one.
const LOOKED_AT: usize = 20_000;

/// An OCI image layout that is read: a folder, a tar, or a tar that gzip has compressed. Cheap to clone.
///
/// A tar is read where it lies: what is kept in memory is where each of its files begins.
///
/// ```no_run
/// use harbor_replicate::client::place::Layout;
///
/// # async fn example() -> harbor_replicate::client::Result<()> {
/// let layout = Layout::open("images.tar").await?;
/// for image in layout.images() {
///     println!("{} {:?}", image.digest, Layout::name_of(image));
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Layout {
    files: Files,
    images: Arc<[Descriptor]>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
}

impl Layout {
    /// The layout at a path.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read, [`Error::Unusable`] when it is no layout.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::within(Self::files_at(path.as_ref()).await?).await
    }

    /// The files at a path, of which nothing was read yet.
    pub(crate) async fn files_at(path: &Path) -> Result<Files> {
        Files::open(path).await
    }

    /// The layout that files are.
    pub(crate) async fn within(files: Files) -> Result<Self> {
        let none = files.unusable("it is no OCI layout: it has no oci-layout");
        Self::of(files).await?.ok_or(none)
    }

    /// The layout that files are; nothing when they are none.
    pub(super) async fn of(files: Files) -> Result<Option<Self>> {
        let Some(mark) = files.read(index::MARK, "oci-layout", MANIFEST_LIMIT).await? else {
            return Ok(None);
        };
        if !index::is_mark(&mark) {
            return Err(files.unusable("its layout is of no version that is known"));
        }
        let listed = files.read(index::FILE, "the index of a layout", index::LIMIT).await?;
        let listed = listed.ok_or_else(|| files.unusable("it has no index.json"))?;
        let read = Index::parse(&listed).and_then(|index| index.entries());
        let images =
            read.map_err(|error| files.unusable(format!("its index.json does not read: {error}")))?;
        Ok(Some(Self { files, images: images.into() }))
    }

    /// What its index lists: images, indexes, artifacts.
    #[must_use]
    pub fn images(&self) -> &[Descriptor] {
        &self.images
    }

    /// The name of something that an index lists, `org.opencontainers.image.ref.name`: a tag as a rule.
    #[must_use]
    pub fn name_of(entry: &Descriptor) -> Option<&str> {
        entry.annotations.get(NAME).map(String::as_str)
    }

    /// What a name or a digest stands for. Without either it is the one image that there is: what refers to others does not
    /// count.
    ///
    /// # Errors
    /// [`Error::Absent`] when there is no such thing; [`Error::Unusable`] when there are several to choose from.
    pub async fn find(&self, name: Option<&str>) -> Result<Manifest> {
        match name {
            None => self.only().await,
            Some(name) => match self.named(name) {
                Some(entry) => self.manifest_of(entry).await,
                None => match name.trim_start_matches('@').parse() {
                    Ok(digest) => self.by_digest(&digest).await,
                    Err(_) => Err(self.files.absent(format!("image {name}, but {}", self.names()))),
                },
            },
        }
    }

    fn named(&self, name: &str) -> Option<&Descriptor> {
        let has = |key: &str| {
            self.images.iter().find(|entry| entry.annotations.get(key).is_some_and(|known| known == name))
        };
        has(NAME).or_else(|| has(FULL_NAME))
    }

    async fn only(&self) -> Result<Manifest> {
        let mut found: Vec<Manifest> = Vec::new();
        for entry in self.images.iter().take(LOOKED_AT) {
            if found.iter().any(|known| known.digest == entry.digest) {
                continue;
            }
            let manifest = self.manifest_of(entry).await?;
            let refers = manifest.view().is_ok_and(|view| view.subject.is_some());
            let by_tag = Self::name_of(entry).is_some_and(is_of_cosign);
            if !refers && !by_tag {
                found.push(manifest);
            }
            if found.len() > 1 {
                let what = format!("it has several images; name one of them: {}", self.names());
                return Err(self.files.unusable(what));
            }
        }
        found.pop().ok_or_else(|| self.files.absent("image"))
    }

    /// The names that there are, for people.
    fn names(&self) -> String {
        let full = |entry: &'_ Descriptor| entry.annotations.get(FULL_NAME).cloned();
        let own = |entry: &'_ Descriptor| Self::name_of(entry).map(ToOwned::to_owned);
        // Docker's images may have one tag each, and the same.
        let names = self.images.iter().filter_map(|entry| full(entry).or_else(|| own(entry)));
        let names: Vec<String> = names.take(20).collect();
        if names.is_empty() { "no names at all".to_owned() } else { names.join(", ") }
    }

    async fn by_digest(&self, digest: &Digest) -> Result<Manifest> {
        match self.images.iter().find(|entry| entry.digest == *digest) {
            Some(entry) => self.manifest_of(entry).await,
            None => self.manifest_at(digest, None, None).await,
        }
    }

    /// The manifest that a descriptor names.
    pub(super) async fn manifest_of(&self, entry: &Descriptor) -> Result<Manifest> {
        self.manifest_at(&entry.digest, Some(&entry.media_type), Some(entry.size)).await
    }

    async fn manifest_at(
        &self,
        digest: &Digest,
        media_type: Option<&str>,
        size: Option<u64>,
    ) -> Result<Manifest> {
        let read = self.files.read(&blob_name(digest), "a manifest", MANIFEST_LIMIT).await?;
        let bytes = read.ok_or_else(|| self.files.absent(format!("manifest {digest}")))?;
        check(digest, size, &bytes)?;
        let media_type = media_type.map(ToOwned::to_owned).or_else(|| kind(&bytes));
        let media_type = media_type.and_then(|text| text.parse().ok());
        let what = || self.files.unusable(format!("{digest} is no manifest"));
        Ok(Manifest { media_type: media_type.ok_or_else(what)?, digest: *digest, bytes })
    }

    /// Where a blob is; nothing when it is not there.
    pub(crate) async fn blob_region(&self, digest: &Digest) -> Result<Option<Region>> {
        self.files.find(&blob_name(digest)).await
    }

    /// Its files.
    pub(crate) const fn files(&self) -> &Files {
        &self.files
    }

    /// Everything that refers to a manifest: what the index lists, and what indexes list that it lists, which has it as its subject.
    async fn referring(self, subject: Digest) -> Result<Vec<Descriptor>> {
        let mut found: Vec<Descriptor> = Vec::new();
        let (mut ahead, mut seen) = (self.images.to_vec(), HashSet::new());
        while let Some(mut entry) = ahead.pop() {
            if !seen.insert(entry.digest) {
                continue;
            }
            if seen.len() > LOOKED_AT {
                return Err(self.files.unusable(format!("it has more than {LOOKED_AT} manifests")));
            }
            // Members of an index may be left out of a layout.
            let manifest = match self.manifest_of(&entry).await {
                Err(error) if error.is_absent() => continue,
                manifest => manifest?,
            };
            let Ok(view) = manifest.view() else { continue };
            let is_list = Self::name_of(&entry) == Some(Tag::of_referrers(&subject).as_str());
            if is_list {
                found.extend(view.manifests.iter().cloned());
            }
            if view.subject.as_ref().is_some_and(|of| of.digest == subject) {
                entry.artifact_type = view.artifact_type.clone();
                entry.annotations = view.annotations.clone();
                found.push(entry);
            }
            if view.kind == ManifestKind::Index {
                ahead.extend(view.manifests);
            }
        }
        let mut once = HashSet::new();
        found.retain(|entry| once.insert(entry.digest));
        Ok(found)
    }
}

/// Whether a name is one under which cosign keeps what belongs to an image.
fn is_of_cosign(name: &str) -> bool {
    name.starts_with("sha256-")
}

/// What a manifest is by what it says of itself.
fn kind(bytes: &Bytes) -> Option<String> {
    let kind: Kind = serde_json::from_slice(bytes).ok()?;
    let shape = if kind.manifests.is_some() { MediaType::OCI_INDEX } else { MediaType::OCI_MANIFEST };
    Some(kind.media_type.unwrap_or_else(|| shape.to_owned()))
}

#[async_trait]
impl Source for Layout {
    async fn read_manifest(&self, entry: &Descriptor) -> Result<Manifest> {
        self.manifest_of(entry).await
    }

    async fn read_tag(&self, tag: &Tag) -> Result<Option<Manifest>> {
        match self.named(tag.as_str()) {
            Some(entry) => self.manifest_of(entry).await.map(Some),
            None => Ok(None),
        }
    }

    fn list_referrers(&self, subject: &Digest) -> Listing<Descriptor> {
        let found = self.clone().referring(*subject);
        let found = async move { found.await.map(|found| stream::iter(found).map(Ok::<_, Error>)) };
        Listing::new(stream::once(found).try_flatten())
    }

    async fn read_blob(&self, digest: &Digest, size: u64) -> Result<Box<dyn BlobSource>> {
        let region = self.blob_region(digest).await?;
        let region = region.ok_or_else(|| self.files.absent(format!("blob {digest}")))?;
        if region.size != size {
            return Err(Error::Size { expected: size, actual: region.size });
        }
        Ok(Box::new(RegionSource { region, digest: *digest }))
    }

    fn told(&self) -> String {
        self.files.told()
    }
}

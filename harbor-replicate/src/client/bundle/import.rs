//! Reading bundles: nothing is loaded before everything is verified.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use harbor_core::blob::Hasher;
use harbor_core::oci::{Descriptor, Digest, RepositoryName, Tag};

use super::export::digest_of;
use super::inventory::{self, Inventory, InventoryBlob, InventoryImage};
use super::key::{Signature, VerifyKey};
use crate::client::place::{Files, Layout, Source, index};
use crate::client::{
    BlobSource, Copied, CopyOptions, Error, Listing, Manifest, Registry, Repository, Result, copy,
};

/// How many bytes a signature's file may have.
const SIGNATURE_LIMIT: usize = 64 * 1024;

/// How many of what is missing are named.
const NAMED: usize = 10;

/// How many blobs are hashed, or asked for, at the same time.
const JOBS: usize = 4;

/// A bundle that was opened. Nothing of it was verified yet but its form, and who has signed it where
/// [`Bundle::open_signed`] has opened it.
#[derive(Clone, Debug)]
pub struct Bundle {
    layout: Layout,
    bytes: Bytes,
    inventory: Inventory,
}

/// Where a bundle is loaded to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loading {
    /// The registry.
    pub registry: Registry,
    /// The project that everything goes to, instead of those that the bundle names.
    pub project: Option<String>,
    /// Earlier bundles, for what this one has left out and the registry has not.
    pub bases: Vec<Bundle>,
}

/// A bundle of which everything was verified, with where what it has left out is to be had.
#[derive(Debug)]
pub struct Checked<'a> {
    bundle: &'a Bundle,
    loading: &'a Loading,
    /// The repositories of the registry that have what was left out and is not where it is to go.
    elsewhere: BTreeMap<Digest, Repository>,
}

impl Loading {
    /// To a registry.
    #[must_use]
    pub const fn to(registry: Registry) -> Self {
        Self { registry, project: None, bases: Vec::new() }
    }

    /// Where what is of a repository goes.
    fn repository(&self, name: &RepositoryName) -> Result<Repository> {
        let name = match &self.project {
            None => name.clone(),
            Some(project) => {
                let within = format!("{project}/{}", name.within_project());
                within.parse().map_err(|error| Error::Configuration(format!("{within}: {error}")))?
            }
        };
        Ok(self.registry.repository(name))
    }

    /// Whether each repository of a bundle becomes one of its own: otherwise the tags of one would be those of another.
    fn merges_nothing(&self, inventory: &Inventory) -> Result<()> {
        let mut known: BTreeMap<String, &RepositoryName> = BTreeMap::new();
        for image in &inventory.images {
            let to = self.repository(&image.repository)?.name().to_string();
            let other = known.entry(to).or_insert(&image.repository);
            if **other != image.repository {
                let to = self.repository(&image.repository)?;
                let what = format!(
                    "{other} and {} would both become {}: export each to an archive of its own and load them into different projects, or load all without a project",
                    image.repository,
                    to.name()
                );
                return Err(Error::Configuration(what));
            }
        }
        Ok(())
    }
}

impl Bundle {
    /// The bundle at a path, whoever has signed it: see [`Bundle::open_signed`].
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read; [`Error::Unusable`] when it is no bundle.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::read(path.as_ref(), None).await
    }

    /// The bundle at a path, signed with one of these keys. Nothing of it is looked into before that is known.
    ///
    /// # Errors
    /// As [`Bundle::open`]; [`Error::Unusable`] when it is not signed, or with another key.
    pub async fn open_signed(path: impl AsRef<Path>, keys: &[VerifyKey]) -> Result<Self> {
        Self::read(path.as_ref(), Some(keys)).await
    }

    async fn read(path: &Path, keys: Option<&[VerifyKey]>) -> Result<Self> {
        let files = Layout::files_at(path).await?;
        let bytes = files.read(inventory::FILE, "the inventory of a bundle", inventory::LIMIT).await?;
        let bytes = bytes.ok_or_else(|| files.unusable("it is no bundle: it has no contents.json"))?;
        if let Some(keys) = keys {
            verify(&files, &bytes, keys).await?;
        }
        let inventory: Inventory = serde_json::from_slice(&bytes)
            .map_err(|error| files.unusable(format!("its contents.json does not read: {error}")))?;
        if inventory.version != inventory::VERSION {
            return Err(files.unusable(format!("its form has the version {}", inventory.version)));
        }
        is_index(&files, &inventory).await?;
        let layout = Layout::within(files).await?;
        Ok(Self { layout, bytes, inventory })
    }

    /// What is in it.
    #[must_use]
    pub const fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The digest of its inventory, by which a later bundle names it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest_of(&self.bytes)
    }

    /// Whether its inventory is signed with a key. That what it lists is there, [`Bundle::check`] tells.
    ///
    /// # Errors
    /// [`Error::Unusable`] when it is not.
    pub async fn verify(&self, key: &VerifyKey) -> Result<()> {
        verify(self.layout.files(), &self.bytes, std::slice::from_ref(key)).await
    }

    /// Verifies that all is there that it lists, byte for byte; that it lists all that its images consist of; and that what it has left
    /// out is in the registry, or in an earlier bundle. Nothing is written.
    ///
    /// # Errors
    /// [`Error::Unusable`] when it is not whole, [`Error::Absent`] when something is missing that an earlier bundle had,
    /// [`Error::Configuration`] when two of its repositories would become one.
    pub async fn check<'a>(&'a self, loading: &'a Loading) -> Result<Checked<'a>> {
        is_index(self.layout.files(), &self.inventory).await?;
        loading.merges_nothing(&self.inventory)?;
        self.hash().await?;
        let mut elsewhere = BTreeMap::new();
        let known = self.inventory.by_digest();
        let needed = self.needed(&known).await?;
        let sought = stream::iter(needed)
            .map(|(digest, to)| self.find(loading, digest, known.get(&digest).copied(), to));
        let found: Vec<_> = sought.buffer_unordered(JOBS).try_collect().await?;
        let mut missing = Vec::new();
        for (digest, found) in found {
            match found {
                Found::There => {}
                Found::Elsewhere(repository) => {
                    elsewhere.insert(digest, repository);
                }
                Found::Nowhere => missing.push(digest.to_string()),
            }
        }
        if !missing.is_empty() {
            let count = missing.len();
            // As they were found, they would be told in another order each time.
            missing.sort_unstable();
            missing.truncate(NAMED);
            let what = format!(
                "{count} of the blobs that it builds on, and neither has the registry: load the earlier bundle first, or name it; {}",
                missing.join(", ")
            );
            return Err(self.layout.files().absent(what));
        }
        Ok(Checked { bundle: self, loading, elsewhere })
    }

    /// Every blob that it says it has.
    async fn hash(&self) -> Result<()> {
        let here = self.inventory.blobs.iter().filter(|blob| !blob.left_out);
        let hashed = stream::iter(here).map(|blob| async move {
            let there = is_right(&self.layout, &blob.digest, blob.size).await?;
            let absent = || self.layout.files().unusable(format!("{} is not in it", blob.digest));
            there.then_some(()).ok_or_else(absent)
        });
        hashed.buffer_unordered(JOBS).try_collect().await
    }

    /// What its images consist of that it has left out, with the repositories that it is to go to.
    async fn needed(
        &self,
        known: &BTreeMap<Digest, &InventoryBlob>,
    ) -> Result<BTreeMap<Digest, BTreeSet<RepositoryName>>> {
        let unlisted =
            |digest: &Digest| self.layout.files().unusable(format!("{digest} is not in its contents.json"));
        let mut needed: BTreeMap<Digest, BTreeSet<RepositoryName>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for image in &self.inventory.images {
            let mut ahead = vec![descriptor(image)];
            while let Some(entry) = ahead.pop() {
                if !seen.insert((image.repository.clone(), entry.digest)) {
                    continue;
                }
                let listed = known.get(&entry.digest).ok_or_else(|| unlisted(&entry.digest))?;
                if listed.left_out {
                    return Err(self
                        .layout
                        .files()
                        .unusable(format!("the manifest {} is left out", entry.digest)));
                }
                let manifest = self.layout.read_manifest(&entry).await?;
                let view = manifest.view();
                let view = view.map_err(|error| {
                    self.layout.files().unusable(format!("the manifest {}: {error}", entry.digest))
                })?;
                for (digest, size) in view.required_blobs() {
                    let blob = known.get(&digest).ok_or_else(|| unlisted(&digest))?;
                    if blob.size != size {
                        return Err(Error::Size { expected: size, actual: blob.size });
                    }
                    if blob.left_out {
                        needed.entry(digest).or_default().insert(image.repository.clone());
                    }
                }
                ahead.extend(view.manifests);
            }
        }
        Ok(needed)
    }

    /// Where something is that was left out.
    async fn find(
        &self,
        loading: &Loading,
        digest: Digest,
        known: Option<&InventoryBlob>,
        to: BTreeSet<RepositoryName>,
    ) -> Result<(Digest, Found)> {
        for base in &loading.bases {
            if is_right(&base.layout, &digest, known.map_or(0, |blob| blob.size)).await? {
                return Ok((digest, Found::There));
            }
        }
        let mut lacking = false;
        for name in &to {
            lacking |= loading.repository(name)?.blob_head(&digest).await?.is_none();
        }
        if !lacking {
            return Ok((digest, Found::There));
        }
        for name in known.into_iter().flat_map(|blob| &blob.repositories) {
            let name =
                name.parse().map_err(|_| self.layout.files().unusable("it names what is no repository"))?;
            let repository = loading.repository(&name)?;
            if repository.blob_head(&digest).await?.is_some() {
                return Ok((digest, Found::Elsewhere(repository)));
            }
        }
        Ok((digest, Found::Nowhere))
    }
}

/// Whether an inventory is signed with one of some keys.
async fn verify(files: &Files, bytes: &[u8], keys: &[VerifyKey]) -> Result<()> {
    let read = files.read(inventory::SIGNATURE, "a signature", SIGNATURE_LIMIT).await?;
    let read = read.ok_or_else(|| files.unusable("it is not signed"))?;
    let signature: Signature =
        serde_json::from_slice(&read).map_err(|_| files.unusable("its signature does not read"))?;
    let key = keys.iter().find(|key| key.is_named(&signature)).or(keys.first());
    let key = key.ok_or_else(|| files.unusable("there is no key to verify it with"))?;
    key.verify(bytes, &signature).map_err(|what| files.unusable(what))
}

/// Whether the layout lists what the inventory was written for.
async fn is_index(files: &Files, inventory: &Inventory) -> Result<()> {
    let index = files.read(index::FILE, "the index of a layout", index::LIMIT).await?;
    if digest_of(&index.unwrap_or_default()) == inventory.index {
        return Ok(());
    }
    Err(files.unusable("its index.json is not the one of its contents.json"))
}

/// Whether a layout has a blob; an error when it has something else of that name.
async fn is_right(layout: &Layout, digest: &Digest, size: u64) -> Result<bool> {
    let Some(region) = layout.blob_region(digest).await? else { return Ok(false) };
    if region.size != size {
        return Err(Error::Size { expected: size, actual: region.size });
    }
    let hasher = Hasher::new(digest.algorithm());
    let hashed = tokio::task::spawn_blocking(move || region.digest(hasher));
    let actual = hashed.await.map_err(std::io::Error::other).flatten();
    let actual = actual.map_err(|error| layout.files().unusable(format!("{digest}: {error}")))?;
    if actual == *digest {
        return Ok(true);
    }
    Err(Error::Digest { expected: Box::new(*digest), actual: Box::new(actual) })
}

/// Where something is.
enum Found {
    /// Where it is to go, or in an earlier bundle.
    There,
    Elsewhere(Repository),
    Nowhere,
}

fn descriptor(image: &InventoryImage) -> Descriptor {
    Descriptor {
        media_type: image.media_type.clone(),
        digest: image.digest,
        size: image.size,
        artifact_type: None,
        annotations: BTreeMap::new(),
        urls: Vec::new(),
        platform: None,
    }
}

impl Checked<'_> {
    /// What is loaded, in that order.
    #[must_use]
    pub fn images(&self) -> &[InventoryImage] {
        &self.bundle.inventory.images
    }

    /// Loads one of its images. What was cut off is gone on with by loading it again.
    ///
    /// # Errors
    /// As [`copy`].
    pub async fn load(&self, image: &InventoryImage, options: &CopyOptions) -> Result<Copied> {
        let to = self.loading.repository(&image.repository)?;
        let from = Gathered { checked: self, to: to.clone() };
        let top = self.bundle.layout.read_manifest(&descriptor(image)).await?;
        // What refers to it is an image of its own.
        let options = options.clone().referrers(false).platform(None);
        copy(&from, top, &to, image.tag.as_ref().map(Tag::as_str), &options).await
    }
}

/// A bundle with what it has left out.
#[derive(Debug)]
struct Gathered<'a> {
    checked: &'a Checked<'a>,
    to: Repository,
}

#[async_trait]
impl Source for Gathered<'_> {
    async fn read_manifest(&self, entry: &Descriptor) -> Result<Manifest> {
        self.checked.bundle.layout.read_manifest(entry).await
    }

    async fn read_tag(&self, _tag: &Tag) -> Result<Option<Manifest>> {
        Ok(None)
    }

    fn list_referrers(&self, _subject: &Digest) -> Listing<Descriptor> {
        Listing::new(stream::empty())
    }

    async fn read_blob(&self, digest: &Digest, size: u64) -> Result<Box<dyn BlobSource>> {
        let Checked { bundle, loading, elsewhere } = self.checked;
        for layout in std::iter::once(&bundle.layout).chain(loading.bases.iter().map(|base| &base.layout)) {
            match layout.read_blob(digest, size).await {
                Err(error) if error.is_absent() => {}
                blob => return blob,
            }
        }
        let Some(from) = elsewhere.get(digest) else {
            // It was where it is to go, and is not sent.
            return self.to.read_blob(digest, size).await;
        };
        // Within the registry it is linked, where that is possible.
        if from.name() != self.to.name() && self.to.blob_head(digest).await?.is_none() {
            let _ = self.to.blob_mount(digest, from.name()).await;
        }
        from.read_blob(digest, size).await
    }

    fn told(&self) -> String {
        self.checked.bundle.layout.told()
    }
}

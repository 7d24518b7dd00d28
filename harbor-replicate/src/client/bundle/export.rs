//! Writing bundles.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use harbor_core::oci::{Algorithm, Digest, Reference, RepositoryName, Tag};

use super::inventory::{self, Inventory, InventoryBlob, InventoryImage};
use super::key::SigningKey;
use crate::client::place::{Destination, LayoutArchive};
use crate::client::{
    BlobSource, Copied, CopyOptions, Error, Manifest, PushOptions, Pushed, Repository, Result, copy,
};

/// A bundle that is being written.
///
/// What was cut off is gone on with by doing the same again, as with [`LayoutArchive`]; the file appears when it is whole.
///
/// ```no_run
/// use harbor_replicate::client::bundle::{Export, KeyKind, SigningKey};
/// use harbor_replicate::client::{CopyOptions, Registry};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let app = Registry::builder("registry.example").build()?.repository("library/app".parse()?);
/// let export = Export::create("app.tar", None).await?;
/// export.add(&app, &"1.0".parse().unwrap(), &CopyOptions::default().referrers(true)).await?;
/// export.finish(&SigningKey::generate(KeyKind::Ed25519)?).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Export {
    archive: LayoutArchive,
    /// What an earlier bundle had, or knew of.
    base: Option<(Digest, BTreeMap<Digest, InventoryBlob>)>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    images: Vec<InventoryImage>,
    blobs: BTreeMap<Digest, InventoryBlob>,
    /// What is there with all that belongs to it, and whether with what refers to it.
    done: HashSet<(RepositoryName, Digest, bool)>,
}

impl Export {
    /// A bundle at a path, where nothing may be yet, also not when it is finished. Blobs that an earlier one had are left out.
    ///
    /// # Errors
    /// [`Error::Unusable`] when something is there; [`Error::File`] when it cannot be written.
    pub async fn create(path: impl AsRef<Path>, base: Option<&super::Bundle>) -> Result<Self> {
        let path = path.as_ref();
        if tokio::fs::try_exists(path).await.unwrap_or(true) {
            let what = "there is something already; choose another name".to_owned();
            return Err(Error::Unusable { place: path.display().to_string(), what });
        }
        let base = base.map(|base| {
            let blobs = base.inventory().blobs.iter().map(|blob| (blob.digest, blob.clone()));
            (base.digest(), blobs.collect())
        });
        let archive = LayoutArchive::create_new(path).await?;
        Ok(Self { archive, base, state: Mutex::default() })
    }

    /// Adds what a tag or a digest of a repository names, with what refers to it where the options say so. Of what was added
    /// already by another tag, only that tag is added.
    ///
    /// # Errors
    /// As [`copy`].
    pub async fn add(
        &self,
        from: &Repository,
        reference: &Reference,
        options: &CopyOptions,
    ) -> Result<Copied> {
        let top = from.manifest(reference).await?;
        let name = match reference {
            Reference::Tag(tag) => Some(tag.as_str()),
            Reference::Digest(_) => None,
        };
        let top = match &options.platform {
            Some(platform) => platform.choose(from, top).await?,
            None => top,
        };
        let to = Into { export: self, repository: from.name().clone() };
        let key = (from.name().clone(), top.digest, options.referrers);
        if self.state().done.contains(&key) {
            // Another tag of it: nothing is asked for again.
            to.write_name(&top, name).await?;
            return Ok(Copied {
                digest: top.digest,
                manifests: 0,
                sent: 0,
                mounted: 0,
                existed: 0,
                bytes: 0,
            });
        }
        let copied = copy(from, top, &to, name, options).await?;
        self.state().done.insert(key);
        Ok(copied)
    }

    /// Writes down what there is, signs it, and gives the file its name.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub async fn finish(self, key: &SigningKey) -> Result<Inventory> {
        let state = std::mem::take(&mut *self.state());
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let inventory = Inventory {
            version: inventory::VERSION,
            created,
            base: self.base.as_ref().map(|(digest, _)| *digest),
            index: digest_of(&self.archive.listing()),
            images: state.images,
            blobs: state.blobs.into_values().collect(),
        };
        let wrong = |error: serde_json::Error| Error::Configuration(error.to_string());
        let bytes = serde_json::to_vec_pretty(&inventory).map_err(wrong)?;
        if bytes.len() > inventory::LIMIT {
            let limit = inventory::LIMIT as u64;
            return Err(Error::TooLarge {
                what: "the list of what is exported, which could be in several exports,",
                limit,
            });
        }
        let signature = serde_json::to_vec_pretty(&key.sign(&bytes)?).map_err(wrong)?;
        self.archive.add_file(inventory::FILE, bytes);
        self.archive.add_file(inventory::SIGNATURE, signature);
        self.archive.commit().await?;
        Ok(inventory)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a blob belongs to it.
    fn note(
        &self,
        digest: &Digest,
        size: u64,
        left_out: Option<&InventoryBlob>,
        repository: &RepositoryName,
    ) {
        let mut state = self.state();
        let blob = state.blobs.entry(*digest).or_insert_with(|| InventoryBlob {
            digest: *digest,
            size,
            left_out: left_out.is_some(),
            repositories: left_out.map_or_else(BTreeSet::new, |known| known.repositories.clone()),
        });
        blob.repositories.insert(repository.to_string());
    }
}

/// A repository of a bundle.
#[derive(Debug)]
struct Into<'a> {
    export: &'a Export,
    repository: RepositoryName,
}

#[async_trait]
impl Destination for Into<'_> {
    async fn write_blob(
        &self,
        digest: &Digest,
        source: &dyn BlobSource,
        options: &PushOptions,
    ) -> Result<Pushed> {
        let known = self.export.base.as_ref().and_then(|(_, blobs)| blobs.get(digest));
        let pushed = match known {
            Some(_) => Pushed::Existed,
            None => self.export.archive.write_blob(digest, source, options).await?,
        };
        self.export.note(digest, source.size(), known, &self.repository);
        Ok(pushed)
    }

    async fn write_manifest(&self, manifest: &Manifest) -> Result<()> {
        self.export.archive.write_manifest(manifest).await?;
        self.export.note(&manifest.digest, manifest.bytes.len() as u64, None, &self.repository);
        Ok(())
    }

    async fn write_name(&self, manifest: &Manifest, name: Option<&str>) -> Result<()> {
        let tag: Option<Tag> = name.map(str::parse).transpose().map_err(|error| {
            Error::Configuration(format!("{} is no tag: {error}", name.unwrap_or_default()))
        })?;
        let full = tag.as_ref().map(|tag| format!("{}:{tag}", self.repository));
        self.export.archive.write_name(manifest, full.as_deref()).await?;
        let image = InventoryImage {
            repository: self.repository.clone(),
            tag,
            digest: manifest.digest,
            size: manifest.bytes.len() as u64,
            media_type: manifest.media_type.as_str().to_owned(),
        };
        let mut state = self.export.state();
        if !state.images.contains(&image) {
            state.images.push(image);
        }
        Ok(())
    }

    async fn commit(&self) -> Result<()> {
        Ok(())
    }

    fn told(&self) -> String {
        format!("{} {}", self.export.archive.told(), self.repository)
    }
}

/// The digest of an inventory.
pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

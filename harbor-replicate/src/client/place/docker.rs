//! What `docker save` writes: `manifest.json`, configs and layers, since docker 25 within an OCI layout.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use harbor_core::blob::Hasher;
use harbor_core::oci::{Descriptor, Digest, MANIFEST_LIMIT, ManifestView, MediaType, Tag};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::files::{Files, Region, RegionSource, blob_name, blocking};
use super::index::{FULL_NAME, Index};
use super::{COMMON, Layout, Source};
use crate::client::{BlobSource, Error, ImageName, Listing, Manifest, Result};

/// The file that lists the images.
pub(super) const FILE: &str = "manifest.json";

/// How many layers an image may have: more than any system can put on top of each other.
const LAYERS: usize = 4096;

/// How many manifests of a layout are looked at for the one of an image.
const LOOKED_AT: usize = 1000;

/// An archive of docker's that is read: a tar, a tar that gzip has compressed, or a folder that one was unpacked to. Cheap to clone.
///
/// It has configs and layers; manifests are made of those, unless it has them as well, as those of newer versions of docker have.
/// Layers are as they are there: not compressed, as a rule.
#[derive(Clone, Debug)]
pub struct DockerArchive {
    files: Files,
    images: Arc<[Image]>,
    layout: Option<Layout>,
    /// Where blobs are of the manifests that were made.
    blobs: Arc<Mutex<HashMap<Digest, Region>>>,
}

/// An image, as docker lists it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Image {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

impl DockerArchive {
    /// The archive at a path.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read, [`Error::Unusable`] when it is no archive of docker's.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let files = Files::open(path.as_ref()).await?;
        let none = || files.unusable("it is no archive of docker's: it has no manifest.json");
        let images = read_list(&files).await?.ok_or_else(none)?;
        if images.iter().any(|image| image.layers.len() > LAYERS) {
            return Err(files.unusable(format!("it has an image of more than {LAYERS} layers")));
        }
        let layout = Layout::of(files.clone()).await?;
        Ok(Self { files, images: images.into(), layout, blobs: Arc::default() })
    }

    /// The names of its images, such as `debian:12`; those that have none are not told.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.images.iter().flat_map(|image| image.repo_tags.iter().flatten()).map(String::as_str)
    }

    /// The image of a name, or the one that there is.
    ///
    /// # Errors
    /// [`Error::Absent`] when there is none; [`Error::Unusable`] when there are several to choose from, or it is not whole.
    pub async fn find(&self, name: Option<&str>) -> Result<Manifest> {
        let image = match (name, &*self.images) {
            (None, [image]) => image,
            (None, []) => return Err(self.files.absent("image")),
            (None, _) => {
                let names: Vec<&str> = self.names().take(20).collect();
                let what = format!("it has several images; name one of them: {}", names.join(", "));
                return Err(self.files.unusable(what));
            }
            (Some(name), _) => self.named(name)?,
        };
        self.manifest_of(image).await
    }

    fn named(&self, name: &str) -> Result<&Image> {
        let whole = whole(name);
        let is_it = |tag: &String| tag == name || whole.is_some() && self::whole(tag) == whole;
        let found = self.images.iter().find(|image| image.repo_tags.iter().flatten().any(is_it));
        let names = || self.names().take(20).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| self.files.absent(format!("image {name}, but {}", names())))
    }

    async fn manifest_of(&self, image: &Image) -> Result<Manifest> {
        let config = self.files.read(&image.config, "the config of an image", MANIFEST_LIMIT).await?;
        let config = config.ok_or_else(|| self.files.absent(format!("config {}", image.config)))?;
        let digest = Digest::of(COMMON, &config);
        match self.kept(&digest).await? {
            Some(manifest) => Ok(manifest),
            None => self.made(image, &config, digest).await,
        }
    }

    /// The manifest of a config that the archive has.
    async fn kept(&self, config: &Digest) -> Result<Option<Manifest>> {
        let Some(layout) = &self.layout else { return Ok(None) };
        let (mut ahead, mut seen) = (layout.images().to_vec(), HashSet::new());
        while let Some(entry) = ahead.pop() {
            if !seen.insert(entry.digest) || seen.len() > LOOKED_AT {
                continue;
            }
            let manifest = match layout.manifest_of(&entry).await {
                Err(error) if error.is_absent() => continue,
                manifest => manifest?,
            };
            let Ok(view) = manifest.view() else { continue };
            if view.config.as_ref().is_some_and(|found| found.digest == *config) {
                return Ok(Some(manifest));
            }
            ahead.extend(view.manifests);
        }
        Ok(None)
    }

    /// A manifest for an image that has none.
    async fn made(&self, image: &Image, config: &Bytes, digest: Digest) -> Result<Manifest> {
        let read: Config = serde_json::from_slice(config)
            .map_err(|error| self.files.unusable(format!("the config {digest} does not read: {error}")))?;
        if read.rootfs.diff_ids.len() != image.layers.len() {
            return Err(self.files.unusable(format!("the config {digest} is of another number of layers")));
        }
        let mut blobs = HashMap::new();
        let mut layers = Vec::new();
        for (name, diff) in image.layers.iter().zip(read.rootfs.diff_ids) {
            let region = self.files.find(name).await?;
            let region = region.ok_or_else(|| self.files.absent(format!("layer {name}")))?;
            let (media_type, digest) = self.layer(&region, diff).await?;
            layers.push(json!({ "mediaType": media_type, "digest": digest, "size": region.size }));
            blobs.insert(digest, region);
        }
        let region = self.files.find(&image.config).await?;
        blobs.insert(digest, region.ok_or_else(|| self.files.absent("config"))?);
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).extend(blobs);
        let config = json!({
            "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": config.len(),
        });
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": layers,
        });
        let bytes = Bytes::from(manifest.to_string());
        let digest = Digest::of(COMMON, &bytes);
        let media_type = MediaType::OCI_MANIFEST.parse();
        let media_type = media_type.map_err(|_| Error::Configuration("a media type".to_owned()))?;
        Ok(Manifest { media_type, digest, bytes })
    }

    /// What a layer is. One that is not compressed has the digest that the config says, which is checked when it is read.
    async fn layer(&self, region: &Region, diff: Digest) -> Result<(&'static str, Digest)> {
        let of = region.clone();
        let looked = blocking(move || {
            let mut head = [0; 4];
            let length = of.head(&mut head)?;
            let media_type = match &head[..length] {
                [0x1f, 0x8b, ..] => "application/vnd.oci.image.layer.v1.tar+gzip",
                [0x28, 0xb5, 0x2f, 0xfd] => "application/vnd.oci.image.layer.v1.tar+zstd",
                _ => return Ok(("application/vnd.oci.image.layer.v1.tar", diff)),
            };
            Ok((media_type, of.digest(Hasher::new(COMMON))?))
        });
        looked.await.map_err(|cause| super::files::wrong(self.files.path(), cause))
    }
}

/// The whole name of an image; nothing when it is none.
fn whole(name: &str) -> Option<ImageName> {
    name.parse().ok()
}

/// A name as docker tells it: Docker Hub is not named.
fn familiar(full: &str) -> &str {
    full.strip_prefix("docker.io/library/").or_else(|| full.strip_prefix("docker.io/")).unwrap_or(full)
}

/// Docker's list of what files are; nothing when they have none.
pub(super) async fn read_list(files: &Files) -> Result<Option<Vec<Image>>> {
    let listed = files.read(FILE, "the list of images", MANIFEST_LIMIT).await?;
    let read = listed.map(|listed| serde_json::from_slice(&listed)).transpose();
    read.map_err(|error| files.unusable(format!("its manifest.json does not read: {error}")))
}

impl Image {
    /// The files that it consists of.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().chain([&self.config]).map(String::as_str)
    }
}

/// By what two names of an image are the same.
fn key(tag: &str) -> String {
    whole(tag).map_or_else(|| tag.to_owned(), |name| name.to_string())
}

/// Docker's list of the images that an index lists, by whole names, and of those that were listed before, as far as no other has
/// their names now.
pub(super) fn list(
    index: &Index,
    before: &[Image],
    read: impl Fn(&Digest) -> io::Result<Vec<u8>>,
) -> io::Result<Vec<u8>> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut images: BTreeMap<String, Image> = BTreeMap::new();
    let mut taken = HashSet::new();
    for entry in index.entries().map_err(invalid)? {
        let Some(full) = entry.annotations.get(FULL_NAME) else { continue };
        let media_type = entry.media_type.parse().ok();
        let view = ManifestView::parse(media_type.as_ref(), &read(&entry.digest)?);
        let view = view.map_err(|error| invalid(error.to_string()))?;
        let Some(config) = view.config else { continue };
        let config = blob_name(&config.digest);
        let image = images.entry(config.clone()).or_insert_with(|| Image {
            config,
            repo_tags: Some(Vec::new()),
            layers: view.layers.iter().map(|layer| blob_name(&layer.digest)).collect(),
        });
        taken.insert(key(full));
        image.repo_tags.get_or_insert_default().push(familiar(full).to_owned());
    }
    for known in before {
        let tags = known.repo_tags.iter().flatten();
        let tags: Vec<String> = tags.filter(|tag| taken.insert(key(tag))).cloned().collect();
        let had_none = known.repo_tags.iter().flatten().next().is_none();
        match images.get_mut(&known.config) {
            Some(image) => image.repo_tags.get_or_insert_default().extend(tags),
            None if tags.is_empty() && !had_none => {}
            None => {
                let image = Image { repo_tags: Some(tags), ..known.clone() };
                images.insert(image.config.clone(), image);
            }
        }
    }
    let images: Vec<Image> = images.into_values().collect();
    serde_json::to_vec(&images).map_err(io::Error::other)
}

#[async_trait]
impl Source for DockerArchive {
    async fn read_manifest(&self, entry: &Descriptor) -> Result<Manifest> {
        match &self.layout {
            Some(layout) => layout.read_manifest(entry).await,
            None => Err(self.files.absent(format!("manifest {}", entry.digest))),
        }
    }

    async fn read_tag(&self, _tag: &Tag) -> Result<Option<Manifest>> {
        Ok(None)
    }

    fn list_referrers(&self, subject: &Digest) -> Listing<Descriptor> {
        match &self.layout {
            Some(layout) => layout.list_referrers(subject),
            None => Listing::new(stream::empty()),
        }
    }

    async fn read_blob(&self, digest: &Digest, size: u64) -> Result<Box<dyn BlobSource>> {
        let region = self.blobs.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
        match (region, &self.layout) {
            (Some(region), _) if region.size == size => {
                Ok(Box::new(RegionSource { region, digest: *digest }))
            }
            (Some(region), _) => Err(Error::Size { expected: size, actual: region.size }),
            (None, Some(layout)) => layout.read_blob(digest, size).await,
            (None, None) => Err(self.files.absent(format!("blob {digest}"))),
        }
    }

    fn told(&self) -> String {
        self.files.told()
    }
}

//! Writing OCI image layouts as tars, several blobs at a time: the sizes of blobs are known before they come, so each has its place.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use harbor_core::blob::Hasher;
use harbor_core::oci::{Digest, Tag};
use tempfile::TempPath;

use super::files::{RegionSource, blob_name, blocking, wrong};
use super::index::{self, Index, Named};
use super::pour::{Pour, open_partial, sync_folder, write_at};
use super::slots::{Slot, Slots, compact, digest_of, reachable, read_slot, room, scan};
use super::tar::{self, BLOCK};
use super::{Destination, Layout, docker, is_of_nothing};
use crate::client::error::fit;
use crate::client::{BlobSource, Error, ImageName, Manifest, PushOptions, Pushed, Result};

/// What stands behind the name of a file until it is whole.
const PARTIAL: &str = ".partial";

/// How the names of files end that are compressed: they can be read, as far as it is gzip, and not be written.
const COMPRESSED: [&str; 5] = ["gz", "tgz", "zst", "xz", "bz2"];

/// How long whoever writes an archive is waited for: a copy that was broken off has its last piece on the way to the disk when it is let
/// go of, and a process that is forked shares the locks of this one until it runs its own program.
const PATIENCE: Duration = Duration::from_secs(2);

/// An OCI image layout that is written as a tar, or is added to.
///
/// The file appears when [`Destination::commit`] gives it its name; until then what there is stands beside it, in a file whose name ends
/// with `.partial`, and is gone on with by doing the same again. What an archive of this name has already is taken over, so
/// several images come together in one.
#[derive(Debug)]
pub struct LayoutArchive {
    target: Arc<Target>,
}

#[derive(Debug)]
struct Target {
    path: PathBuf,
    partial: PathBuf,
    file: Arc<File>,
    docker: bool,
    /// Whether nothing may be there of its name.
    is_new: bool,
    /// Whether names must have their tags: who did not ask for an archive of docker's may mean a tag alone.
    is_strict: bool,
    /// What docker's list had before.
    before: Vec<docker::Image>,
    state: Mutex<State>,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A layout, or what was there before.
    Layout,
    /// What docker loads.
    Docker,
    /// A layout, where nothing was before.
    New,
}

#[derive(Debug, Default)]
struct State {
    /// Behind the last blob.
    end: u64,
    slots: Slots,
    /// What the archive before it lists.
    index: Index,
    named: Vec<Named>,
    /// What else is in it.
    files: Vec<(&'static str, Vec<u8>)>,
    /// Whether it has its name.
    is_over: bool,
    /// Whether there is something that a later run need not write again.
    is_of_use: bool,
}

impl LayoutArchive {
    /// The archive at a path, which need not be there yet.
    ///
    /// # Errors
    /// [`Error::Unusable`] when something else is there; [`Error::File`] when it cannot be written, or somebody else is writing it, and
    /// still is after two seconds.
    pub async fn create(path: impl AsRef<Path>) -> Result<Self> {
        Self::open(path.as_ref(), Way::Layout).await
    }

    /// An archive where nothing is: neither now, nor when it gets its name.
    pub(crate) async fn create_new(path: &Path) -> Result<Self> {
        Self::open(path, Way::New).await
    }

    /// The same as `docker load` and `podman load` read it: with docker's own list of the images (`manifest.json`), which have names such
    /// as `debian:12`, and are each for one platform.
    ///
    /// # Errors
    /// As [`LayoutArchive::create`].
    pub async fn docker(path: impl AsRef<Path>) -> Result<Self> {
        Self::open(path.as_ref(), Way::Docker).await
    }

    async fn open(path: &Path, way: Way) -> Result<Self> {
        let is_compressed = COMPRESSED.iter().any(|end| path.extension().is_some_and(|known| known == *end));
        if is_compressed || path.file_name().is_none() {
            return Err(unusable(
                path,
                "archives are written without compression: choose a name that ends with .tar",
            ));
        }
        // First without a claim: where this cannot be had, what an earlier run left is not touched.
        look(path, way).await?;
        let mut target = Target::claim(path, way).await?;
        // Then again: somebody may have ended theirs meanwhile, and nobody else gives a file this name while the claim is held.
        let Some(before) = look(path, way).await? else { return Ok(Self { target: Arc::new(target) }) };
        if let Some(listed) = docker::read_list(before.files()).await? {
            target.docker = true;
            target.before = listed;
        }
        let archive = Self { target: Arc::new(target) };
        let scanned = archive.target.state().end;
        let taken = archive.take_over(&before).await;
        if taken.is_err() {
            archive.target.file.set_len(scanned).map_err(|cause| wrong(path, cause))?;
        }
        taken.map(|()| archive)
    }

    /// Whether it is an archive of docker's, as what was there before may have been.
    #[must_use]
    pub fn is_docker(&self) -> bool {
        self.target.docker
    }

    /// Puts a file beside those of the layout.
    pub(crate) fn add_file(&self, name: &'static str, bytes: Vec<u8>) {
        self.target.state().files.push((name, bytes));
    }

    /// The index that it is going to have, when nothing more is written.
    pub(crate) fn listing(&self) -> Vec<u8> {
        self.target.state().listing().to_bytes()
    }

    /// What an archive of the same name has. It is there still, so it is of no use to a later run.
    async fn take_over(&self, before: &Layout) -> Result<()> {
        let listed = before.files().read(index::FILE, "the index of a layout", index::LIMIT).await?;
        let index = Index::parse(&listed.unwrap_or_default());
        let index = index.map_err(|what| before.files().unusable(what))?;
        let (mut ahead, mut seen, mut taken) = (before.images().to_vec(), HashSet::new(), HashSet::new());
        while let Some(entry) = ahead.pop() {
            if !seen.insert(entry.digest) {
                continue;
            }
            let manifest = match before.manifest_of(&entry).await {
                Err(error) if error.is_absent() => continue,
                manifest => manifest?,
            };
            let options = PushOptions::default();
            self.put(&manifest.digest, &manifest.bytes, &options).await?;
            taken.insert(entry.digest);
            let Ok(view) = manifest.view() else { continue };
            for digest in view.required_blobs().into_keys() {
                // An archive that builds on another has not all of them.
                if let Some(region) = before.blob_region(&digest).await? {
                    self.put(&digest, &RegionSource { region, digest }, &options).await?;
                    taken.insert(digest);
                }
            }
            ahead.extend(view.manifests);
        }
        let mut state = self.target.state();
        state.index = index;
        // An older form of docker's has images in files that are no blobs of a layout.
        let is_there = |name: &str| digest_of(name).is_some_and(|digest| taken.contains(&digest));
        if self.target.before.iter().flat_map(docker::Image::files).all(is_there) {
            return Ok(());
        }
        Err(before.files().unusable(
            "it has an image of docker's that is not in its layout, and would be lost: choose another file",
        ))
    }
}

/// The archive that is there, if one is.
async fn look(path: &Path, way: Way) -> Result<Option<Layout>> {
    if !tokio::fs::try_exists(path).await.map_err(|cause| wrong(path, cause))? {
        return Ok(None);
    }
    if way == Way::New {
        return Err(unusable(path, "there is something already; choose another name"));
    }
    Layout::open(path).await.map(Some)
}

fn unusable(path: &Path, what: &str) -> Error {
    Error::Unusable { place: path.display().to_string(), what: what.to_owned() }
}

impl State {
    /// What was listed before, and what was named since.
    fn listing(&self) -> Index {
        let mut index = self.index.clone();
        for named in &self.named {
            index.put(named);
        }
        index
    }
}

impl LayoutArchive {
    /// Stores a blob where it is not there.
    async fn put(&self, digest: &Digest, source: &dyn BlobSource, options: &PushOptions) -> Result<Pushed> {
        let size = source.size();
        if size == 0 && !is_of_nothing(digest) {
            return Err(Error::Size { expected: 1, actual: 0 });
        }
        let target = &self.target;
        let known = target.state().slots.get(digest).copied();
        if let Some(known) = known.filter(|known| known.is_whole && known.size != size) {
            return Err(Error::Size { expected: known.size, actual: size });
        }
        let slot = target.slot(digest, size).map_err(|cause| wrong(&target.partial, cause))?;
        let Some(slot) = slot else { return Ok(Pushed::Existed) };
        let stream = source.open(0).await.map_err(Error::Source)?;
        let pour = Pour {
            file: Arc::clone(&target.file),
            path: &target.partial,
            at: slot.content,
            hasher: Hasher::new(digest.algorithm()),
            done: 0,
            size,
            sent: options.sent.clone(),
        };
        pour.all(stream, digest).await?;
        // Another of this digest may have come meanwhile, by somebody who is wrong about its size.
        let mut state = target.state();
        if let Some(kept) = state.slots.get_mut(digest).filter(|kept| kept.header == slot.header) {
            kept.is_whole = true;
        }
        Ok(Pushed::Sent)
    }
}

impl Target {
    /// What an earlier run left, or an empty archive.
    async fn claim(path: &Path, way: Way) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(PARTIAL);
        let partial = PathBuf::from(name);
        let file = Arc::new(open_partial(&partial, Some(PATIENCE)).await?);
        let scanned = {
            let file = Arc::clone(&file);
            blocking(move || scan(&file)).await.map_err(|cause| wrong(&partial, cause))?
        };
        let is_of_use = !scanned.1.is_empty();
        Ok(Self {
            path: path.to_owned(),
            partial,
            file,
            docker: way == Way::Docker,
            is_new: way == Way::New,
            is_strict: way != Way::Docker,
            before: Vec::new(),
            state: Mutex::new(State { end: scanned.0, slots: scanned.1, is_of_use, ..State::default() }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place for a blob; nothing when it is there.
    fn slot(&self, digest: &Digest, size: u64) -> io::Result<Option<Slot>> {
        let mut state = self.state();
        if state.is_over {
            return Err(over());
        }
        if let Some(slot) = state.slots.get(digest).filter(|slot| slot.size == size) {
            return Ok((!slot.is_whole).then_some(*slot));
        }
        let header = tar::header(&blob_name(digest), size)?;
        let content = state.end + header.len() as u64;
        let slot = Slot { header: state.end, content, size, is_whole: false };
        let end = room(slot).ok_or_else(|| io::Error::other("more than a file can have"))?;
        // The header tells a later run how far it is to the next blob. Whether this one is whole, its digest tells.
        write_at(&self.file, &header, slot.header)?;
        self.file.set_len(end)?;
        state.end = end;
        state.slots.insert(*digest, slot);
        Ok(Some(slot))
    }

    /// Lists what was written, and gives the file its name.
    fn finish(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.is_over {
            return Err(over());
        }
        let index = state.listing();
        let kept = reachable(&self.file, &index, &state.slots)?;
        state.slots.retain(|digest, slot| slot.is_whole && kept.contains(digest));
        state.end = compact(&self.file, &mut state.slots)?;
        let mut files =
            vec![(index::MARK, index::MARKED.as_bytes().to_vec()), (index::FILE, index.written()?)];
        if self.docker {
            let read = |digest: &Digest| read_slot(&self.file, state.slots.get(digest).copied());
            files.push((docker::FILE, docker::list(&index, &self.before, read)?));
        }
        files.extend(state.files.iter().cloned());
        self.end(state.end, &files)?;
        self.rename()?;
        // From here on it is no longer ours to write, whatever becomes of the rest.
        state.is_over = true;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        sync_folder(folder.unwrap_or(Path::new(".")))
    }

    fn end(&self, mut at: u64, files: &[(&str, Vec<u8>)]) -> io::Result<()> {
        for (name, bytes) in files {
            let header = tar::header(name, bytes.len() as u64)?;
            write_at(&self.file, &header, at)?;
            write_at(&self.file, bytes, at + header.len() as u64)?;
            at += header.len() as u64 + tar::padded(bytes.len() as u64);
        }
        // Two empty blocks end it.
        self.file.set_len(at + 2 * BLOCK)?;
        self.file.sync_all()
    }
}

impl Target {
    /// Gives the file its name.
    fn rename(&self) -> io::Result<()> {
        if !self.is_new {
            return fs::rename(&self.partial, &self.path);
        }
        let renamed = TempPath::try_from_path(&self.partial)?.persist_noclobber(&self.path);
        let Err(failed) = renamed else { return Ok(()) };
        // It is whole, and stays.
        failed.path.keep()?;
        if failed.error.kind() != io::ErrorKind::AlreadyExists {
            return Err(failed.error);
        }
        let partial = self.partial.display();
        let what = format!("something of that name has appeared meanwhile; all of it is in {partial}");
        Err(io::Error::new(io::ErrorKind::AlreadyExists, what))
    }
}

impl Drop for Target {
    /// What is of no use to a later run goes. Nobody else has it: it is locked.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !state.is_over && !state.is_of_use {
            let _ = fs::remove_file(&self.partial);
        }
    }
}

fn over() -> io::Error {
    io::Error::other("it was ended already")
}

/// The whole name of an image in an archive of docker's, and its tag.
fn docker_name(manifest: &Manifest, name: &str, is_strict: bool) -> Result<(ImageName, Tag)> {
    if manifest.view().is_ok_and(|view| view.config.is_none()) {
        let what = "an archive of docker's has images of one platform each: choose one";
        return Err(Error::Configuration(what.to_owned()));
    }
    let full: Option<ImageName> = name.parse().ok();
    let tag = full.as_ref().and_then(|full| full.tag().cloned()).filter(|_| !is_strict || name.contains(':'));
    full.zip(tag).ok_or_else(|| {
        let what = format!("{:?} cannot name an image in an archive of docker's: write a repository and a tag, such as debian:12", fit(name, &[]));
        Error::Configuration(what)
    })
}

#[async_trait]
impl Destination for LayoutArchive {
    fn accepts(&self, manifest: &Manifest, name: Option<&str>) -> Result<()> {
        if !self.target.docker {
            return Ok(());
        }
        docker_name(manifest, name.unwrap_or_default(), self.target.is_strict).map(|_| ())
    }

    async fn write_blob(
        &self,
        digest: &Digest,
        source: &dyn BlobSource,
        options: &PushOptions,
    ) -> Result<Pushed> {
        let pushed = self.put(digest, source, options).await?;
        if pushed == Pushed::Sent {
            self.target.state().is_of_use = true;
        }
        Ok(pushed)
    }

    async fn write_manifest(&self, manifest: &Manifest) -> Result<()> {
        self.write_blob(&manifest.digest, &manifest.bytes, &PushOptions::default()).await.map(|_| ())
    }

    async fn write_name(&self, manifest: &Manifest, name: Option<&str>) -> Result<()> {
        let mut named = Named { manifest: manifest.clone(), name: name.map(ToOwned::to_owned), full: None };
        if let Some(name) = name.filter(|_| self.target.docker) {
            let (full, tag) = docker_name(manifest, name, self.target.is_strict)?;
            named.name = Some(tag.to_string());
            named.full = Some(full.to_string());
        }
        self.target.state().named.push(named);
        Ok(())
    }

    async fn commit(&self) -> Result<()> {
        let target = Arc::clone(&self.target);
        blocking(move || target.finish()).await.map_err(|cause| wrong(&self.target.path, cause))
    }

    fn told(&self) -> String {
        self.target.path.display().to_string()
    }
}

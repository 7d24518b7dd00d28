//! Layouts and archives: between them and registries everything goes, and comes back as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harbor_core::oci::{Algorithm, Digest};
use harbor_replicate::client::place::{Destination, Layout, LayoutArchive, LayoutFolder, Source};
use harbor_replicate::client::{CopyOptions, Platform, Repository, copy};
use harbor_tests::TestRegistry;
use harbor_tests::content::{self, ALGORITHMS, DataSet, Maker, Piece};
use serde_json::json;

use super::{by, push, repository, tag};

pub(super) fn plain() -> CopyOptions {
    CopyOptions::default()
}

/// Everything of a set is at a place, byte for byte.
pub(super) async fn is_at(from: &dyn Source, set: &DataSet) {
    for blob in &set.blobs {
        let size = blob.bytes.len() as u64;
        let source = from.read_blob(&blob.digest, size).await.unwrap();
        assert!(read(&*source, 0).await.unwrap() == blob.bytes);
        assert!(read(&*source, size / 2).await.unwrap() == blob.bytes[blob.bytes.len() / 2..]);
    }
    for manifest in &set.manifests {
        let entry = serde_json::from_value(manifest.descriptor()).unwrap();
        assert_eq!(from.read_manifest(&entry).await.unwrap().bytes, manifest.bytes);
    }
}

pub(super) async fn read(
    source: &dyn harbor_replicate::client::BlobSource,
    from: u64,
) -> std::io::Result<Vec<u8>> {
    use futures_util::TryStreamExt as _;
    let pieces: Vec<_> = source.open(from).await?.try_collect().await?;
    Ok(pieces.concat())
}

/// The files of a folder, by their paths, and what is in them.
pub(super) fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

pub(super) fn tar_of(path: &Path, files: &[(String, Vec<u8>)]) {
    let mut builder = tar::Builder::new(std::fs::File::create(path).unwrap());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // As they stand there, also what no library would write.
        header.as_old_mut().name[..name.len().min(100)]
            .copy_from_slice(&name.as_bytes()[..name.len().min(100)]);
        header.set_cksum();
        builder.append(&header, content.as_slice()).unwrap();
    }
    builder.finish().unwrap();
}

/// A nested index with a signature by each of the ways.
struct World {
    registry: TestRegistry,
    from: Repository,
    set: DataSet,
    signatures: Vec<DataSet>,
    /// cosign's, which is known by its tag alone.
    tagged: (String, DataSet),
}

impl World {
    async fn new(algorithm: Algorithm) -> Self {
        let registry = TestRegistry::in_memory().await;
        let from = repository(&registry);
        let large = Maker::image(algorithm)
            .layer(Piece::blob(algorithm, 1_500_000))
            .layer(Piece::new(algorithm, content::LAYER, ""))
            .done();
        let set = Maker::index(algorithm).entry(&content::index(algorithm)).entry(&large).done();
        push(&from, "a", &set).await;
        let of =
            |subject: &Piece| Maker::artifact(algorithm, "application/vnd.example").subject(subject).done();
        let signatures = vec![of(set.top()), of(large.top())];
        for signature in &signatures {
            push(&from, "x", signature).await;
        }
        let tagged = content::image(algorithm);
        let name = format!("{}-{}.sig", algorithm, set.top().digest.hex());
        let name = name.chars().take(128).collect::<String>();
        push(&from, &name, &tagged).await;
        Self { registry, from, set, signatures, tagged: (name, tagged) }
    }

    async fn top(&self) -> harbor_replicate::client::Manifest {
        self.from.manifest(&by(self.set.top().digest)).await.unwrap()
    }
}

#[tokio::test]
async fn through_every_place_and_back() {
    for algorithm in ALGORITHMS {
        let world = World::new(algorithm).await;
        let folder = tempfile::tempdir().unwrap();
        let to = LayoutFolder::create(folder.path().join("layout")).await.unwrap();
        let with = plain().referrers(true);
        copy(&world.from, world.top().await, &to, Some("1.0"), &with).await.unwrap();
        assert!(
            Layout::open(folder.path().join("layout")).await.is_err(),
            "nothing shows before it is whole"
        );
        to.commit().await.unwrap();
        let layout = Layout::open(folder.path().join("layout")).await.unwrap();
        let archive = folder.path().join("layout.tar");
        let to = LayoutArchive::create(&archive).await.unwrap();
        let copied =
            copy(&layout, layout.find(Some("1.0")).await.unwrap(), &to, Some("1.0"), &with).await.unwrap();
        assert_eq!(copied.digest, world.set.top().digest);
        assert!(!archive.exists(), "nothing shows before it is whole");
        to.commit().await.unwrap();
        let archived = Layout::open(&archive).await.unwrap();
        for from in [&layout, &archived] {
            is_at(from, &world.set).await;
            for signature in &world.signatures {
                is_at(from, signature).await;
            }
            assert_eq!(from.find(None).await.unwrap().digest, world.set.top().digest);
        }
        let other = TestRegistry::in_memory().await;
        let back = repository(&other);
        copy(&archived, archived.find(None).await.unwrap(), &back, Some("b"), &with).await.unwrap();
        is_at(&back, &world.set).await;
        let referrers = back.referrers(&world.set.top().digest, None).all().await.unwrap();
        assert!(
            referrers.iter().any(|entry| entry.digest == world.signatures[0].top().digest),
            "{referrers:?}"
        );
        // Tags of cosign's are for the digests that it knows.
        if algorithm == Algorithm::Sha256 {
            assert_eq!(
                back.manifest(&tag(&world.tagged.0)).await.unwrap().digest,
                world.tagged.1.top().digest
            );
        }
        world.registry.close().await;
        other.close().await;
    }
}

#[tokio::test]
async fn without_referrers_there_are_none() {
    let world = World::new(Algorithm::Sha256).await;
    let folder = tempfile::tempdir().unwrap();
    let to = LayoutFolder::create(folder.path()).await.unwrap();
    copy(&world.from, world.top().await, &to, None, &plain()).await.unwrap();
    to.commit().await.unwrap();
    let layout = Layout::open(folder.path()).await.unwrap();
    assert_eq!(layout.images().len(), 1);
    assert_eq!(layout.list_referrers(&world.set.top().digest).all().await.unwrap(), []);
    let mut names: Vec<String> =
        files(folder.path()).into_keys().filter(|name| !name.starts_with("blobs/")).collect();
    names.sort();
    assert_eq!(names, ["index.json", "oci-layout"], "nothing of the work is left");
    world.registry.close().await;
}

#[tokio::test]
async fn of_an_index_one_platform_can_be_taken() {
    let registry = TestRegistry::in_memory().await;
    let from = repository(&registry);
    let (amd, arm) = (content::image(Algorithm::Sha256), content::image(Algorithm::Sha256));
    let both = Maker::index(Algorithm::Sha256).entry(&amd).entry(&arm).change(|members| {
        members["manifests"][1]["platform"] = json!({"os": "linux", "architecture": "arm", "variant": "v7"});
    });
    push(&from, "a", &both.done()).await;
    let folder = tempfile::tempdir().unwrap();
    let top = from.manifest(&tag("a")).await.unwrap();
    let to = LayoutFolder::create(folder.path()).await.unwrap();
    let of = |platform: &str| plain().platform(platform.parse::<Platform>().unwrap());
    let copied = copy(&from, top.clone(), &to, Some("arm"), &of("linux/arm/v7")).await.unwrap();
    assert_eq!((copied.digest, copied.sent), (arm.top().digest, 3));
    let error = copy(&from, top, &to, Some("arm"), &of("linux/s390x")).await.unwrap_err();
    assert!(error.is_absent() && error.to_string().contains("linux/amd64, linux/arm/v7"), "{error}");
    registry.close().await;
}

#[tokio::test]
async fn several_images_come_together() {
    let registry = TestRegistry::in_memory().await;
    let from = repository(&registry);
    let sets = [
        content::image(Algorithm::Sha256),
        content::image(Algorithm::Sha256),
        content::index(Algorithm::Sha256),
    ];
    let folder = tempfile::tempdir().unwrap();
    let (layout, archive) = (folder.path().join("layout"), folder.path().join("a.tar"));
    // Each in a run of its own; the third takes the name of the first.
    for (set, name) in sets.iter().zip(["1", "2", "1"]) {
        push(&from, name, set).await;
        let top = from.manifest(&tag(name)).await.unwrap();
        let into_folder = LayoutFolder::create(&layout).await.unwrap();
        let into_archive = LayoutArchive::create(&archive).await.unwrap();
        for to in [&into_folder as &dyn Destination, &into_archive] {
            copy(&from, top.clone(), to, Some(name), &plain()).await.unwrap();
            to.commit().await.unwrap();
        }
    }
    for path in [&layout, &archive] {
        let layout = Layout::open(path).await.unwrap();
        assert_eq!(layout.find(Some("1")).await.unwrap().digest, sets[2].top().digest);
        assert_eq!(layout.find(Some("2")).await.unwrap().digest, sets[1].top().digest);
        is_at(&layout, &sets[1]).await;
        is_at(&layout, &sets[2]).await;
        let error = layout.find(None).await.unwrap_err().to_string();
        assert!(error.contains("several images") && error.contains('2'), "{error}");
        assert!(layout.find(Some("3")).await.unwrap_err().is_absent());
    }
    // What nothing names any more is not carried on in an archive.
    let archived = Layout::open(&archive).await.unwrap();
    let gone = &sets[0].blobs[1];
    assert!(
        archived.read_blob(&gone.digest, gone.bytes.len() as u64).await.is_err_and(|error| error.is_absent())
    );
    registry.close().await;
}

/// A source whose blobs end in their middle, until they may not.
#[derive(Debug)]
struct Broken<'a>(&'a Repository, std::sync::atomic::AtomicBool, std::sync::atomic::AtomicU64);

struct Half(Box<dyn harbor_replicate::client::BlobSource>, bool);

#[async_trait::async_trait]
impl harbor_replicate::client::BlobSource for Half {
    fn size(&self) -> u64 {
        self.0.size()
    }

    async fn open(&self, offset: u64) -> std::io::Result<harbor_replicate::client::ByteStream> {
        use futures_util::StreamExt as _;
        let (mut left, size) = (if self.1 { self.size() / 2 } else { u64::MAX }, self.size());
        let stream = self.0.open(offset).await?.map(move |piece| {
            let piece = piece?;
            if size > 1000 && left == 0 {
                return Err(std::io::Error::other("killed"));
            }
            left = left.saturating_sub(piece.len() as u64);
            Ok(piece)
        });
        Ok(Box::pin(stream))
    }
}

#[async_trait::async_trait]
impl Source for Broken<'_> {
    async fn read_manifest(
        &self,
        entry: &harbor_core::oci::Descriptor,
    ) -> harbor_replicate::client::Result<harbor_replicate::client::Manifest> {
        self.0.read_manifest(entry).await
    }

    async fn read_tag(
        &self,
        tag: &harbor_core::oci::Tag,
    ) -> harbor_replicate::client::Result<Option<harbor_replicate::client::Manifest>> {
        self.0.read_tag(tag).await
    }

    fn list_referrers(
        &self,
        subject: &Digest,
    ) -> harbor_replicate::client::Listing<harbor_core::oci::Descriptor> {
        self.0.list_referrers(subject)
    }

    async fn read_blob(
        &self,
        digest: &Digest,
        size: u64,
    ) -> harbor_replicate::client::Result<Box<dyn harbor_replicate::client::BlobSource>> {
        use std::sync::atomic::Ordering;
        self.2.fetch_add(size, Ordering::Relaxed);
        let blob = self.0.read_blob(digest, size).await?;
        Ok(Box::new(Half(blob, self.1.load(Ordering::Relaxed))))
    }

    fn told(&self) -> String {
        "broken".to_owned()
    }
}

/// A layer of which nothing came, where there is one: some of another did, and is written at the latest in a moment.
async fn not_begun<'a>(folder: &Path, set: &'a DataSet) -> &'a Piece {
    let begun = |blob: &Piece| {
        let partial = folder.join(".partial").join(format!("sha256-{}", blob.digest.hex()));
        std::fs::metadata(partial).is_ok_and(|known| known.len() > 0)
    };
    while folder.is_dir() && !set.blobs.iter().any(begun) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    set.blobs.iter().skip(1).find(|blob| !begun(blob)).unwrap_or(&set.blobs[2])
}

#[tokio::test]
async fn what_was_cut_off_is_gone_on_with() {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    let registry = TestRegistry::in_memory().await;
    let from = repository(&registry);
    let set = (0..4)
        .fold(Maker::image(Algorithm::Sha256), |maker, _| {
            maker.layer(Piece::blob(Algorithm::Sha256, 2_000_000))
        })
        .done();
    push(&from, "a", &set).await;
    let top = from.manifest(&tag("a")).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for kind in ["folder", "archive"] {
        let broken = Broken(&from, AtomicBool::new(true), AtomicU64::new(0));
        let path = folder.path().join(kind);
        let open = || async {
            let to: Box<dyn Destination> = match kind {
                "folder" => Box::new(LayoutFolder::create(&path).await.unwrap()),
                _ => Box::new(LayoutArchive::create(&path).await.unwrap()),
            };
            to
        };
        let to = open().await;
        let error = copy(&broken, top.clone(), &*to, Some("1"), &plain()).await.unwrap_err();
        assert!(error.to_string().contains("killed"), "{error}");
        drop(to);
        assert!(Layout::open(&path).await.is_err(), "nothing half-made shows");
        // One more layer is there whole; the rest is made by the second run.
        let to = open().await;
        let blob = not_begun(&path, &set).await;
        to.write_blob(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
        drop(to);
        broken.1.store(false, Ordering::Relaxed);
        let to = open().await;
        let copied = copy(&broken, top.clone(), &*to, Some("1"), &plain()).await.unwrap();
        to.commit().await.unwrap();
        assert!(copied.existed >= 1 && copied.sent <= 4, "{copied:?}");
        if kind == "folder" {
            // Half of what had begun was there.
            assert!(copied.bytes < 3 * 2_000_000, "{copied:?}");
        }
        is_at(&Layout::open(&path).await.unwrap(), &set).await;
        let left: Vec<PathBuf> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.iter().all(|path| !path.to_str().unwrap().contains("partial")), "{left:?}");
    }
    registry.close().await;
}

#[tokio::test]
async fn what_was_spoilt_is_written_anew() {
    let registry = TestRegistry::in_memory().await;
    let from = repository(&registry);
    let set = content::image(Algorithm::Sha256);
    push(&from, "a", &set).await;
    let top = from.manifest(&tag("a")).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for expected in [3, 1] {
        let to = LayoutFolder::create(folder.path()).await.unwrap();
        let copied = copy(&from, top.clone(), &to, Some("1"), &plain()).await.unwrap();
        to.commit().await.unwrap();
        assert_eq!(copied.sent, expected);
        is_at(&Layout::open(folder.path()).await.unwrap(), &set).await;
        let blob = folder.path().join("blobs/sha256").join(set.blobs[1].digest.hex());
        let mut bytes = std::fs::read(&blob).unwrap();
        bytes[7] ^= 1;
        std::fs::write(&blob, bytes).unwrap();
    }
    registry.close().await;
}

#[tokio::test]
async fn two_may_write_one_folder() {
    let registry = TestRegistry::in_memory().await;
    let from = repository(&registry);
    let sets = [content::image(Algorithm::Sha256), content::image(Algorithm::Sha256)];
    let folder = tempfile::tempdir().unwrap();
    let mut writers = Vec::new();
    for name in ["1", "2"] {
        writers.push((name, LayoutFolder::create(folder.path()).await.unwrap()));
    }
    for ((name, to), set) in writers.iter().zip(&sets) {
        push(&from, name, set).await;
        copy(&from, from.manifest(&tag(name)).await.unwrap(), to, Some(name), &plain()).await.unwrap();
        to.commit().await.unwrap();
    }
    let layout = Layout::open(folder.path()).await.unwrap();
    for (name, set) in ["1", "2"].iter().zip(&sets) {
        assert_eq!(layout.find(Some(name)).await.unwrap().digest, set.top().digest);
        is_at(&layout, set).await;
    }
    assert!(!folder.path().join(".partial").exists());
    registry.close().await;
}

#[tokio::test]
async fn two_do_not_write_one_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let first = LayoutArchive::create(&path).await.unwrap();
    let error = LayoutArchive::create(&path).await.unwrap_err();
    assert!(error.to_string().contains("somebody else"), "{error}");
    first.commit().await.unwrap();
    assert!(first.commit().await.is_err(), "it was ended");
    assert_eq!(Layout::open(&path).await.unwrap().images(), []);
    LayoutArchive::create(&path).await.unwrap();
    for (name, content) in [("b.tar", "what somebody else keeps here"), ("c.tar.gz", "x")] {
        std::fs::write(folder.path().join(name), content).unwrap();
        assert!(LayoutArchive::create(folder.path().join(name)).await.is_err());
        assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), content);
    }
    let error = LayoutFolder::create(folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("no OCI layout"), "{error}");
}

/// As the last piece of a copy that was broken off is, which is still written when the copy is gone on with.
#[tokio::test]
async fn an_archive_is_had_when_who_had_it_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let held = std::fs::File::create(folder.path().join("a.tar.partial")).unwrap();
    held.lock().unwrap();
    let let_go = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        held.unlock().unwrap();
    };
    let (created, ()) = tokio::join!(LayoutArchive::create(folder.path().join("a.tar")), let_go);
    created.unwrap().commit().await.unwrap();
}

/// Also what was ended while another waited for it.
#[tokio::test]
async fn what_was_ended_meanwhile_is_taken_over() {
    let registry = TestRegistry::in_memory().await;
    let from = repository(&registry);
    let set = content::image(Algorithm::Sha256);
    push(&from, "a", &set).await;
    let top = from.manifest(&tag("a")).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let first = LayoutArchive::create(&path).await.unwrap();
    copy(&from, top.clone(), &first, Some("1"), &plain()).await.unwrap();
    let end = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        first.commit().await.unwrap();
        drop(first);
    };
    let (second, ()) = tokio::join!(LayoutArchive::create(&path), end);
    let second = second.unwrap();
    copy(&from, top, &second, Some("2"), &plain()).await.unwrap();
    second.commit().await.unwrap();
    let both = Layout::open(&path).await.unwrap();
    for name in ["1", "2"] {
        both.find(Some(name)).await.unwrap();
    }
    registry.close().await;
}

/// What is beside an archive may be somebody else's.
#[tokio::test]
async fn what_is_not_ours_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let (path, partial) = (folder.path().join("a.tar"), folder.path().join("a.tar.partial"));
    std::fs::write(&partial, "somebody else's").unwrap();
    let told = LayoutArchive::create(&path).await.unwrap_err().to_string();
    assert!(told.contains("take it away"), "{told}");
    assert_eq!(std::fs::read_to_string(&partial).unwrap(), "somebody else's");
    std::fs::remove_file(&partial).unwrap();
    // Also where a link leads to it, or to what is not there.
    #[cfg(unix)]
    for target in [folder.path().join("own"), folder.path().join("none")] {
        std::fs::write(folder.path().join("own"), "").unwrap();
        std::os::unix::fs::symlink(&target, &partial).unwrap();
        assert!(LayoutArchive::create(&path).await.is_err());
        std::fs::remove_file(&partial).unwrap();
        assert!(std::fs::metadata(&target).is_ok_and(|known| known.len() == 0) || !target.exists());
    }
    assert!(!folder.path().join("none").exists());
    // What is of no use to a later run does not stay.
    drop(LayoutArchive::create(&path).await.unwrap());
    assert!(!partial.exists());
    for name in ["b.tar.gz", "b.tgz", "b.tar.zst"] {
        let told = LayoutArchive::create(folder.path().join(name)).await.unwrap_err().to_string();
        assert!(told.contains("ends with .tar"), "{told}");
    }
}

/// Some keep lists of referrers by tag in layouts too.
#[tokio::test]
async fn referrers_that_a_layout_keeps_by_tag_are_found() {
    let registry = TestRegistry::in_memory().await;
    let from = repository(&registry);
    let image = content::image(Algorithm::Sha256);
    let signature = Maker::artifact(Algorithm::Sha256, "application/vnd.example").subject(image.top()).done();
    push(&from, "a", &image).await;
    push(&from, "s", &signature).await;
    let list = Maker::index(Algorithm::Sha256).entry(&signature).done();
    push(&from, "l", &list).await;
    let folder = tempfile::tempdir().unwrap();
    let to = LayoutFolder::create(folder.path()).await.unwrap();
    let name = harbor_core::oci::Tag::of_referrers(&image.top().digest).to_string();
    for (set, name) in [(&image, "1"), (&list, &name)] {
        let top = from.manifest(&by(set.top().digest)).await.unwrap();
        copy(&from, top, &to, Some(name), &plain()).await.unwrap();
    }
    to.commit().await.unwrap();
    let layout = Layout::open(folder.path()).await.unwrap();
    let found = layout.list_referrers(&image.top().digest).all().await.unwrap();
    assert_eq!(found.iter().map(|entry| entry.digest).collect::<Vec<_>>(), [signature.top().digest]);
    assert_eq!(layout.find(None).await.unwrap().digest, image.top().digest, "lists are no images");
    registry.close().await;
}

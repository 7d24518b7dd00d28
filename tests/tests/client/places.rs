//! Layouts and archives: between them and registries everything goes, and comes back as it was.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use harbor_core::oci::{Algorithm, Digest};
use harbor_replicate::client::place::{
    Destination, DockerArchive, Layout, LayoutArchive, LayoutFolder, Source,
};
use harbor_replicate::client::{CopyOptions, Error, Platform, Repository, copy};
use harbor_tests::TestRegistry;
use harbor_tests::content::{self, ALGORITHMS, DataSet, Maker, Piece};
use serde_json::{Value, json};

use super::{by, push, repository, tag};

fn plain() -> CopyOptions {
    CopyOptions::default()
}

/// Everything of a set is at a place, byte for byte.
async fn is_at(from: &dyn Source, set: &DataSet) {
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

async fn read(source: &dyn harbor_replicate::client::BlobSource, from: u64) -> std::io::Result<Vec<u8>> {
    use futures_util::TryStreamExt as _;
    let pieces: Vec<_> = source.open(from).await?.try_collect().await?;
    Ok(pieces.concat())
}

/// The files of a folder, by their paths, and what is in them.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
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

fn tar_of(path: &Path, files: &[(String, Vec<u8>)]) {
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
        let blob = &set.blobs[2];
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

/// An image as docker has saved it for years.
fn saved(layers: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
    let diffs: Vec<String> =
        layers.iter().map(|layer| Digest::of(Algorithm::Sha256, layer).to_string()).collect();
    let config =
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs}});
    let names: Vec<String> = (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect();
    let list = json!([{"Config": "config.json", "RepoTags": ["debian:12", "grace/app:1"], "Layers": names}]);
    let layers = names.iter().cloned().zip(layers.iter().cloned());
    let own =
        [("config.json".to_owned(), config.to_string()), ("manifest.json".to_owned(), list.to_string())];
    layers.chain(own.map(|(name, text)| (name, text.into_bytes()))).collect()
}

#[tokio::test]
async fn what_docker_has_saved_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let layers = [content::random(700_000).to_vec(), content::random(1000).to_vec()];
    let (tar, gz, unpacked) =
        (folder.path().join("a.tar"), folder.path().join("a.tar.gz"), folder.path().join("unpacked"));
    tar_of(&tar, &saved(&layers));
    let mut encoder = GzEncoder::new(std::fs::File::create(&gz).unwrap(), Compression::fast());
    encoder.write_all(&std::fs::read(&tar).unwrap()).unwrap();
    encoder.finish().unwrap();
    tar::Archive::new(std::fs::File::open(&tar).unwrap()).unpack(&unpacked).unwrap();
    let registry = TestRegistry::in_memory().await;
    let to = repository(&registry);
    for path in [&tar, &gz, &unpacked] {
        let archive = DockerArchive::open(path).await.unwrap();
        assert_eq!(archive.names().collect::<Vec<_>>(), ["debian:12", "grace/app:1"]);
        let top = archive.find(Some("docker.io/library/debian:12")).await.unwrap();
        assert_eq!(archive.find(None).await.unwrap(), top);
        assert!(archive.find(Some("debian:13")).await.unwrap_err().is_absent());
        copy(&archive, top.clone(), &to, Some("12"), &plain()).await.unwrap();
        let pulled = to.manifest(&tag("12")).await.unwrap();
        assert_eq!(pulled.bytes, top.bytes);
        for (entry, layer) in pulled.view().unwrap().layers.iter().zip(&layers) {
            let bytes =
                to.blob(&entry.digest, Some(entry.size)).await.unwrap().bytes(1_000_000).await.unwrap();
            assert!(bytes == layer.as_slice() && entry.media_type.ends_with(".tar"));
        }
    }
    // Compressed layers have the digests that they have.
    let mut compressed = saved(&layers);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&layers[1]).unwrap();
    compressed[1].1 = encoder.finish().unwrap();
    tar_of(&tar, &compressed);
    let archive = DockerArchive::open(&tar).await.unwrap();
    let view = archive.find(None).await.unwrap().view().unwrap();
    assert_eq!(view.layers[1].digest, Digest::of(Algorithm::Sha256, &compressed[1].1));
    assert!(view.layers[1].media_type.ends_with("gzip"));
    // A layer that is not what the config says goes nowhere.
    let mut wrong = saved(&layers);
    wrong[0].1[9] ^= 1;
    tar_of(&tar, &wrong);
    let archive = DockerArchive::open(&tar).await.unwrap();
    let to = to.registry().repository("library/elsewhere".parse().unwrap());
    let error =
        copy(&archive, archive.find(None).await.unwrap(), &to, Some("13"), &plain()).await.unwrap_err();
    assert!(matches!(error, Error::Digest { .. }), "{error}");
    assert_eq!(to.manifest_head(&tag("13")).await.unwrap(), None);
    registry.close().await;
}

#[tokio::test]
async fn what_docker_reads_is_written() {
    let registry = TestRegistry::in_memory().await;
    let from = repository(&registry);
    let (one, other) = (content::image(Algorithm::Sha256), content::image(Algorithm::Sha256));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    for (set, name) in [(&one, "debian:12"), (&other, "registry.example/grace/app:12")] {
        push(&from, "a", set).await;
        let to = LayoutArchive::docker(&path).await.unwrap();
        copy(&from, from.manifest(&tag("a")).await.unwrap(), &to, Some(name), &plain()).await.unwrap();
        to.commit().await.unwrap();
    }
    let archive = DockerArchive::open(&path).await.unwrap();
    let mut names: Vec<&str> = archive.names().collect();
    names.sort_unstable();
    assert_eq!(names, ["debian:12", "registry.example/grace/app:12"]);
    // The manifests are those that they were.
    for (set, name) in [(&one, "debian:12"), (&other, "registry.example/grace/app:12")] {
        let found = archive.find(Some(name)).await.unwrap();
        assert_eq!(found.bytes, set.top().bytes);
        is_at(&archive, set).await;
    }
    let unpacked = folder.path().join("unpacked");
    tar::Archive::new(std::fs::File::open(&path).unwrap()).unpack(&unpacked).unwrap();
    let list: Value = serde_json::from_slice(&files(&unpacked)["manifest.json"]).unwrap();
    for image in list.as_array().unwrap() {
        let names = image["Layers"].as_array().unwrap().iter().chain([&image["Config"]]);
        for name in names {
            assert!(unpacked.join(name.as_str().unwrap()).is_file(), "{name}");
        }
    }
    // An index is not what docker's archives have.
    push(&from, "i", &content::index(Algorithm::Sha256)).await;
    let to = LayoutArchive::docker(&path).await.unwrap();
    let error =
        copy(&from, from.manifest(&tag("i")).await.unwrap(), &to, Some("a:1"), &plain()).await.unwrap_err();
    assert!(error.to_string().contains("one platform"), "{error}");
    registry.close().await;
}

/// A layout of one image, as the files of a tar.
async fn layout() -> (DataSet, Vec<(String, Vec<u8>)>) {
    let set = content::image(Algorithm::Sha256);
    let folder = tempfile::tempdir().unwrap();
    let to = LayoutFolder::create(folder.path()).await.unwrap();
    for blob in set.blobs.iter().chain(&set.manifests) {
        to.write_blob(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    }
    let registry = TestRegistry::in_memory().await;
    let from = repository(&registry);
    push(&from, "a", &set).await;
    to.write_name(&from.manifest(&by(set.top().digest)).await.unwrap(), Some("1")).await.unwrap();
    to.commit().await.unwrap();
    registry.close().await;
    (set, files(folder.path()).into_iter().collect())
}

async fn opened(files: &[(String, Vec<u8>)]) -> Result<Layout, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    tar_of(&path, files);
    Layout::open(&path).await
}

#[tokio::test]
async fn archives_that_lie_are_refused() {
    let (set, whole) = layout().await;
    is_at(&opened(&whole).await.unwrap(), &set).await;
    let with = |name: &str, content: &[u8]| {
        let mut files = whole.clone();
        files.retain(|(known, _)| known != name);
        files.push((name.to_owned(), content.to_vec()));
        files
    };
    let wrongs = [
        with("../outside", b"x"),
        with("/etc/passwd", b"x"),
        with("blobs/../../outside", b"x"),
        with("index.json", b"{"),
        with("index.json", br#"{"manifests":[{"mediaType":"a/b","digest":"sha256:../../x","size":1}]}"#),
        with("oci-layout", br#"{"imageLayoutVersion":"9.0.0"}"#),
        with("oci-layout", &vec![b' '; 5 * 1024 * 1024]),
        whole.iter().cloned().chain([whole[0].clone()]).collect(),
        whole.iter().filter(|(name, _)| name != "index.json").cloned().collect(),
        whole.iter().filter(|(name, _)| name != "oci-layout").cloned().collect(),
        Vec::new(),
    ];
    for (place, wrong) in wrongs.iter().enumerate() {
        assert!(opened(wrong).await.is_err(), "{place}");
    }
    // A blob, a config or a manifest of other bytes, or of fewer.
    let registry = TestRegistry::in_memory().await;
    let to = repository(&registry);
    for piece in set.blobs.iter().chain(&set.manifests) {
        let name = format!("blobs/sha256/{}", piece.digest.hex());
        let mut other = piece.bytes.to_vec();
        other[3] ^= 1;
        let shorter = &piece.bytes[..piece.bytes.len() - 1];
        for content in [&other[..], shorter] {
            let layout = opened(&with(&name, content)).await.unwrap();
            let outcome = match layout.find(Some("1")).await {
                Ok(top) => copy(&layout, top, &to, Some("z"), &plain()).await.map(|_| ()),
                Err(error) => Err(error),
            };
            assert!(matches!(outcome, Err(Error::Digest { .. } | Error::Size { .. })), "{outcome:?}");
        }
        let missing: Vec<_> = whole.iter().filter(|(known, _)| *known != name).cloned().collect();
        let layout = opened(&missing).await.unwrap();
        let outcome = match layout.find(Some("1")).await {
            Ok(top) => copy(&layout, top, &to, Some("z"), &plain()).await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(outcome.is_err_and(|error| error.is_absent()));
    }
    assert_eq!(to.manifest_head(&tag("z")).await.unwrap(), None);
    registry.close().await;
}

#[tokio::test]
async fn links_and_cut_off_archives_are_refused() {
    let (set, whole) = layout().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    tar_of(&path, &whole);
    let bytes = std::fs::read(&path).unwrap();
    for part in [1, 3, 5, 7] {
        let cut = bytes.len() * part / 8 / 512 * 512 + 100;
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let error = Layout::open(&path).await.unwrap_err();
        assert!(matches!(error, Error::Unusable { .. }), "{error}");
    }
    // A link out of the archive, and out of the folder.
    let blob = &set.blobs[1];
    let name = format!("blobs/sha256/{}", blob.digest.hex());
    let mut builder = tar::Builder::new(std::fs::File::create(&path).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::symlink());
    header.set_size(0);
    builder.append_link(&mut header, &name, "../../../outside").unwrap();
    builder.finish().unwrap();
    assert!(Layout::open(&path).await.unwrap_err().to_string().contains("leads out"));
    let (outside, inside) = (folder.path().join("outside"), folder.path().join("layout"));
    std::fs::write(&outside, &blob.bytes).unwrap();
    for (name, content) in &whole {
        std::fs::create_dir_all(inside.join(name).parent().unwrap()).unwrap();
        std::fs::write(inside.join(name), content).unwrap();
    }
    std::fs::remove_file(inside.join(&name)).unwrap();
    std::os::unix::fs::symlink(&outside, inside.join(&name)).unwrap();
    let layout = Layout::open(&inside).await.unwrap();
    let size = blob.bytes.len() as u64;
    let error = layout.read_blob(&blob.digest, size).await.err().unwrap();
    assert!(error.to_string().contains("leads out"), "{error}");
    // Docker's own list of files names no other.
    for layer in ["../outside", "/etc/passwd"] {
        let mut files = saved(&[b"x".to_vec()]);
        let list = json!([{"Config": "config.json", "RepoTags": ["a:1"], "Layers": [layer]}]);
        files.last_mut().unwrap().1 = list.to_string().into_bytes();
        tar_of(&path, &files);
        let error = DockerArchive::open(&path).await.unwrap().find(None).await.unwrap_err();
        assert!(error.to_string().contains("leads out"), "{error}");
    }
}

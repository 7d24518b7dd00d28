//! Bundles: what is carried across an air gap arrives whole, or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harbor_core::oci::{Algorithm, Reference};
use harbor_replicate::client::bundle::{Bundle, Export, KeyKind, Loading, SigningKey};
use harbor_replicate::client::place::Layout;
use harbor_replicate::client::{CopyOptions, Error, Repository, Result};
use harbor_tests::TestRegistry;
use harbor_tests::content::{DataSet, Maker, Piece};
use serde_json::Value;

use super::{admin, at, by, push, tag};

/// A registry with images in two repositories, which share a layer.
struct Side {
    registry: TestRegistry,
    web: Repository,
    shop: Repository,
}

impl Side {
    async fn new() -> Self {
        let registry = TestRegistry::in_memory().await;
        let all = at(registry.address(), admin(&registry));
        let [web, shop] =
            ["library/web", "library/team/shop"].map(|name| all.repository(name.parse().unwrap()));
        Self { registry, web, shop }
    }

    fn loading(&self) -> Loading {
        Loading::to(self.web.registry().clone())
    }

    /// What there is, by repository: the tags and what they name.
    async fn tags(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for repository in [&self.web, &self.shop] {
            let tags = repository.tags(None).all().await.unwrap_or_default();
            for tag in tags {
                let manifest = repository.manifest(&Reference::Tag(tag.clone())).await.unwrap();
                found.insert(format!("{}:{tag}", repository.name()), manifest.digest.to_string());
            }
        }
        found
    }
}

fn with() -> CopyOptions {
    CopyOptions::default().referrers(true)
}

fn signed(subject: &Piece) -> DataSet {
    Maker::artifact(Algorithm::Sha256, "application/vnd.example").subject(subject).done()
}

async fn load(path: &Path, key: &SigningKey, loading: &Loading) -> Result<usize> {
    let bundle = Bundle::open(path).await?;
    bundle.verify(&key.public()?).await?;
    let checked = bundle.check(loading).await?;
    let mut sent = 0;
    for image in checked.images() {
        sent += checked.load(image, &CopyOptions::default()).await?.sent;
    }
    Ok(sent)
}

/// Exports the first images and, upon that, one more that shares a layer with them and goes to another repository.
struct World {
    from: Side,
    first: DataSet,
    second: DataSet,
    signature: DataSet,
    folder: tempfile::TempDir,
    key: SigningKey,
}

impl World {
    async fn new(kind: KeyKind) -> Self {
        let from = Side::new().await;
        let shared = Piece::blob(Algorithm::Sha256, 300_000);
        let image = |own: usize| {
            Maker::image(Algorithm::Sha256)
                .layer(shared.clone())
                .layer(Piece::blob(Algorithm::Sha256, own))
                .done()
        };
        let (first, second) = (image(1000), image(2000));
        let signature = signed(first.top());
        let world = Self {
            from,
            first,
            second,
            signature,
            folder: tempfile::tempdir().unwrap(),
            key: SigningKey::generate(kind).unwrap(),
        };
        push(&world.from.web, "1.0", &world.first).await;
        for blob in &world.signature.blobs {
            world.from.web.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
        }
        let top = world.signature.top();
        let kind = top.media_type.parse().unwrap();
        world.from.web.manifest_put(&by(top.digest), &kind, top.bytes.clone()).await.unwrap();
        push(&world.from.shop, "2.0", &world.second).await;
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The first image, and then the second upon it.
    async fn export(&self) -> (PathBuf, PathBuf) {
        let (one, two) = (self.path("one.tar"), self.path("two.tar"));
        let export = Export::create(&one, None).await.unwrap();
        export.add(&self.from.web, &tag("1.0"), &with()).await.unwrap();
        export.finish(&self.key).await.unwrap();
        let base = Bundle::open(&one).await.unwrap();
        let export = Export::create(&two, Some(&base)).await.unwrap();
        export.add(&self.from.shop, &tag("2.0"), &with()).await.unwrap();
        export.finish(&self.key).await.unwrap();
        (one, two)
    }

    async fn close(self) {
        self.from.registry.close().await;
    }
}

async fn is_there(to: &Repository, set: &DataSet) {
    for manifest in &set.manifests {
        assert_eq!(to.manifest(&by(manifest.digest)).await.unwrap().bytes, manifest.bytes);
    }
    for blob in &set.blobs {
        let pulled = to.blob(&blob.digest, Some(blob.bytes.len() as u64)).await.unwrap();
        assert!(pulled.bytes(2_000_000).await.unwrap() == blob.bytes);
    }
}

#[tokio::test]
async fn what_is_exported_arrives() {
    for kind in [KeyKind::Ed25519, KeyKind::EcdsaP256] {
        let world = World::new(kind).await;
        let (one, two) = world.export().await;
        let to = Side::new().await;
        assert_eq!(load(&one, &world.key, &to.loading()).await.unwrap(), 5);
        // One layer and one config are new; the other layer is linked from where the first has brought it.
        assert_eq!(load(&two, &world.key, &to.loading()).await.unwrap(), 2);
        assert_eq!(to.tags().await, world.from.tags().await);
        is_there(&to.web, &world.first).await;
        is_there(&to.web, &world.signature).await;
        is_there(&to.shop, &world.second).await;
        let referrers = to.web.referrers(&world.first.top().digest, None).all().await.unwrap();
        assert_eq!(referrers[0].digest, world.signature.top().digest);
        // Again, nothing is sent.
        assert_eq!(load(&one, &world.key, &to.loading()).await.unwrap(), 0);
        to.registry.close().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_bundle_is_a_layout_that_says_what_it_has() {
    let world = World::new(KeyKind::Ed25519).await;
    let (one, two) = world.export().await;
    let layout = Layout::open(&one).await.unwrap();
    assert_eq!(layout.find(Some("library/web:1.0")).await.unwrap().digest, world.first.top().digest);
    assert_eq!(layout.find(None).await.unwrap().digest, world.first.top().digest);
    let inventory = Bundle::open(&two).await.unwrap().inventory().clone();
    let left_out: Vec<_> = inventory.blobs.iter().filter(|blob| blob.left_out).collect();
    assert_eq!(left_out.len(), 1);
    assert_eq!(left_out[0].digest, world.second.blobs[1].digest);
    assert_eq!(inventory.base, Some(Bundle::open(&one).await.unwrap().digest()));
    assert!(std::fs::metadata(&two).unwrap().len() < 30_000, "what was left out is not in it");
    let error = Export::create(&one, None).await.unwrap_err();
    assert!(error.to_string().contains("already"), "{error}");
    world.close().await;
}

#[tokio::test]
async fn what_builds_on_something_needs_it() {
    let world = World::new(KeyKind::Ed25519).await;
    let (one, two) = world.export().await;
    let to = Side::new().await;
    let error = load(&two, &world.key, &to.loading()).await.unwrap_err();
    assert!(
        error.is_absent() && error.to_string().contains(&world.second.blobs[1].digest.to_string()),
        "{error}"
    );
    assert_eq!(to.tags().await, BTreeMap::new());
    // One that was changed is of no use.
    let spoilt = world.path("spoilt.tar");
    let mut files = entries(&one);
    let name = format!("blobs/sha256/{}", world.second.blobs[1].digest.hex());
    files.iter_mut().find(|(known, _)| *known == name).unwrap().1[9] ^= 1;
    write(&spoilt, &files);
    let mut loading = to.loading();
    loading.bases.push(Bundle::open(&spoilt).await.unwrap());
    let error = load(&two, &world.key, &loading).await.unwrap_err();
    assert!(matches!(error, Error::Digest { .. }), "{error}");
    assert_eq!(to.tags().await, BTreeMap::new());
    // With the earlier one at hand, it need not have been loaded.
    let mut loading = to.loading();
    loading.bases.push(Bundle::open(&one).await.unwrap());
    assert_eq!(load(&two, &world.key, &loading).await.unwrap(), 3);
    is_there(&to.shop, &world.second).await;
    to.registry.close().await;
    world.close().await;
}

#[tokio::test]
async fn everything_can_go_to_one_project() {
    let world = World::new(KeyKind::Ed25519).await;
    let (one, _) = world.export().await;
    let to = Side::new().await;
    to.registry.project("mirror", true).await;
    let mut loading = to.loading();
    loading.project = Some("mirror".to_owned());
    load(&one, &world.key, &loading).await.unwrap();
    is_there(&to.web.registry().repository("mirror/web".parse().unwrap()), &world.first).await;
    assert_eq!(to.tags().await, BTreeMap::new());
    to.registry.close().await;
    world.close().await;
}

/// The files of a tar.
fn entries(path: &Path) -> Vec<(String, Vec<u8>)> {
    use std::io::Read as _;
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let read = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (name, bytes)
    });
    read.filter(|(name, _)| !name.ends_with('/')).collect()
}

fn write(path: &Path, files: &[(String, Vec<u8>)]) {
    let mut builder = tar::Builder::new(std::fs::File::create(path).unwrap());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    builder.finish().unwrap();
}

#[tokio::test]
async fn nothing_of_a_bundle_that_was_changed_is_loaded() {
    let world = World::new(KeyKind::Ed25519).await;
    let (one, _) = world.export().await;
    let (whole, changed) = (entries(&one), world.path("changed.tar"));
    let to = Side::new().await;
    for place in 0..whole.len() {
        let name = &whole[place].0;
        // Every file, with another byte in its middle, without its last, and gone.
        for way in ["other", "shorter", "gone"] {
            let mut files = whole.clone();
            let bytes = &mut files[place].1;
            match way {
                "other" => {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 4;
                }
                "shorter" => bytes.truncate(bytes.len() - 1),
                _ => {
                    files.remove(place);
                }
            }
            write(&changed, &files);
            let outcome = load(&changed, &world.key, &to.loading()).await;
            assert!(outcome.is_err(), "{name} {way}");
            assert_eq!(to.tags().await, BTreeMap::new(), "{name} {way}");
        }
    }
    // Signed by somebody else, or with somebody else's list.
    let other = SigningKey::generate(KeyKind::Ed25519).unwrap();
    let error = load(&one, &other, &to.loading()).await.unwrap_err();
    assert!(matches!(&error, Error::Unusable { what, .. } if what.contains("another key")), "{error}");
    let mut files = whole.clone();
    for (name, bytes) in &mut files {
        if name == "contents.json" {
            let mut list: Value = serde_json::from_slice(bytes).unwrap();
            list["images"][0]["tag"] = "9.9".into();
            *bytes = list.to_string().into_bytes();
        }
    }
    write(&changed, &files);
    let error = load(&changed, &world.key, &to.loading()).await.unwrap_err();
    assert!(error.to_string().contains("signature is wrong"), "{error}");
    assert_eq!(to.tags().await, BTreeMap::new());
    to.registry.close().await;
    world.close().await;
}

/// Who signs may leave something out of the list; it is seen all the same.
#[tokio::test]
async fn a_list_that_is_not_whole_is_refused() {
    let world = World::new(KeyKind::Ed25519).await;
    let (one, _) = world.export().await;
    let to = Side::new().await;
    let (whole, changed) = (entries(&one), world.path("changed.tar"));
    let list: Value =
        serde_json::from_slice(&whole.iter().find(|(name, _)| name == "contents.json").unwrap().1).unwrap();
    for place in 0..list["blobs"].as_array().unwrap().len() {
        let mut list = list.clone();
        list["blobs"].as_array_mut().unwrap().remove(place);
        let mut files = whole.clone();
        files.iter_mut().find(|(name, _)| name == "contents.json").unwrap().1 = list.to_string().into_bytes();
        write(&changed, &files);
        let bundle = Bundle::open(&changed).await.unwrap();
        assert!(bundle.check(&to.loading()).await.is_err(), "{place}");
    }
    to.registry.close().await;
    world.close().await;
}

#[tokio::test]
async fn an_export_that_was_cut_off_is_gone_on_with() {
    let world = World::new(KeyKind::Ed25519).await;
    let path = world.path("one.tar");
    let export = Export::create(&path, None).await.unwrap();
    export.add(&world.from.web, &tag("1.0"), &with()).await.unwrap();
    drop(export);
    assert!(!path.exists(), "nothing shows before it is whole");
    let export = Export::create(&path, None).await.unwrap();
    let copied = export.add(&world.from.web, &tag("1.0"), &with()).await.unwrap();
    assert_eq!((copied.sent, copied.existed), (0, 5));
    export.finish(&world.key).await.unwrap();
    let to = Side::new().await;
    load(&path, &world.key, &to.loading()).await.unwrap();
    is_there(&to.web, &world.first).await;
    to.registry.close().await;
    world.close().await;
}

#[tokio::test]
async fn repositories_are_not_merged() {
    let from = Side::new().await;
    let folder = tempfile::tempdir().unwrap();
    from.registry.project("other", true).await;
    let other = from.web.registry().repository("other/web".parse().unwrap());
    let image = || Maker::image(Algorithm::Sha256).layer(Piece::blob(Algorithm::Sha256, 1000)).done();
    push(&from.web, "1", &image()).await;
    push(&other, "1", &image()).await;
    let (path, key) = (folder.path().join("a.tar"), SigningKey::generate(KeyKind::Ed25519).unwrap());
    let export = Export::create(&path, None).await.unwrap();
    for repository in [&from.web, &other] {
        export.add(repository, &tag("1"), &with()).await.unwrap();
    }
    export.finish(&key).await.unwrap();
    let to = Side::new().await;
    for name in ["mirror", "other"] {
        to.registry.project(name, true).await;
    }
    let mut loading = to.loading();
    loading.project = Some("mirror".to_owned());
    let error = load(&path, &key, &loading).await.unwrap_err();
    let told = error.to_string();
    assert!(
        matches!(error, Error::Configuration(_)) && told.contains("would both become mirror/web"),
        "{told}"
    );
    let mirror = to.web.registry().repository("mirror/web".parse().unwrap());
    assert!(mirror.tags(None).all().await.unwrap_or_default().is_empty());
    // Each to its own, all goes.
    load(&path, &key, &to.loading()).await.unwrap();
    to.registry.close().await;
    from.registry.close().await;
}

/// Who wrote it is known before anything of it is read: what is no list at all is told of by its signature.
#[tokio::test]
async fn the_signature_comes_first() {
    let world = World::new(KeyKind::Ed25519).await;
    let (one, two) = world.export().await;
    let changed = world.path("changed.tar");
    let keys = [world.key.public().unwrap()];
    for name in ["contents.json", "index.json"] {
        let mut files = entries(&one);
        files.iter_mut().find(|(known, _)| known == name).unwrap().1 = b"[no list".to_vec();
        write(&changed, &files);
        let told = Bundle::open_signed(&changed, &keys).await.unwrap_err().to_string();
        let expected =
            if name == "contents.json" { "signature is wrong" } else { "not the one of its contents" };
        assert!(told.contains(expected), "{told}");
    }
    // Larger than anybody writes it, it is not even read.
    let mut files = entries(&one);
    files.iter_mut().find(|(known, _)| known == "contents.json").unwrap().1 = vec![b' '; 65 << 20];
    write(&changed, &files);
    let error = Bundle::open(&changed).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    // Of several keys, one is enough.
    let other = SigningKey::generate(KeyKind::EcdsaP256).unwrap().public().unwrap();
    Bundle::open_signed(&two, &[other.clone(), keys[0].clone()]).await.unwrap();
    for keys in [&[other][..], &[]] {
        let error = Bundle::open_signed(&two, keys).await.unwrap_err();
        assert!(matches!(error, Error::Unusable { .. }), "{error}");
    }
    world.close().await;
}

#[tokio::test]
async fn tags_of_one_image_are_asked_for_once() {
    let world = World::new(KeyKind::Ed25519).await;
    let top = world.first.top();
    let kind = top.media_type.parse().unwrap();
    world.from.web.manifest_put(&tag("latest"), &kind, top.bytes.clone()).await.unwrap();
    let path = world.path("one.tar");
    let export = Export::create(&path, None).await.unwrap();
    let first = export.add(&world.from.web, &tag("1.0"), &with()).await.unwrap();
    assert_eq!((first.manifests, first.sent), (2, 5));
    let second = export.add(&world.from.web, &tag("latest"), &with()).await.unwrap();
    assert_eq!((second.manifests, second.sent, second.existed), (0, 0, 0), "nothing is looked at again");
    export.finish(&world.key).await.unwrap();
    let to = Side::new().await;
    load(&path, &world.key, &to.loading()).await.unwrap();
    let digest = top.digest.to_string();
    let tags = to.tags().await;
    assert_eq!((&tags["library/web:1.0"], &tags["library/web:latest"]), (&digest, &digest));
    let referrers = to.web.referrers(&top.digest, None).all().await.unwrap();
    assert_eq!(referrers.len(), 1);
    to.registry.close().await;
    world.close().await;
}

#[tokio::test]
async fn a_file_that_appears_meanwhile_stays() {
    let world = World::new(KeyKind::Ed25519).await;
    let path = world.path("one.tar");
    let export = Export::create(&path, None).await.unwrap();
    export.add(&world.from.web, &tag("1.0"), &with()).await.unwrap();
    std::fs::write(&path, "somebody else's").unwrap();
    let told = export.finish(&world.key).await.unwrap_err().to_string();
    assert!(told.contains("appeared meanwhile") && told.contains("one.tar.partial"), "{told}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody else's");
    // What was told of is whole.
    let to = Side::new().await;
    load(&world.path("one.tar.partial"), &world.key, &to.loading()).await.unwrap();
    is_there(&to.web, &world.first).await;
    // An export of nothing leaves nothing.
    drop(Export::create(world.path("none.tar"), None).await.unwrap());
    assert!(!world.path("none.tar.partial").exists());
    to.registry.close().await;
    world.close().await;
}

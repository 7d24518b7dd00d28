//! What docker saves and loads: archives with `manifest.json`.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use harbor_core::oci::{Algorithm, Digest};
use harbor_replicate::client::place::{Destination, DockerArchive, LayoutArchive, Source};
use harbor_replicate::client::{Error, PushOptions, Pushed, copy};
use harbor_tests::TestRegistry;
use harbor_tests::content;
use serde_json::{Value, json};

use super::places::{files, is_at, plain, read, tar_of};
use super::{push, repository, tag};

/// An image as docker has saved it for years.
pub(super) fn saved(layers: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
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

/// Older versions of docker write a layer once, and links to it where it is there again.
#[tokio::test]
async fn layers_that_are_links_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let layer = content::random(1000).to_vec();
    let files = saved(&[layer.clone(), layer.clone()]);
    let mut builder = tar::Builder::new(std::fs::File::create(&path).unwrap());
    for (name, content) in &files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        if name == "1/layer.tar" {
            header.set_entry_type(tar::EntryType::symlink());
            header.set_size(0);
            builder.append_link(&mut header, name, "../0/layer.tar").unwrap();
        } else {
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, content.as_slice()).unwrap();
        }
    }
    builder.finish().unwrap();
    let archive = DockerArchive::open(&path).await.unwrap();
    let view = archive.find(None).await.unwrap().view().unwrap();
    assert_eq!(view.layers.len(), 2);
    for entry in &view.layers {
        let source = archive.read_blob(&entry.digest, entry.size).await.unwrap();
        assert!(read(&*source, 0).await.unwrap() == layer);
    }
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

/// Who adds to an archive of docker's without saying so loses nothing of it.
#[tokio::test]
async fn an_archive_of_dockers_stays_one() {
    let registry = TestRegistry::in_memory().await;
    let from = repository(&registry);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let sets = [content::image(Algorithm::Sha256), content::image(Algorithm::Sha256)];
    let names = ["debian:1", "grace/app:1"];
    for (number, (set, name)) in sets.iter().zip(names).enumerate() {
        push(&from, "a", set).await;
        let to = match number {
            0 => LayoutArchive::docker(&path).await.unwrap(),
            _ => LayoutArchive::create(&path).await.unwrap(),
        };
        assert!(to.is_docker());
        let top = from.manifest(&tag("a")).await.unwrap();
        // A tag alone would take the one of another image; it is told before anything is written.
        for wrong in [Some("1"), Some("UPPER:1"), None].iter().skip(if number == 0 { 1 } else { 0 }) {
            let told = copy(&from, top.clone(), &to, *wrong, &plain()).await.unwrap_err().to_string();
            assert!(told.contains("a repository and a tag"), "{told}");
        }
        let copied = copy(&from, top, &to, Some(name), &plain()).await.unwrap();
        assert!(copied.sent > 0, "{copied:?}");
        to.commit().await.unwrap();
    }
    let archive = DockerArchive::open(&path).await.unwrap();
    for (set, name) in sets.iter().zip(names) {
        assert_eq!(archive.find(Some(name)).await.unwrap().digest, set.top().digest, "{name}");
    }
    // Images that only docker's list has stay in it, or nothing is written.
    let unpacked = folder.path().join("unpacked");
    tar::Archive::new(std::fs::File::open(&path).unwrap()).unpack(&unpacked).unwrap();
    for (config, is_kept) in [(None, true), (Some("abc/config.json"), false)] {
        let mut list: Value = serde_json::from_slice(&files(&unpacked)["manifest.json"]).unwrap();
        list[0]["RepoTags"].as_array_mut().unwrap().push("only/here:7".into());
        if let Some(config) = config {
            list[0]["Config"] = config.into();
        }
        let mut entries: Vec<_> = files(&unpacked).into_iter().collect();
        entries.iter_mut().find(|(name, _)| name == "manifest.json").unwrap().1 =
            list.to_string().into_bytes();
        let edited = folder.path().join(format!("{is_kept}.tar"));
        tar_of(&edited, &entries);
        let opened = LayoutArchive::create(&edited).await;
        assert_eq!(opened.is_ok(), is_kept, "{opened:?}");
        if let Ok(to) = opened {
            to.commit().await.unwrap();
            DockerArchive::open(&edited).await.unwrap().find(Some("only/here:7")).await.unwrap();
        }
    }
    registry.close().await;
}

/// What an archive calls its images and files is not what a terminal is told to do.
#[tokio::test]
async fn names_of_archives_move_no_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let evil = "x\u{1b}]0;title\u{7}\u{9b}2J\u{202e}y";
    let image = |config: &str, layer: &str| json!({"Config": config, "RepoTags": [evil], "Layers": [layer]});
    let config = json!({"rootfs": {"type": "layers", "diff_ids": [Digest::of(Algorithm::Sha256, b"")]}});
    for list in [
        json!([image(evil, "l"), image(evil, "l")]),
        json!([image(evil, "l")]),
        json!([image("config.json", evil)]),
        json!([image("config.json", &format!("../{evil}"))]),
    ] {
        let list = list.to_string().into_bytes();
        let config = config.to_string().into_bytes();
        tar_of(&path, &[("manifest.json".to_owned(), list), ("config.json".to_owned(), config)]);
        let archive = DockerArchive::open(&path).await.unwrap();
        for name in [None, Some("other:1")] {
            let told = archive.find(name).await.unwrap_err().to_string();
            assert!(!told.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{told:?}");
        }
    }
}

/// A copy that was broken off can be gone on with, whatever was tried meanwhile.
#[tokio::test]
async fn what_is_refused_leaves_what_an_earlier_run_wrote() {
    let registry = TestRegistry::in_memory().await;
    let from = repository(&registry);
    for name in ["a", "b"] {
        push(&from, name, &content::image(Algorithm::Sha256)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let (path, partial) = (folder.path().join("a.tar"), folder.path().join("a.tar.partial"));
    let begun = LayoutArchive::create(&path).await.unwrap();
    let first = from.manifest(&tag("a")).await.unwrap();
    copy(&from, first.clone(), &begun, Some("1"), &plain()).await.unwrap();
    drop(begun);
    let left = std::fs::read(&partial).unwrap();

    let other = folder.path().join("b.tar");
    let whole = LayoutArchive::docker(&other).await.unwrap();
    let second = from.manifest(&tag("b")).await.unwrap();
    copy(&from, second, &whole, Some("debian:12"), &plain()).await.unwrap();
    whole.commit().await.unwrap();
    let unpacked = folder.path().join("unpacked");
    tar::Archive::new(std::fs::File::open(&other).unwrap()).unpack(&unpacked).unwrap();
    let good = files(&unpacked);
    let list = String::from_utf8(good["manifest.json"].clone()).unwrap();
    let (largest, blob) = good.iter().max_by_key(|(_, content)| content.len()).unwrap();
    let edits = [
        ("a list that ends", "manifest.json", b"[{".to_vec()),
        ("an image beside the layout", "manifest.json", list.replace("blobs/sha256/", "b/").into_bytes()),
        ("a layer that is not what its name says", largest.as_str(), vec![b'x'; blob.len()]),
        ("an index that is none", "index.json", b"[".to_vec()),
    ];
    for (what, name, content) in edits {
        let mut edited = good.clone();
        edited.insert(name.to_owned(), content);
        tar_of(&path, &edited.into_iter().collect::<Vec<_>>());
        LayoutArchive::create(&path).await.expect_err(what);
        assert!(std::fs::read(&partial).unwrap() == left, "{what}");
    }
    std::fs::remove_file(&path).unwrap();
    let going_on = LayoutArchive::create(&path).await.unwrap();
    let copied = copy(&from, first, &going_on, Some("1"), &plain()).await.unwrap();
    assert_eq!((copied.sent, copied.existed > 0), (0, true), "all of it was there: {copied:?}");
    registry.close().await;
}

/// One wrong size of a blob takes no other's place.
#[tokio::test]
async fn a_blob_that_is_whole_keeps_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let archive = LayoutArchive::create(&path).await.unwrap();
    let bytes = content::random(10_000);
    let digest = Digest::of(Algorithm::Sha256, &bytes);
    let options = PushOptions::default();
    assert_eq!(archive.write_blob(&digest, &bytes, &options).await.unwrap(), Pushed::Sent);
    let error = archive.write_blob(&digest, &bytes.slice(..9_999), &options).await.unwrap_err();
    assert!(matches!(error, Error::Size { expected: 10_000, actual: 9_999 }), "{error}");
    assert_eq!(archive.write_blob(&digest, &bytes, &options).await.unwrap(), Pushed::Existed);
}

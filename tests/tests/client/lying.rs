//! Archives and layouts that lie.

use harbor_core::oci::Algorithm;
use harbor_replicate::client::place::{Destination, DockerArchive, Layout, LayoutFolder, Source};
use harbor_replicate::client::{Error, copy};
use harbor_tests::TestRegistry;
use harbor_tests::content::{self, DataSet};
use serde_json::json;

use super::docker_archives::saved;
use super::places::{files, is_at, plain, tar_of};
use super::{by, push, repository, tag};

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
    // A repository each: what was right in one, and came ahead of what was wrong, is not read from the next.
    let (mut count, all) = (0, repository(&registry));
    let mut another = || {
        count += 1;
        all.registry().repository(format!("library/lying/{count}").parse().unwrap())
    };
    for piece in set.blobs.iter().chain(&set.manifests) {
        let name = format!("blobs/sha256/{}", piece.digest.hex());
        let mut other = piece.bytes.to_vec();
        other[3] ^= 1;
        let shorter = &piece.bytes[..piece.bytes.len() - 1];
        for content in [&other[..], shorter] {
            let (layout, to) = (opened(&with(&name, content)).await.unwrap(), another());
            let outcome = match layout.find(Some("1")).await {
                Ok(top) => copy(&layout, top, &to, Some("z"), &plain()).await.map(|_| ()),
                Err(error) => Err(error),
            };
            assert!(matches!(outcome, Err(Error::Digest { .. } | Error::Size { .. })), "{outcome:?}");
            assert_eq!(to.manifest_head(&tag("z")).await.unwrap(), None);
        }
        let missing: Vec<_> = whole.iter().filter(|(known, _)| *known != name).cloned().collect();
        let (layout, to) = (opened(&missing).await.unwrap(), another());
        let outcome = match layout.find(Some("1")).await {
            Ok(top) => copy(&layout, top, &to, Some("z"), &plain()).await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(outcome.is_err_and(|error| error.is_absent()));
        assert_eq!(to.manifest_head(&tag("z")).await.unwrap(), None);
    }
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

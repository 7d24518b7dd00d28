//! Large blobs, which the kernel sends from their files where it can: every byte, in every way of asking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use harbor_core::oci::Algorithm;
use harbor_storage::blobs::FolderBlobs;
use harbor_tests::content::Piece;
use harbor_tests::{BackEnd, TestRegistry};
use http::Version;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const KIB: usize = 1024;

/// Around each size at which the way of sending changes.
const SIZES: [usize; 9] = [
    64 * KIB,
    64 * KIB + 1,
    128 * KIB - 1,
    128 * KIB,
    512 * KIB - 1,
    512 * KIB,
    512 * KIB + 1,
    1536 * KIB,
    5 * 1024 * KIB + 7,
];

/// A registry over a folder that the test can look into.
async fn served() -> (TestRegistry, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Arc::new(FolderBlobs::open(folder.path()).await.unwrap());
    let registry = TestRegistry::builder(BackEnd::Memory).wrap_blobs(|_| blobs).start().await;
    (registry, folder)
}

async fn pushed(registry: &TestRegistry, size: usize) -> (String, Bytes) {
    let blob = Piece::blob(Algorithm::Sha256, size);
    registry.admin().push_blob("library/app", &blob).await;
    (format!("/v2/library/app/blobs/{}", blob.digest), blob.bytes)
}

/// Drops what the page cache has of the files in a folder, as far as the system does that.
fn drop_cached(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            drop_cached(&path);
        } else {
            let file = std::fs::File::open(&path).unwrap();
            file.sync_all().unwrap();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        }
    }
}

#[tokio::test]
async fn whole_and_in_ranges_over_both_versions() {
    let (registry, folder) = served().await;
    for size in SIZES {
        let (path, bytes) = pushed(&registry, size).await;
        for (client, version) in
            [(registry.anon(), Version::HTTP_11), (registry.anon().http2(), Version::HTTP_2)]
        {
            let answer = client.get(&path).await.expect_status(200);
            assert_eq!(answer.version, version);
            assert!(answer.body == bytes, "{size} bytes over {version:?}");
            for (first, last) in [(0, size - 1), (1, size - 1), (size / 3, size - 2), (size - 1, size - 1)] {
                let range = format!("bytes={first}-{last}");
                let answer = client.get(&path).header("Range", &range).await.expect_status(206);
                assert!(answer.body == bytes.slice(first..=last), "{range} of {size} over {version:?}");
            }
            let head = client.head(&path).await.expect_status(200);
            assert_eq!(head.need("Content-Length"), size.to_string());
        }
        drop_cached(folder.path());
        assert!(
            registry.anon().get(&path).await.expect_status(200).body == bytes,
            "{size} bytes from the disk"
        );
    }
    registry.close().await;
}

/// Several requests at once on one connection: answers must not mix.
#[tokio::test]
async fn pipelined_requests() {
    let (registry, _folder) = served().await;
    let (large, content) = pushed(&registry, 3 * 1024 * KIB + 11).await;
    let (small, few) = pushed(&registry, 5).await;
    let (other, more) = pushed(&registry, 700 * KIB).await;
    let mut connection = registry.raw().await;
    let get = |path: &str, range: &str| format!("GET {path} HTTP/1.1\r\nHost: registry\r\n{range}\r\n");
    let requests: String = [
        get(&large, ""),
        get(&small, ""),
        get(&large, "Range: bytes=1000000-2999999\r\n"),
        get(&other, ""),
        get(&other, "X-Again: yes\r\n"),
        get("/v2/library/app/tags/list", ""),
    ]
    .concat();
    connection.send(requests).await;
    let expected = [content.clone(), few, content.slice(1_000_000..3_000_000), more.clone(), more];
    for (number, expected) in expected.iter().enumerate() {
        let answer = connection.answer().await.unwrap();
        assert!(answer.body == *expected, "answer {number}, {} bytes", answer.body.len());
    }
    assert_eq!(connection.answer().await.unwrap().status, 200, "what comes after is whole too");
    registry.close().await;
}

/// Clients that leave in the middle of an answer do nobody harm.
#[tokio::test]
async fn clients_that_leave() {
    let (registry, _folder) = served().await;
    let (path, bytes) = pushed(&registry, 8 * 1024 * KIB).await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(registry.address()).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: registry\r\n\r\n").as_bytes()).await.unwrap();
        let mut first = vec![0; 300 * KIB];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first).await.unwrap();
        assert!(first.windows(64).any(|window| window == &bytes[..64]), "the answer has begun");
    }
    assert!(registry.anon().get(&path).await.expect_status(200).body == bytes);
    registry.close().await;
}

/// A file that lost its end: the answer breaks off, it is never filled up with something else.
#[tokio::test]
async fn a_file_that_is_too_short() {
    let (registry, folder) = served().await;
    let (path, bytes) = pushed(&registry, 2 * 1024 * KIB).await;
    let cut = |path: &Path| {
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1_100_000).unwrap();
    };
    for folder in std::fs::read_dir(folder.path().join("blobs")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            cut(&file.unwrap().path());
        }
    }
    let mut stream = TcpStream::connect(registry.address()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: registry\r\n\r\n").as_bytes()).await.unwrap();
    let mut read = Vec::new();
    // Broken off with or without a reset.
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut read).await;
    let begin = read.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let body = &read[begin..];
    assert!(body.len() <= 1_100_000, "{} bytes of a file that has fewer", body.len());
    assert!(bytes.starts_with(body));
    registry.close().await;
}

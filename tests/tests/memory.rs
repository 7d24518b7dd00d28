//! How much memory the server takes: it grows neither with the size of blobs nor with slow clients.
//!
//! `HARBOR_MEMORY_MIB` is the size of the large blobs; 2048 is what is promised, the default is for every day.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use harbor_core::blob::Hasher;
use harbor_core::oci::{Algorithm, Digest};
use harbor_tests::content::{self, Piece};
use harbor_tests::{Build, Process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const MIB: u64 = 1024 * 1024;

/// The most that it takes when it has just started.
const AT_START: u64 = 32 * MIB;
/// The most that large blobs add.
const FOR_LARGE_BLOBS: u64 = 64 * MIB;
/// The most that a thousand slow clients add.
const FOR_SLOW_CLIENTS: u64 = 96 * MIB;

const LARGE_CLIENTS: u64 = 8;

const SLOW_CLIENTS: usize = 1000;

/// How long the slow clients are there.
const SLOW: Duration = Duration::from_secs(8);

/// A figure of `/proc/<pid>/status`, in bytes.
fn figure(server: &Process, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kibibytes: u64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap();
    kibibytes * 1024
}

/// What is resident now.
fn resident(server: &Process) -> u64 {
    figure(server, "VmRSS")
}

/// The most that ever was.
fn peak(server: &Process) -> u64 {
    figure(server, "VmHWM")
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / MIB as f64)
}

/// A server that has come to rest, and what it takes then.
async fn started() -> (Process, u64, TempDir) {
    let data = tempfile::tempdir().unwrap();
    let log = data.path().join("server.log");
    let server = Process::launch(Build::Release.over(data.path()), &log).await;
    let begin = Instant::now();
    let mut least = resident(&server);
    while least >= AT_START && begin.elapsed() < Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        least = least.min(resident(&server));
    }
    println!("after the start: {}, at most {}", mib(least), mib(peak(&server)));
    (server, least, data)
}

#[tokio::test]
#[ignore = "needs the release server"]
async fn a_server_that_has_just_started() {
    let (server, start, _data) = started().await;
    assert!(server.stop().await);
    assert!(start < AT_START, "{}", mib(start));
}

/// A large blob that is made piece by piece.
struct Large {
    piece: Bytes,
    seed: u64,
    pieces: u64,
}

impl Large {
    /// The piece with that number, of one mebibyte.
    fn piece(&self, number: u64) -> Vec<u8> {
        let mut piece = self.piece.to_vec();
        piece[..8].copy_from_slice(&self.seed.to_le_bytes());
        piece[8..16].copy_from_slice(&number.to_le_bytes());
        piece
    }

    fn digest(&self) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        (0..self.pieces).for_each(|number| hasher.update(&self.piece(number)));
        hasher.finish()
    }
}

/// Reads an answer's head; yields its status, its length, and what was read beyond it.
async fn answer(stream: &mut TcpStream) -> (u16, u64, Vec<u8>) {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|end| end == b"\r\n\r\n") {
            break end + 4;
        }
        let length = stream.read_buf(&mut read).await.unwrap();
        assert!(length > 0, "the registry hung up: {}", String::from_utf8_lossy(&read));
    };
    let rest = read.split_off(end);
    let head = String::from_utf8(read).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    (status, length.map_or(0, |length| length.parse().unwrap()), rest)
}

async fn push(address: SocketAddr, authorization: &str, large: &Large, digest: Digest) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v2/library/app/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: registry\r\n\
         Authorization: {authorization}\r\nContent-Length: {}\r\n\r\n",
        large.pieces * MIB
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for number in 0..large.pieces {
        stream.write_all(&large.piece(number)).await.unwrap();
    }
    assert_eq!(answer(&mut stream).await.0, 201);
}

async fn pull(address: SocketAddr, digest: Digest, length: u64) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /v2/library/app/blobs/{digest} HTTP/1.1\r\nHost: registry\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (status, announced, rest) = answer(&mut stream).await;
    assert_eq!((status, announced), (200, length));
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(&rest);
    let mut left = length - rest.len() as u64;
    let mut buffer = vec![0; 256 * 1024];
    while left > 0 {
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "{left} bytes are missing");
        hasher.update(&buffer[..read]);
        left -= read as u64;
    }
    assert_eq!(hasher.finish(), digest);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release server"]
async fn large_blobs() {
    let size = std::env::var("HARBOR_MEMORY_MIB").map_or(256, |size| size.parse().unwrap());
    let (server, start, _data) = started().await;
    let (address, authorization) = (server.address(), server.admin().header());
    let piece = content::random(MIB as usize);
    let clients = (0..LARGE_CLIENTS).map(|seed| {
        let large = Large { piece: piece.clone(), seed, pieces: size };
        let authorization = authorization.clone();
        tokio::spawn(async move {
            let digest = large.digest();
            push(address, &authorization, &large, digest).await;
            pull(address, digest, size * MIB).await;
        })
    });
    for client in join_all(clients).await {
        client.unwrap();
    }
    let most = peak(&server);
    let added = most.saturating_sub(start);
    println!(
        "{LARGE_CLIENTS} blobs of {size} MiB: {} at most, {} more than at the start",
        mib(most),
        mib(added)
    );
    assert!(added < FOR_LARGE_BLOBS, "{}", mib(added));
    assert!(server.stop().await);
}

/// A connection whose kernel buffers are small, so that the server notices how slow the client is.
async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    socket.connect(address).await.unwrap()
}

/// Sends an upload a little at a time.
async fn trickle(address: SocketAddr, at: &str, authorization: &str, piece: Bytes) {
    let mut stream = narrow(address).await;
    let head = format!(
        "PATCH {at} HTTP/1.1\r\nHost: registry\r\nAuthorization: {authorization}\r\nContent-Length: {}\r\n\r\n",
        64 * MIB
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let begin = Instant::now();
    while begin.elapsed() < SLOW {
        // Enough at a time to make the server want to gather it.
        stream.write_all(&piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Reads a blob a little at a time.
async fn sip(address: SocketAddr, path: &str) {
    let mut stream = narrow(address).await;
    let head = format!("GET {path} HTTP/1.1\r\nHost: registry\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4 * 1024];
    let begin = Instant::now();
    while begin.elapsed() < SLOW {
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(length > 0, "the registry hung up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release server"]
async fn slow_clients() {
    let (server, start, _data) = started().await;
    let admin = server.admin();
    let blob = Piece::blob(Algorithm::Sha256, 16 * MIB as usize);
    admin.push_blob("library/app", &blob).await;
    let path: Arc<str> = format!("/v2/library/app/blobs/{}", blob.digest).into();
    let (address, authorization) = (server.address(), admin.header());
    let before = peak(&server);
    let mut clients = Vec::new();
    let piece = content::random(4 * 1024);
    for _ in 0..SLOW_CLIENTS / 2 {
        let at = admin.begin("library/app").await;
        let at = at.split_once("/v2/").map(|(_, rest)| format!("/v2/{rest}")).unwrap();
        let (authorization, piece) = (authorization.clone(), piece.clone());
        clients.push(tokio::spawn(async move { trickle(address, &at, &authorization, piece).await }));
        let path = Arc::clone(&path);
        clients.push(tokio::spawn(async move { sip(address, &path).await }));
    }
    for client in join_all(clients).await {
        client.unwrap();
    }
    let most = peak(&server);
    let added = most.saturating_sub(start);
    println!(
        "{SLOW_CLIENTS} slow clients: {} at most ({} before them), {} more than at the start",
        mib(most),
        mib(before),
        mib(added)
    );
    assert!(added < FOR_SLOW_CLIENTS, "{}", mib(added));
    drop(server);
}

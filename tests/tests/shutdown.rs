//! An orderly end: what is under way is finished, nothing more is taken, and the process ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, Piece};
use harbor_tests::{Process, RawConnection};
use tokio::net::TcpStream;

/// How long the process may take to end once nothing is under way, to notice a signal, ….
const PATIENCE: Duration = Duration::from_secs(10);

/// The length of a chunk.
const CHUNK: usize = 100_000;

async fn send_chunk(connection: &mut RawConnection, bytes: &[u8]) {
    connection.send(format!("{:x}\r\n", bytes.len())).await;
    connection.send(bytes).await;
    connection.send("\r\n").await;
}

async fn until_refused(address: SocketAddr) {
    let begin = Instant::now();
    while TcpStream::connect(address).await.is_ok() {
        assert!(begin.elapsed() < PATIENCE, "connections are still taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn path_of(location: &str) -> String {
    location.split_once("/v2/").map(|(_, rest)| format!("/v2/{rest}")).unwrap()
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn an_upload_under_way_is_finished_and_goes_on_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let server = Process::start(data.path()).await;
    let blob = Piece::blob(Algorithm::Sha256, 5 * CHUNK);
    let mut chunks = blob.bytes.chunks(CHUNK);
    let at = path_of(&server.admin().begin("library/app").await);
    let authorization = format!("Authorization: {}", server.admin().header());
    let mut connection = server.raw().await;
    connection.head(&format!("PATCH {at}"), &[&authorization, "Transfer-Encoding: chunked"]).await;
    send_chunk(&mut connection, chunks.next().unwrap()).await;
    // A client that keeps its connection for later does not hold up the end.
    let mut kept = server.raw().await;
    assert_eq!(kept.ask("GET /api/v2.0/ping", &[]).await.unwrap().status, 200);

    server.terminate().await;
    until_refused(server.address()).await;
    assert!(kept.ended().await, "an unused connection is closed");
    for _ in 0..3 {
        send_chunk(&mut connection, chunks.next().unwrap()).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    connection.send("0\r\n\r\n").await;
    let answer = connection.answer().await.expect("an answer to what was under way");
    assert_eq!(answer.status, 202);
    assert_eq!(answer.headers["range"], format!("0-{}", 4 * CHUNK - 1));
    assert!(connection.ended().await, "nothing more is taken on the connection");
    let finished = Instant::now();
    assert!(server.ended().await, "an end that was asked for is a success");
    assert!(finished.elapsed() < PATIENCE, "{:?}", finished.elapsed());

    let server = Process::start(data.path()).await;
    let status = server.admin().get(&at).await.expect_status(204);
    assert_eq!(status.need("Range"), format!("0-{}", 4 * CHUNK - 1));
    let rest = blob.bytes.slice(4 * CHUNK..);
    let finished =
        server.admin().put(&path_of(status.need("Location"))).query("digest", blob.digest).body(rest);
    finished.await.expect_status(201);
    let path = format!("/v2/library/app/blobs/{}", blob.digest);
    assert_eq!(server.anon().get(&path).await.expect_status(200).body, blob.bytes);
    assert!(server.stop().await);
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn a_pull_under_way_is_finished() {
    let data = tempfile::tempdir().unwrap();
    let server = Process::start(data.path()).await;
    // More than sockets hold.
    let blob = Piece::blob(Algorithm::Sha256, 64 * 1024 * 1024);
    server.admin().push_blob("library/app", &blob).await;
    let mut connection = server.raw().await;
    connection.head(&format!("GET /v2/library/app/blobs/{}", blob.digest), &[]).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.terminate().await;
    until_refused(server.address()).await;
    let answer = connection.answer().await.expect("an answer to what was under way");
    assert_eq!(answer.status, 200);
    assert!(answer.body == blob.bytes, "the blob arrived whole");
    assert!(server.ended().await, "an end that was asked for is a success");
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn a_second_signal_ends_it_at_once() {
    let data = tempfile::tempdir().unwrap();
    let server = Process::start(data.path()).await;
    let at = path_of(&server.admin().begin("library/app").await);
    let authorization = format!("Authorization: {}", server.admin().header());
    let mut connection = server.raw().await;
    connection.head(&format!("PATCH {at}"), &[&authorization, "Transfer-Encoding: chunked"]).await;
    send_chunk(&mut connection, b"begun").await;
    server.terminate().await;
    until_refused(server.address()).await;
    let begin = Instant::now();
    server.terminate().await;
    assert!(!server.ended().await, "what was under way is not finished, and the status says so");
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    let log = std::fs::read_to_string(data.path().join("server.log")).unwrap();
    assert!(log.contains("told to stop a second time"), "{log}");
    // Nothing is broken by it.
    let server = Process::start(data.path()).await;
    server.admin().get(&at).await.expect_status(204);
    assert!(server.stop().await);
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn an_interrupt_ends_it_like_a_termination() {
    let data = tempfile::tempdir().unwrap();
    let server = Process::start(data.path()).await;
    let set = content::image(Algorithm::Sha256);
    server.admin().push("library/app", Some("latest"), &set).await;
    let begin = Instant::now();
    let told = std::process::Command::new("kill").args(["-INT", &server.id().to_string()]).status();
    assert!(told.unwrap().success());
    assert!(server.ended().await, "an end that was asked for is a success");
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}

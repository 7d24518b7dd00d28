//! What a registry relies on is full or away for a while: clients are told, nothing is lost, and it goes on without a restart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, Maker, Piece};
use harbor_tests::{Answer, BackEnd, Build, Call, Client, Process, TestRegistry};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

/// How long a client waits for the news that something is away.
const BOUND: Duration = Duration::from_secs(20);

const MIB: usize = 1024 * 1024;

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: `tests/run --services` prints it"))
}

fn path_of(location: &str) -> String {
    location.split_once("/v2/").map(|(_, rest)| format!("/v2/{rest}")).unwrap()
}

/// A TCP proxy that can be cut: then connections break, and new ones are refused.
struct Proxy {
    address: SocketAddr,
    target: SocketAddr,
    running: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Proxy {
    async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut proxy = Self { address: listener.local_addr().unwrap(), target, running: None };
        proxy.run(listener);
        proxy
    }

    fn run(&mut self, listener: TcpListener) {
        let (cut, target) = (CancellationToken::new(), self.target);
        let token = cut.clone();
        let accepting = async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let token = token.clone();
                tokio::spawn(async move {
                    let _ = token.run_until_cancelled(Self::pass(client, target)).await;
                });
            }
        };
        let token = cut.clone();
        let task = tokio::spawn(async move {
            token.run_until_cancelled(accepting).await;
        });
        self.running = Some((cut, task));
    }

    async fn pass(mut client: TcpStream, target: SocketAddr) -> std::io::Result<()> {
        let mut server = TcpStream::connect(target).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
    }

    async fn cut(&mut self) {
        let (cut, task) = self.running.take().unwrap();
        cut.cancel();
        task.await.unwrap();
        assert!(TcpStream::connect(self.address).await.is_err(), "connections are refused");
    }

    async fn restore(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        self.run(socket.listen(1024).unwrap());
    }
}

/// Fails unless a client is told soon to come again later.
async fn unavailable(call: Call) {
    let begin = Instant::now();
    let answer = loop {
        // Who is refused at once, without a look at the body, may find the connection closed while it still sends.
        match call.again().unwrap().attempt().await {
            Ok(answer) => break answer,
            Err(error) => assert!(error.is_request() && begin.elapsed() < BOUND, "{error:?}"),
        }
    };
    assert!(begin.elapsed() < BOUND, "{answer}: {:?}", begin.elapsed());
    assert_eq!(answer.status, 503, "{answer}");
    let after: u64 = answer.need("Retry-After").parse().unwrap();
    assert!((1..=60).contains(&after), "{answer}");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(text.contains("not available"), "{text}");
    for secret in ["127.0.0.1", "refused", "postgres", "sqlx"] {
        assert!(!text.contains(secret), "the answer tells of the inside: {text}");
    }
}

/// The first answer that is no refusal for a while.
async fn until(status: u16, call: impl Fn() -> Call) -> Answer {
    let begin = Instant::now();
    loop {
        let answer = call().await;
        if answer.status == status {
            return answer;
        }
        assert_eq!(answer.status, 503, "{answer}");
        assert!(begin.elapsed() < BOUND, "{answer}: still away");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn health(client: &Client, component: &str) -> (String, String) {
    let health = client.get("/api/v2.0/health").await.expect_status(200).json();
    let components = health["components"].as_array().unwrap();
    let part = components.iter().find(|part| part["name"] == component).unwrap();
    (health["status"].as_str().unwrap().to_owned(), part["status"].as_str().unwrap().to_owned())
}

/// An answer is good for a moment, so a new state shows soon, not at once.
async fn expect_health(client: &Client, component: &str, word: &str) {
    let begin = Instant::now();
    while health(client, component).await != (word.to_owned(), word.to_owned()) {
        assert!(begin.elapsed() < BOUND, "{component} should be {word}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

// A full disk.

/// A file system of its own in memory, with a size.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(mebibytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &folder.path().to_string_lossy()]);
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn resize(&self, mebibytes: usize) {
        let size = format!("remount,size={mebibytes}m");
        run("mount", &["-o", &size, &self.path().to_string_lossy()]);
    }

    fn used(&self) -> u64 {
        fn files(folder: &Path) -> u64 {
            let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
            let length = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
                true => files(&entry.path()),
                false => entry.metadata().unwrap().len(),
            };
            entries.map(length).sum()
        }
        files(self.path())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily, so that a test that failed leaves nothing either.
        let _ = std::process::Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = std::process::Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

/// The refusal of a full store, in words for the one who reads them.
fn full(answer: &Answer) {
    assert_eq!(answer.status, 507, "{answer}");
    assert_eq!(answer.codes(), ["UNKNOWN"]);
    assert!(String::from_utf8_lossy(&answer.body).contains("storage is full"), "{answer}");
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_full_disk_refuses_what_is_new_and_serves_what_is_there() {
    let disk = Mounted::new(8);
    let blobs = harbor_storage::blobs::open(&format!("file:{}", disk.path().display())).await.unwrap();
    let registry = TestRegistry::builder(BackEnd::Folder).wrap_blobs(|_| blobs).start().await;
    let (admin, anon) = (registry.admin(), registry.anon());
    let there = Maker::image(Algorithm::Sha256).layer(Piece::blob(Algorithm::Sha256, 3 * MIB)).done();
    admin.push("library/app", Some("latest"), &there).await;

    // In one request.
    let large = Piece::blob(Algorithm::Sha256, 12 * MIB);
    let at = format!("/v2/library/app/blobs/{}", large.digest);
    let uploads = format!("/v2/library/app/blobs/uploads/?digest={}", large.digest);
    full(&admin.post(&uploads).body(large.bytes.clone()).await);
    anon.get(&at).await.expect_error(404, "BLOB_UNKNOWN");
    // In chunks: what was acknowledged stays, and what was not is sent again.
    let session = path_of(&admin.begin("library/app").await);
    admin.patch(&session).body(large.bytes.slice(..2 * MIB)).await.expect_status(202);
    full(&admin.patch(&session).body(large.bytes.slice(2 * MIB..)).await);
    anon.get(&at).await.expect_error(404, "BLOB_UNKNOWN");
    for blob in &there.blobs {
        let path = format!("/v2/library/app/blobs/{}", blob.digest);
        assert_eq!(anon.get(&path).await.expect_status(200).body, blob.bytes);
    }
    anon.get("/v2/library/app/manifests/latest").await.expect_status(200);

    // Somebody makes space: everything works again, and the upload goes on.
    disk.resize(64);
    let status = admin.get(&session).await.expect_status(204);
    let (_, last) = status.need("Range").split_once('-').unwrap();
    let offset = last.parse::<usize>().unwrap() + 1;
    assert!((2 * MIB..12 * MIB).contains(&offset), "{offset}");
    let rest = admin.put(&path_of(status.need("Location"))).query("digest", large.digest);
    rest.body(large.bytes.slice(offset..)).await.expect_status(201);
    assert_eq!(anon.get(&at).await.expect_status(200).body, large.bytes);
    let other = Piece::blob(Algorithm::Sha256, 12 * MIB);
    admin.push_blob("library/app", &other).await;
    // The push that failed in one request left nothing that takes space for ever.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let kept: usize = there.blobs.iter().map(|blob| blob.bytes.len()).sum::<usize>() + 24 * MIB;
    let left = disk.used() - kept as u64;
    assert!(left < MIB as u64, "{left} bytes are left over");
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_cancelled_upload_relieves_a_full_disk() {
    let disk = Mounted::new(8);
    let blobs = harbor_storage::blobs::open(&format!("file:{}", disk.path().display())).await.unwrap();
    let registry = TestRegistry::builder(BackEnd::Folder).wrap_blobs(|_| blobs).start().await;
    let admin = registry.admin();
    let session = path_of(&admin.begin("library/app").await);
    admin.patch(&session).body(content::random(6 * MIB)).await.expect_status(202);
    let blob = Piece::blob(Algorithm::Sha256, 4 * MIB);
    let uploads = format!("/v2/library/app/blobs/uploads/?digest={}", blob.digest);
    full(&admin.post(&uploads).body(blob.bytes.clone()).await);
    admin.delete(&session).await.expect_status(204);
    let begin = Instant::now();
    loop {
        let answer = admin.post(&uploads).body(blob.bytes.clone()).await;
        if answer.status == 201 {
            break;
        }
        full(&answer);
        assert!(begin.elapsed() < BOUND, "{answer}: still full, {} bytes", disk.used());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs root and the built harbor-server"]
async fn a_full_disk_under_the_database_is_told_too() {
    let disk = Mounted::new(6);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Build::Last.over(folder.path());
    command.env("HARBOR_DATABASE_URL", format!("sqlite:{}", disk.path().join("registry.db").display()));
    let server = Process::launch(command, &folder.path().join("server.log")).await;
    let admin = server.admin();
    let set = content::image(Algorithm::Sha256);
    admin.push("library/app", Some("latest"), &set).await;
    let pressure = disk.path().join("pressure");
    let space = vec![0; 16 * MIB];
    assert!(std::fs::write(&pressure, &space).is_err(), "the disk is full");
    let mut refused = false;
    for number in 0..200 {
        let answer = admin.push_manifest("library/app", format!("tag-{number}"), set.top()).await;
        if answer.status != 201 {
            full(&answer);
            refused = true;
            break;
        }
    }
    assert!(refused, "the database found space where there was none");
    server.anon().get("/v2/library/app/manifests/latest").await.expect_status(200);
    std::fs::remove_file(&pressure).unwrap();
    admin.push("library/app", Some("later"), &content::image(Algorithm::Sha256)).await;
    assert!(server.stop().await);
}

// The database is away.

/// A database of a test's own.
struct Database {
    admin: String,
    name: String,
}

impl Database {
    async fn new() -> Self {
        let admin = setting("HARBOR_TEST_POSTGRES_URL");
        let name = format!("harbor_test_{}", uuid::Uuid::new_v4().simple());
        let database = Self { admin, name };
        database.run(format!("CREATE DATABASE {}", database.name)).await;
        database
    }

    async fn run(&self, statement: String) {
        let mut connection = sqlx::PgConnection::connect(&self.admin).await.unwrap();
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Its address, as seen through `proxy`.
    fn through(&self, proxy: &Proxy) -> String {
        let mut url = Url::parse(&self.admin).unwrap();
        url.set_path(&self.name);
        url.set_port(Some(proxy.address.port())).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.into()
    }

    fn server(&self) -> SocketAddr {
        Url::parse(&self.admin).unwrap().socket_addrs(|| Some(5432)).unwrap()[0]
    }

    async fn remove(self) {
        self.run(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL and the built harbor-server"]
async fn a_database_that_goes_away_and_comes_back() {
    let database = Database::new().await;
    let mut proxy = Proxy::before(database.server()).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Build::Last.over(folder.path());
    command.env("HARBOR_DATABASE_URL", database.through(&proxy));
    let server = Process::launch(command, &folder.path().join("server.log")).await;
    let (admin, anon) = (server.admin(), server.anon());
    let (there, new) = (content::image(Algorithm::Sha256), content::image(Algorithm::Sha256));
    admin.push("library/app", Some("latest"), &there).await;
    let large = Piece::blob(Algorithm::Sha256, 3 * MIB);
    let session = path_of(&admin.begin("library/app").await);
    admin.patch(&session).body(large.bytes.slice(..MIB)).await.expect_status(202);
    expect_health(&anon, "database", "healthy").await;

    for round in 0..2 {
        proxy.cut().await;
        // All at once: a pool that everybody waits for must not make them wait one after the other.
        let uploads = format!("/v2/library/app/blobs/uploads/?digest={}", large.digest);
        tokio::join!(
            unavailable(anon.get("/v2/library/app/tags/list")),
            unavailable(anon.get("/v2/library/app/manifests/unknown")),
            unavailable(admin.post("/v2/library/app/blobs/uploads/")),
            unavailable(admin.post(&uploads).body(large.bytes.clone())),
            unavailable(admin.get(&session)),
            unavailable(admin.patch(&session).body(large.bytes.slice(MIB..))),
            unavailable(admin.push_manifest("library/app", "new", there.top())),
            unavailable(admin.delete("/v2/library/app/manifests/latest")),
            expect_health(&anon, "database", "unhealthy"),
        );
        let manifest = anon.get("/v2/library/app/manifests/latest").await;
        assert!(manifest.status == 503 || manifest.body == there.top().bytes, "{manifest}");
        anon.get("/api/v2.0/ping").await.expect_status(200);

        proxy.restore().await;
        until(200, || anon.get("/v2/library/app/manifests/latest")).await;
        // From here on nothing fails any more: there is no broken connection left.
        let tags = format!("round-{round}");
        admin.push("library/app", Some(&tags), &new).await;
        anon.get("/v2/library/app/manifests/latest").await.expect_status(200);
        expect_health(&anon, "database", "healthy").await;
    }

    let status = admin.get(&session).await.expect_status(204);
    let (_, last) = status.need("Range").split_once('-').unwrap();
    let offset = last.parse::<usize>().unwrap() + 1;
    assert!(offset >= MIB, "what was acknowledged is kept: {offset}");
    let rest = admin.put(&path_of(status.need("Location"))).query("digest", large.digest);
    rest.body(large.bytes.slice(offset..)).await.expect_status(201);
    let path = format!("/v2/library/app/blobs/{}", large.digest);
    assert_eq!(anon.get(&path).await.expect_status(200).body, large.bytes);
    assert!(server.stop().await);
    database.remove().await;
}

// The blob store is away.

#[tokio::test]
#[ignore = "needs an S3 server and the built harbor-server"]
async fn a_blob_store_that_goes_away_and_comes_back() {
    let endpoint = Url::parse(&setting("HARBOR_TEST_S3_ENDPOINT")).unwrap();
    let mut proxy = Proxy::before(endpoint.socket_addrs(|| Some(80)).unwrap()[0]).await;
    let folder = tempfile::tempdir().unwrap();
    let prefix = uuid::Uuid::new_v4();
    let bucket = setting("HARBOR_TEST_S3_BUCKET");
    let mut blobs = Url::parse(&format!("s3://{bucket}/{prefix}")).unwrap();
    blobs.query_pairs_mut().append_pair("endpoint", &format!("http://{}", proxy.address));
    blobs.query_pairs_mut().append_pair("region", &setting("HARBOR_TEST_S3_REGION"));
    let mut command = Build::Last.over(folder.path());
    command.env("HARBOR_BLOBS_URL", blobs.as_str());
    let server = Process::launch(command, &folder.path().join("server.log")).await;
    let (admin, anon) = (server.admin(), server.anon());
    let set = content::image(Algorithm::Sha256);
    admin.push("library/app", Some("latest"), &set).await;
    let stored = Piece::blob(Algorithm::Sha256, MIB);
    admin.push_blob("library/app", &stored).await;
    let stored_at = format!("/v2/library/app/blobs/{}", stored.digest);
    // More than a part, so that the upload is one of many parts.
    let large = Piece::blob(Algorithm::Sha256, 20 * MIB);
    let session = path_of(&admin.begin("library/app").await);
    admin.patch(&session).body(large.bytes.slice(..9 * MIB)).await.expect_status(202);
    expect_health(&anon, "registry", "healthy").await;

    for round in 0..2 {
        proxy.cut().await;
        let other = Piece::blob(Algorithm::Sha256, 1000);
        let uploads = format!("/v2/library/app/blobs/uploads/?digest={}", other.digest);
        tokio::join!(
            unavailable(anon.get(&stored_at)),
            unavailable(admin.post(&uploads).body(other.bytes.clone())),
            unavailable(admin.patch(&session).body(large.bytes.slice(9 * MIB..))),
            expect_health(&anon, "registry", "unhealthy"),
        );
        // What the database alone answers.
        anon.head(&stored_at).await.expect_status(200);
        let manifest = anon.get("/v2/library/app/manifests/latest").await.expect_status(200);
        assert_eq!(manifest.body, set.top().bytes);
        anon.get("/api/v2.0/ping").await.expect_status(200);
        let absent = format!("/v2/library/app/blobs/{}", other.digest);
        anon.get(&absent).await.expect_error(404, "BLOB_UNKNOWN");

        proxy.restore().await;
        assert_eq!(until(200, || anon.get(&stored_at)).await.body, stored.bytes);
        let tag = format!("round-{round}");
        admin.push("library/app", Some(&tag), &content::image(Algorithm::Sha256)).await;
        expect_health(&anon, "registry", "healthy").await;
    }

    let status = admin.get(&session).await.expect_status(204);
    let (_, last) = status.need("Range").split_once('-').unwrap();
    let offset = last.parse::<usize>().unwrap() + 1;
    assert!(offset >= 9 * MIB, "what was acknowledged is kept: {offset}");
    let rest = admin.put(&path_of(status.need("Location"))).query("digest", large.digest);
    rest.body(large.bytes.slice(offset..)).await.expect_status(201);
    let path = format!("/v2/library/app/blobs/{}", large.digest);
    assert!(anon.get(&path).await.expect_status(200).body == large.bytes, "the blob is whole");
    assert!(server.stop().await);
}

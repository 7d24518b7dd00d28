//! TLS: both versions of HTTP, and certificates that are renewed while the registry runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use std::path::Path;
use std::time::{Duration, Instant};

use harbor_core::Harbor;
use harbor_core::oci::Algorithm;
use harbor_server::{App, AppOptions, Server, TlsFiles};
use harbor_storage::InMemory;
use harbor_tests::content::{self, Piece};
use harbor_tests::{BackEnd, Client, TestRegistry};
use http::Version;
use rcgen::CertifiedKey;
use tempfile::TempDir;

/// How often the registry of a test looks at its certificate.
const LOOK: Duration = Duration::from_millis(50);

/// How long it may take until a new certificate is in use.
const PATIENCE: Duration = Duration::from_secs(10);

/// A certificate for the loopback interface, and its key, both as PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    fn new() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        Self { certificate: cert.pem(), key: signing_key.serialize_pem() }
    }

    fn write(&self, files: &TlsFiles) {
        std::fs::write(&files.certificate, &self.certificate).unwrap();
        std::fs::write(&files.key, &self.key).unwrap();
    }
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles { certificate: folder.join("tls.crt"), key: folder.join("tls.key") }
}

/// A registry with a certificate.
async fn served() -> (TestRegistry, Pair, TlsFiles, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (files, pair) = (files(folder.path()), Pair::new());
    pair.write(&files);
    let registry = TestRegistry::builder(BackEnd::Folder).tls(files.clone(), LOOK).start().await;
    (registry, pair, files, folder)
}

async fn is_served(client: &Client, pair: &Pair) -> bool {
    // A new client has no connection yet.
    client.trusting(&pair.certificate, true).get("/api/v2.0/ping").attempt().await.is_ok()
}

async fn until_served(client: &Client, pair: &Pair) {
    let begin = Instant::now();
    while !is_served(client, pair).await {
        assert!(begin.elapsed() < PATIENCE, "the new certificate is not in use");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn clients_that_trust_it_push_and_pull_over_both_versions() {
    let (registry, pair, ..) = served().await;
    for (http2, version) in [(false, Version::HTTP_11), (true, Version::HTTP_2)] {
        let admin = registry.admin().trusting(&pair.certificate, http2);
        let anon = registry.anon().trusting(&pair.certificate, http2);
        let set = content::index(Algorithm::Sha256);
        let large = Piece::blob(Algorithm::Sha256, 3_000_000);
        admin.push("library/app", Some("latest"), &set).await;
        admin.push_blob("library/app", &large).await;
        let manifest = anon.get("/v2/library/app/manifests/latest").await.expect_status(200);
        assert_eq!((manifest.version, &manifest.body), (version, &set.top().bytes));
        let blob = anon.get(&format!("/v2/library/app/blobs/{}", large.digest)).await.expect_status(200);
        assert_eq!((blob.version, &blob.body), (version, &large.bytes));
        // Uploads go on where the client can follow.
        let at = admin.begin("library/app").await;
        admin.patch(&at).body("begun").await.expect_status(202);
    }
    assert!(!is_served(&registry.anon(), &Pair::new()).await, "a stranger's certificate is not trusted");
    registry.close().await;
}

#[tokio::test]
async fn the_realm_is_reached_over_tls() {
    let (registry, pair, ..) = served().await;
    for http2 in [false, true] {
        let anon = registry.anon().trusting(&pair.certificate, http2);
        let refused = anon.get("/v2/").await.expect_error(401, "UNAUTHORIZED");
        let realm = format!(r#"realm="https://{}/service/token""#, registry.address());
        let challenge = refused.need("WWW-Authenticate");
        assert!(challenge.starts_with("Bearer ") && challenge.contains(&realm), "{challenge}");
    }
    registry.close().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let (registry, old, files, _folder) = served().await;
    let anon = registry.anon();
    let before = anon.trusting(&old.certificate, true);
    before.get("/api/v2.0/ping").await.expect_status(200);
    let new = Pair::new();
    new.write(&files);
    until_served(&anon, &new).await;
    assert!(!is_served(&anon, &old).await, "the old certificate is still in use");
    // A connection that was there goes on.
    before.get("/api/v2.0/ping").await.expect_status(200);
    registry.close().await;
}

#[tokio::test]
async fn broken_files_leave_the_old_certificate_in_use() {
    let (registry, old, files, _folder) = served().await;
    let (anon, new) = (registry.anon(), Pair::new());
    let broken: [(&str, &str); 4] =
        [("", &old.key), ("no PEM", "no PEM"), (&new.certificate, &old.key), (&old.certificate, "")];
    for (certificate, key) in broken {
        std::fs::write(&files.certificate, certificate).unwrap();
        std::fs::write(&files.key, key).unwrap();
        tokio::time::sleep(LOOK * 4).await;
        assert!(is_served(&anon, &old).await, "the old certificate is no longer in use");
    }
    std::fs::remove_file(&files.certificate).unwrap();
    std::fs::remove_file(&files.key).unwrap();
    tokio::time::sleep(LOOK * 4).await;
    assert!(is_served(&anon, &old).await, "the old certificate is no longer in use");
    new.write(&files);
    until_served(&anon, &new).await;
    registry.close().await;
}

/// What a server says that is to start with these files.
async fn refusal(certificate: Option<&str>, key: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    for (path, text) in [(&files.certificate, certificate), (&files.key, key)] {
        if let Some(text) = text {
            std::fs::write(path, text).unwrap();
        }
    }
    let app = App::new(Harbor::in_memory().await.unwrap(), AppOptions::default());
    let bound = Server::bind(app, ([127, 0, 0, 1], 0).into(), Some(files)).await;
    bound.expect_err("a server that does not start").to_string()
}

#[tokio::test]
async fn files_that_do_not_go_together_are_told_at_the_start() {
    let (pair, other) = (Pair::new(), Pair::new());
    let (certificate, key) = (Some(&*pair.certificate), Some(&*pair.key));
    for (certificate, key, needed) in [
        (certificate, Some(&*other.key), "the certificate and the private key do not go together"),
        (None, key, "tls.crt"),
        (certificate, None, "tls.key"),
        (Some("no PEM"), key, "tls.crt"),
        (certificate, Some("no PEM"), "tls.key"),
        (key, certificate, "tls.crt"),
    ] {
        let told = refusal(certificate, key).await;
        assert!(told.contains(needed), "{told}");
        assert!(!told.contains(&*pair.key), "{told}");
    }
}

//! Registries over TLS: `--ca`, `--cert` and `--insecure`, which a context keeps.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use harbor_server::TlsFiles;
use harbor_tests::{BackEnd, Harborctl, TestRegistry};
use rcgen::CertifiedKey;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::fails;

/// A certificate of its own making, and its key, both as PEM.
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

    /// In files of a folder, whose names are told.
    fn write(&self, folder: &Path) -> TlsFiles {
        let files = TlsFiles { certificate: folder.join("tls.crt"), key: folder.join("tls.key") };
        std::fs::write(&files.certificate, &self.certificate).unwrap();
        std::fs::write(&files.key, &self.key).unwrap();
        files
    }

    fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

async fn served() -> (TestRegistry, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let files = Pair::new().write(folder.path());
    let registry = TestRegistry::builder(BackEnd::Memory).tls(files, Duration::from_secs(60)).start().await;
    (registry, folder)
}

/// Something that says that it is in good health to those who show the certificate of `client`, and to nobody else.
async fn double(server: &Pair, client: &Pair) -> (SocketAddr, AbortOnDropHandle<()>) {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(client.certificate()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder().with_client_cert_verifier(verifier);
    let acceptor =
        TlsAcceptor::from(Arc::new(config.with_single_cert(vec![server.certificate()], key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(mut connection) = acceptor.accept(connection).await else { continue };
            let mut request = [0; 4096];
            let _ = connection.read(&mut request).await;
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\nconnection: close\r\n\r\nPong";
            let _ = connection.write_all(answer.as_bytes()).await;
            let _ = connection.shutdown().await;
        }
    });
    (address, AbortOnDropHandle::new(task))
}

/// Who shows a certificate that nobody vouches for is not spoken to, and it is said what helps; what helped once is kept.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn whom_to_trust_is_said_once() {
    let (registry, folder) = served().await;
    let (server, password) = (format!("https://{}", registry.address()), registry.password("admin"));
    let ca = folder.path().join("tls.crt").display().to_string();
    let login = ["login", &server, "-u", "admin", "--password-stdin", "--store", "file"];
    let harborctl = Harborctl::new();
    let stranger = harborctl.told(&login, &password).await;
    assert!(!matches!(stranger.code, Some(0)), "{}", stranger.told);
    assert!(stranger.told.contains("--ca"), "{}", stranger.told);
    for trust in [&["--ca", &ca][..], &["--insecure"]] {
        let harborctl = Harborctl::new();
        let ran = harborctl.told(&[trust, &login].concat(), &password).await;
        assert_eq!(ran.code, Some(0), "{trust:?}: {}", ran.told);
        assert!(harborctl.ok(&["whoami"]).await.contains("admin"));
        harborctl.ok(&["project", "create", trust[0].trim_start_matches('-')]).await;
        // Content goes the same way.
        let folder = folder.path().display().to_string();
        fails(&harborctl, &["inspect", "library/none:1"], 3).await;
        fails(&harborctl, &["--ca", &format!("{folder}/none.crt"), "whoami"], 2).await;
        fails(&harborctl, &["--ca", &format!("{folder}/tls.key"), "whoami"], 2).await;
    }
    registry.close().await;
}

/// A server that wants a certificate gets the one that was named.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_certificate_is_shown() {
    let (server, client) = (Pair::new(), Pair::new());
    let (address, _double) = double(&server, &client).await;
    let harborctl = Harborctl::new();
    let (ca, cert) = (harborctl.home().join("ca.pem"), harborctl.home().join("client.pem"));
    std::fs::write(&ca, &server.certificate).unwrap();
    std::fs::write(&cert, format!("{}{}", client.certificate, client.key)).unwrap();
    let (ca, cert, url) =
        (ca.display().to_string(), cert.display().to_string(), format!("https://{address}"));
    harborctl.ok(&["context", "set", "with", &url, "--ca", &ca, "--cert", &cert]).await;
    harborctl.ok(&["context", "set", "without", &url, "--ca", &ca]).await;
    assert_eq!(harborctl.ok(&["--context", "with", "api", "GET", "/ping"]).await.trim(), "Pong");
    let ran = harborctl.run(&["--context", "without", "api", "GET", "/ping"]).await;
    assert!(!matches!(ran.code, Some(0)), "{}", ran.out);
    // A certificate without its key is none.
    let ran = harborctl.run(&["--context", "with", "--cert", &ca, "api", "GET", "/ping"]).await;
    assert_eq!(ran.code, Some(2), "{}", ran.told);
}

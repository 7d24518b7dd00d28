//! TLS: own authorities, certificates of clients, and nothing that goes out without it.

use std::sync::Arc;
use std::time::Duration;

use harbor_core::access::Secret;
use harbor_core::oci::Algorithm;
use harbor_replicate::client::{ConnectionBuilder, Credential, Error, Registry};
use harbor_server::TlsFiles;
use harbor_tests::content::{self, Piece};
use harbor_tests::{BackEnd, TestRegistry};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::breaker::{Breaker, Way};
use super::double::{Double, Reply};
use super::{REPO, admin, push, quick, tag};

/// An authority, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn sign(&self) -> Pair {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// What a server shows; with `clients`, it wants a certificate of theirs.
    fn server(&self, clients: Option<&Self>) -> rustls::ServerConfig {
        let pair = self.sign();
        let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let builder = rustls::ServerConfig::builder();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        builder.with_single_cert(vec![certificate], key).unwrap()
    }
}

fn registry(
    address: impl std::fmt::Display,
    connection: ConnectionBuilder,
    credential: Credential,
) -> Registry {
    let builder = Registry::builder(address.to_string()).connection(connection.build().unwrap());
    builder.credentials(credential).build().unwrap()
}

/// A registry of ours with a certificate.
async fn served(authority: &Authority) -> (TestRegistry, tempfile::TempDir) {
    let (pair, folder) = (authority.sign(), tempfile::tempdir().unwrap());
    let files = TlsFiles { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
    std::fs::write(&files.certificate, &pair.certificate).unwrap();
    std::fs::write(&files.key, &pair.key).unwrap();
    let ours = TestRegistry::builder(BackEnd::Memory).tls(files, Duration::from_secs(60)).start().await;
    (ours, folder)
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_where_it_was_named() {
    let (authority, set) = (Authority::new(), content::image(Algorithm::Sha256));
    let (ours, _folder) = served(&authority).await;
    for connection in [
        quick().authority(authority.pem()),
        quick().authority(Authority::new().pem()).authority(authority.pem()).own_authorities_only(true),
        quick().any_certificate(true),
    ] {
        let app = registry(ours.address(), connection, admin(&ours)).repository(REPO.parse().unwrap());
        push(&app, "a", &set).await;
        // Large enough for its body to be a stream of its own, over HTTP/2.
        let blob = Piece::blob(Algorithm::Sha256, 3_000_000);
        app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
        let pulled = app.blob(&blob.digest, None).await.unwrap().bytes(3_000_000).await.unwrap();
        assert!(pulled == blob.bytes);
    }
    for stranger in [quick(), quick().authority(Authority::new().pem()), quick().own_authorities_only(true)] {
        let error = registry(ours.address(), stranger, admin(&ours)).ping().await.unwrap_err();
        assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
    }
    ours.close().await;
}

/// There all requests share a connection, and all break with it.
#[tokio::test]
async fn what_breaks_over_http2_is_taken_up_as_well() {
    let authority = Authority::new();
    let (ours, _folder) = served(&authority).await;
    let blobs: Vec<_> = (0..3).map(|_| Piece::blob(Algorithm::Sha256, 2_000_000)).collect();
    for way in [Way::Up, Way::Down] {
        let breaker = Breaker::start(ours.address(), way, 600_000, 4).await;
        let registry = registry(breaker.address, quick().authority(authority.pem()), admin(&ours));
        let tasks = blobs.iter().cloned().map(|blob| {
            let app = registry.repository(REPO.parse().unwrap());
            tokio::spawn(async move {
                if way == Way::Up {
                    app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
                } else {
                    let pulled = app.blob(&blob.digest, None).await.unwrap().bytes(2_000_000).await.unwrap();
                    assert!(pulled == blob.bytes);
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(breaker.left(), 0);
    }
    ours.close().await;
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let double = Double::over_tls(servers.server(Some(&clients)), |_| Reply::status(200)).await;
    let trusting = || quick().authority(servers.pem());
    let shown = |authority: &Authority| {
        let pair = authority.sign();
        trusting().client_certificate(Secret::new(format!("{}{}", pair.certificate, pair.key)))
    };
    registry(double.address, shown(&clients), Credential::Anonymous).ping().await.unwrap();
    for connection in [trusting(), shown(&Authority::new())] {
        let error = registry(double.address, connection, Credential::Anonymous).ping().await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    }
    assert_eq!(double.came().len(), 1);
}

#[tokio::test]
async fn nothing_that_came_over_tls_goes_on_without_it() {
    let authority = Authority::new();
    let plain = Double::start(|_| Reply::body(r#"{"token":"t"}"#)).await;
    let at = plain.address;
    let double = Double::over_tls(authority.server(None), move |came| match came.path() {
        path if path.contains("/manifests/realm") => {
            Reply::challenge(format!(r#"Bearer realm="http://{at}/token",service="x", Basic realm="x""#))
        }
        path if path.contains("/manifests/redirect") => {
            Reply::status(307).header("Location", format!("http://{at}/"))
        }
        path if path.contains("/tags/list") => {
            Reply::body(r#"{"tags":["a"]}"#).header("Link", format!("<http://{at}/>; rel=next"))
        }
        path if path.contains("/blobs/uploads/") => {
            Reply::status(202).header("Location", format!("http://{at}/uploads/1"))
        }
        _ => Reply::status(404),
    })
    .await;
    let credential = Credential::password("grace", "hunter2");
    let ours = registry(double.address, quick().authority(authority.pem()), credential);
    let app = ours.repository(REPO.parse().unwrap());
    let blob = Piece::blob(Algorithm::Sha256, 600_000);
    for (what, outcome) in [
        ("realm", app.manifest(&tag("realm")).await.map(|_| ())),
        ("redirect", app.manifest(&tag("redirect")).await.map(|_| ())),
        ("tags", app.tags(None).all().await.map(|_| ())),
        ("upload", app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.map(|_| ())),
    ] {
        assert!(matches!(outcome, Err(Error::BadAnswer { .. })), "{what}: {outcome:?}");
    }
    assert!(plain.came().is_empty());
    assert!(double.came().iter().all(|came| came.header("authorization").is_none()));
}

/// Behind a proxy that ends TLS, many a registry tells addresses without it.
#[tokio::test]
async fn an_upload_of_the_same_host_goes_on_over_tls() {
    let authority = Authority::new();
    let double = Double::over_tls(authority.server(None), |came| match came.method.as_str() {
        "HEAD" => Reply::status(404),
        "POST" => {
            let host = came.header("host").unwrap();
            Reply::status(202).header("Location", format!("http://{host}/uploads/1"))
        }
        _ => Reply::status(201),
    })
    .await;
    let ours = registry(double.address, quick().authority(authority.pem()), Credential::Anonymous);
    let blob = Piece::blob(Algorithm::Sha256, 600_000);
    let app = ours.repository(REPO.parse().unwrap());
    app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    assert_eq!(double.lines().pop().unwrap(), "PUT /uploads/1");
}

#[tokio::test]
async fn who_speaks_no_tls_is_told_as_that() {
    let plain = TestRegistry::in_memory().await;
    let address = format!("https://{}", plain.address());
    let error = registry(address, quick(), Credential::Anonymous).ping().await.unwrap_err();
    assert!(error.to_string().contains(&format!("write http://{}", plain.address())), "{error}");
    plain.close().await;
}

/// A certificate as `openssl req -x509` makes it for a server: it signs itself, and says that it is an authority's.
fn own(names: &[&str], is_over: bool) -> (String, rustls::ServerConfig) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    if is_over {
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let der = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let builder = rustls::ServerConfig::builder().with_no_client_auth();
    (certificate.pem(), builder.with_single_cert(vec![certificate.der().clone()], der).unwrap())
}

#[tokio::test]
async fn a_servers_own_certificate_is_trusted_as_it_is() {
    let names = ["localhost", "127.0.0.1"];
    let served = async |config| Double::over_tls(config, |_| Reply::status(200)).await;
    let ping = async |double: &Double, connection| {
        registry(double.address, connection, Credential::Anonymous).ping().await
    };
    let (pem, config) = own(&names, false);
    let double = served(config).await;
    for only in [false, true] {
        ping(&double, quick().authority(pem.clone()).own_authorities_only(only)).await.unwrap();
        // Also as one of several, and with a certificate of the client's.
        let pair = Authority::new().sign();
        let connection = quick().authority(Authority::new().pem()).authority(pem.clone());
        let identity = Secret::new(format!("{}{}", pair.certificate, pair.key));
        ping(&double, connection.own_authorities_only(only).client_certificate(identity)).await.unwrap();
    }
    let untrusted = async |double: &Double, connection| {
        let error = ping(double, connection).await.unwrap_err();
        assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
        error.to_string()
    };
    // One that says the same, and is another; one of other names; one that is over.
    let told = untrusted(&double, quick().authority(own(&names, false).0)).await;
    assert!(told.contains("CA:FALSE"), "{told}");
    untrusted(&double, quick()).await;
    let (pem, config) = own(&["elsewhere.example"], false);
    let told = untrusted(&served(config).await, quick().authority(pem)).await;
    assert!(told.contains("name"), "{told}");
    for only in [false, true] {
        let (pem, config) = own(&names, true);
        let connection = quick().authority(pem).own_authorities_only(only);
        let told = untrusted(&served(config).await, connection).await;
        assert!(told.contains("expired"), "{told}");
    }
}

//! Redirects: blobs come from wherever the registry sends us, and credentials do not go there.

use harbor_core::egress::Allowed;
use harbor_core::oci::Algorithm;
use harbor_replicate::client::{ConnectionBuilder, Credential, Error, Registry, Repository};
use harbor_tests::content::Piece;

use super::double::{Double, Reply};
use super::{REPO, at, tag};

const SIGNED: &str = "/bucket/blob?X-Amz-Signature=topsecret";

fn on(double: &Double) -> Repository {
    at(double.address, Credential::password("grace", "hunter2")).repository(REPO.parse().unwrap())
}

/// A registry that wants Basic, and answers whoever shows it so.
async fn registry(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Double {
    Double::start(move |came| match came.header("authorization") {
        None => Reply::challenge("Basic realm=x"),
        Some(_) => answer(came.path()),
    })
    .await
}

#[tokio::test]
async fn a_blob_comes_from_the_store_without_credentials() {
    let blob = Piece::blob(Algorithm::Sha256, 300_000);
    let bytes = blob.bytes.clone();
    let store = Double::start(move |came| match came.header("range") {
        None => Reply::body(bytes.clone()).cut(100_000),
        Some(range) => {
            assert_eq!(range, "bytes=100000-299999");
            let part = Reply::status(206).header("Content-Range", "bytes 100000-299999/300000");
            part.with(bytes.slice(100_000..))
        }
    })
    .await;
    for status in [302, 307, 308] {
        let to = format!("http://{}{SIGNED}", store.address);
        let registry = registry(move |_| Reply::status(status).header("Location", &to)).await;
        let app = on(&registry);
        let pulled = app.blob(&blob.digest, Some(300_000)).await.unwrap().bytes(1_000_000).await.unwrap();
        assert!(pulled == blob.bytes);
        // What broke is asked of the registry again: an address of the store may have ended meanwhile.
        assert_eq!(registry.came().len(), 3);
    }
    for came in store.came() {
        assert_eq!(came.header("authorization"), None, "{came:?}");
        assert_eq!(came.query("X-Amz-Signature"), ["topsecret"]);
    }
}

#[tokio::test]
async fn what_leads_back_gets_no_credentials_either() {
    let blob = Piece::blob(Algorithm::Sha256, 10);
    let back = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let to = std::sync::Arc::clone(&back);
    let store = Double::start(move |_| Reply::status(307).header("Location", to.lock().unwrap())).await;
    let there = format!("http://{}/there", store.address);
    let registry = Double::start(move |came| match (came.path(), came.header("authorization")) {
        ("/admin", _) => Reply::error(418, "TEAPOT"),
        (_, None) => Reply::challenge("Basic realm=x"),
        _ => Reply::status(307).header("Location", &there),
    })
    .await;
    *back.lock().unwrap() = format!("http://{}/admin", registry.address);
    let error = on(&registry).blob(&blob.digest, None).await.unwrap_err();
    assert_eq!(error.status(), Some(418), "{error}");
    let last = registry.came().pop().unwrap();
    assert_eq!((last.path(), last.header("authorization")), ("/admin", None));
}

#[tokio::test]
async fn what_another_host_asks_for_is_not_shown() {
    let thief = Double::start(|_| Reply::body(r#"{"token":"t"}"#)).await;
    let realm = format!(r#"Bearer realm="http://{}/token""#, thief.address);
    for challenge in [realm, "Basic realm=x".to_owned()] {
        let store = Double::start(move |_| Reply::challenge(&challenge)).await;
        let to = format!("http://{}{SIGNED}", store.address);
        let registry = registry(move |_| Reply::status(307).header("Location", &to)).await;
        let error = on(&registry).blob(&Piece::blob(Algorithm::Sha256, 1).digest, None).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)) && error.status() == Some(401), "{error:?}");
        assert_eq!(store.came().len(), 1);
        assert_eq!(store.came()[0].header("authorization"), None);
        assert!(!format!("{error} {error:?}").contains("topsecret"), "{error:?}");
    }
    assert!(thief.came().is_empty());
}

#[tokio::test]
async fn redirects_end() {
    let registry = registry(|path| Reply::status(307).header("Location", format!("{path}x"))).await;
    let error = on(&registry).manifest(&tag("a")).await.unwrap_err();
    assert!(matches!(error, Error::BadAnswer { .. }), "{error}");
    assert!(registry.came().len() <= 8);
    for location in ["ftp://a/", "http://grace:hunter2@127.0.0.1/", "file:///etc/passwd", "http://["] {
        let registry =
            super::redirects::registry(move |_| Reply::status(307).header("Location", location)).await;
        let error = on(&registry).manifest(&tag("a")).await.unwrap_err();
        assert!(matches!(error, Error::BadAnswer { .. }), "{location}: {error}");
    }
    let nowhere = super::redirects::registry(|_| Reply::status(307)).await;
    assert!(matches!(on(&nowhere).manifest(&tag("a")).await, Err(Error::BadAnswer { .. })));
}

#[tokio::test]
async fn what_changes_something_is_not_sent_elsewhere() {
    let elsewhere = Double::start(|_| Reply::status(201)).await;
    let to = format!("http://{}/", elsewhere.address);
    let registry = registry(move |_| Reply::status(307).header("Location", &to)).await;
    let app = on(&registry);
    let put = app.manifest_put(&tag("a"), &"application/x".parse().unwrap(), "{}").await.unwrap_err();
    let delete = app.manifest_delete(&tag("a")).await.unwrap_err();
    assert!(matches!((&put, &delete), (Error::BadAnswer { .. }, Error::BadAnswer { .. })), "{put} {delete}");
    assert!(elsewhere.came().is_empty());
}

#[tokio::test]
async fn an_upload_that_goes_on_elsewhere_goes_without_credentials() {
    let blob = Piece::blob(Algorithm::Sha256, 600_000);
    let store = Double::start(|_| Reply::status(201)).await;
    let to = format!("http://{}{SIGNED}", store.address);
    let registry = Double::start(move |came| match (came.method.as_str(), came.header("authorization")) {
        (_, None) => Reply::challenge("Basic realm=x"),
        ("HEAD", _) => Reply::status(404),
        _ => Reply::status(202).header("Location", &to),
    })
    .await;
    on(&registry).blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    let came = store.came();
    assert_eq!((came.len(), came[0].header("authorization"), came[0].body.len()), (1, None, 600_000));
    assert_eq!(came[0].query("X-Amz-Signature"), ["topsecret"]);
}

/// Whoever may name a registry must not reach by it what only this machine can.
#[tokio::test]
async fn where_addresses_are_limited_nothing_goes_elsewhere() {
    let inner = Double::start(|_| Reply::status(200)).await;
    let to = |builder: ConnectionBuilder, address: String| {
        Registry::builder(address).connection(builder.build().unwrap()).build().unwrap()
    };
    let limited = || super::quick().only_to(Allowed::default());
    let port = inner.address.port();
    for name in ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"] {
        let error = to(limited(), format!("http://{name}:{port}")).ping().await.unwrap_err();
        assert!(matches!(error, Error::Forbidden { .. }), "{name}: {error}");
    }
    // Behind a redirect as well, and in the realm of a token service.
    let there = "http://127.0.0.2:1/";
    let outer = Double::start(move |came| match came.path() {
        "/v2/" => Reply::challenge(format!(r#"Bearer realm="{there}token""#)),
        _ => Reply::status(307).header("Location", there),
    })
    .await;
    let only = super::quick().only_to(Allowed::new(vec!["127.0.0.1".parse().unwrap()]));
    let outer = to(only, format!("http://localhost:{}", outer.address.port()));
    assert!(matches!(outer.ping().await, Err(Error::Forbidden { .. })));
    let app = outer.repository(REPO.parse().unwrap());
    assert!(matches!(app.manifest(&tag("a")).await, Err(Error::Forbidden { .. })));
    assert!(inner.came().is_empty());
}

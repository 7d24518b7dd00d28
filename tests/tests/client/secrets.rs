//! No secret comes out: not in an error, not when something is printed.

use harbor_core::access::Secret;
use harbor_core::oci::Algorithm;
use harbor_replicate::client::{Connection, Credential, Error, Proxy, Registry};
use harbor_tests::content::Piece;

use super::double::{Double, Reply};
use super::{REPO, at, tag};

/// The password, as it is and as Basic has it, and tokens.
const SECRETS: [&str; 5] = ["hunter2", "Z3JhY2U6aHVudGVyMg", "a-token", "an-identity", "topsecret"];

fn is_clean(error: &Error) {
    let mut told = format!("{error} {error:?} {error:#?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        told.push_str(&format!("{error} {error:?}"));
        cause = error.source();
    }
    for secret in SECRETS {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    assert!(told.contains("*****") || !told.contains("echo"), "{told}");
}

/// A registry, and its token service, that repeat what they were shown.
async fn echo(issues: bool) -> Double {
    Double::start(move |came| {
        let shown = came.header("authorization").unwrap_or_default().to_owned();
        let body = String::from_utf8_lossy(&came.body);
        let message = format!("echo {shown} hunter2 {body} \u{1b}[31m");
        let refusal = serde_json::json!({"errors": [{"code": format!("echo {shown}"), "message": message}]});
        match came.path() {
            "/token" if issues => Reply::body(r#"{"token":"a-token"}"#),
            _ if came.path() == "/token" || shown.starts_with("Bearer") => {
                Reply::status(403).header("X-Request-Id", &shown).with(refusal.to_string())
            }
            _ => {
                let realm = format!(r#"Bearer realm="http://{}/token""#, came.header("host").unwrap());
                Reply::challenge(realm)
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_is_repeated_by_others_is_covered() {
    for issues in [true, false] {
        for credential in [
            Credential::password("grace", "hunter2"),
            Credential::Identity(Secret::new("an-identity")),
            Credential::Bearer(Secret::new("a-token")),
        ] {
            let double = echo(issues).await;
            let is_password = matches!(credential, Credential::Password { .. });
            let app = at(double.address, credential).repository(REPO.parse().unwrap());
            let error = app.manifest(&tag("a")).await.unwrap_err();
            let refusal = error.refusal().unwrap();
            assert!(refusal.errors[0].message.contains("echo"), "{error}");
            assert!(!refusal.errors[0].message.contains('\u{1b}'), "{error}");
            // Of a token, the registry cannot know the password; the double's script has it all the same.
            if is_password && !issues {
                is_clean(&error);
            } else {
                let told = format!("{error:?}").replace("hunter2", "");
                assert!(SECRETS.iter().all(|secret| !told.contains(secret)), "{told}");
            }
        }
    }
}

#[tokio::test]
async fn addresses_are_told_without_what_is_behind_them() {
    let double = Double::start(|came| match came.method.as_str() {
        "HEAD" => Reply::status(404),
        "POST" => Reply::status(202).header("Location", "/uploads/1?_state=topsecret"),
        _ => Reply::error(500, "UNKNOWN"),
    })
    .await;
    let app = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    let blob = Piece::blob(Algorithm::Sha256, 600_000);
    let error = app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap_err();
    assert_eq!(error.status(), Some(500));
    is_clean(&error);
    let upload = app.upload_begin().await.unwrap();
    assert!(!format!("{upload:?}").contains("topsecret"));
}

#[tokio::test]
async fn what_is_printed_is_clean() {
    let proxy =
        Proxy::Through { address: Secret::new("http://me:hunter2@127.0.0.1:1"), except: String::new() };
    let builder = Connection::builder().proxy(proxy).client_certificate(Secret::new("topsecret"));
    assert!(!format!("{builder:?}").contains("hunter2") && !format!("{builder:?}").contains("topsecret"));
    let builder = Registry::builder("registry").credentials(Credential::password("grace", "hunter2"));
    assert!(!format!("{builder:?}").contains("hunter2"));
    let registry = builder.build().unwrap();
    assert!(!format!("{registry:?} {:?}", registry.repository(REPO.parse().unwrap())).contains("hunter2"));
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_without_its_password() {
    let proxy =
        Proxy::Through { address: Secret::new("http://me:hunter2@127.0.0.1:1"), except: String::new() };
    let connection = super::quick().proxy(proxy).build().unwrap();
    let registry = Registry::builder("http://registry.invalid").connection(connection).build().unwrap();
    let error = registry.ping().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    is_clean(&error);
}

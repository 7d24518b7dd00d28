//! Who asks: Bearer, Basic, tokens that end, credentials that do.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use harbor_core::access::Secret;
use harbor_core::oci::Algorithm;
use harbor_replicate::client::{
    Credential, CredentialSource, Error, PushOptions, Registry, Repository, Result,
};
use harbor_tests::content::{self, Piece};
use harbor_tests::{BackEnd, TestRegistry};

use super::double::{Came, Double, Reply};
use super::{REPO, admin, at, push, quick, repository, tag};

#[tokio::test]
async fn ours_lets_in_whom_it_should() {
    let registry = TestRegistry::builder(BackEnd::Memory).user("grace", &["hers"]).start().await;
    registry.project("hers", false).await;
    let as_whom = |credential| at(registry.address(), credential);
    as_whom(admin(&registry)).ping().await.unwrap();
    let set = content::image(Algorithm::Sha256);
    push(&repository(&registry), "a", &set).await;
    let grace = as_whom(Credential::password("grace", registry.password("grace")));
    push(&grace.repository("hers/app".parse().unwrap()), "a", &set).await;

    let nobody = as_whom(Credential::Anonymous);
    let public = nobody.repository(REPO.parse().unwrap());
    assert_eq!(public.manifest(&tag("a")).await.unwrap().bytes, set.top().bytes);
    let blob = Piece::blob(Algorithm::Sha256, 10);
    for refused in [
        public.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.map(|_| ()),
        nobody.repository("hers/app".parse().unwrap()).manifest(&tag("a")).await.map(|_| ()),
        nobody.ping().await,
        as_whom(Credential::password("admin", "wrong")).ping().await,
    ] {
        assert!(matches!(refused, Err(Error::Unauthorized { .. })), "{refused:?}");
        assert!(!refused.unwrap_err().to_string().contains("wrong1"));
    }
    // Nobody in particular still pulls what everybody may, although a push was refused.
    public.manifest(&tag("a")).await.unwrap();
    registry.close().await;
}

/// A registry with a token service: who shows a token that was issued last is let in.
struct Service {
    issued: AtomicUsize,
    /// How many seconds its tokens last.
    lasts: u32,
}

impl Service {
    /// `admits` looks at the requests for tokens.
    async fn start(lasts: u32, admits: impl Fn(&Came) -> bool + Send + Sync + 'static) -> Double {
        let service = Self { issued: AtomicUsize::new(0), lasts };
        Double::start(move |came| service.answer(came, &admits)).await
    }

    fn answer(&self, came: &Came, admits: &impl Fn(&Came) -> bool) -> Reply {
        if came.path() == "/token" {
            if !admits(came) {
                return Reply::error(401, "UNAUTHORIZED");
            }
            let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
            let body = serde_json::json!({"token": format!("token-{number}"), "expires_in": self.lasts});
            return Reply::body(body.to_string());
        }
        let expected = format!("Bearer token-{}", self.issued.load(Ordering::SeqCst));
        if came.header("authorization") != Some(&expected) {
            let realm = format!(r#"Bearer realm="http://{}/token?x=y",service="the service""#, host(came));
            return Reply::challenge(format!(r#"{realm},scope="repository:{REPO}:pull""#));
        }
        if came.path() == "/revoke" {
            self.issued.fetch_add(1, Ordering::SeqCst);
        }
        Reply::status(if came.method == "POST" { 201 } else { 404 })
    }
}

fn host(came: &Came) -> &str {
    came.header("host").unwrap()
}

fn tokens(double: &Double) -> Vec<Came> {
    double.came().into_iter().filter(|came| came.path() == "/token").collect()
}

fn on(double: &Double, credential: Credential) -> Repository {
    at(double.address, credential).repository(REPO.parse().unwrap())
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_shown_to_all() {
    let basic = "Basic Z3JhY2U6aHVudGVyMg==";
    let double = Service::start(300, move |came| came.header("authorization") == Some(basic)).await;
    let app = on(&double, Credential::password("grace", "hunter2"));
    assert_eq!(app.manifest_head(&tag("a")).await.unwrap(), None);
    let tasks = (0..20).map(|number| {
        let app = app.clone();
        tokio::spawn(async move { app.manifest_head(&tag(&format!("t{number}"))).await.unwrap() })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), None);
    }
    let asked = tokens(&double);
    assert_eq!((asked.len(), double.came().len()), (1, 23));
    assert_eq!(asked[0].query("service"), ["the service"]);
    assert_eq!(asked[0].query("scope"), [format!("repository:{REPO}:pull")]);
    assert_eq!(
        (asked[0].query("account"), asked[0].query("x")),
        (vec!["grace".to_owned()], vec!["y".to_owned()])
    );
    // Whoever asks at the same time waits for the one token.
    let app = on(&double, Credential::password("grace", "hunter2"));
    app.manifest_head(&tag("a")).await.unwrap();
    let before = tokens(&double).len();
    let tasks = (0..20).map(|_| {
        let app = app.clone();
        tokio::spawn(async move {
            app.blob_push(
                &Piece::blob(Algorithm::Sha256, 9).digest,
                &bytes::Bytes::from_static(b"123456789"),
                &Default::default(),
            )
            .await
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    assert_eq!(tokens(&double).len(), before + 1);
    assert_eq!(tokens(&double).pop().unwrap().query("scope"), [format!("repository:{REPO}:pull,push")]);
}

#[tokio::test]
async fn a_mount_asks_for_both_repositories() {
    let double = Service::start(300, |_| true).await;
    let app = on(&double, Credential::Anonymous);
    let blob = Piece::blob(Algorithm::Sha256, 9);
    let options = PushOptions::default().mount_from("library/from".parse().unwrap());
    app.blob_push(&blob.digest, &blob.bytes, &options).await.unwrap();
    let scopes = tokens(&double).pop().unwrap().query("scope");
    assert_eq!(scopes, [format!("repository:{REPO}:pull,push"), "repository:library/from:pull".to_owned()]);
    assert!(tokens(&double).iter().all(|came| came.header("authorization").is_none()));
}

#[tokio::test]
async fn tokens_that_end_are_replaced() {
    // By the clock: so short a token is used for no second request.
    let double = Service::start(0, |_| true).await;
    let app = on(&double, Credential::Anonymous);
    app.manifest_head(&tag("a")).await.unwrap();
    app.manifest_head(&tag("a")).await.unwrap();
    assert_eq!(tokens(&double).len(), 1, "without a word it lasts for a minute");
    // By the registry, which knows it no more.
    let double = Service::start(300, |_| true).await;
    let app = on(&double, Credential::Anonymous);
    app.manifest_head(&tag("a")).await.unwrap();
    let revoke = reqwest::Client::builder().no_proxy().build().unwrap();
    let revoke = revoke.get(format!("http://{}/revoke", double.address)).bearer_auth("token-1");
    assert_eq!(revoke.send().await.unwrap().status(), 404);
    app.manifest_head(&tag("a")).await.unwrap();
    assert_eq!(tokens(&double).len(), 2);
}

#[tokio::test]
async fn a_token_that_does_not_help_is_not_asked_for_again_and_again() {
    let double = Double::start(|came| match came.path() {
        "/token" => Reply::body(r#"{"access_token":"useless"}"#),
        _ => {
            let realm = format!(r#"realm="http://{}/token""#, host(came));
            Reply::challenge(format!(
                r#"Bearer {realm},error="insufficient_scope",scope="repository:{REPO}:pull""#
            ))
        }
    })
    .await;
    let error = on(&double, Credential::Anonymous).manifest(&tag("a")).await.unwrap_err();
    let Error::Unauthorized { refusal: Some(refusal), .. } = &error else { panic!("{error:?}") };
    assert!(refusal.has_code("UNAUTHORIZED"), "{error}");
    assert_eq!((tokens(&double).len(), double.came().len()), (1, 3));
    // One that wants more each time is left.
    let count = AtomicUsize::new(0);
    let double = Double::start(move |came| match came.path() {
        "/token" => Reply::body(r#"{"access_token":"useless"}"#),
        _ => {
            let more = count.fetch_add(1, Ordering::SeqCst);
            let realm = format!(r#"realm="http://{}/token""#, host(came));
            Reply::challenge(format!(r#"Bearer {realm},scope="repository:x:a{more}""#))
        }
    })
    .await;
    assert!(on(&double, Credential::Anonymous).manifest(&tag("a")).await.is_err());
    assert!(double.came().len() < 12, "{}", double.came().len());
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let double = Service::start(300, |came| {
        let form: Vec<_> = url::form_urlencoded::parse(&came.body).into_owned().collect();
        let has = |name: &str, value: &str| form.contains(&(name.to_owned(), value.to_owned()));
        came.method == "POST"
            && came.header("authorization").is_none()
            && has("grant_type", "refresh_token")
            && has("refresh_token", "the identity")
            && has("service", "the service")
            && has("scope", &format!("repository:{REPO}:pull"))
    })
    .await;
    let app = on(&double, Credential::Identity(Secret::new("the identity")));
    assert_eq!(app.manifest_head(&tag("a")).await.unwrap(), None);
    let error =
        on(&double, Credential::Identity(Secret::new("another"))).manifest(&tag("a")).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
}

#[tokio::test]
async fn a_token_of_ones_own_is_shown_as_it_is() {
    let double = Double::start(|came| match came.header("authorization") {
        Some("Bearer my own") => Reply::status(404),
        _ => Reply::challenge(r#"Bearer realm="http://127.0.0.1:9/token""#),
    })
    .await;
    assert_eq!(
        on(&double, Credential::Bearer("my own".into())).manifest_head(&tag("a")).await.unwrap(),
        None
    );
    let error = on(&double, Credential::Bearer("other".into())).manifest_head(&tag("a")).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
}

#[tokio::test]
async fn basic_is_shown_when_it_is_asked_for() {
    let double = Double::start(|came| match came.header("authorization") {
        Some("Basic Z3JhY2U6aHVudGVyMg==") => Reply::status(404),
        _ => Reply::challenge(r#"Negotiate, Basic realm="x", charset="UTF-8""#),
    })
    .await;
    let app = on(&double, Credential::password("grace", "hunter2"));
    assert_eq!(app.manifest_head(&tag("a")).await.unwrap(), None);
    assert_eq!(app.manifest_head(&tag("a")).await.unwrap(), None);
    assert_eq!(double.came().len(), 3, "it is not asked twice");
    for credential in [Credential::Anonymous, Credential::password("grace", "wrong")] {
        let before = double.came().len();
        let error = on(&double, credential).manifest_head(&tag("a")).await.unwrap_err();
        assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
        assert!(double.came().len() - before <= 2);
    }
}

#[tokio::test]
async fn what_is_asked_for_and_not_understood_is_told() {
    for challenge in ["Negotiate", "Digest realm=\"x\"", ""] {
        let double = Double::start(move |_| Reply::challenge(challenge)).await;
        let error = on(&double, Credential::password("a", "b")).manifest(&tag("a")).await.unwrap_err();
        assert!(error.to_string().contains("neither Basic nor Bearer"), "{error}");
        assert!(double.came().iter().all(|came| came.header("authorization").is_none()));
    }
    // A token service that cannot be gone to is not made up for by showing the password to the registry.
    for realm in ["", "/token", "ftp://a/token", "http://user:password@127.0.0.1/token"] {
        let double =
            Double::start(move |_| Reply::challenge(format!(r#"Bearer realm="{realm}", Basic realm="x""#)))
                .await;
        let error = on(&double, Credential::password("a", "b")).manifest(&tag("a")).await.unwrap_err();
        assert!(matches!(error, Error::BadAnswer { .. }), "{realm}: {error}");
        assert!(double.came().iter().all(|came| came.header("authorization").is_none()));
    }
}

/// Tells another password each time.
#[derive(Debug)]
struct Renewed(Mutex<u32>);

#[async_trait]
impl CredentialSource for Renewed {
    async fn credential(&self, _host: &str) -> Result<Credential> {
        let mut told = self.0.lock().unwrap();
        *told += 1;
        Ok(Credential::password("grace", format!("password {told}")))
    }
}

#[tokio::test]
async fn credentials_that_end_are_asked_for_anew() {
    use base64::Engine as _;
    let good = std::sync::Arc::new(AtomicUsize::new(1));
    let now = std::sync::Arc::clone(&good);
    let double = Double::start(move |came| {
        let password = format!("grace:password {}", now.load(Ordering::SeqCst));
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(password));
        if came.header("authorization") == Some(&basic) {
            Reply::status(404)
        } else {
            Reply::challenge("Basic realm=x")
        }
    })
    .await;
    let builder = Registry::builder(format!("http://{}", double.address));
    let builder = builder.connection(quick().build().unwrap()).credentials(Renewed(Mutex::new(0)));
    let app = builder.build().unwrap().repository(REPO.parse().unwrap());
    app.manifest_head(&tag("a")).await.unwrap();
    good.store(2, Ordering::SeqCst);
    app.manifest_head(&tag("a")).await.unwrap();
    good.store(9, Ordering::SeqCst);
    let error = app.manifest_head(&tag("a")).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_of_a_push_is_replaced() {
    // The PUT of the blob is refused once, and by then something of it was sent.
    let refused = AtomicUsize::new(0);
    let double = Double::start(move |came| {
        let realm = format!(r#"Bearer realm="http://{}/token""#, host(came));
        match (came.method.as_str(), came.path()) {
            (_, "/token") => Reply::body(format!(r#"{{"token":"t{}"}}"#, refused.load(Ordering::SeqCst))),
            (_, _) if came.header("authorization").is_none() => Reply::challenge(realm),
            ("HEAD", _) => Reply::status(404),
            ("POST", _) => Reply::status(202).header("Location", "/uploads/1"),
            ("PUT", _) if refused.fetch_add(1, Ordering::SeqCst) == 0 => Reply::challenge(realm),
            ("GET", _) => Reply::status(204).header("Location", "/uploads/1"),
            _ => Reply::status(201),
        }
    })
    .await;
    let blob = Piece::blob(Algorithm::Sha256, 600_000);
    let app = on(&double, Credential::Anonymous);
    app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    let last = double.came().pop().unwrap();
    assert_eq!((last.line().as_str(), last.body.len()), ("PUT /uploads/1", 600_000));
    assert_eq!(last.header("authorization"), Some("Bearer t1"));
}

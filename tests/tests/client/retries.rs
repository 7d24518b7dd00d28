//! Trying again: what, how often, and not before it was allowed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use harbor_core::oci::Algorithm;
use harbor_replicate::client::{Connection, Credential, Error, Proxy, Pushed, Registry, Repository, Retry};
use harbor_tests::content::Piece;

use super::double::{Double, Reply};
use super::{REPO, at, tag};

/// A repository of a registry that answers so the first `times`, and then that there is no such thing.
async fn failing(times: usize, reply: impl Fn() -> Reply + Send + Sync + 'static) -> (Double, Repository) {
    let left = AtomicUsize::new(times);
    let double = Double::start(move |_| {
        let failing = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if failing.is_ok() { reply() } else { Reply::status(404) }
    })
    .await;
    let app = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    (double, app)
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    for status in [429, 502, 503, 504] {
        let (double, app) = failing(3, move || Reply::error(status, "UNAVAILABLE")).await;
        assert_eq!(app.manifest_head(&tag("a")).await.unwrap(), None);
        assert_eq!(double.came().len(), 4, "{status}");
    }
    let (double, app) = failing(3, Reply::none).await;
    assert_eq!(app.manifest_head(&tag("a")).await.unwrap(), None);
    assert_eq!(double.came().len(), 4);
    // Also what changes something, as long as it can be sent twice.
    let (double, app) = failing(2, Reply::none).await;
    app.manifest_delete(&tag("a")).await.unwrap();
    assert_eq!(double.came().len(), 3, "gone by the second time is deleted by the first");
}

#[tokio::test]
async fn what_does_not_pass_is_told_at_once() {
    for status in [400, 403, 405, 500, 501] {
        let (double, app) = failing(9, move || Reply::error(status, "NO")).await;
        assert_eq!(app.manifest(&tag("a")).await.unwrap_err().status(), Some(status));
        assert_eq!(double.came().len(), 1, "{status}");
    }
    let (double, app) = failing(9, || Reply::error(503, "UNAVAILABLE")).await;
    assert_eq!(app.manifest(&tag("a")).await.unwrap_err().status(), Some(503));
    assert_eq!(double.came().len(), 5);
}

#[tokio::test]
async fn nothing_is_sent_before_it_was_allowed() {
    let (_double, app) = failing(1, || Reply::error(429, "TOOMANYREQUESTS").header("Retry-After", 1)).await;
    let begin = Instant::now();
    app.manifest_head(&tag("a")).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    // A date has whole seconds: up to one may be gone of three.
    let (_double, app) = failing(1, || {
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
        Reply::error(503, "UNAVAILABLE").header("Retry-After", date)
    })
    .await;
    let begin = Instant::now();
    app.manifest_head(&tag("a")).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(1900), "{:?}", begin.elapsed());
    // Nobody waits for hours: whoever asks is told for how long.
    let (double, app) = failing(1, || Reply::error(429, "TOOMANYREQUESTS").header("Retry-After", 3600)).await;
    let error = app.manifest(&tag("a")).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().retry_after, Some(Duration::from_secs(3600)));
    assert_eq!(double.came().len(), 1);
}

#[tokio::test]
async fn a_small_blob_is_sent_again_as_a_whole() {
    let failed = AtomicUsize::new(0);
    let double = Double::start(move |came| match came.method.as_str() {
        "HEAD" => Reply::status(404),
        _ if failed.fetch_add(1, Ordering::SeqCst) < 2 => Reply::error(503, "UNAVAILABLE"),
        _ => Reply::status(201),
    })
    .await;
    let (app, blob) = (
        at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap()),
        Piece::blob(Algorithm::Sha256, 100),
    );
    assert_eq!(app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap(), Pushed::Sent);
    let posts: Vec<_> = double.came().into_iter().filter(|came| came.method == "POST").collect();
    assert_eq!(posts.len(), 3);
    assert!(posts.iter().all(|came| came.body == blob.bytes));
}

#[tokio::test]
async fn a_large_blob_waits_as_long_as_it_was_told() {
    let failed = AtomicUsize::new(0);
    let double = Double::start(move |came| match came.method.as_str() {
        "HEAD" => Reply::status(404),
        "POST" => Reply::status(202).header("Location", "/uploads/1"),
        "GET" => Reply::status(204).header("Location", "/uploads/1"),
        _ if failed.fetch_add(1, Ordering::SeqCst) == 0 => {
            Reply::error(429, "TOOMANYREQUESTS").header("Retry-After", 1)
        }
        _ => Reply::status(201),
    })
    .await;
    let app = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    let (blob, begin) = (Piece::blob(Algorithm::Sha256, 600_000), Instant::now());
    app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn who_is_not_there_is_told_with_the_reason() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = at(free, Credential::password("a", "hunter2")).ping().await.unwrap_err();
    let Error::Unreachable { to, cause } = &error else { panic!("{error:?}") };
    assert_eq!(to, &free.to_string());
    assert!(cause.contains("refused"), "{cause}");
    // Who does not want to try again does not.
    let (double, _) = failing(9, || Reply::error(503, "UNAVAILABLE")).await;
    let once = Connection::builder().proxy(Proxy::None).retry(Retry::never()).build().unwrap();
    let registry = Registry::builder(format!("http://{}", double.address)).connection(once).build().unwrap();
    assert_eq!(registry.ping().await.unwrap_err().status(), Some(503));
    assert_eq!(double.came().len(), 1);
}

//! How often may be pulled and pushed.

use std::time::Duration;

use harbor_core::Clock;
use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, DataSet};
use harbor_tests::{Answer, BackEnd, Client, TestRegistry};

harbor_tests::on_every_store! {
    pulls_of_a_principal(stores);
    pulls_from_an_address(stores);
    pushes_of_a_principal_and_from_an_address(stores);
    without_limits_nothing_is_said_of_them(stores);
}

/// A registry with those limits, one image, and a user who pushes.
async fn registry(
    stores: BackEnd,
    set: impl FnOnce(&mut harbor_server::Limits) + 'static,
) -> (TestRegistry, Clock, DataSet) {
    let clock = Clock::manual();
    let builder = TestRegistry::builder(stores).clock(clock.clone()).user("grace", &["library"]);
    let registry = builder
        .app(|options| {
            options.trusted_proxies.networks = vec!["127.0.0.1".parse().unwrap()];
            set(&mut options.limits);
        })
        .start()
        .await;
    let image = content::image(Algorithm::Sha256);
    for blob in &image.blobs {
        registry.user("grace").push_blob("library/app", blob).await;
    }
    (registry, clock, image)
}

/// Pushes the manifest of an image.
async fn push(client: &Client, image: &DataSet) -> Answer {
    client.push_manifest("library/app", "latest", image.top()).await
}

fn shows(answer: &Answer, limit: &str, remaining: &str) {
    assert_eq!((answer.need("RateLimit-Limit"), answer.need("RateLimit-Remaining")), (limit, remaining));
}

fn refused(answer: Answer, seconds: &str) {
    assert_eq!(answer.expect_error(429, "TOOMANYREQUESTS").need("Retry-After"), seconds);
}

async fn figure(registry: &TestRegistry, endpoint: &str) -> String {
    let page = registry.anon().get("/metrics").await;
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    let line = format!("harbor_http_requests_limited_total{{endpoint=\"{endpoint}\"}} ");
    page.lines().find_map(|found| found.strip_prefix(&line)).unwrap().to_owned()
}

async fn pulls_of_a_principal(stores: BackEnd) {
    let limit = "30/minute, burst 3".parse().unwrap();
    let (registry, clock, image) =
        registry(stores, move |limits| limits.pulls_per_principal = Some(limit)).await;
    let (grace, admin) = (registry.user("grace"), registry.admin());
    push(&grace, &image).await.expect_status(201);
    let path = "/v2/library/app/manifests/latest";
    for remaining in ["2;w=6", "1;w=6", "0;w=6"] {
        shows(&grace.get(path).await.expect_status(200), "3;w=6", remaining);
        let looked = grace.head(path).await.expect_status(200);
        shows(&looked, "3;w=6", remaining);
    }
    refused(grace.get(path).await, "2");
    // By whichever way it says who it is.
    let token = grace.get("/service/token?scope=repository:library/app:pull").await.json();
    refused(registry.anon().bearer(token["token"].as_str().unwrap()).get(path).await, "2");
    // Layers are not counted, nor pushes; and others are not refused.
    for blob in &image.blobs {
        grace.get(&format!("/v2/library/app/blobs/{}", blob.digest)).await.expect_status(200);
    }
    push(&grace, &image).await.expect_status(201);
    shows(&admin.get(path).await.expect_status(200), "3;w=6", "2;w=6");
    for _ in 0..10 {
        let nobody = registry.anon().get(path).await.expect_status(200);
        assert!(nobody.header("RateLimit-Limit").is_none(), "nobody in particular is counted by address");
    }
    assert_eq!(
        (figure(&registry, "manifests").await.as_str(), figure(&registry, "token").await.as_str()),
        ("2", "0")
    );
    clock.advance(Duration::from_secs(2));
    shows(&grace.get(path).await.expect_status(200), "3;w=6", "0;w=6");
    refused(grace.get(path).await, "2");
    registry.close().await;
}

async fn pulls_from_an_address(stores: BackEnd) {
    let limit = "2/minute".parse().unwrap();
    let (registry, clock, image) =
        registry(stores, move |limits| limits.pulls_per_address = Some(limit)).await;
    push(&registry.user("grace"), &image).await.expect_status(201);
    let path = "/v2/library/app/manifests/latest";
    let pull = |client: Client, from: &str| client.get(path).header("X-Forwarded-For", from);
    shows(&pull(registry.anon(), "2001:db8::1").await.expect_status(200), "2;w=60", "1;w=60");
    pull(registry.user("grace"), "2001:db8::2").await.expect_status(200);
    refused(pull(registry.anon(), "2001:db8::3").await, "30");
    refused(pull(registry.admin(), "192.0.2.1, 2001:db8::3").await, "30");
    pull(registry.anon(), "192.0.2.1").await.expect_status(200);
    clock.advance(Duration::from_secs(30));
    pull(registry.anon(), "2001:db8::1").await.expect_status(200);
    // Who may not pull is told so, and costs nobody anything.
    registry.project("secret", false).await;
    for _ in 0..5 {
        let stranger =
            registry.anon().get("/v2/secret/app/manifests/latest").header("X-Forwarded-For", "192.0.2.5");
        stranger.await.expect_error(401, "UNAUTHORIZED");
    }
    pull(registry.anon(), "192.0.2.5").await.expect_status(200);
    registry.close().await;
}

async fn pushes_of_a_principal_and_from_an_address(stores: BackEnd) {
    let (one, other) = ("60/minute, burst 2".parse().unwrap(), "60/minute, burst 3".parse().unwrap());
    let (registry, clock, image) = registry(stores, move |limits| {
        limits.pushes_per_principal = Some(one);
        limits.pushes_per_address = Some(other);
    })
    .await;
    let (grace, admin) = (registry.user("grace"), registry.admin());
    shows(&push(&grace, &image).await.expect_status(201), "2;w=2", "1;w=2");
    push(&grace, &image).await.expect_status(201);
    refused(push(&grace, &image).await, "1");
    shows(&push(&admin, &image).await.expect_status(201), "3;w=3", "0;w=3");
    refused(push(&admin, &image).await, "1");
    for _ in 0..10 {
        grace.get("/v2/library/app/manifests/latest").await.expect_status(200);
    }
    clock.advance(Duration::from_secs(1));
    push(&admin, &image).await.expect_status(201);
    registry.close().await;
}

async fn without_limits_nothing_is_said_of_them(stores: BackEnd) {
    let (registry, _, image) = registry(stores, |_| ()).await;
    let pushed = push(&registry.user("grace"), &image).await.expect_status(201);
    let pulled = registry.anon().get("/v2/library/app/manifests/latest").await.expect_status(200);
    for answer in [pushed, pulled] {
        assert!(answer.header("RateLimit-Limit").is_none() && answer.header("RateLimit-Remaining").is_none());
    }
    registry.close().await;
}

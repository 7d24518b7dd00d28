//! Sessions of browsers.

use std::time::Duration;

use harbor_tests::{BackEnd, Client, TestRegistry};
use serde_json::json;

use super::{API, PASSWORD, make};

harbor_tests::on_every_store! {
    a_session_begins_and_ends;
    what_changes_something_shows_the_token;
    a_session_ends_with_the_password;
    a_session_is_not_for_the_registry;
    only_a_password_begins_a_session;
    several_cookies_are_nobodys;
    a_session_ends_whatever_is_done_with_it(stores);
    a_session_slides_and_ends(stores);
}

const CSRF: &str = "X-Harbor-CSRF-Token";

/// Logs in; yields the cookie and the token.
async fn log_in(registry: &TestRegistry, name: &str, password: &str) -> (String, String) {
    let form = format!("principal={name}&password={}", password.replace(' ', "+"));
    let answer = registry.anon().post("/c/login").body(form).await.expect_status(200);
    let cookie = answer.need("Set-Cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"));
    (cookie.split(';').next().unwrap().to_owned(), answer.need(CSRF).to_owned())
}

fn get(client: &Client, path: &str, cookie: &str) -> harbor_tests::Call {
    client.get(&format!("{API}{path}")).header("Cookie", cookie)
}

async fn grace(registry: &TestRegistry) -> i64 {
    make(&registry.admin(), "/users", &json!({ "username": "grace", "password": PASSWORD })).await
}

async fn a_session_begins_and_ends(registry: &TestRegistry) {
    grace(registry).await;
    let wrong = registry.anon().post("/c/login").body("principal=grace&password=wrong");
    let wrong = wrong.await.expect_status(401);
    assert!(wrong.header("Set-Cookie").is_none());
    let (cookie, token) = log_in(registry, "grace", PASSWORD).await;
    let answer = get(&registry.anon(), "/users/current", &cookie).await.expect_status(200);
    assert_eq!((&answer.json()["username"], answer.need(CSRF)), (&json!("grace"), token.as_str()));
    let foreign =
        registry.anon().get("/c/log_out").header("Cookie", &cookie).header("Sec-Fetch-Site", "cross-site");
    foreign.await.expect_status(200);
    get(&registry.anon(), "/users/current", &cookie).await.expect_status(200);
    let out = registry.anon().get("/c/log_out").header("Cookie", &cookie).await.expect_status(200);
    assert!(out.need("Set-Cookie").contains("Max-Age=0"));
    get(&registry.anon(), "/users/current", &cookie).await.expect_error(401, "UNAUTHORIZED");
    // Whoever shows what has ended is nobody, and sees what everybody sees.
    get(&registry.anon(), "/projects", &cookie).await.expect_status(200);
    get(&registry.anon(), "/projects", "sid=garbage; other=1").await.expect_status(200);
    assert_eq!(registry.anon().get("/c/login").await.status, 405);
}

async fn what_changes_something_shows_the_token(registry: &TestRegistry) {
    grace(registry).await;
    let (cookie, token) = log_in(registry, "grace", PASSWORD).await;
    let (_, other) = log_in(registry, "grace", PASSWORD).await;
    let post = |token: &str| {
        let call = registry.anon().post(&format!("{API}/projects")).header("Cookie", &cookie);
        call.header(CSRF, token).json(&json!({ "project_name": "mine" }))
    };
    for wrong in ["", "garbage", &other] {
        post(wrong).await.expect_error(403, "FORBIDDEN");
    }
    for (header, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
    ] {
        post(&token).header(header, value).await.expect_error(403, "FORBIDDEN");
    }
    post(&token).header("Origin", format!("http://{}", registry.address())).await.expect_status(201);
    // Whoever shows a password beside the cookie needs none.
    let call =
        registry.anon().basic("grace", PASSWORD).post(&format!("{API}/projects")).header("Cookie", &cookie);
    call.json(&json!({ "project_name": "second" })).await.expect_status(201);
    let foreign = registry.anon().post("/c/login").header("Origin", "https://evil.example");
    foreign.body(format!("principal=grace&password={PASSWORD}")).await.expect_error(403, "FORBIDDEN");
}

async fn a_session_ends_with_the_password(registry: &TestRegistry) {
    let id = grace(registry).await;
    let (cookie, _) = log_in(registry, "grace", PASSWORD).await;
    let change = json!({ "old_password": PASSWORD, "new_password": "Another horse 2" });
    let client = registry.anon().basic("grace", PASSWORD);
    client.put(&format!("{API}/users/{id}/password")).json(&change).await.expect_status(200);
    get(&registry.anon(), "/users/current", &cookie).await.expect_error(401, "UNAUTHORIZED");
    let (cookie, _) = log_in(registry, "grace", "Another horse 2").await;
    registry.admin().delete(&format!("{API}/users/{id}")).await.expect_status(200);
    get(&registry.anon(), "/users/current", &cookie).await.expect_error(401, "UNAUTHORIZED");
}

async fn a_session_is_not_for_the_registry(registry: &TestRegistry) {
    grace(registry).await;
    let (cookie, token) = log_in(registry, "admin", "the+administrator's+password").await;
    registry.anon().get("/v2/").header("Cookie", &cookie).await.expect_error(401, "UNAUTHORIZED");
    let push =
        registry.anon().post("/v2/library/x/blobs/uploads/").header("Cookie", &cookie).header(CSRF, &token);
    push.await.expect_error(401, "UNAUTHORIZED");
    registry.anon().get("/service/token").header("Cookie", &cookie).await.expect_error(401, "UNAUTHORIZED");
}

async fn only_a_password_begins_a_session(registry: &TestRegistry) {
    grace(registry).await;
    let client = registry.anon().basic("grace", PASSWORD);
    let token =
        client.post(&format!("{API}/users/current/tokens")).json(&json!({ "name": "x", "duration": 1 }));
    let token = token.await.expect_status(201).json()["token"].as_str().unwrap().to_owned();
    let form = format!("principal=grace&password={token}");
    registry.anon().post("/c/login").body(form).await.expect_error(403, "FORBIDDEN");
}

/// A server of a neighbouring name can set cookies for this one.
async fn several_cookies_are_nobodys(registry: &TestRegistry) {
    grace(registry).await;
    let (cookie, _) = log_in(registry, "grace", PASSWORD).await;
    let (other, _) = log_in(registry, "admin", "the+administrator's+password").await;
    for cookies in
        [format!("{cookie}; {other}"), format!("{other}; {cookie}"), format!("{cookie}; sid=garbage")]
    {
        let answer = get(&registry.anon(), "/users/current", &cookies).await.expect_error(400, "BAD_REQUEST");
        assert!(String::from_utf8_lossy(&answer.body).contains("several cookies"), "{answer}");
        let lines = get(&registry.anon(), "/users/current", &cookie).header("Cookie", "sid=garbage");
        lines.await.expect_error(400, "BAD_REQUEST");
        let basic = registry.anon().basic("grace", PASSWORD);
        let answer = get(&basic, "/users/current", &cookies).await.expect_status(200);
        assert!(answer.header(CSRF).is_none() && answer.json()["username"] == "grace");
    }
    let twice = format!("{cookie}; other=1; {cookie}");
    get(&registry.anon(), "/users/current", &twice).await.expect_status(200);
    // The way out ends all of them.
    let both = format!("{cookie}; {other}");
    registry.anon().get("/c/log_out").header("Cookie", &both).await.expect_status(200);
    for cookie in [cookie, other] {
        get(&registry.anon(), "/users/current", &cookie).await.expect_error(401, "UNAUTHORIZED");
    }
}

async fn a_session_ends_whatever_is_done_with_it(stores: BackEnd) {
    let clock = harbor_core::Clock::manual();
    let registry = TestRegistry::builder(stores).clock(clock.clone()).start().await;
    grace(&registry).await;
    let live = async |hours: u64, cookie: &str| {
        for _ in 0..hours * 2 {
            clock.advance(Duration::from_secs(30 * 60));
            let answer = get(&registry.anon(), "/users/current", cookie).await;
            if answer.status != 200 {
                return answer.status;
            }
        }
        200
    };
    let (cookie, _) = log_in(&registry, "grace", PASSWORD).await;
    assert_eq!(live(7 * 24 - 1, &cookie).await, 200);
    assert_eq!(live(1, &cookie).await, 401, "a week");
    let (cookie, _) = log_in(&registry, "grace", PASSWORD).await;
    assert_eq!(live(3, &cookie).await, 200);
    let shorter =
        registry.admin().put(&format!("{API}/configurations")).json(&json!({ "session_life": 120 }));
    shorter.await.expect_status(200);
    get(&registry.anon(), "/users/current", &cookie).await.expect_error(401, "UNAUTHORIZED");
    let (cookie, _) = log_in(&registry, "grace", PASSWORD).await;
    assert_eq!(live(1, &cookie).await, 200);
    assert_eq!(live(1, &cookie).await, 401, "two hours");
    registry.close().await;
}

async fn a_session_slides_and_ends(stores: BackEnd) {
    let clock = harbor_core::Clock::manual();
    let registry = TestRegistry::builder(stores).clock(clock.clone()).start().await;
    grace(&registry).await;
    let (cookie, _) = log_in(&registry, "grace", PASSWORD).await;
    for _ in 0..3 {
        clock.advance(Duration::from_secs(50 * 60));
        get(&registry.anon(), "/users/current", &cookie).await.expect_status(200);
    }
    clock.advance(Duration::from_secs(50 * 60));
    let quiet = get(&registry.anon(), "/users/current", &cookie).header("X-Harbor-No-Session-Renewal", "1");
    quiet.await.expect_status(200);
    clock.advance(Duration::from_secs(11 * 60));
    get(&registry.anon(), "/users/current", &cookie).await.expect_error(401, "UNAUTHORIZED");
    registry.close().await;
}

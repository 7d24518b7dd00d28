//! Sessions of browsers.

use std::time::Duration;

use harbor_core::Error;
use harbor_core::access::{Attempt, Authenticator as _, Credentials, Secret};
use harbor_tests::{BackEnd, Client, TestRegistry};
use serde_json::json;

use super::{API, PASSWORD, make};

harbor_tests::on_every_store! {
    a_session_begins_and_ends;
    what_changes_something_shows_the_token;
    a_token_is_fetched_ahead_of_the_login;
    a_session_ends_with_the_password;
    a_session_is_not_for_the_registry;
    only_a_password_begins_a_session;
    several_cookies_are_nobodys;
    whoever_is_deleted_begins_none;
    more_log_in_and_out_at_once_than_there_are_connections;
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

/// As clients of Harbor do: a page, whose cookie and token are good for the login and for what comes after it.
async fn a_token_is_fetched_ahead_of_the_login(registry: &TestRegistry) {
    grace(registry).await;
    let page = async |cookie: &str| registry.anon().get("/c/login").header("Cookie", cookie).await;
    let first = page("").await;
    let (cookie, token) = (first.need("Set-Cookie"), first.need(CSRF).to_owned());
    for part in ["_gorilla_csrf=hp_", "; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(first.need("Cache-Control"), "no-store");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    // The same again, also where a server of a neighbouring name had set it for a path.
    let again = page(&format!("_gorilla_csrf=garbage; {cookie}")).await;
    assert_eq!((again.need("Set-Cookie"), again.need(CSRF)), (first.need("Set-Cookie"), token.as_str()));
    // Two that may be this server's: who knows which of them is.
    let both = format!("{}; {cookie}", page("").await.need("Set-Cookie").split(';').next().unwrap());
    let anew = page(&both).await.need("Set-Cookie").split(';').next().unwrap().to_owned();
    assert!(!both.contains(&anew), "{both} {anew}");
    for method in ["PUT", "DELETE", "PATCH"] {
        let other = registry.anon().call(method, "/c/login").await.expect_status(405);
        assert_eq!((other.header("Set-Cookie"), other.header(CSRF)), (None, None), "{method}");
    }
    let form = format!("principal=grace&password={}", PASSWORD.replace(' ', "+"));
    let login = registry.anon().post("/c/login").header("Cookie", &cookie).header(CSRF, &token).body(form);
    let login = login.await.expect_status(200);
    let session = login.need("Set-Cookie").split(';').next().unwrap().to_owned();
    let post = |cookies: &str, token: &str, name: &str| {
        let call = registry.anon().post(&format!("{API}/projects")).header("Cookie", cookies);
        call.header(CSRF, token).json(&json!({ "project_name": name }))
    };
    let both = format!("{session}; {cookie}");
    post(&both, &token, "one").await.expect_status(201);
    post(&both, login.need(CSRF), "two").await.expect_status(201);
    // It is nothing without its cookie, nor with that of another page, nor with what nobody made, nor from a page of somebody else.
    let other = page("").await;
    let other = other.need("Set-Cookie").split(';').next().unwrap().to_owned();
    for cookies in
        [session.clone(), format!("{session}; {other}"), format!("{session}; _gorilla_csrf=garbage")]
    {
        post(&cookies, &token, "three").await.expect_error(403, "FORBIDDEN");
    }
    let foreign = post(&both, &token, "three").header("Sec-Fetch-Site", "same-site");
    foreign.await.expect_error(403, "FORBIDDEN");
    // A login needs none, and way out takes the cookie along.
    let form = format!("principal=grace&password={}", PASSWORD.replace(' ', "+"));
    registry.anon().post("/c/login").header(CSRF, "garbage").body(form).await.expect_status(200);
    let out = registry.anon().get("/c/log_out").header("Cookie", &both).await.expect_status(200);
    assert_eq!(out.need("Cache-Control"), "no-store");
    let ended = |name: &str| {
        out.all("Set-Cookie").iter().any(|cookie| cookie.starts_with(name) && cookie.contains("Max-Age=0"))
    };
    assert!(ended("sid=;") && ended("_gorilla_csrf=;"), "{out}");
    // And nobody is somebody by it.
    get(&registry.anon(), "/users/current", &cookie).await.expect_error(401, "UNAUTHORIZED");
    let twice = format!("sid={}", cookie.trim_start_matches("_gorilla_csrf="));
    get(&registry.anon(), "/users/current", &twice).await.expect_error(401, "UNAUTHORIZED");
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

/// Whoever writes has a connection to the database, and waits for no second one: nobody would have any.
async fn more_log_in_and_out_at_once_than_there_are_connections(registry: &TestRegistry) {
    grace(registry).await;
    // Known from then on: those that come at once are not held up one behind the other by the password.
    log_in(registry, "grace", PASSWORD).await;
    let logins = (0..48).map(|_| log_in(registry, "grace", PASSWORD));
    let cookies: Vec<_> =
        futures_util::future::join_all(logins).await.into_iter().map(|(cookie, _)| cookie).collect();
    let log_out = async |cookie: &String| {
        registry.anon().get("/c/log_out").header("Cookie", cookie).await.expect_status(200)
    };
    futures_util::future::join_all(cookies.iter().map(log_out)).await;
    for cookie in &cookies {
        get(&registry.anon(), "/users/current", cookie).await.expect_error(401, "UNAUTHORIZED");
    }
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

/// Also when that was a moment ago, between the password and the session.
async fn whoever_is_deleted_begins_none(registry: &TestRegistry) {
    let id = grace(registry).await;
    let credentials = Credentials::Basic { username: "grace".to_owned(), password: Secret::new(PASSWORD) };
    let seen = registry.accounts.authenticate(Attempt::new(&credentials)).await.unwrap().unwrap();
    registry.admin().delete(&format!("{API}/users/{id}")).await.expect_status(200);
    let error = registry.accounts.session_begin(&seen).await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated), "{error}");
}

//! Second factors: codes beside the password.

use std::sync::Arc;
use std::time::Duration;

use harbor_auth::{AccountOptions, Accounts};
use harbor_core::access::{Attempt, Credentials, Secret};
use harbor_core::{Clock, Error, Harbor};
use harbor_tests::{Answer, BackEnd, Call, Client, TestRegistry, code_at};
use serde_json::{Value, json};

use super::{API, PASSWORD, make, read};

harbor_tests::on_every_store! {
    a_second_factor_is_made_used_and_taken_away;
    it_is_taken_away_with_a_token_beside_password_and_code;
    a_code_is_used_once_though_it_comes_twice_at_once;
    somebody_elses_is_taken_away_by_administrators;
    the_secret_is_in_no_answer;
    clocks_may_differ_by_a_step_and_guesses_are_counted(stores);
    a_code_that_one_node_took_is_used_on_another(stores);
    a_password_that_was_right_before_takes_as_long(stores);
}

/// Where a user's own second factor is.
const OWN: &str = "/users/current/totp";

/// Somebody with a second factor.
struct Person {
    id: i64,
    secret: String,
    recovery: Vec<String>,
    client: Client,
    clock: Clock,
}

impl Person {
    fn code(&self, steps: i64) -> String {
        code_at(&self.secret, self.clock.now(), steps)
    }
}

async fn user(registry: &TestRegistry, name: &str) -> i64 {
    make(&registry.admin(), "/users", &json!({ "username": name, "password": PASSWORD })).await
}

fn ask(client: &Client, method: &str, body: &Value) -> Call {
    client.call(method, &format!("{API}{OWN}")).json(body)
}

/// Makes a user with a second factor that is on; its present code is used up.
async fn person(registry: &TestRegistry, name: &str) -> Person {
    let id = user(registry, name).await;
    let client = registry.anon().basic(name, PASSWORD);
    let made = ask(&client, "POST", &json!({ "password": PASSWORD })).await.expect_status(201).json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    let code = code_at(&secret, registry.clock.now(), 0);
    let on = ask(&client, "PUT", &json!({ "code": code })).await.expect_status(200).json();
    let recovery =
        on["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned());
    Person { id, secret, recovery: recovery.collect(), client, clock: registry.clock.clone() }
}

fn log_in(registry: &TestRegistry, name: &str, password: &str, code: &str) -> Call {
    let field = |text: &str| text.replace(' ', "+");
    let code = if code.is_empty() { String::new() } else { format!("&totp={code}") };
    registry.anon().post("/c/login").body(format!("principal={name}&password={}{code}", field(password)))
}

/// A client with a session.
async fn session(registry: &TestRegistry, answer: Answer) -> impl Fn(&str, &str, &Value) -> Call {
    let answer = answer.expect_status(200);
    let cookie = answer.need("Set-Cookie").split(';').next().unwrap().to_owned();
    let token = answer.need("X-Harbor-CSRF-Token").to_owned();
    let anon = registry.anon();
    move |method: &str, path: &str, body: &Value| {
        let call = anon.call(method, &format!("{API}{path}")).header("Cookie", &cookie);
        call.header("X-Harbor-CSRF-Token", &token).json(body)
    }
}

fn message(answer: &Answer) -> String {
    answer.json()["errors"][0]["message"].as_str().unwrap().to_owned()
}

async fn a_second_factor_is_made_used_and_taken_away(registry: &TestRegistry) {
    let id = user(registry, "grace").await;
    let grace = registry.anon().basic("grace", PASSWORD);
    let off = json!({ "enabled": false, "recovery_codes_left": 0 });
    assert_eq!(read(&grace, OWN).await, off);
    ask(&grace, "PUT", &json!({ "code": "000000" })).await.expect_error(412, "PRECONDITION");
    ask(&grace, "POST", &json!({ "password": "wrong" })).await.expect_error(403, "FORBIDDEN");
    let before = session(registry, log_in(registry, "grace", PASSWORD, "").await).await;
    let bearer = grace.get("/service/token?scope=repository:library/x:pull").await.json();
    let bearer = registry.anon().bearer(bearer["token"].as_str().unwrap());
    bearer.get("/v2/").await.expect_status(200);

    let first = ask(&grace, "POST", &json!({ "password": PASSWORD })).await.expect_status(201).json();
    let made = ask(&grace, "POST", &json!({ "password": PASSWORD })).await.expect_status(201).json();
    assert_ne!(first["secret"], made["secret"]);
    let secret = made["secret"].as_str().unwrap().to_owned();
    let uri = made["uri"].as_str().unwrap();
    let issuer = registry.address().to_string().replace(':', "%3A");
    assert!(uri.starts_with(&format!("otpauth://totp/{issuer}:grace?secret={secret}&")), "{uri}");
    // It is not asked for yet.
    assert_eq!(read(&grace, OWN).await, off);
    let stale = code_at(first["secret"].as_str().unwrap(), registry.clock.now(), 0);
    for wrong in ["", "000000x", &stale] {
        ask(&grace, "PUT", &json!({ "code": wrong })).await.expect_error(403, "FORBIDDEN");
    }
    let person = Person { id, secret, recovery: Vec::new(), client: grace, clock: registry.clock.clone() };
    let token = person
        .client
        .post(&format!("{API}/users/current/tokens"))
        .json(&json!({ "name": "ci", "duration": 1 }));
    let token = token.await.expect_status(201).json()["token"].as_str().unwrap().to_owned();
    let used = person.code(0);
    let on = ask(&person.client, "PUT", &json!({ "code": used })).await.expect_status(200).json();
    let recovery: Vec<&str> =
        on["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
    assert_eq!(recovery.len(), 10);

    // What was begun with the password alone is over, and the password alone is not enough.
    before("GET", "/users/current", &json!({})).await.expect_error(401, "UNAUTHORIZED");
    bearer.get("/v2/").await.expect_error(401, "UNAUTHORIZED");
    for (path, code) in [
        ("/v2/", "UNAUTHORIZED"),
        ("/service/token", "UNAUTHORIZED"),
        ("/api/v2.0/users/current", "UNAUTHORIZED"),
    ] {
        for password in [PASSWORD, "wrong"] {
            let answer = registry.anon().basic("grace", password).get(path).await.expect_error(401, code);
            assert!(message(&answer).contains("personal access token"), "{answer}");
            let nobody = registry.anon().basic("nobody", password).get(path).await.expect_error(401, code);
            assert_eq!(message(&answer), message(&nobody), "it does not tell that there is such an account");
        }
    }
    for password in [PASSWORD, "wrong"] {
        let answer = log_in(registry, "grace", password, "").await.expect_error(401, "UNAUTHORIZED");
        assert!(message(&answer).contains("totp") && answer.header("Set-Cookie").is_none());
        let nobody = log_in(registry, "nobody", password, "").await.expect_error(401, "UNAUTHORIZED");
        assert_eq!(message(&answer), message(&nobody));
    }
    log_in(registry, "grace", PASSWORD, &used).await.expect_error(401, "UNAUTHORIZED");
    log_in(registry, "grace", "wrong", &person.code(1)).await.expect_error(401, "UNAUTHORIZED");
    let next = person.code(1);
    let after = session(registry, log_in(registry, "grace", PASSWORD, &next).await).await;
    log_in(registry, "grace", PASSWORD, &next).await.expect_error(401, "UNAUTHORIZED");
    // Programs go on with their tokens.
    let program = registry.anon().basic("grace", &token);
    program.get("/v2/").await.expect_status(200);
    program.get("/service/token").await.expect_status(200);
    assert_eq!(read(&program, "/users/current").await["username"], "grace");
    assert_eq!(read(&program, OWN).await["enabled"], true);
    ask(&program, "POST", &json!({ "password": PASSWORD })).await.expect_error(403, "FORBIDDEN");
    ask(&program, "PUT", &json!({ "code": person.code(2) })).await.expect_error(403, "FORBIDDEN");

    // A recovery code works once, in whichever way it is typed.
    let typed = recovery[3].to_uppercase().replace('-', "+");
    let by_recovery = session(registry, log_in(registry, "grace", PASSWORD, &typed).await).await;
    log_in(registry, "grace", PASSWORD, recovery[3]).await.expect_error(401, "UNAUTHORIZED");
    let state = by_recovery("GET", OWN, &json!({})).await.expect_status(200).json();
    assert_eq!(state, json!({ "enabled": true, "recovery_codes_left": 9 }));
    after("POST", OWN, &json!({ "password": PASSWORD })).await.expect_error(412, "PRECONDITION");

    // It is taken away with both.
    for wrong in [
        json!({ "password": PASSWORD }),
        json!({ "password": "wrong", "code": recovery[0] }),
        json!({ "password": PASSWORD, "code": used }),
    ] {
        after("DELETE", OWN, &wrong).await.expect_error(403, "FORBIDDEN");
    }
    after("DELETE", OWN, &json!({ "password": PASSWORD, "code": recovery[0] })).await.expect_status(200);
    after("DELETE", OWN, &json!({ "password": PASSWORD, "code": recovery[1] }))
        .await
        .expect_error(404, "NOT_FOUND");
    assert_eq!(read(&person.client, OWN).await, off);
    log_in(registry, "grace", PASSWORD, "").await.expect_status(200);
}

/// For programs that have nothing but tokens by then: not with one that is limited, and with none alone.
async fn it_is_taken_away_with_a_token_beside_password_and_code(registry: &TestRegistry) {
    let grace = person(registry, "grace").await;
    let page = session(registry, log_in(registry, "grace", PASSWORD, &grace.code(1)).await).await;
    let token = async |body: Value| {
        let made = page("POST", "/users/current/tokens", &body).await.expect_status(201).json();
        registry.anon().basic("grace", made["token"].as_str().unwrap())
    };
    let whole = token(json!({ "name": "whole", "duration": 1 })).await;
    let pull = json!([{ "resource": "repository", "action": "pull" }]);
    let limits = json!([{ "kind": "project", "namespace": "library", "access": pull }]);
    let limited = token(json!({ "name": "limited", "duration": 1, "scopes": limits })).await;
    let both = json!({ "password": PASSWORD, "code": grace.recovery[0] });
    ask(&limited, "DELETE", &both).await.expect_error(403, "FORBIDDEN");
    for wrong in [
        json!({ "password": PASSWORD, "code": "000000" }),
        json!({ "password": "wrong", "code": grace.recovery[0] }),
    ] {
        ask(&whole, "DELETE", &wrong).await.expect_error(403, "FORBIDDEN");
    }
    ask(&whole, "DELETE", &both).await.expect_status(200);
    assert_eq!(read(&whole, OWN).await["enabled"], false);
    log_in(registry, "grace", PASSWORD, "").await.expect_status(200);
}

/// On as many connections as there are, each of which may be another node's.
async fn a_code_is_used_once_though_it_comes_twice_at_once(registry: &TestRegistry) {
    let grace = person(registry, "grace").await;
    for code in [grace.code(1), grace.recovery[0].clone()] {
        let logins = (0..8).map(|_| log_in(registry, "grace", PASSWORD, &code).into_future());
        let answers = futures_util::future::join_all(logins).await;
        let let_in = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(let_in, 1, "{code}: {answers:?}");
        assert!(answers.iter().all(|answer| [200, 401].contains(&answer.status)), "{answers:?}");
    }
}

async fn somebody_elses_is_taken_away_by_administrators(registry: &TestRegistry) {
    let grace = person(registry, "grace").await;
    let reset = |id: i64| format!("{API}/users/{id}/totp");
    user(registry, "mallory").await;
    let mallory = registry.anon().basic("mallory", PASSWORD);
    mallory.delete(&reset(grace.id)).await.expect_error(403, "FORBIDDEN");
    let session = session(registry, log_in(registry, "grace", PASSWORD, &grace.code(1)).await).await;
    session("DELETE", &format!("/users/{}/totp", grace.id), &json!({})).await.expect_error(403, "FORBIDDEN");
    registry.admin().delete(&reset(1)).await.expect_error(412, "PRECONDITION");
    registry.admin().delete(&reset(70_000)).await.expect_error(404, "NOT_FOUND");
    registry.admin().delete(&reset(grace.id)).await.expect_status(200);
    registry.admin().delete(&reset(grace.id)).await.expect_error(404, "NOT_FOUND");
    grace.client.get("/v2/").await.expect_status(200);
}

async fn the_secret_is_in_no_answer(registry: &TestRegistry) {
    let grace = person(registry, "grace").await;
    let session = session(registry, log_in(registry, "grace", PASSWORD, &grace.code(1)).await).await;
    let id = grace.id;
    for path in [OWN.to_owned(), "/users/current".to_owned(), format!("/users/{id}"), "/users".to_owned()] {
        for answer in
            [session("GET", &path, &json!({})).await, registry.admin().get(&format!("{API}{path}")).await]
        {
            let text = String::from_utf8_lossy(&answer.body).to_string();
            assert!(!text.contains(&grace.secret) && !text.contains(&grace.recovery[0]), "{text}");
        }
    }
}

async fn clocks_may_differ_by_a_step_and_guesses_are_counted(stores: BackEnd) {
    let clock = Clock::manual();
    let registry = TestRegistry::builder(stores).clock(clock.clone()).accounts(|options| {
        options.login_limits.of_name = 4;
        options.login_limits.delay = Duration::ZERO;
    });
    let registry = registry.start().await;
    let grace = person(&registry, "grace").await;
    clock.advance(Duration::from_secs(300));
    log_in(&registry, "grace", PASSWORD, &grace.code(-2)).await.expect_error(401, "UNAUTHORIZED");
    log_in(&registry, "grace", PASSWORD, &grace.code(2)).await.expect_error(401, "UNAUTHORIZED");
    log_in(&registry, "grace", PASSWORD, &grace.code(-1)).await.expect_status(200);
    log_in(&registry, "grace", PASSWORD, &grace.code(1)).await.expect_status(200);
    log_in(&registry, "grace", PASSWORD, &grace.code(0)).await.expect_error(401, "UNAUTHORIZED");
    clock.advance(Duration::from_secs(300));
    // The password alone, right or wrong, is counted as any wrong one.
    log_in(&registry, "grace", "wrong", "").await.expect_error(401, "UNAUTHORIZED");
    log_in(&registry, "grace", PASSWORD, "").await.expect_error(401, "UNAUTHORIZED");
    log_in(&registry, "grace", PASSWORD, "12345x").await.expect_error(401, "UNAUTHORIZED");
    // Now four in a row. From where she logged in before, some are looked at: five, and another each three minutes.
    for _ in 0..5 {
        log_in(&registry, "grace", PASSWORD, "12345x").await.expect_error(429, "TOO_MANY_REQUEST");
    }
    for passed in [0, 60, 119] {
        clock.advance(Duration::from_secs(passed));
        log_in(&registry, "grace", PASSWORD, &grace.code(0)).await.expect_error(429, "TOO_MANY_REQUEST");
    }
    clock.advance(Duration::from_secs(1));
    log_in(&registry, "grace", PASSWORD, &grace.code(0)).await.expect_status(200);
    clock.advance(Duration::from_secs(15 * 60));
    log_in(&registry, "grace", PASSWORD, &grace.code(0)).await.expect_status(200);
    registry.close().await;
}

/// Whoever shares an address with somebody whose name is locked is not told whether there is a second factor.
#[tokio::test]
async fn a_locked_name_does_not_tell_of_a_second_factor() {
    let registry = TestRegistry::builder(BackEnd::Memory).behind_a_proxy().patient_with_logins();
    let registry = registry.accounts(|options| {
        options.login_limits.of_name = 3;
        options.login_limits.delay = Duration::ZERO;
    });
    let registry = registry.start().await;
    let grace = person(&registry, "grace").await;
    user(&registry, "ada").await;
    let here = |name: &str, password: &str, code: &str| {
        log_in(&registry, name, password, code).header("X-Forwarded-For", "192.0.2.1")
    };
    here("grace", PASSWORD, &grace.code(1)).await.expect_status(200);
    here("ada", PASSWORD, "").await.expect_status(200);
    for name in ["grace", "ada"] {
        for _ in 0..3 {
            let guess = log_in(&registry, name, "wrong", "").header("X-Forwarded-For", "192.0.2.2");
            guess.await.expect_error(401, "UNAUTHORIZED");
        }
    }
    let mut took = [Duration::MAX; 2];
    for round in 0..5 {
        for (name, took) in ["grace", "ada"].into_iter().zip(&mut took) {
            let begin = std::time::Instant::now();
            let wrong = here(name, &format!("Wrong horse {round}"), "123456").await;
            wrong.expect_error(429, "TOO_MANY_REQUEST");
            *took = begin.elapsed().min(*took);
        }
    }
    let (least, most) = (took.iter().min().unwrap(), took.iter().max().unwrap());
    assert!(*least * 4 > *most, "{took:?}");
    registry.close().await;
}

/// What one node has let in, another one does not.
async fn a_code_that_one_node_took_is_used_on_another(stores: BackEnd) {
    let stores = stores.open().await;
    let clock = Clock::manual();
    let node = async |password: &str| {
        let mut options = AccountOptions::default();
        options.admin_password = Some(Secret::new(password));
        options.login_limits.delay = Duration::ZERO;
        let accounts =
            Accounts::bootstrap(Arc::clone(&stores.metadata), options, clock.clone()).await.unwrap().0;
        let parts = Harbor::builder().metadata_arc(Arc::clone(&stores.metadata));
        let parts = parts.blobs_arc(Arc::clone(&stores.blobs));
        let parts = parts.authenticator(accounts.clone()).authorizer(accounts.clone()).clock(clock.clone());
        (parts.build().unwrap(), accounts)
    };
    let (one, accounts) = node(PASSWORD).await;
    let shown = Credentials::Basic { username: "admin".to_owned(), password: Secret::new(PASSWORD) };
    let admin = one.authenticate(Some(Attempt::new(&shown))).await.unwrap();
    let factors = accounts.second_factors(&one);
    let own = async || factors.own(&admin).await.unwrap();
    let made = factors.enrol(own().await, &Secret::new(PASSWORD), "harbor", None).await.unwrap();
    let code = |steps| Secret::new(code_at(made.secret.expose(), clock.now(), steps));
    let recovery = factors.confirm(own().await, &code(0), None).await.unwrap();
    let (other, _) = node(PASSWORD).await;
    for code in [code(1), recovery[0].clone()] {
        let (username, password) = ("admin".to_owned(), Secret::new(PASSWORD));
        let shown = Credentials::Form { username, password, code: Some(code) };
        assert_eq!(other.authenticate(Some(Attempt::new(&shown))).await.unwrap().name(), "admin");
        for node in [&one, &other] {
            let again = node.authenticate(Some(Attempt::new(&shown))).await;
            assert!(matches!(again, Err(Error::Unauthenticated)), "{again:?}");
        }
    }
    // Who has lost it gives the server another password, and not the same one again.
    let shown =
        |password| Credentials::Basic { username: "admin".to_owned(), password: Secret::new(password) };
    let alone = other.authenticate(Some(Attempt::new(&shown(PASSWORD)))).await;
    assert!(matches!(alone, Err(Error::Unauthenticated)), "{alone:?}");
    let (renewed, _) = node("Another Horse 2").await;
    let alone = renewed.authenticate(Some(Attempt::new(&shown("Another Horse 2")))).await.unwrap();
    assert!(alone.is_administrator());
    drop((one, other, renewed));
    stores.close().await;
}

/// Whether the password is right is told by no time: each is hashed, also one that was right a moment ago.
async fn a_password_that_was_right_before_takes_as_long(stores: BackEnd) {
    let registry = TestRegistry::builder(stores).patient_with_logins().start().await;
    let grace = person(&registry, "grace").await;
    log_in(&registry, "grace", PASSWORD, &grace.code(1)).await.expect_status(200);
    let mut took = [Duration::MAX; 2];
    for _ in 0..5 {
        for (password, took) in [PASSWORD, "wrong"].into_iter().zip(&mut took) {
            let begin = std::time::Instant::now();
            log_in(&registry, "grace", password, "12345x").await.expect_error(401, "UNAUTHORIZED");
            *took = begin.elapsed().min(*took);
        }
    }
    let [right, wrong] = took;
    assert!(right * 4 > wrong && wrong * 4 > right, "{right:?} {wrong:?}");
    registry.close().await;
}

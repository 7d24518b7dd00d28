//! What failed logins cost, by name and by address; and that nobody pays for somebody else's.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use harbor_auth::{AccountOptions, Accounts, NewPassword, NewUser};
use harbor_core::access::permission::UserCreate;
use harbor_core::access::{Actor, Attempt, Credentials, Secret};
use harbor_core::meta::MetadataStore;
use harbor_core::{Clock, Harbor, StoreErrorKind};
use harbor_tests::faults::{FailingWrites, Switch};
use harbor_tests::{Answer, BackEnd, Call, Client, RegistryBuilder, TestRegistry};
use serde_json::json;

use super::{API, PASSWORD, make, read};

/// `hex(PBKDF2-HMAC-SHA256(PASSWORD, "salt", 4096 rounds, 16 bytes))`, as Python computes it.
const HASH: &str = "acb407338109e314856ce2bfd2f9ef71";

harbor_tests::on_every_store! {
    the_use_of_a_token_is_noted;
    a_locked_name_is_told_when_to_come_again(stores);
    accounts_that_people_make_for_themselves_are_counted(stores);
    accounts_that_users_make_for_themselves_are_counted(stores);
    nobody_is_locked_out_by_others(stores);
    a_new_password_works_where_the_old_one_did(stores);
    nobody_is_locked_out_by_others_in_any_place_that_it_came_from(stores);
    garbage_in_the_header_hides_no_address(stores);
    whoever_was_right_before_gets_in_and_is_guessed_at_slowly(stores);
    an_address_is_locked_and_no_other(stores);
    nobody_is_believed_who_is_no_proxy(stores);
    one_address_does_not_keep_others_from_logging_in(stores);
    a_login_does_not_fail_with_what_is_written_beside_it(stores);
    unknown_names_take_as_long_as_wrong_passwords(stores);
}

/// After three failures a name is locked, and after six an address.
fn strict(stores: BackEnd) -> RegistryBuilder {
    TestRegistry::builder(stores).behind_a_proxy().accounts(|options| {
        options.login_limits.of_name = 3;
        options.login_limits.of_address = 6;
        options.login_limits.delay = Duration::ZERO;
    })
}

async fn user(registry: &TestRegistry, name: &str) {
    make(&registry.admin(), "/users", &json!({ "username": name, "password": PASSWORD })).await;
}

/// A login, by way of a proxy.
fn base(registry: &TestRegistry, from: &str, name: &str, password: &str) -> Call {
    registry.anon().basic(name, password).get("/v2/").header("X-Forwarded-For", from)
}

/// A refusal that says when to come again.
fn put_off(answer: Answer, code: &str) -> u64 {
    let answer = answer.expect_error(429, code);
    let seconds = answer.need("Retry-After").parse().unwrap();
    assert!(String::from_utf8_lossy(&answer.body).contains(&format!("{seconds} s")), "{answer}");
    seconds
}

async fn a_locked_name_is_told_when_to_come_again(stores: BackEnd) {
    let clock = Clock::manual();
    let registry = strict(stores).clock(clock.clone()).start().await;
    for name in ["grace", "ada"] {
        user(&registry, name).await;
    }
    for number in 0..3 {
        base(&registry, &format!("192.0.2.{number}"), "grace", "wrong")
            .await
            .expect_error(401, "UNAUTHORIZED");
    }
    clock.advance(Duration::from_millis(60_500));
    let grace = registry.anon().basic("grace", PASSWORD);
    // A quarter of an hour, less a minute, rounded up.
    assert_eq!(put_off(grace.get("/v2/").await, "TOOMANYREQUESTS"), 840);
    assert_eq!(put_off(grace.get("/service/token?service=harbor-registry").await, "TOOMANYREQUESTS"), 840);
    assert_eq!(put_off(grace.get(&format!("{API}/users/current")).await, "TOO_MANY_REQUEST"), 840);
    let form = format!("principal=grace&password={}", PASSWORD.replace(' ', "+"));
    assert_eq!(put_off(registry.anon().post("/c/login").body(form).await, "TOO_MANY_REQUEST"), 840);
    registry.anon().basic("ada", PASSWORD).get("/v2/").await.expect_status(200);
    clock.advance(Duration::from_secs(840));
    grace.get("/v2/").await.expect_status(200);
    registry.close().await;
}

/// Nobody makes any number of accounts, where everybody may make one.
async fn accounts_that_people_make_for_themselves_are_counted(stores: BackEnd) {
    let registry = strict(stores).start().await;
    let open = json!({ "self_registration": true });
    registry.admin().put(&format!("{API}/configurations")).json(&open).await.expect_status(200);
    let register = async |from: &str, name: String| {
        let body = json!({ "username": name, "password": PASSWORD, "email": "", "realname": "" });
        let call = registry.anon().post(&format!("{API}/users")).header("X-Forwarded-For", from);
        call.json(&body).await
    };
    for number in 0..6 {
        register("192.0.2.1", format!("user{number}")).await.expect_status(201);
    }
    put_off(register("192.0.2.1", "more".to_owned()).await, "TOO_MANY_REQUEST");
    register("192.0.2.2", "more".to_owned()).await.expect_status(201);
    registry.close().await;
}

/// Nor does somebody who has made one make the others with it; administrators make as many as they like.
async fn accounts_that_users_make_for_themselves_are_counted(stores: BackEnd) {
    let registry = strict(stores).start().await;
    let open = json!({ "self_registration": true });
    registry.admin().put(&format!("{API}/configurations")).json(&open).await.expect_status(200);
    for number in 0..9 {
        user(&registry, &format!("grace{number}")).await;
    }
    let register = async |from: &str, name: String| {
        let body = json!({ "username": name, "password": PASSWORD, "email": "", "realname": "" });
        let call = registry.anon().basic("grace0", PASSWORD).post(&format!("{API}/users"));
        call.header("X-Forwarded-For", from).json(&body).await
    };
    for number in 0..6 {
        register("192.0.2.1", format!("user{number}")).await.expect_status(201);
    }
    put_off(register("192.0.2.1", "more".to_owned()).await, "TOO_MANY_REQUEST");
    registry.close().await;
}

/// Where somebody logged in before, also a password is looked at that is not known to be right yet, while others keep the name locked.
async fn a_new_password_works_where_the_old_one_did(stores: BackEnd) {
    let registry = strict(stores).start().await;
    let id = make(&registry.admin(), "/users", &json!({ "username": "grace", "password": PASSWORD })).await;
    base(&registry, "192.0.2.1", "grace", PASSWORD).await.expect_status(200);
    for number in 0..20 {
        base(&registry, &format!("203.0.113.{number}"), "grace", "wrong").await;
    }
    let new = "Another horse 2";
    let change = json!({ "new_password": new });
    registry.admin().put(&format!("{API}/users/{id}/password")).json(&change).await.expect_status(200);
    put_off(base(&registry, "203.0.113.99", "grace", new).await, "TOOMANYREQUESTS");
    put_off(base(&registry, "192.0.2.1", "grace", "wrong").await, "TOOMANYREQUESTS");
    base(&registry, "192.0.2.1", "grace", new).await.expect_status(200);
    registry.close().await;
}

/// The programs of one name are in many places, and only the first of them had its secret hashed.
async fn nobody_is_locked_out_by_others_in_any_place_that_it_came_from(stores: BackEnd) {
    let clock = Clock::manual();
    let registry = strict(stores).clock(clock.clone()).start().await;
    for name in ["grace", "ada"] {
        user(&registry, name).await;
    }
    for from in ["192.0.2.1", "192.0.2.50", "192.0.2.50", "192.0.2.50"] {
        base(&registry, from, "grace", PASSWORD).await.expect_status(200);
    }
    for number in 0..60 {
        let guess = base(&registry, &format!("203.0.113.{number}"), "grace", "wrong").await;
        assert!([401, 429].contains(&guess.status), "{guess}");
    }
    for from in ["192.0.2.1", "192.0.2.50"] {
        for _ in 0..30 {
            base(&registry, from, "grace", PASSWORD).await.expect_status(200);
        }
    }
    // Nor is its address locked for others there, however often it is refused.
    for _ in 0..40 {
        put_off(base(&registry, "192.0.2.50", "grace", "wrong").await, "TOOMANYREQUESTS");
    }
    base(&registry, "192.0.2.50", "ada", PASSWORD).await.expect_status(200);
    registry.close().await;
}

/// However often others try a name, whoever logged in with it goes on to, from there.
async fn nobody_is_locked_out_by_others(stores: BackEnd) {
    let clock = Clock::manual();
    let registry = strict(stores).clock(clock.clone()).start().await;
    user(&registry, "grace").await;
    base(&registry, "192.0.2.1", "grace", PASSWORD).await.expect_status(200);
    for number in 0..60 {
        let guess = base(&registry, &format!("203.0.113.{number}"), "grace", "wrong").await;
        assert!([401, 429].contains(&guess.status), "{guess}");
    }
    base(&registry, "192.0.2.1", "grace", PASSWORD).await.expect_status(200);
    // Elsewhere, what is left for all is used up, also with the right password.
    put_off(base(&registry, "198.51.100.1", "grace", PASSWORD).await, "TOOMANYREQUESTS");
    // Who goes on though the name is locked is locked as well, whatever name is tried.
    for _ in 0..6 {
        put_off(base(&registry, "198.51.100.2", "grace", "wrong").await, "TOOMANYREQUESTS");
    }
    put_off(base(&registry, "198.51.100.2", "nobody", "wrong").await, "TOOMANYREQUESTS");
    registry.close().await;
}

/// What a client writes into the header of the proxies does not hide where it comes from.
async fn garbage_in_the_header_hides_no_address(stores: BackEnd) {
    let registry = strict(stores).start().await;
    for number in 0..6 {
        let call = registry.anon().basic(&format!("guess{number}"), "wrong").get("/v2/");
        call.header_bytes("X-Forwarded-For", b"\xFF, 192.0.2.1").await.expect_status(401);
    }
    put_off(base(&registry, "192.0.2.1", "nobody", "wrong").await, "TOOMANYREQUESTS");
    base(&registry, "192.0.2.2", "nobody", "wrong").await.expect_status(401);
    registry.close().await;
}

async fn whoever_was_right_before_gets_in_and_is_guessed_at_slowly(stores: BackEnd) {
    let clock = Clock::manual();
    let registry = strict(stores).clock(clock.clone()).start().await;
    user(&registry, "grace").await;
    base(&registry, "192.0.2.1", "grace", PASSWORD).await.expect_status(200);
    for _ in 0..3 {
        base(&registry, "203.0.113.1", "grace", "wrong").await.expect_status(401);
    }
    let come = async |password: &str| base(&registry, "192.0.2.1", "grace", password).await.status;
    // Programs that show the right one are not held up, however many they are.
    for _ in 0..40 {
        assert_eq!(come(PASSWORD).await, 200);
    }
    // Who guesses there has 20 at first, and 10 a minute then; after that, the right one is not looked at either.
    for _ in 0..20 {
        assert_eq!(come("wrong").await, 429);
    }
    assert_eq!(come(PASSWORD).await, 429);
    clock.advance(Duration::from_secs(60));
    for _ in 0..9 {
        assert_eq!(come("wrong").await, 429);
    }
    assert_eq!(come(PASSWORD).await, 200);
    assert_eq!(come("wrong").await, 429);
    assert_eq!(come(PASSWORD).await, 429);
    registry.close().await;
}

async fn an_address_is_locked_and_no_other(stores: BackEnd) {
    let registry = strict(stores).start().await;
    user(&registry, "grace").await;
    for number in 0..6 {
        let from = format!("2001:db8:0:1::{number}");
        base(&registry, &from, &format!("guess{number}"), "wrong").await.expect_status(401);
    }
    put_off(base(&registry, "2001:db8:0:1:ffff::", "grace", PASSWORD).await, "TOOMANYREQUESTS");
    // What stands before the last one is what a client says of itself.
    put_off(base(&registry, "192.0.2.9, 2001:db8:0:1::7", "grace", PASSWORD).await, "TOOMANYREQUESTS");
    base(&registry, "2001:db8:0:1::7, 192.0.2.9", "grace", PASSWORD).await.expect_status(200);
    base(&registry, "2001:db8:0:2::1", "grace", PASSWORD).await.expect_status(200);
    // Now that her password is known to be right, it is still not told there.
    put_off(base(&registry, "2001:db8:0:1::7", "grace", PASSWORD).await, "TOOMANYREQUESTS");
    base(&registry, "2001:db8:0:2::1", "grace", PASSWORD).await.expect_status(200);
    // A token is not guessed at: it works from everywhere.
    let tokens = format!("{API}/users/current/tokens");
    let made =
        registry.anon().basic("grace", PASSWORD).post(&tokens).json(&json!({ "name": "x", "duration": 1 }));
    let token = made.await.expect_status(201).json()["token"].as_str().unwrap().to_owned();
    base(&registry, "2001:db8:0:1::7", "grace", &token).await.expect_status(200);
    registry.close().await;
}

async fn nobody_is_believed_who_is_no_proxy(stores: BackEnd) {
    let registry = TestRegistry::builder(stores).accounts(|options| {
        options.login_limits.of_address = 6;
        options.login_limits.delay = Duration::ZERO;
    });
    let registry = registry.start().await;
    user(&registry, "grace").await;
    for number in 0..6 {
        let answer = base(&registry, &format!("192.0.2.{number}"), &format!("guess{number}"), "wrong").await;
        answer.expect_status(401);
    }
    put_off(base(&registry, "192.0.2.99", "grace", PASSWORD).await, "TOOMANYREQUESTS");
    registry.close().await;
}

async fn one_address_does_not_keep_others_from_logging_in(stores: BackEnd) {
    let registry = TestRegistry::builder(stores).patient_with_logins().behind_a_proxy().start().await;
    user(&registry, "grace").await;
    let flood = async {
        let guesses = (0..120).map(|number| {
            let name = format!("guess{number}");
            base(&registry, "203.0.113.7", &name, "wrong").into_future()
        });
        join_all(guesses).await
    };
    let others = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        join_all((0..8).map(|number| {
            // Not one that is remembered: each hashes.
            base(&registry, &format!("192.0.2.{number}"), "grace", &format!("wrong {number}")).into_future()
        }))
        .await
    };
    let (flood, others) = tokio::join!(flood, others);
    let refused = flood.iter().filter(|answer| answer.status == 429).count();
    assert!(refused > 60, "the queue has few places for one address: {refused}");
    for answer in others {
        assert_eq!(answer.status, 401, "its password was looked at: {answer}");
    }
    base(&registry, "192.0.2.1", "grace", PASSWORD).await.expect_status(200);
    registry.close().await;
}

async fn last_used(client: &Client) -> serde_json::Value {
    read(client, "/users/current/tokens").await[0]["last_used"].clone()
}

async fn the_use_of_a_token_is_noted(registry: &TestRegistry) {
    registry.add_user("grace").await;
    let grace = registry.user("grace");
    let made =
        grace.post(&format!("{API}/users/current/tokens")).json(&json!({ "name": "ci", "duration": 1 }));
    let token = made.await.expect_status(201).json()["token"].as_str().unwrap().to_owned();
    assert!(last_used(&grace).await.is_null(), "it was not used yet");
    registry.anon().bearer(&token).get("/v2/").await.expect_status(200);
    let mut first = last_used(&grace).await;
    for _ in 0..200 {
        if !first.is_null() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        first = last_used(&grace).await;
    }
    assert!(first.is_string(), "it was used");
    for _ in 0..10 {
        registry.anon().basic("grace", &token).get("/v2/").await.expect_status(200);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(last_used(&grace).await, first, "not with every request");
}

/// A shared store is read with every login, so only what is written fails.
async fn a_login_does_not_fail_with_what_is_written_beside_it(stores: BackEnd) {
    let switch = Switch::new(StoreErrorKind::Unavailable);
    let stores = stores.open().await;
    let inner = Arc::clone(&stores.metadata);
    let store: Arc<dyn MetadataStore> =
        Arc::new(FailingWrites { inner: Arc::clone(&inner), switch: switch.clone() });
    let mut options = AccountOptions::default();
    options.login_limits.delay = Duration::ZERO;
    let (accounts, _) = Accounts::bootstrap(Arc::clone(&store), options, Clock::System).await.unwrap();
    let harbor = Harbor::builder()
        .metadata_arc(store)
        .blobs_arc(Arc::clone(&stores.blobs))
        .authenticator(accounts.clone())
        .authorizer(accounts.clone())
        .build()
        .unwrap();
    let proof = harbor.authorize::<UserCreate>(&Actor::administrator("admin"), ()).await.unwrap();
    let imported = NewPassword::Imported {
        version: "sha256".to_owned(),
        salt: "salt".to_owned(),
        hash: Secret::new(HASH),
    };
    let new = NewUser {
        name: "grace".to_owned(),
        email: None,
        real_name: String::new(),
        comment: String::new(),
        password: imported,
    };
    accounts.users(&harbor).create(proof, new, None).await.unwrap();
    let shown =
        |password: &str| Credentials::Basic { username: "grace".to_owned(), password: Secret::new(password) };
    let wrong = harbor.authenticate(Some(Attempt::new(&shown("wrong")))).await;
    assert!(wrong.is_err());
    switch.set(true);
    let grace = harbor.authenticate(Some(Attempt::new(&shown(PASSWORD)))).await.unwrap();
    assert_eq!(grace.name(), "grace");
    switch.set(false);
    let before = inner.read().await.unwrap().user_named("grace").await.unwrap().unwrap();
    assert!(before.password.unwrap().expose().starts_with("$harbor$"), "writing it failed");
    drop((harbor, accounts, inner));
    stores.close().await;
}

/// Whether there is such a user or robot is told by no time: each login that fails costs one hash.
async fn unknown_names_take_as_long_as_wrong_passwords(stores: BackEnd) {
    let registry = TestRegistry::builder(stores).patient_with_logins().start().await;
    user(&registry, "grace").await;
    let names = ["grace", "nobody", "robot$nobody", "robot$library+nobody", "admin"];
    let mut took = [Duration::MAX; 5];
    for round in 0..5 {
        for (name, took) in names.into_iter().zip(&mut took) {
            let begin = std::time::Instant::now();
            let wrong = registry.anon().basic(name, &format!("Wrong horse {round}")).get("/v2/");
            wrong.await.expect_error(401, "UNAUTHORIZED");
            *took = begin.elapsed().min(*took);
        }
    }
    let (least, most) = (took.iter().min().unwrap(), took.iter().max().unwrap());
    assert!(*least * 4 > *most, "{names:?}: {took:?}");
    registry.close().await;
}

/// Whoever guesses waits for each answer, wherever they ask. Never less than the delay; how much more is the machine's affair.
#[tokio::test]
async fn a_login_that_fails_is_put_off_wherever_it_is_tried() {
    let registry = TestRegistry::in_memory().await;
    let mut calls = vec![registry.anon().post("/c/login").body("principal=admin&password=wrong")];
    for (name, path) in [
        ("admin", "/v2/"),
        ("nobody", "/v2/"),
        ("robot$nobody", "/v2/"),
        ("admin", "/v2/library/app/manifests/latest"),
        ("admin", "/service/token?service=harbor-registry"),
        ("admin", "/api/v2.0/users/current"),
    ] {
        calls.push(registry.anon().basic(name, "wrong").get(path));
    }
    let tries = calls.into_iter().map(|call| async {
        let begin = std::time::Instant::now();
        (call.await, begin.elapsed())
    });
    let delay = AccountOptions::default().login_limits.delay;
    assert!(delay >= Duration::from_secs(1));
    for (answer, took) in join_all(tries).await {
        assert!(took >= delay, "after {took:?}: {answer}");
        assert_eq!(answer.status, 401, "{answer}");
    }
    registry.close().await;
}

/// Whoever may make robots has many secrets hashed, and others log in meanwhile: only so many wait from one address.
#[tokio::test]
async fn secrets_of_robots_keep_nobody_from_logging_in() {
    let registry = TestRegistry::builder(BackEnd::Memory).behind_a_proxy().patient_with_logins();
    let registry = registry.start().await;
    for number in 0..4 {
        user(&registry, &format!("u{number}")).await;
    }
    let admin = registry.admin();
    let access = json!([{ "resource": "repository", "action": "pull" }]);
    let makes = (0..120).map(|number| {
        let permissions = json!([{ "kind": "project", "namespace": "*", "access": access }]);
        let body = json!({ "name": format!("r{number}"), "level": "system", "duration": 1, "permissions": permissions });
        let call = admin.post(&format!("{API}/robots")).header("X-Forwarded-For", "192.0.2.1");
        call.json(&body).into_future()
    });
    let logins = (0..4).map(|number| {
        let from = format!("203.0.113.{number}");
        let registry = &registry;
        async move { base(registry, &from, &format!("u{number}"), PASSWORD).await.status }
    });
    let (made, logins) = tokio::join!(join_all(makes), join_all(logins));
    assert!(made.iter().any(|answer| answer.status == 429), "many want to be hashed at once");
    assert!(made.iter().any(|answer| answer.status == 201));
    assert_eq!(logins, [200; 4]);
    registry.close().await;
}

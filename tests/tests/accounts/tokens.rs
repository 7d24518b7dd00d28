//! The token service, and personal access tokens.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harbor_core::Clock;
use harbor_core::access::Role;
use harbor_tests::{BackEnd, Client, TestRegistry, content};
use serde_json::json;

use super::{API, private, read};

harbor_tests::on_every_store! {
    a_token_has_what_its_holder_may_do_of_what_was_asked;
    a_token_of_nobody;
    whoever_asks_for_too_much_is_told(stores);
    a_token_ends_with_the_project_that_it_was_for;
    a_personal_token_is_a_password_and_a_bearer;
    a_personal_token_is_limited;
    what_is_limited_makes_nothing_wider;
    keys_are_rotated_and_tokens_go_on;
    a_key_that_is_old_is_replaced(stores);
}

async fn ask(client: &Client, query: &str) -> (Client, serde_json::Value) {
    let answer = client.get(&format!("/service/token?{query}")).await.expect_status(200);
    let body = answer.json();
    let token = body["token"].as_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap();
    assert!(body["expires_in"].as_u64().unwrap() > 60 && body["issued_at"].is_string());
    (client.bearer(token), serde_json::from_slice(&claims).unwrap())
}

async fn team(registry: &TestRegistry) {
    private(registry, "team").await;
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    registry.admin().push("team/app", Some("latest"), &set).await;
    let id = registry.add_user("grace").await;
    registry.add_member("team", id, Role::Developer).await;
}

async fn a_token_has_what_its_holder_may_do_of_what_was_asked(registry: &TestRegistry) {
    team(registry).await;
    let grace = registry.user("grace");
    let query = "service=harbor-registry&scope=repository:team/app:pull&scope=repository:team/x:push%20repository:secret/y:pull";
    let (bearer, claims) = ask(&grace, query).await;
    let access = claims["access"].as_array().unwrap();
    assert_eq!((&access[0]["name"], &access[0]["actions"]), (&json!("team/app"), &json!(["pull", "push"])));
    assert_eq!((&access[1]["name"], &access[1]["actions"]), (&json!("team/x"), &json!(["pull", "push"])));
    assert_eq!((&access[2]["name"], &access[2]["actions"]), (&json!("secret/y"), &json!([])));
    bearer.get("/v2/team/app/manifests/latest").await.expect_status(200);
    bearer.begin("team/x").await;
    let other = bearer.get("/v2/team/other/tags/list").await.expect_error(401, "UNAUTHORIZED");
    assert!(other.need("WWW-Authenticate").contains("insufficient_scope"));
    let (nothing, _) = ask(&grace, "").await;
    nothing.get("/v2/").await.expect_status(200);
    nothing.get("/v2/team/app/manifests/latest").await.expect_error(401, "UNAUTHORIZED");
    // A token is for the registry and not for the API.
    let (admin, _) = ask(&registry.admin(), "scope=repository:team/app:pull").await;
    admin.get(&format!("{API}/users")).await.expect_error(403, "FORBIDDEN");
    let wrong = grace.get("/service/token?service=other&scope=repository:team/app:pull").await;
    assert_eq!(wrong.status, 400);
    assert_eq!(registry.anon().post("/service/token").await.status, 405);
}

async fn a_token_of_nobody(registry: &TestRegistry) {
    team(registry).await;
    registry.anon().get("/service/token").await.expect_error(401, "UNAUTHORIZED");
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    registry.admin().push("library/open", Some("latest"), &set).await;
    let (bearer, claims) =
        ask(&registry.anon(), "scope=repository:library/open:pull,push&scope=repository:team/app:pull").await;
    assert_eq!(claims["access"][0]["actions"], json!(["pull"]));
    assert_eq!(claims["access"][1]["actions"], json!([]));
    bearer.get("/v2/library/open/manifests/latest").await.expect_status(200);
    bearer.get("/v2/team/app/manifests/latest").await.expect_error(401, "UNAUTHORIZED");
    for (client, repositories) in [
        (registry.anon(), json!(["library/open"])),
        (registry.user("grace"), json!(["library/open", "team/app"])),
        (registry.admin(), json!(["library/open", "team/app"])),
    ] {
        let (bearer, claims) = ask(&client, "scope=registry:catalog:*").await;
        assert_eq!(claims["access"][0]["actions"], json!(["*"]));
        let listed = bearer.get("/v2/_catalog").await.expect_status(200).json();
        assert_eq!(listed["repositories"], repositories);
        bearer.get("/v2/library/open/manifests/latest").await.expect_error(401, "UNAUTHORIZED");
    }
    // Not for the catalogue: it has what may be pulled, and no more.
    let (one, _) = ask(&registry.admin(), "scope=repository:library/open:pull").await;
    let listed = one.get("/v2/_catalog").await.expect_status(200).json();
    assert_eq!(listed["repositories"], json!(["library/open"]));
}

/// Within how many scopes there may be, their names may be longer than a token: that is for the client to know, and no fault of the
/// server.
async fn whoever_asks_for_too_much_is_told(back_end: BackEnd) {
    let registry = TestRegistry::builder(back_end).patient_with_logins().start().await;
    let scopes = |count: usize| {
        let scope = |number: usize| format!("scope=repository:library/{}{number:02}:pull", "a".repeat(150));
        (0..count).map(scope).collect::<Vec<_>>().join("&")
    };
    for client in [registry.anon(), registry.admin()] {
        let ask = |count: usize| client.get(&format!("/service/token?{}", scopes(count)));
        let refused = ask(60).await.expect_error(400, "UNSUPPORTED");
        assert!(String::from_utf8_lossy(&refused.body).contains("ask for fewer scopes"), "{refused}");
        let (bearer, claims) = self::ask(&client, &scopes(30)).await;
        assert_eq!(claims["access"].as_array().unwrap().len(), 30);
        bearer.get("/v2/").await.expect_status(200);
        ask(65).await.expect_error(400, "UNSUPPORTED");
    }
    registry.close().await;
}

/// Row 19 of the field's list of faults.
async fn a_token_ends_with_the_project_that_it_was_for(registry: &TestRegistry) {
    private(registry, "short").await;
    let (bearer, _) = ask(&registry.admin(), "scope=repository:short/app:push").await;
    registry.admin().delete(&format!("{API}/projects/short")).await.expect_status(200);
    private(registry, "short").await;
    bearer.post("/v2/short/app/blobs/uploads/").await.expect_error(401, "UNAUTHORIZED");
    let (bearer, _) = ask(&registry.admin(), "scope=repository:short/app:push").await;
    bearer.begin("short/app").await;
}

async fn personal(client: &Client, body: serde_json::Value) -> String {
    let made =
        client.post(&format!("{API}/users/current/tokens")).json(&body).await.expect_status(201).json();
    made["token"].as_str().unwrap().to_owned()
}

async fn a_personal_token_is_a_password_and_a_bearer(registry: &TestRegistry) {
    team(registry).await;
    let grace = registry.user("grace");
    let token = personal(&grace, json!({ "name": "ci", "duration": 30 })).await;
    assert!(token.starts_with("hpat_"));
    for client in [registry.anon().basic("grace", &token), registry.anon().bearer(&token)] {
        client.get("/v2/team/app/manifests/latest").await.expect_status(200);
        assert_eq!(read(&client, "/users/current").await["username"], json!("grace"));
    }
    registry.anon().basic("admin", &token).get("/v2/").await.expect_error(401, "UNAUTHORIZED");
    let (bearer, _) = ask(&registry.anon().basic("grace", &token), "scope=repository:team/app:pull").await;
    bearer.get("/v2/team/app/manifests/latest").await.expect_status(200);
    let listed = read(&grace, "/users/current/tokens").await;
    assert_eq!((&listed[0]["name"], listed[0].get("token")), (&json!("ci"), None));
    let again = grace.post(&format!("{API}/users/current/tokens"));
    again.json(&json!({ "name": "ci", "duration": 30 })).await.expect_error(409, "CONFLICT");
    for wrong in
        [json!({ "name": "", "duration": 1 }), json!({ "name": "x", "duration": 0 }), json!({ "name": "x" })]
    {
        let call = grace.post(&format!("{API}/users/current/tokens")).json(&wrong);
        call.await.expect_error(400, "BAD_REQUEST");
    }
    let path = format!("{API}/users/current/tokens/{}", listed[0]["id"]);
    registry.admin().delete(&path).await.expect_error(404, "NOT_FOUND");
    grace.delete(&path).await.expect_status(200);
    for client in [registry.anon().basic("grace", &token), registry.anon().bearer(&token), bearer] {
        client.get("/v2/team/app/manifests/latest").await.expect_error(401, "UNAUTHORIZED");
    }
}

async fn a_personal_token_is_limited(registry: &TestRegistry) {
    team(registry).await;
    let pull = json!([{ "kind": "project", "namespace": "team",
        "access": [{ "resource": "repository", "action": "pull" }] }]);
    let grace = registry.user("grace");
    let token = personal(&grace, json!({ "name": "pull", "duration": 1, "scopes": pull })).await;
    let client = registry.anon().basic("grace", &token);
    client.get("/v2/team/app/manifests/latest").await.expect_status(200);
    client.post("/v2/team/app/blobs/uploads/").await.expect_error(401, "UNAUTHORIZED");
    client.get(&format!("{API}/projects/team")).await.expect_error(403, "FORBIDDEN");
    let (bearer, claims) = ask(&client, "scope=repository:team/app:pull,push").await;
    assert_eq!(claims["access"][0]["actions"], json!(["pull"]));
    bearer.post("/v2/team/app/blobs/uploads/").await.expect_error(401, "UNAUTHORIZED");
    // What its user may not do it may not either.
    let delete = json!([{ "kind": "project", "namespace": "team",
        "access": [{ "resource": "artifact", "action": "delete" }, { "resource": "project", "action": "delete" }] }]);
    let token = personal(&grace, json!({ "name": "delete", "duration": 1, "scopes": delete })).await;
    let client = registry.anon().basic("grace", &token);
    client.delete(&format!("{API}/projects/team")).await.expect_error(403, "FORBIDDEN");
}

async fn what_is_limited_makes_nothing_wider(registry: &TestRegistry) {
    team(registry).await;
    let system = json!([{ "kind": "system", "namespace": "/",
        "access": [{ "resource": "user", "action": "update" }, { "resource": "robot", "action": "create" }] }]);
    let token = personal(&registry.admin(), json!({ "name": "some", "duration": 1, "scopes": system })).await;
    let client = registry.anon().basic("admin", &token);
    let call =
        client.post(&format!("{API}/users/current/tokens")).json(&json!({ "name": "all", "duration": 1 }));
    call.await.expect_error(403, "FORBIDDEN");
    client.get(&format!("{API}/users")).await.expect_error(403, "FORBIDDEN");
    let robot = json!({ "name": "wide", "level": "system", "duration": 1, "permissions": [
        { "kind": "project", "namespace": "*", "access": [{ "resource": "repository", "action": "push" }] }] });
    client.post(&format!("{API}/robots")).json(&robot).await.expect_error(403, "FORBIDDEN");
}

async fn keys_are_rotated_and_tokens_go_on(registry: &TestRegistry) {
    team(registry).await;
    let (old, _) = ask(&registry.user("grace"), "scope=repository:team/app:pull").await;
    let path = format!("{API}/system/token-keys/rotate");
    let key = async || signed_by(&registry.user("grace")).await;
    let first = key().await;
    registry.user("grace").post(&path).await.expect_error(403, "FORBIDDEN");
    assert_eq!(key().await, first);
    registry.admin().post(&path).await.expect_status(200);
    assert_ne!(key().await, first);
    let (new, _) = ask(&registry.user("grace"), "scope=repository:team/app:pull").await;
    for bearer in [&old, &new] {
        bearer.get("/v2/team/app/manifests/latest").await.expect_status(200);
    }
    // None is forgotten whose tokens are still about.
    let mut refused = 0;
    for _ in 0..35 {
        refused += usize::from(registry.admin().post(&path).await.status == 412);
    }
    assert_eq!(refused, 4);
    old.get("/v2/team/app/manifests/latest").await.expect_status(200);
    let log =
        registry.admin().get(&format!("{API}/auditlog-exts?q=resource=~token")).await.expect_status(200);
    assert_eq!(log.json()[0]["resource"], json!("keys of the token service"));
}

/// The name of the key that signs.
async fn signed_by(client: &Client) -> serde_json::Value {
    let answer = client.get("/service/token").await.expect_status(200).json();
    let (head, _) = answer["token"].as_str().unwrap().split_once('.').unwrap();
    let head: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
    head["kid"].clone()
}

/// Also by a server that runs for long.
async fn a_key_that_is_old_is_replaced(back_end: BackEnd) {
    let registry = TestRegistry::builder(back_end).clock(Clock::manual()).start().await;
    let day = Duration::from_secs(24 * 3600);
    let first = signed_by(&registry.admin()).await;
    registry.clock.advance(day * 89);
    assert_eq!(signed_by(&registry.admin()).await, first);
    registry.clock.advance(day * 2);
    let second = signed_by(&registry.admin()).await;
    assert_ne!(second, first);
    assert_eq!(signed_by(&registry.admin()).await, second);
    registry.close().await;
}

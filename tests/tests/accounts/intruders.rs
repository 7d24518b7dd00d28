//! Those who try: injection, odd ids, bodies that are none.

use harbor_tests::TestRegistry;
use serde_json::json;

use super::{API, read};

on_every_store! {
    what_is_sent_never_becomes_a_statement;
    bodies_that_are_none_are_told_so;
    somebody_who_shows_wrong_credentials_is_nobody;
    secrets_are_in_no_answer;
}

const ODD: [&str; 12] =
    ["'", "\"", "';--", "1 OR 1=1", "%", "_", "\\", "$1", "{0}", "😀", "\u{0}", "name) OR (1=1"];

/// CVE-2019-19026, CVE-2019-19029, CVE-2024-22261.
async fn what_is_sent_never_becomes_a_statement(registry: &TestRegistry) {
    let admin = registry.admin();
    for list in ["/users", "/projects", "/usergroups", "/robots", "/projects/library/members"] {
        for odd in ODD {
            for query in [
                format!("name=~{odd}"),
                format!("{odd}=1"),
                format!("username={odd}"),
                format!("creation_time=[{odd}~]"),
            ] {
                let answer = admin.get(&format!("{API}{list}")).query("q", &query).await;
                assert!([200, 400].contains(&answer.status), "{list} {query}: {answer}");
            }
            let sorted = admin.get(&format!("{API}{list}")).query("sort", odd).await;
            assert_eq!(sorted.status, 200, "{list} {odd}: {sorted}");
        }
    }
    for odd in ["1'", "-1", "99999999999999999999", "1;", "0x1", "%00", "1e3"] {
        for path in ["/users/", "/usergroups/", "/robots/", "/projects/library/members/", "/roles/"] {
            let answer = admin.get(&format!("{API}{path}{odd}")).await;
            assert!([400, 404, 422].contains(&answer.status), "{path}{odd}: {answer}");
        }
    }
    assert_eq!(read(&admin, "/projects/library").await["name"], json!("library"));
}

async fn bodies_that_are_none_are_told_so(registry: &TestRegistry) {
    let admin = registry.admin();
    let path = format!("{API}/projects");
    for body in ["", "{", "[]", "7", "null", "{\"project_name\":7}", "{\"metadata\":[]}"] {
        let call = admin.post(&path).header("Content-Type", "application/json").body(body.to_owned());
        call.await.expect_error(400, "BAD_REQUEST");
    }
    let form = admin.post(&path).header("Content-Type", "text/plain").body("{}");
    form.await.expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
    let large = format!("{{\"project_name\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    let call = admin.post(&path).header("Content-Type", "application/json").body(large);
    call.await.expect_error(413, "REQUEST_ENTITY_TOO_LARGE");
    let deep = "[".repeat(100_000);
    let call = admin.post(&path).header("Content-Type", "application/json").body(deep);
    call.await.expect_error(400, "BAD_REQUEST");
}

async fn somebody_who_shows_wrong_credentials_is_nobody(registry: &TestRegistry) {
    for client in [
        registry.anon().basic("admin", "wrong"),
        registry.anon().bearer("garbage"),
        registry.anon().basic("robot$nobody", "x"),
        registry.anon().basic("robot$library+nobody", "x"),
        registry.anon().authorization("Digest x"),
    ] {
        for path in ["/projects", "/users/current", "/systeminfo"] {
            let answer = client.get(&format!("{API}{path}")).await.expect_error(401, "UNAUTHORIZED");
            assert!(answer.need("WWW-Authenticate").starts_with("Basic"));
        }
    }
    let info = read(&registry.anon(), "/systeminfo").await;
    assert!(info.get("harbor_version").is_none() && info["auth_mode"] == json!("db_auth"));
    let info = read(&registry.admin(), "/systeminfo").await;
    assert!(info["harbor_version"].as_str().unwrap().starts_with("v2."));
}

/// A word that nobody else writes is a password, a secret and a token, and then looked for in all that can be read.
async fn secrets_are_in_no_answer(registry: &TestRegistry) {
    const CANARY: &str = "Canary4711Xyzzy";
    let admin = registry.admin();
    let user = json!({ "username": "grace", "password": CANARY });
    admin.post(&format!("{API}/users")).json(&user).await.expect_status(201);
    let robot = json!({ "name": "ci", "level": "system", "duration": 1, "secret": CANARY, "permissions": [
        { "kind": "system", "namespace": "/", "access": [{ "resource": "user", "action": "list" }] }] });
    admin.post(&format!("{API}/robots")).json(&robot).await.expect_status(201);
    registry.anon().basic("robot$ci", CANARY).get(&format!("{API}/users")).await.expect_status(200);
    for wrong in [
        json!({ "username": "x", "password": format!("{CANARY} ").repeat(20) }),
        json!({ "password": CANARY }),
    ] {
        let answer = admin.post(&format!("{API}/users")).json(&wrong).await;
        assert!(answer.status >= 400 && !String::from_utf8_lossy(&answer.body).contains(CANARY), "{answer}");
    }
    for operation in harbor_core::operation::all() {
        let named = operation
            .path
            .replace("{user_id}", "2")
            .replace("{robot_id}", "1")
            .replace("{project_name_or_id}", "library");
        if operation.method.as_str() == "GET" && !named.contains('{') {
            let answer = admin.get(&format!("{API}{named}")).await;
            let text = String::from_utf8_lossy(&answer.body).to_string();
            assert!(!text.contains(CANARY) && !text.contains("$argon2"), "{}: {text}", operation.id);
        }
    }
    let metrics = admin.get("/metrics").await.expect_status(200);
    assert!(!String::from_utf8_lossy(&metrics.body).contains(CANARY));
}

//! Those who try: injection, odd ids, bodies that are none.

use harbor_tests::TestRegistry;
use serde_json::json;

use super::{API, read};

harbor_tests::on_every_store! {
    what_is_sent_never_becomes_a_statement;
    bodies_that_are_none_are_told_so;
    null_is_what_is_not_said;
    somebody_who_shows_wrong_credentials_is_nobody;
    columns_of_secrets_are_no_keys;
    names_may_be_written_in_each_way;
    fields_that_nobody_may_set_are_not_taken;
}

const LISTS: [&str; 17] = [
    "/users",
    "/projects",
    "/usergroups",
    "/robots",
    "/projects/library/members",
    "/projects/library/robots",
    "/quotas",
    "/repositories",
    "/projects/library/repositories",
    "/projects/library/artifacts",
    "/projects/library/repositories/app/artifacts",
    "/projects/library/repositories/app/artifacts/latest/tags",
    "/projects/library/repositories/app/artifacts/latest/accessories",
    "/labels?scope=g",
    "/auditlog-exts",
    "/projects/library/logs",
    "/projects/library/immutabletagrules",
];

const ODD: [&str; 12] =
    ["'", "\"", "';--", "1 OR 1=1", "%", "_", "\\", "$1", "{0}", "😀", "\u{0}", "name) OR (1=1"];

/// CVE-2019-19026, CVE-2019-19029, CVE-2024-22261.
async fn what_is_sent_never_becomes_a_statement(registry: &TestRegistry) {
    let admin = registry.admin();
    let set = harbor_tests::content::image(harbor_core::oci::Algorithm::Sha256);
    admin.push("library/app", Some("latest"), &set).await;
    for list in LISTS {
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
            for other in ["reference", "reference_id", "name", "scope", "project_id"] {
                let answer = admin.get(&format!("{API}{list}")).query(other, odd).await;
                assert!([200, 400, 422].contains(&answer.status), "{list} {other}={odd}: {answer}");
            }
            let sorted = admin.get(&format!("{API}{list}")).query("sort", odd).await;
            assert_eq!(sorted.status, 200, "{list} {odd}: {sorted}");
        }
    }
    for odd in ["1'", "-1", "99999999999999999999", "1;", "0x1", "%00", "1e3"] {
        for path in [
            "/users/",
            "/usergroups/",
            "/robots/",
            "/projects/library/members/",
            "/projects/library/robots/",
            "/roles/",
            "/quotas/",
            "/labels/",
        ] {
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
    // A list of what a struct has is none.
    registry.add_user("grace").await;
    let grace = read(&admin, "/users?username=grace").await[0]["user_id"].clone();
    for (method, path, body) in [
        ("POST", "/projects".to_owned(), "[\"listed\"]"),
        ("PUT", format!("/users/{grace}"), "[]"),
        ("PUT", format!("/users/{grace}/sysadmin"), "[true]"),
        ("POST", "/projects".to_owned(), "{\"project_name\":\"listed\",\"metadata\":[\"true\"]}"),
    ] {
        let call = admin.call(method, &format!("{API}{path}"));
        let call = call.header("Content-Type", "application/json").body(body.to_owned());
        call.await.expect_error(400, "BAD_REQUEST");
    }
    assert_eq!(read(&admin, &format!("/users/{grace}")).await["sysadmin_flag"], json!(false));
    let form = admin.post(&path).header("Content-Type", "text/plain").body("{}");
    form.await.expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
    let large = format!("{{\"project_name\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    let call = admin.post(&path).header("Content-Type", "application/json").body(large);
    call.await.expect_error(413, "REQUEST_ENTITY_TOO_LARGE");
    let many = format!("{{\"project_name\":\"many\",\"x\":[{}]}}", vec!["{}"; 40_000].join(","));
    let call = admin.post(&path).header("Content-Type", "application/json").body(many);
    let refused = call.await.expect_error(400, "BAD_REQUEST");
    assert!(String::from_utf8_lossy(&refused.body).contains("too many values"), "{refused}");
    let deep = "[".repeat(100_000);
    let call = admin.post(&path).header("Content-Type", "application/json").body(deep);
    call.await.expect_error(400, "BAD_REQUEST");
}

/// As Go reads JSON, which is what Harbor's clients were written against.
async fn null_is_what_is_not_said(registry: &TestRegistry) {
    let admin = registry.admin();
    let id = registry.add_user("grace").await.get();
    for (method, path, body) in [
        ("POST", "/projects", json!({ "project_name": "some", "metadata": null, "storage_limit": null })),
        ("PUT", "/projects/some", json!({ "metadata": { "public": "true", "auto_scan": null } })),
        (
            "PUT",
            &format!("/users/{id}"),
            json!({ "email": "g@example.com", "realname": null, "comment": null }),
        ),
        ("PUT", &format!("/users/{id}/sysadmin"), json!({ "sysadmin_flag": null })),
        ("POST", "/labels", json!({ "name": "x", "scope": "g", "color": null, "description": null })),
        ("PUT", "/configurations", json!({ "banner_message": null, "read_only": null })),
        (
            "POST",
            "/projects/some/members",
            json!({ "role_id": 1, "member_group": null, "member_user": { "user_id": id, "username": null } }),
        ),
        (
            "POST",
            "/robots",
            json!({ "name": "ci", "description": null, "secret": null, "level": "system", "disable": null, "duration": null,
                "permissions": [{ "kind": "system", "namespace": "/", "effect": null,
                    "access": [{ "resource": "user", "action": "list", "effect": null }] }] }),
        ),
    ] {
        let answer = admin.call(method, &format!("{API}{path}")).json(&body).await;
        assert!(answer.status < 300, "{method} {path} {body}: {answer}");
    }
    assert_eq!(read(&admin, &format!("/users/{id}")).await["sysadmin_flag"], json!(false));
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

/// CVE-2025-30086: what cannot be filtered by is ignored, and so tells nothing.
async fn columns_of_secrets_are_no_keys(registry: &TestRegistry) {
    let admin = registry.admin();
    let robot = json!({ "name": "ci", "level": "system", "duration": 1, "permissions": [
        { "kind": "system", "namespace": "/", "access": [{ "resource": "user", "action": "list" }] }] });
    admin.post(&format!("{API}/robots")).json(&robot).await.expect_status(201);
    admin.post(&format!("{API}/users/current/tokens")).json(&json!({ "name": "t", "duration": 1 })).await;
    for list in
        ["/robots", "/users/current/tokens", "/quotas", "/labels?scope=g", "/projects/library/members"]
    {
        let all = admin.get(&format!("{API}{list}")).await.expect_status(200).body;
        for secret in
            ["secret=~z", "Secret=~z", "digest=~z", "salt=~z", "earlier_secret=~z", "epoch=77", "password=~z"]
        {
            let found = admin.get(&format!("{API}{list}")).query("q", secret).await.expect_status(200);
            assert_eq!(found.body, all, "{list} {secret}");
        }
    }
}

/// Encoded once, twice, or as it is: clients do all of it.
async fn names_may_be_written_in_each_way(registry: &TestRegistry) {
    let admin = registry.admin();
    let set = harbor_tests::content::image(harbor_core::oci::Algorithm::Sha256);
    admin.push("library/a/b", Some("latest"), &set).await;
    for name in ["a%252Fb", "a%252fb", "a%2Fb", "a/b"] {
        let path = format!("{API}/projects/library/repositories/{name}");
        assert_eq!(admin.get(&path).await.expect_status(200).json()["name"], json!("library/a/b"), "{name}");
        let tags = admin.get(&format!("{path}/artifacts/latest/tags")).await.expect_status(200).json();
        assert_eq!(tags[0]["name"], json!("latest"), "{name}");
    }
    let id = admin.get("/v2/").header("X-Request-Id", "of-my-own_1.2").await.need("X-Request-Id").to_owned();
    assert_eq!(id, "of-my-own_1.2");
}

/// CVE-2019-16097: whatever else a body claims, it does not become so.
async fn fields_that_nobody_may_set_are_not_taken(registry: &TestRegistry) {
    let admin = registry.admin();
    let claims = json!({ "id": 4711, "user_id": 1, "project_id": 4711, "owner_id": 4711, "creator_type": "system", "editable": false,
        "creation_time": "1999-01-01T00:00:00Z", "update_time": "1999-01-01T00:00:00Z", "epoch": 9, "has_admin_role": true,
        "sysadmin_flag": true, "builtin": true, "expires_at": 99 });
    let with = |mut body: serde_json::Value| {
        for (key, value) in claims.as_object().unwrap() {
            body.as_object_mut().unwrap().entry(key).or_insert_with(|| value.clone());
        }
        body
    };
    let access = json!([{ "resource": "repository", "action": "pull" }]);
    for (path, body) in [
        ("/usergroups", json!({ "group_name": "staff", "group_type": 3 })),
        (
            "/robots",
            json!({ "name": "ci", "level": "project", "duration": 1,
            "permissions": [{ "kind": "project", "namespace": "library", "access": access }] }),
        ),
        ("/roles", json!({ "name": "reader", "permissions": access })),
        ("/labels", json!({ "name": "l", "scope": "g" })),
        ("/projects/library/robots", json!({ "name": "older", "access": access, "expires_at": -1 })),
        (
            "/projects/library/immutabletagrules",
            json!({ "action": "immutable", "template": "immutable_template",
            "tag_selectors": [{ "kind": "doublestar", "decoration": "matches", "pattern": "v*" }],
            "scope_selectors": { "repository": [{ "kind": "doublestar", "decoration": "repoMatches", "pattern": "**" }] } }),
        ),
    ] {
        let made = admin.post(&format!("{API}{path}")).json(&with(body)).await.expect_status(201);
        let location = made.need("Location").to_owned();
        assert!(!location.ends_with("/4711"), "{path}: {location}");
        let list = admin.get(&format!("{API}{path}{}", if path == "/labels" { "?scope=g" } else { "" }));
        let shown = list.await.expect_status(200).json().to_string();
        for claimed in ["4711", "1999-01-01", "\"editable\":false", "\"expires_at\":99"] {
            assert!(!shown.contains(claimed), "{path}: {claimed} in {shown}");
        }
    }
    // What belongs to somebody else is not moved by a body either.
    let quota = &read(&admin, "/quotas").await[0];
    let body = with(json!({ "hard": { "storage": 1000 }, "used": { "storage": 0 }, "ref": { "id": 4711 } }));
    admin.put(&format!("{API}/quotas/{}", quota["id"])).json(&body).await.expect_status(200);
    let after = read(&admin, &format!("/quotas/{}", quota["id"])).await;
    assert_eq!((&after["ref"], &after["used"]), (&quota["ref"], &quota["used"]));
}

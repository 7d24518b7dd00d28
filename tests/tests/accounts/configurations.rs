//! The configuration over the API, and what it does.

use harbor_core::ConfigKey;
use harbor_core::oci::Algorithm;
use harbor_tests::{BackEnd, TestRegistry, content};
use serde_json::{Value, json};

use super::{API, PASSWORD, read};

harbor_tests::on_every_store! {
    values_are_read_and_set;
    of_what_is_ignored_no_line_tells;
    what_is_set_holds_at_once;
    robots_live_as_long_as_it_says_whose_makers_do_not;
    limits_are_kept_to_unless_it_says_otherwise;
    whether_webhooks_tell_is_shown;
    nothing_changes_while_it_is_read_only;
    what_the_file_fixes_nobody_sets(stores);
    what_the_file_fixes_counts(stores);
}

async fn set(registry: &TestRegistry, values: &Value) {
    registry.admin().put(&format!("{API}/configurations")).json(values).await.expect_status(200);
}

async fn values_are_read_and_set(registry: &TestRegistry) {
    let admin = registry.admin();
    let before = read(&admin, "/configurations").await;
    assert_eq!(before["token_expiration"], json!({ "value": 30, "editable": true }));
    assert_eq!(before["auth_mode"], json!({ "value": "db_auth", "editable": false }));
    set(registry, &json!({ "banner_message": "hello", "ldap_url": "ignored" })).await;
    set(registry, &json!({ "session_timeout": 5 })).await;
    let after = read(&admin, "/configurations").await;
    assert_eq!(
        (&after["banner_message"]["value"], &after["session_timeout"]["value"]),
        (&json!("hello"), &json!(5))
    );
    assert!(after.get("ldap_url").is_none());
    assert_eq!(read(&registry.anon(), "/systeminfo").await["banner_message"], json!("hello"));
    for wrong in [
        json!({ "token_expiration": 0 }),
        json!({ "token_expiration": "30" }),
        json!({ "self_registration": "yes" }),
        json!({ "robot_name_prefix": "robot" }),
        json!({ "project_creation_restriction": "nobody", "banner_message": "lost" }),
    ] {
        admin.put(&format!("{API}/configurations")).json(&wrong).await.expect_error(400, "BAD_REQUEST");
    }
    assert_eq!(read(&admin, "/configurations").await, after);
}

/// A key that there is not may be any text, also one that no database takes or that is very long.
async fn of_what_is_ignored_no_line_tells(registry: &TestRegistry) {
    let long = "x".repeat(200_000);
    set(registry, &json!({ "a\u{0}b": 1, long: 2, "banner_message": "b", "session_timeout": 5 })).await;
    let lines = read(&registry.admin(), "/auditlog-exts?q=resource_type=configuration").await;
    let resources: Vec<_> = lines.as_array().unwrap().iter().map(|line| &line["resource"]).collect();
    assert_eq!(resources, [&json!("banner_message, session_timeout")]);
}

async fn what_is_set_holds_at_once(registry: &TestRegistry) {
    let new = json!({ "username": "grace", "password": PASSWORD });
    registry.anon().post(&format!("{API}/users")).json(&new).await.expect_error(401, "UNAUTHORIZED");
    set(registry, &json!({ "self_registration": true })).await;
    registry.anon().post(&format!("{API}/users")).json(&new).await.expect_status(201);
    let grace = registry.anon().basic("grace", PASSWORD);
    grace.post(&format!("{API}/projects")).json(&json!({ "project_name": "one" })).await.expect_status(201);
    set(registry, &json!({ "project_creation_restriction": "adminonly", "storage_per_project": 1000 })).await;
    let second = json!({ "project_name": "two" });
    grace.post(&format!("{API}/projects")).json(&second).await.expect_error(403, "FORBIDDEN");
    registry.admin().post(&format!("{API}/projects")).json(&second).await.expect_status(201);
    let summary = read(&registry.admin(), "/projects/two/summary").await;
    assert_eq!(summary["quota"]["hard"]["storage"], json!(1000));
    let robot = json!({ "name": "ci", "level": "system", "duration": 1, "permissions": [
        { "kind": "project", "namespace": "*", "access": [{ "resource": "repository", "action": "push" }] }] });
    let made = registry.admin().post(&format!("{API}/robots")).json(&robot).await.expect_status(201).json();
    let secret = made["secret"].as_str().unwrap();
    registry.anon().basic("robot$ci", secret).begin("library/x").await;
    set(registry, &json!({ "robot_name_prefix": "bot#", "token_expiration": 5 })).await;
    registry.anon().basic("robot$ci", secret).get("/v2/").await.expect_error(401, "UNAUTHORIZED");
    let client = registry.anon().basic("bot#ci", secret);
    client.begin("library/x").await;
    let token = client.get("/service/token").await.expect_status(200).json();
    assert_eq!(token["expires_in"], json!(300));
}

/// The days of a robot of the project that is made so, and whether it ends.
async fn robot_made(registry: &TestRegistry, path: &str, mut body: Value, name: &str) -> (Value, bool) {
    body["name"] = json!(name);
    let made = registry.admin().post(&format!("{API}{path}")).json(&body).await.expect_status(201).json();
    let robot = read(&registry.admin(), &format!("/robots/{}", made["id"])).await;
    (robot["duration"].clone(), robot["expires_at"] != json!(-1))
}

async fn robots_live_as_long_as_it_says_whose_makers_do_not(registry: &TestRegistry) {
    let access = json!([{ "resource": "repository", "action": "pull" }]);
    let permissions = json!([{ "kind": "project", "namespace": "library", "access": access }]);
    let now = json!({ "level": "project", "permissions": permissions });
    let null = json!({ "level": "project", "permissions": permissions, "duration": null });
    let own = json!({ "level": "project", "permissions": permissions, "duration": 3 });
    let older = json!({ "access": access });
    for (number, days) in [30, 7, -1].into_iter().enumerate() {
        if number > 0 {
            set(registry, &json!({ "robot_token_duration": days })).await;
        }
        for (form, path, body) in [
            ("now", "/robots", &now),
            ("null", "/robots", &null),
            ("older", "/projects/library/robots", &older),
        ] {
            let made = robot_made(registry, path, body.clone(), &format!("{form}-{number}")).await;
            assert_eq!(made, (json!(days), days > 0), "{form}");
        }
        let made = robot_made(registry, "/robots", own.clone(), &format!("own-{number}")).await;
        assert_eq!(made, (json!(3), true));
    }
    let wrong = json!({ "robot_token_duration": 0 });
    let put = registry.admin().put(&format!("{API}/configurations")).json(&wrong);
    put.await.expect_error(400, "BAD_REQUEST");
}

async fn limits_are_kept_to_unless_it_says_otherwise(registry: &TestRegistry) {
    let admin = registry.admin();
    let body = json!({ "project_name": "small", "storage_limit": 50 });
    admin.post(&format!("{API}/projects")).json(&body).await.expect_status(201);
    let piece = |byte: u8| content::Piece::new(Algorithm::Sha256, "application/octet-stream", vec![byte; 51]);
    let push = async |piece: &content::Piece| {
        let target = format!("/v2/small/app/blobs/uploads/?digest={}", piece.digest);
        admin.post(&target).body(piece.bytes.clone()).await
    };
    push(&piece(1)).await.expect_error(403, "DENIED");
    set(registry, &json!({ "quota_per_project_enable": false })).await;
    push(&piece(1)).await.expect_status(201);
    // What is there is counted all the same.
    let summary = read(&admin, "/projects/small/summary").await;
    assert_eq!(summary["quota"], json!({ "hard": { "storage": 50 }, "used": { "storage": 51 } }));
    set(registry, &json!({ "quota_per_project_enable": true })).await;
    push(&piece(2)).await.expect_error(403, "DENIED");
}

async fn whether_webhooks_tell_is_shown(registry: &TestRegistry) {
    for tells in [true, false] {
        set(registry, &json!({ "notification_enable": tells })).await;
        assert_eq!(read(&registry.admin(), "/systeminfo").await["notification_enable"], json!(tells));
    }
}

async fn nothing_changes_while_it_is_read_only(registry: &TestRegistry) {
    let admin = registry.admin();
    let set_of = content::image(Algorithm::Sha256);
    admin.push("library/app", Some("latest"), &set_of).await;
    set(registry, &json!({ "read_only": true })).await;
    admin.get("/v2/library/app/manifests/latest").await.expect_status(200);
    let target = format!("/v2/library/app/blobs/uploads/?digest={}", set_of.blobs[0].digest);
    let push = admin.post(&target).body(set_of.blobs[0].bytes.clone()).await.expect_error(403, "DENIED");
    assert!(String::from_utf8_lossy(&push.body).contains("read only"));
    admin.delete("/v2/library/app/manifests/latest").await.expect_error(403, "DENIED");
    let project = admin.post(&format!("{API}/projects")).json(&json!({ "project_name": "one" }));
    project.await.expect_error(403, "DENIED");
    admin.get("/service/token").await.expect_status(200);
    set(registry, &json!({ "read_only": false })).await;
    admin.begin("library/app").await;
}

async fn what_the_file_fixes_nobody_sets(stores: BackEnd) {
    let builder = TestRegistry::builder(stores).settings(|settings| {
        settings.configuration.insert(ConfigKey::SelfRegistration, true.into());
    });
    let registry = builder.start().await;
    let item = read(&registry.admin(), "/configurations").await["self_registration"].clone();
    assert_eq!(item, json!({ "value": true, "editable": false }));
    let put = |value: Value| registry.admin().put(&format!("{API}/configurations")).json(&value);
    put(json!({ "self_registration": false })).await.expect_error(403, "FORBIDDEN");
    put(json!({ "self_registration": true, "read_only": false })).await.expect_status(200);
    registry.close().await;
}

/// Lines of the audit log may go from here once they are forwarded to where the file says.
async fn what_the_file_fixes_counts(stores: BackEnd) {
    let builder = TestRegistry::builder(stores).settings(|settings| {
        settings
            .configuration
            .insert(ConfigKey::AuditLogForwardEndpoint, "tls://logs.example.org:6514".into());
    });
    let registry = builder.start().await;
    set(&registry, &json!({ "skip_audit_log_database": true })).await;
    let item = read(&registry.admin(), "/configurations").await["skip_audit_log_database"].clone();
    assert_eq!(item["value"], true);
    registry.close().await;
}

//! The audit log, over the API.

use harbor_core::access::Role;
use harbor_tests::{Client, TestRegistry};
use serde_json::{Value, json};

use super::{API, digest, listed, push_image, read};

mod forging;
mod forwarding;
mod origins;
mod tampering;

harbor_tests::on_every_store! {
    what_was_done_is_told;
    each_sees_the_logs_of_their_projects;
    types_may_be_left_out;
    logins_are_told;
    secrets_are_not_told;
    pulls_are_told_when_wanted;
    all_of_it_is_exported;
}

/// What the lines of a log say was done, last first: `create artifact library/app:v1`.
async fn told(client: &Client, target: &str) -> Vec<String> {
    let lines = read(client, format!("{API}{target}")).await;
    let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    let words = |line: &Value| {
        format!("{} {} {}", text(line, "operation"), text(line, "resource_type"), text(line, "resource"))
    };
    // A client pushes a manifest by its digest, and tags it then.
    let by_tag = |line: &String| !line.starts_with("create artifact") || !line.contains('@');
    lines.as_array().unwrap().iter().map(words).filter(by_tag).collect()
}

async fn what_was_done_is_told(registry: &TestRegistry) {
    let admin = registry.admin();
    let new = json!({ "project_name": "mine", "metadata": { "public": "false" } });
    admin.post(&format!("{API}/projects")).json(&new).await.expect_status(201);
    let set = push_image(&admin, "mine/app", "v1").await;
    admin.delete(&format!("/v2/mine/app/manifests/{}", digest(&set))).await.expect_status(202);
    admin.delete(&format!("{API}/projects/mine/repositories/app")).await.expect_status(200);
    let expected = [
        "delete repository mine/app".to_owned(),
        format!("delete artifact mine/app@{}", digest(&set)),
        "create artifact mine/app:v1".to_owned(),
        "create project mine".to_owned(),
    ];
    assert_eq!(told(&admin, "/projects/mine/auditlog-exts").await, expected);
    assert_eq!(told(&admin, "/projects/mine/logs").await, expected);
    assert_eq!(told(&admin, "/auditlog-exts").await[..4], expected);
    assert_eq!(told(&admin, "/audit-logs").await[..4], expected);
    let lines = read(&admin, format!("{API}/auditlog-exts?q=operation=create,resource_type=artifact")).await;
    let line = &lines[0];
    assert_eq!((&line["username"], &line["operation_result"]), (&json!("admin"), &json!(true)));
    assert_eq!(line["operation_description"], format!("push artifact: mine/app@{}", digest(&set)));
    assert!(line["op_time"].as_str().unwrap().ends_with('Z') && line["id"].as_i64().unwrap() > 0);
    let older = read(&admin, format!("{API}/projects/mine/logs?page_size=1")).await;
    let members: Vec<&String> = older[0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["id", "op_time", "operation", "resource", "resource_type", "username"]);
    let paged = admin.get(&format!("{API}/projects/mine/logs?page_size=2&sort=op_time"));
    assert_eq!(listed(paged, "operation").await, (vec!["create".to_owned(); 2], 5));
    let before = admin.get(&format!("{API}/auditlog-exts?q=op_time=[~2000-01-01T00:00:00]"));
    assert_eq!(listed(before, "id").await, (Vec::new(), 0));
    for hostile in ["op_time=soon", "resource=~' OR 1=1 --", "username=~%", "operation=~_"] {
        let call = admin.get(&format!("{API}/auditlog-exts")).query("q", hostile);
        assert_eq!(listed(call, "id").await.1, 0, "{hostile}");
    }
}

async fn each_sees_the_logs_of_their_projects(registry: &TestRegistry) {
    let admin = registry.admin();
    for project in ["one", "two", "three"] {
        registry.project(project, project == "three").await;
        push_image(&admin, &format!("{project}/app"), "v1").await;
    }
    let id = registry.add_user("grace").await;
    registry.add_member("one", id, Role::ProjectAdmin).await;
    registry.add_member("two", id, Role::Guest).await;
    let grace = registry.user("grace");
    let own = ["create member one: grace", "create artifact one/app:v1", "create project one"];
    assert_eq!(told(&grace, "/auditlog-exts").await, own);
    assert_eq!(told(&grace, "/audit-logs").await, own[1..]);
    assert_eq!(told(&grace, "/projects/one/auditlog-exts").await, own);
    grace.get(&format!("{API}/projects/two/auditlog-exts")).await.expect_status(403);
    grace.get(&format!("{API}/projects/two/logs")).await.expect_status(403);
    // What somebody asks for takes nothing off what they may see.
    let two = read(&admin, format!("{API}/projects/two")).await["project_id"].clone();
    let call = grace.get(&format!("{API}/auditlog-exts?q=project_id={two}"));
    assert_eq!(listed(call, "id").await.1, 0);
    registry.anon().get(&format!("{API}/auditlog-exts")).await.expect_status(401);
    registry.anon().get(&format!("{API}/projects/three/logs")).await.expect_status(401);
}

async fn types_may_be_left_out(registry: &TestRegistry) {
    let admin = registry.admin();
    let types = read(&admin, format!("{API}/auditlog-exts/events")).await;
    assert!(types.as_array().unwrap().contains(&json!({ "event_type": "create_artifact" })));
    let set = async |text: &str| {
        let body = json!({ "disabled_audit_log_event_types": text });
        admin.put(&format!("{API}/configurations")).json(&body).await
    };
    set("create_artifact, delete_artifact").await.expect_status(200);
    push_image(&admin, "library/app", "v1").await;
    let of_artifacts = "/projects/library/auditlog-exts?q=resource_type=artifact";
    assert_eq!(told(&admin, of_artifacts).await, [""; 0]);
    set("").await.expect_status(200);
    push_image(&admin, "library/app", "v2").await;
    assert_eq!(told(&admin, of_artifacts).await, ["create artifact library/app:v2"]);
    set("create_artefact").await.expect_status(400);
}

async fn logins_are_told(registry: &TestRegistry) {
    registry.add_user("grace").await;
    let cookie = registry.log_in("grace").await;
    // Twice at once, as by a double click: one of them ends it.
    let log_out =
        async || registry.anon().get("/c/log_out").header("Cookie", &cookie).await.expect_status(200);
    tokio::join!(log_out(), log_out());
    let lines = told(&registry.admin(), "/auditlog-exts?q=username=grace").await;
    assert_eq!(lines, ["logout user grace", "login user grace"]);
}

async fn secrets_are_not_told(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("mine", false).await;
    let canary = "Canary9Canary9Canary";
    let body =
        json!({ "username": "ada", "email": "ada@example.com", "realname": "Ada", "password": canary });
    admin.post(&format!("{API}/users")).json(&body).await.expect_status(201);
    let robot = json!({
        "name": "ci", "level": "system", "duration": -1,
        "permissions": [{ "kind": "project", "namespace": "mine",
            "access": [{ "resource": "repository", "action": "pull" }] }],
    });
    let made = admin.post(&format!("{API}/robots")).json(&robot).await.expect_status(201).json();
    let log = read(&admin, format!("{API}/auditlog-exts?page_size=100")).await.to_string();
    assert!(log.contains("create robot: robot$ci") && log.contains("create user: ada"), "{log}");
    assert!(!log.contains(canary) && !log.contains(made["secret"].as_str().unwrap()));
}

async fn pulls_are_told_when_wanted(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("open", true).await;
    let image = push_image(&admin, "open/app", "v1").await;
    let pulls = async || {
        registry.harbor.write_audit().await.unwrap();
        read(&admin, format!("{API}/projects/open/auditlog-exts?q=operation=pull")).await
    };
    let tag = "/v2/open/app/manifests/v1";
    registry.anon().get(tag).await.expect_status(200);
    assert_eq!(pulls().await, json!([]));
    let body = json!({ "pull_audit_log_disable": false });
    admin.put(&format!("{API}/configurations")).json(&body).await.expect_status(200);
    registry.anon().get(tag).await.expect_status(200);
    registry.anon().head(tag).await.expect_status(200);
    let by_digest = format!("/v2/open/app/manifests/{}", digest(&image));
    admin.get(&by_digest).header("User-Agent", "harbor-registry-client").await.expect_status(200);
    let told = pulls().await;
    let words =
        |line: &Value| [&line["username"], &line["resource"]].map(|word| word.as_str().unwrap().to_owned());
    let expected = [
        ["admin".to_owned(), format!("open/app@{}", digest(&image))],
        ["anonymous".to_owned(), "open/app:v1".to_owned()],
    ];
    assert_eq!(told.as_array().unwrap().iter().map(words).collect::<Vec<_>>(), expected);
    assert_eq!(told[1]["operation_description"], format!("pull artifact: open/app@{}", digest(&image)));
    assert_eq!(told[1]["client_address"], "127.0.0.1");
    let body = json!({ "disabled_audit_log_event_types": "pull_artifact" });
    admin.put(&format!("{API}/configurations")).json(&body).await.expect_status(200);
    registry.anon().get(tag).await.expect_status(200);
    assert_eq!(pulls().await.as_array().unwrap().len(), 2);
}

async fn all_of_it_is_exported(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("mine", false).await;
    for number in 0..120 {
        let body = json!({ "name": format!("label-{number}"), "scope": "g", "description": "x" });
        let call = admin.post(&format!("{API}/labels")).json(&body).header("X-Request-Id", "-1");
        call.await.expect_status(201);
    }
    let export = async |client: &Client, query: &str| {
        let answer = client.get(&format!("{API}/auditlog-exts/export{query}")).await.expect_status(200);
        (answer.need("Content-Type").to_owned(), String::from_utf8(answer.body.to_vec()).unwrap())
    };
    let (kind, text) = export(&admin, "").await;
    assert_eq!(kind, "application/x-ndjson");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<i64> = lines.iter().map(|line| line["id"].as_i64().unwrap()).collect();
    let total =
        admin.get(&format!("{API}/auditlog-exts")).await.need("X-Total-Count").parse::<usize>().unwrap();
    assert!(ids.len() == total && total > 120 && ids.is_sorted_by(|one, next| one < next), "{total}");
    let first = read(&admin, format!("{API}/auditlog-exts?sort=id&page_size=1")).await;
    assert_eq!(lines[0], first[0]);
    let (kind, csv) = export(&admin, "?format=csv&q=resource_type=label").await;
    assert!(kind.starts_with("text/csv"));
    let records: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(records.len(), 122, "a header, a record each, and nothing after the last line's end");
    assert!(
        records[0].starts_with("id,op_time,username,") && records[1].ends_with(",\"'-1\""),
        "{}",
        records[1]
    );
    // Others have what they may see, and nobody has nothing.
    let id = registry.add_user("grace").await;
    registry.add_member("mine", id, Role::ProjectAdmin).await;
    let (_, own) = export(&registry.user("grace"), "").await;
    assert!(own.lines().count() == 2 && !own.contains("label"), "{own}");
    let (_, none) = export(&registry.user("grace"), "?format=csv&q=resource_type=label").await;
    assert_eq!(none.matches("\r\n").count(), 1);
    registry.anon().get(&format!("{API}/auditlog-exts/export")).await.expect_status(401);
    admin.get(&format!("{API}/auditlog-exts/export?format=xml")).await.expect_status(422);
}

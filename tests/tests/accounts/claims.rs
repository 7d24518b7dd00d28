//! CVE-2019-16097, for what is changed: whatever else the body of an update claims, it does not become so.

use harbor_core::access::Role;
use harbor_tests::{Client, TestRegistry};
use serde_json::{Value, json};

use super::{API, make, private, read};

harbor_tests::on_every_store! {
    a_robot_is_what_it_was;
    a_robot_of_the_older_form_is_what_it_was;
    a_member_is_who_it_was;
    a_role_is_the_one_that_it_was;
    a_group_is_the_one_that_it_was;
    a_project_is_whose_it_was;
}

/// What nobody may set of anything.
fn claims() -> Value {
    json!({ "id": 4711, "user_id": 1, "project_id": 1, "owner_id": 4711, "owner_name": "admin", "creator_type": "system",
        "creator_ref": 4711, "editable": false, "builtin": true, "epoch": 9, "sysadmin_flag": true, "deleted": true,
        "creation_time": "1999-01-01T00:00:00Z", "update_time": "1999-01-01T00:00:00Z" })
}

/// Changes something with a body that claims that and `more` beside; of what is shown of it, only `changed` may be another.
async fn changes_only(client: &Client, path: &str, body: &Value, more: &Value, changed: &[&str]) {
    let mut sent = body.clone();
    for (key, value) in claims().as_object().unwrap().iter().chain(more.as_object().unwrap()) {
        sent.as_object_mut().unwrap().entry(key).or_insert_with(|| value.clone());
    }
    let shown = async || {
        let mut shown = read(client, path).await;
        shown.as_object_mut().unwrap().remove("update_time");
        shown
    };
    let before = shown().await;
    client.put(&format!("{API}{path}")).json(&sent).await.expect_status(200);
    let after = shown().await;
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&before), keys(&after), "{path}");
    for (key, value) in before.as_object().unwrap() {
        if changed.contains(&key.as_str()) {
            assert_ne!(&after[key], value, "{path}: {key} stayed");
        } else {
            assert_eq!(&after[key], value, "{path}: {key}");
        }
    }
    let now = read(client, path).await;
    assert!(!now["update_time"].to_string().contains("1999"), "{now}");
}

/// A project, and somebody who administers it and nothing else.
async fn team(registry: &TestRegistry) -> Client {
    private(registry, "team").await;
    let grace = registry.add_user("grace").await;
    registry.add_member("team", grace, Role::ProjectAdmin).await;
    registry.user("grace")
}

/// Makes a robot of the project; yields its key, and a client that is it.
async fn robot(registry: &TestRegistry, grace: &Client) -> (i64, Client) {
    let body = json!({ "name": "ci", "level": "project", "duration": 7, "permissions": [{ "kind": "project",
        "namespace": "team", "access": [{ "resource": "project", "action": "read" }] }] });
    let made = grace.post(&format!("{API}/robots")).json(&body).await.expect_status(201).json();
    let client = registry.anon().basic(made["name"].as_str().unwrap(), made["secret"].as_str().unwrap());
    (made["id"].as_i64().unwrap(), client)
}

async fn a_robot_is_what_it_was(registry: &TestRegistry) {
    let grace = team(registry).await;
    let (id, client) = robot(registry, &grace).await;
    let path = format!("/robots/{id}");
    let mut body = read(&grace, &path).await;
    for of_no_update in
        ["id", "expires_at", "editable", "creator_type", "creator_ref", "creation_time", "update_time"]
    {
        assert!(body.as_object_mut().unwrap().remove(of_no_update).is_some(), "{of_no_update}");
    }
    body["description"] = json!("another");
    let more = json!({ "secret": "Stolen1secret", "salt": "x", "expires_at": -1, "earlier_secret": "Stolen1secret" });
    changes_only(&grace, &path, &body, &more, &["description"]).await;
    client.get(&format!("{API}/projects/team")).await.expect_status(200);
    let stolen = registry.anon().basic("robot$team+ci", "Stolen1secret");
    stolen.get(&format!("{API}/projects/team")).await.expect_error(401, "UNAUTHORIZED");
}

async fn a_robot_of_the_older_form_is_what_it_was(registry: &TestRegistry) {
    let grace = team(registry).await;
    let (id, client) = robot(registry, &grace).await;
    let more = json!({ "secret": "Stolen1secret", "name": "other", "level": "system", "duration": -1, "expires_at": -1,
        "permissions": [{ "kind": "system", "namespace": "/", "access": [{ "resource": "user", "action": "list" }] }],
        "access": [{ "resource": "repository", "action": "push" }] });
    let path = format!("/projects/team/robots/{id}");
    let body = json!({ "description": "another", "disable": false });
    changes_only(&grace, &path, &body, &more, &["description"]).await;
    client.get(&format!("{API}/projects/team")).await.expect_status(200);
    client.get(&format!("{API}/users")).await.expect_error(403, "FORBIDDEN");
}

async fn a_member_is_who_it_was(registry: &TestRegistry) {
    let grace = team(registry).await;
    private(registry, "other").await;
    let other = read(&registry.admin(), "/projects/other").await["project_id"].clone();
    let linus = registry.add_user("linus").await;
    registry.add_user("eve").await;
    registry.add_member("team", linus, Role::Guest).await;
    let members = read(&grace, "/projects/team/members?entityname=linus").await;
    let path = format!("/projects/team/members/{}", members[0]["id"]);
    let body = json!({ "role_id": Role::Developer.id() });
    let more = json!({ "entity_id": 1, "entity_type": "g", "entity_name": "eve", "role_name": "projectAdmin",
        "project_id": other, "member_user": { "username": "eve" }, "member_group": { "id": 1 } });
    changes_only(&grace, &path, &body, &more, &["role_id", "role_name"]).await;
    assert_eq!(read(&grace, &path).await["role_name"], json!("developer"));
    let of_others = read(&registry.admin(), "/projects/other/members").await;
    assert_eq!(of_others, json!([]));
    registry.user("eve").get(&format!("{API}/projects/team")).await.expect_error(403, "FORBIDDEN");
}

async fn a_role_is_the_one_that_it_was(registry: &TestRegistry) {
    let admin = registry.admin();
    let pull = json!([{ "resource": "repository", "action": "pull" }]);
    let first = make(&admin, "/roles", &json!({ "name": "first", "permissions": pull })).await;
    let second = make(&admin, "/roles", &json!({ "name": "second", "permissions": pull })).await;
    let before = read(&admin, &format!("/roles/{first}")).await;
    let body = json!({ "name": "second", "description": "another", "permissions": pull });
    let more = json!({ "id": first, "role_id": 1, "role_name": "projectAdmin", "level": "system" });
    changes_only(&admin, &format!("/roles/{second}"), &body, &more, &["description"]).await;
    assert_eq!(read(&admin, &format!("/roles/{first}")).await, before);
}

async fn a_group_is_the_one_that_it_was(registry: &TestRegistry) {
    let admin = registry.admin();
    let group = make(&admin, "/usergroups", &json!({ "group_name": "staff", "group_type": 3 })).await;
    let body = json!({ "group_name": "people" });
    let more = json!({ "group_type": 1, "ldap_group_dn": "cn=admins,dc=example", "members": ["admin"] });
    changes_only(&admin, &format!("/usergroups/{group}"), &body, &more, &["group_name"]).await;
}

async fn a_project_is_whose_it_was(registry: &TestRegistry) {
    registry.add_user("grace").await;
    let grace = registry.user("grace");
    make(&grace, "/projects", &json!({ "project_name": "team", "metadata": { "public": "false" } })).await;
    let quota = read(&grace, "/projects/team/summary").await["quota"].clone();
    assert!(quota["hard"]["storage"].is_i64(), "{quota}");
    let body = json!({ "metadata": { "auto_scan": "true", "retention_id": "4711" } });
    let more = json!({ "project_name": "library", "name": "library", "registry_id": 4711, "storage_limit": 1,
        "current_user_role_id": 5, "repo_count": 99, "togglable": false });
    changes_only(&grace, "/projects/team", &body, &more, &["metadata"]).await;
    let project = read(&grace, "/projects/team").await;
    assert_eq!(project["metadata"], json!({ "public": "false", "auto_scan": "true" }));
    assert_eq!(read(&grace, "/projects/team/summary").await["quota"], quota);
    grace.get(&format!("{API}/users")).await.expect_error(403, "FORBIDDEN");
}

//! Projects and their settings over the API.

use harbor_core::access::Role;
use harbor_tests::{TestRegistry, content};
use serde_json::json;

use super::{API, PASSWORD, make, private, read};

harbor_tests::on_every_store! {
    a_project_is_made_read_changed_and_deleted;
    a_project_is_named_by_name_or_number;
    lists_show_what_one_may_see;
    settings_are_added_changed_and_taken_away;
    what_holds_repositories_is_not_deleted;
    what_was_given_up_is_deleted_however_much;
    privileged_fields_are_not_taken;
    the_library_is_the_first_administrators;
}

async fn a_project_is_made_read_changed_and_deleted(registry: &TestRegistry) {
    make(&registry.admin(), "/users", &json!({ "username": "grace", "password": PASSWORD })).await;
    let grace = registry.anon().basic("grace", PASSWORD);
    let body = json!({ "project_name": "mine", "metadata": { "public": "true", "auto_scan": "true" } });
    let id = make(&grace, "/projects", &body).await;
    let project = read(&grace, "/projects/mine").await;
    assert_eq!((&project["project_id"], &project["name"]), (&json!(id), &json!("mine")));
    assert_eq!(project["metadata"], json!({ "public": "true", "auto_scan": "true" }));
    assert_eq!((&project["owner_name"], &project["current_user_role_id"]), (&json!("grace"), &json!(1)));
    let named = grace.post(&format!("{API}/projects")).header("X-Resource-Name-In-Location", "true");
    let named = named.json(&json!({ "project_name": "second" })).await.expect_status(201);
    assert!(named.need("Location").ends_with("/api/v2.0/projects/second") && named.body.is_empty());
    grace.post(&format!("{API}/projects")).json(&body).await.expect_error(409, "CONFLICT");
    for wrong in ["", "Upper", "a b", "a/b", "-a", &"x".repeat(300)] {
        let body = json!({ "project_name": wrong });
        grace.post(&format!("{API}/projects")).json(&body).await.expect_error(400, "BAD_REQUEST");
    }
    let change = json!({ "metadata": { "public": "false", "severity": "high" } });
    grace.put(&format!("{API}/projects/mine")).json(&change).await.expect_status(200);
    let metadata = read(&grace, "/projects/mine").await["metadata"].clone();
    assert_eq!(metadata, json!({ "public": "false", "auto_scan": "true", "severity": "high" }));
    let summary = read(&grace, "/projects/mine/summary").await;
    assert_eq!((&summary["repo_count"], &summary["project_admin_count"]), (&json!(0), &json!(1)));
    assert_eq!(read(&grace, "/projects/mine/_deletable").await["deletable"], json!(true));
    grace.delete(&format!("{API}/projects/mine")).await.expect_status(200);
    grace.get(&format!("{API}/projects/mine")).await.expect_error(403, "FORBIDDEN");
    registry.admin().get(&format!("{API}/projects/mine")).await.expect_error(404, "NOT_FOUND");
}

async fn a_project_is_named_by_name_or_number(registry: &TestRegistry) {
    let admin = registry.admin();
    let id = private(registry, "first").await;
    registry.project(&id.to_string(), false).await;
    let name = async |path: String, by_name: bool| {
        let mut call = admin.get(&format!("{API}/projects/{path}"));
        if by_name {
            call = call.header("X-Is-Resource-Name", "true");
        }
        call.await.expect_status(200).json()["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(name("first".to_owned(), false).await, "first");
    assert_eq!(name(id.to_string(), false).await, "first");
    assert_eq!(name(id.to_string(), true).await, id.to_string());
    let head = async |name: &str| admin.head(&format!("{API}/projects?project_name={name}")).await.status;
    assert_eq!((head("first").await, head("absent").await), (200, 404));
}

async fn lists_show_what_one_may_see(registry: &TestRegistry) {
    for (name, public) in [("open", true), ("hidden", false), ("team", false)] {
        registry.project(name, public).await;
    }
    let id = registry.add_user("grace").await;
    registry.add_member("team", id, Role::LimitedGuest).await;
    let seen = async |client: harbor_tests::Client, query: &str| {
        let answer = client.get(&format!("{API}/projects?{query}")).await.expect_status(200);
        let list = answer.json();
        let names: Vec<&str> =
            list.as_array().unwrap().iter().map(|project| project["name"].as_str().unwrap()).collect();
        assert_eq!(answer.need("X-Total-Count"), names.len().to_string());
        names.join(" ")
    };
    assert_eq!(seen(registry.anon(), "").await, "library open");
    assert_eq!(seen(registry.user("grace"), "").await, "library open team");
    assert_eq!(seen(registry.admin(), "").await, "hidden library open team");
    assert_eq!(seen(registry.admin(), "name=E&sort=-name").await, "team open hidden");
    assert_eq!(seen(registry.admin(), "public=false").await, "hidden team");
    assert_eq!(seen(registry.anon(), "public=false").await, "");
    assert_eq!(seen(registry.anon(), "q=name%3Dhidden").await, "");
    assert_eq!(seen(registry.admin(), "owner=nobody").await, "");
}

async fn settings_are_added_changed_and_taken_away(registry: &TestRegistry) {
    private(registry, "p").await;
    let admin = registry.admin();
    // With and without the slash at the end.
    let path = format!("{API}/projects/p/metadatas");
    admin.post(&format!("{path}/")).json(&json!({ "prevent_vul": "true" })).await.expect_status(200);
    admin.post(&path).json(&json!({ "prevent_vul": "true" })).await.expect_error(409, "CONFLICT");
    for wrong in
        [json!({ "prevent_vul": "perhaps" }), json!({ "retention_id": "7" }), json!({ "x": "y" }), json!({})]
    {
        admin.post(&path).json(&wrong).await.expect_error(400, "BAD_REQUEST");
    }
    let value = admin.get(&format!("{path}/prevent_vul")).await.expect_status(200).json();
    assert_eq!(value, json!({ "prevent_vul": "true" }));
    admin
        .put(&format!("{path}/prevent_vul"))
        .json(&json!({ "prevent_vul": "false" }))
        .await
        .expect_status(200);
    admin
        .put(&format!("{path}/severity"))
        .json(&json!({ "severity": "low" }))
        .await
        .expect_error(404, "NOT_FOUND");
    admin.put(&format!("{path}/public")).json(&json!({ "public": "true" })).await.expect_status(200);
    let all = read(&admin, "/projects/p/metadatas/").await;
    assert_eq!(all, json!({ "public": "true", "prevent_vul": "false" }));
    registry.anon().get(&format!("{API}/projects/p")).await.expect_status(200);
    admin.delete(&format!("{path}/public")).await.expect_status(200);
    registry.anon().get(&format!("{API}/projects/p")).await.expect_error(401, "UNAUTHORIZED");
    admin.delete(&format!("{path}/prevent_vul")).await.expect_status(200);
    admin.get(&format!("{path}/prevent_vul")).await.expect_error(404, "NOT_FOUND");
}

async fn what_holds_repositories_is_not_deleted(registry: &TestRegistry) {
    private(registry, "full").await;
    let set = content::image(harbor_core::oci::Algorithm::Sha256);
    registry.admin().push("full/app", Some("latest"), &set).await;
    let deletable = read(&registry.admin(), "/projects/full/_deletable").await;
    assert_eq!(deletable["deletable"], json!(false));
    assert!(deletable["message"].as_str().unwrap().contains("repositories"));
    registry.admin().delete(&format!("{API}/projects/full")).await.expect_error(412, "PRECONDITION");
    assert_eq!(read(&registry.admin(), "/projects/full").await["repo_count"], json!(1));
}

/// As Harbor is seeded.
async fn the_library_is_the_first_administrators(registry: &TestRegistry) {
    let admin = registry.admin();
    let me = read(&admin, "/users/current").await["user_id"].clone();
    let library = read(&admin, "/projects/library").await;
    assert_eq!((&library["owner_id"], &library["owner_name"]), (&me, &json!("admin")));
    assert_eq!(library["current_user_role_id"], json!(1));
    let members = read(&admin, "/projects/library/members").await;
    assert_eq!(members.as_array().unwrap().len(), 1);
    assert_eq!((&members[0]["entity_id"], &members[0]["role_id"]), (&me, &json!(1)));
}

/// CVE-2019-16097, and whatever else a body may claim.
async fn privileged_fields_are_not_taken(registry: &TestRegistry) {
    let admin = registry.admin();
    let body = json!({ "username": "eve", "password": PASSWORD, "sysadmin_flag": true, "has_admin_role": true,
        "admin_role_in_auth": true, "user_id": 1, "role_id": 1, "epoch": 9 });
    let id = make(&admin, "/users", &body).await;
    let eve = registry.anon().basic("eve", PASSWORD);
    assert_eq!(read(&eve, "/users/current").await["sysadmin_flag"], json!(false));
    let body =
        json!({ "email": "e@x", "realname": "", "comment": "", "sysadmin_flag": true, "username": "admin" });
    eve.put(&format!("{API}/users/{id}")).json(&body).await.expect_status(200);
    let current = read(&eve, "/users/current").await;
    assert_eq!((&current["sysadmin_flag"], &current["username"]), (&json!(false), &json!("eve")));
    let body = json!({ "project_name": "eves", "owner_id": 1, "owner_name": "admin", "project_id": 1,
        "metadata": { "retention_id": "1" }, "storage_limit": null });
    make(&eve, "/projects", &body).await;
    let project = read(&eve, "/projects/eves").await;
    assert_eq!(project["owner_name"], json!("eve"));
    assert!(project["metadata"].get("retention_id").is_none());
}

/// What there is to know of the room of a store.
#[tokio::test]
async fn volumes_tell_what_is_left() {
    let registry = TestRegistry::start(harbor_tests::BackEnd::Folder).await;
    let storage = read(&registry.admin(), "/systeminfo/volumes").await["storage"][0].clone();
    let (total, free) = (storage["total"].as_u64().unwrap(), storage["free"].as_u64().unwrap());
    assert!(free > 0 && free < total, "{storage}");
    registry.anon().get(&format!("{API}/systeminfo/volumes")).await.expect_error(401, "UNAUTHORIZED");
    registry.anon().get(&format!("{API}/systeminfo/getcert")).await.expect_error(404, "NOT_FOUND");
    registry.close().await;
}

/// Uploads that nobody goes on with keep no project, though they are more than are ended at a time.
async fn what_was_given_up_is_deleted_however_much(registry: &TestRegistry) {
    private(registry, "team").await;
    let admin = registry.admin();
    for _ in 0..9 {
        let begun = (0..29).map(|_| admin.begin("team/bare"));
        futures_util::future::join_all(begun).await;
    }
    admin.delete(&format!("{API}/projects/team")).await.expect_status(200);
}

//! Labels.

use harbor_core::access::Role;
use harbor_tests::{Client, TestRegistry};
use serde_json::{Value, json};

use super::{API, artifact, at, listed, push_image, read};

harbor_tests::on_every_store! {
    labels_are_made_changed_and_deleted;
    labels_are_listed_by_scope;
    labels_are_put_on_artifacts;
    a_label_is_its_projects_own;
}

/// Makes a label; yields its key.
async fn make(client: &Client, body: Value) -> i64 {
    let made = client.post(&format!("{API}/labels")).json(&body).await.expect_status(201);
    made.need("Location").rsplit('/').next().unwrap().parse().unwrap()
}

async fn private(registry: &TestRegistry, name: &str) -> i64 {
    registry.project(name, false).await;
    read(&registry.admin(), format!("{API}/projects/{name}")).await["project_id"].as_i64().unwrap()
}

async fn labels_are_made_changed_and_deleted(registry: &TestRegistry) {
    let admin = registry.admin();
    let body = json!({ "name": "stable", "description": "Ærø 🚢", "color": "#00FF00", "scope": "g" });
    let id = make(&admin, body.clone()).await;
    let label = format!("{API}/labels/{id}");
    let shown = read(&admin, &label).await;
    assert_eq!(
        (&shown["name"], &shown["color"], &shown["scope"]),
        (&json!("stable"), &json!("#00FF00"), &json!("g"))
    );
    assert!(shown.get("project_id").is_none() && shown["creation_time"].is_string());
    admin.post(&format!("{API}/labels")).json(&body).await.expect_error(409, "CONFLICT");
    for wrong in [
        json!({ "name": "x" }),
        json!({ "name": "x", "scope": "q" }),
        json!({ "name": "", "scope": "g" }),
        json!({ "name": "x".repeat(129), "scope": "g" }),
        json!({ "name": "x", "scope": "p" }),
    ] {
        admin.post(&format!("{API}/labels")).json(&wrong).await.expect_error(400, "BAD_REQUEST");
    }
    let change = json!({ "name": "steady", "description": "", "color": "#FF0000" });
    admin.put(&label).json(&change).await.expect_status(200);
    let shown = read(&admin, &label).await;
    assert_eq!((&shown["name"], shown.get("description")), (&json!("steady"), None));
    let other = make(&admin, json!({ "name": "other", "scope": "g" })).await;
    admin.put(&format!("{API}/labels/{other}")).json(&change).await.expect_error(409, "CONFLICT");
    admin.delete(&label).await.expect_status(200);
    admin.delete(&label).await.expect_error(404, "NOT_FOUND");
    admin.get(&label).await.expect_error(404, "NOT_FOUND");
    admin.get(&format!("{API}/labels/x")).await.expect_status(422);
}

async fn labels_are_listed_by_scope(registry: &TestRegistry) {
    let admin = registry.admin();
    let project = private(registry, "mine").await;
    make(&admin, json!({ "name": "everybody's", "scope": "g" })).await;
    for name in ["first", "second"] {
        make(&admin, json!({ "name": name, "scope": "p", "project_id": project })).await;
    }
    let list = |client: &Client, scope: &str| client.get(&format!("{API}/labels")).query("scope", scope);
    assert_eq!(listed(list(&registry.anon(), "g"), "name").await, (vec!["everybody's".into()], 1));
    let own = || list(&admin, "p").query("project_id", project);
    assert_eq!(listed(own().query("sort", "name"), "name").await, (vec!["first".into(), "second".into()], 2));
    assert_eq!(listed(own().query("name", "IRS"), "name").await.0, ["first"]);
    assert_eq!(listed(own().query("page_size", 1), "project_id").await, (vec![project.to_string()], 2));
    list(&admin, "p").await.expect_error(400, "BAD_REQUEST");
    list(&admin, "x").await.expect_error(400, "BAD_REQUEST");
    registry.anon().get(&format!("{API}/labels")).await.expect_error(401, "UNAUTHORIZED");
    list(&registry.anon(), "p").query("project_id", project).await.expect_error(401, "UNAUTHORIZED");
    registry.add_user("stranger").await;
    list(&registry.user("stranger"), "p").query("project_id", project).await.expect_error(403, "FORBIDDEN");
}

async fn labels_are_put_on_artifacts(registry: &TestRegistry) {
    let admin = registry.admin();
    let set = push_image(&admin, "library/app", "v1").await;
    push_image(&admin, "library/app", "v2").await;
    let red = make(&admin, json!({ "name": "red", "scope": "g" })).await;
    let blue = make(&admin, json!({ "name": "blue", "scope": "p", "project_id": 1 })).await;
    let labels = |reference: &str| format!("{}/labels", artifact("library/app", reference));
    for (reference, label) in [("v1", red), ("v1", blue), ("v2", red)] {
        admin.post(&labels(reference)).json(&json!({ "id": label })).await.expect_status(200);
    }
    admin.post(&labels("v1")).json(&json!({ "id": red })).await.expect_error(409, "CONFLICT");
    admin.post(&labels("v1")).json(&json!({ "id": 70_000 })).await.expect_error(404, "NOT_FOUND");
    admin.post(&labels("none")).json(&json!({ "id": red })).await.expect_error(404, "NOT_FOUND");
    let shown = admin.get(&artifact("library/app", "v1")).query("with_label", true).await.json();
    let names: Vec<_> =
        shown["labels"].as_array().unwrap().iter().map(|label| label["name"].clone()).collect();
    assert_eq!(names, ["red", "blue"]);
    let list = |q: String| admin.get(&format!("{}/artifacts", at("library/app"))).query("q", q);
    assert_eq!(listed(list(format!("labels=({red})")), "digest").await.1, 2);
    let both = listed(list(format!("labels=({red} {blue})")), "digest").await;
    assert_eq!(both, (vec![super::digest(&set)], 1));
    admin.delete(&format!("{}/{blue}", labels("v1"))).await.expect_status(200);
    admin.delete(&format!("{}/{blue}", labels("v1"))).await.expect_error(404, "NOT_FOUND");
    admin.delete(&format!("{API}/labels/{red}")).await.expect_status(200);
    let shown = admin.get(&artifact("library/app", "v1")).query("with_label", true).await.json();
    assert!(shown.get("labels").is_none());
}

async fn a_label_is_its_projects_own(registry: &TestRegistry) {
    let admin = registry.admin();
    let (mine, theirs) = (private(registry, "mine").await, private(registry, "theirs").await);
    let id = registry.add_user("owner").await;
    registry.add_member("mine", id, Role::ProjectAdmin).await;
    let owner = registry.user("owner");
    push_image(&admin, "mine/app", "v1").await;
    let own = make(&owner, json!({ "name": "own", "scope": "p", "project_id": mine })).await;
    let foreign = make(&admin, json!({ "name": "foreign", "scope": "p", "project_id": theirs })).await;
    let global = make(&admin, json!({ "name": "global", "scope": "g" })).await;
    owner.get(&format!("{API}/labels/{own}")).await.expect_status(200);
    for other in [foreign, global, 70_000] {
        let label = format!("{API}/labels/{other}");
        owner.get(&label).await.expect_error(403, "FORBIDDEN");
        owner.put(&label).body("{").await.expect_error(403, "FORBIDDEN");
        owner.delete(&label).await.expect_error(403, "FORBIDDEN");
        registry.anon().get(&label).await.expect_error(401, "UNAUTHORIZED");
    }
    let labels = format!("{}/labels", artifact("mine/app", "v1"));
    owner.post(&labels).json(&json!({ "id": foreign })).await.expect_error(404, "NOT_FOUND");
    for usable in [own, global] {
        owner.post(&labels).json(&json!({ "id": usable })).await.expect_status(200);
    }
    for body in [
        json!({ "name": "x", "scope": "g" }),
        json!({ "name": "x", "scope": "p", "project_id": theirs }),
        json!({ "name": "x", "scope": "p", "project_id": 70_000 }),
    ] {
        owner.post(&format!("{API}/labels")).json(&body).await.expect_error(403, "FORBIDDEN");
    }
    // A label does not change its project.
    let moved = json!({ "name": "own", "scope": "g", "project_id": theirs });
    owner.put(&format!("{API}/labels/{own}")).json(&moved).await.expect_status(200);
    assert_eq!(read(&owner, format!("{API}/labels/{own}")).await["project_id"], mine);
}

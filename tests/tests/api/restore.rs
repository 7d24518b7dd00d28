//! Putting back what was deleted, over the API.

use std::time::Duration;

use harbor_core::access::Role;
use harbor_tests::content::{self, Maker};
use harbor_tests::{Client, TestRegistry};
use serde_json::{Value, json};

use super::accessories::cosign;
use super::retention::{project_with, rule, run};
use super::{API, SHA, artifact, at, digest, listed, push_image, read};

harbor_tests::on_every_store! {
    with crate::retention::by_hand;
    what_was_deleted_comes_back;
    labels_come_back_with_what_had_them;
    what_belongs_to_it_comes_back_with_it;
    what_retention_deleted_comes_back;
    not_for_ever;
    not_by_everybody;
}

fn deleted(repository: &str) -> String {
    format!("{}/deleted-artifacts", at(repository))
}

fn restore(repository: &str, digest: &str) -> String {
    format!("{}/{digest}/restore", deleted(repository))
}

async fn tags(client: &Client, repository: &str) -> Value {
    client.get(&format!("/v2/{repository}/tags/list")).await.expect_status(200).json()["tags"].clone()
}

async fn labels_come_back_with_what_had_them(registry: &TestRegistry) {
    registry.project("p", false).await;
    let admin = registry.admin();
    let set = push_image(&admin, "p/app", "v1").await;
    let mut ids = Vec::new();
    for name in ["goes", "stays"] {
        let body = json!({ "name": name, "scope": "g" });
        let made = admin.post(&format!("{API}/labels")).json(&body).await.expect_status(201);
        let id: i64 = made.need("Location").rsplit('/').next().unwrap().parse().unwrap();
        let on = admin.post(&format!("{}/labels", artifact("p/app", "v1"))).json(&json!({ "id": id }));
        on.await.expect_status(200);
        ids.push(id);
    }
    admin.delete(&at("p/app")).await.expect_status(200);
    push_image(&admin, "p/app", "other").await;
    admin.post(&restore("p/app", &digest(&set))).await.expect_status(404);
    let again = push_image(&admin, "p/app", "v1").await;
    for id in &ids {
        let on = admin.post(&format!("{}/labels", artifact("p/app", "v1"))).json(&json!({ "id": id }));
        on.await.expect_status(200);
    }
    admin.delete(&artifact("p/app", "v1")).await.expect_status(200);
    // One of them is deleted meanwhile.
    admin.delete(&format!("{API}/labels/{}", ids[0])).await.expect_status(200);
    admin.post(&restore("p/app", &digest(&again))).await.expect_status(200);
    let shown =
        admin.get(&artifact("p/app", "v1")).query("with_label", "true").await.expect_status(200).json();
    assert_eq!((&shown["labels"][0]["name"], &shown["labels"][1]), (&json!("stays"), &Value::Null));
}

async fn what_was_deleted_comes_back(registry: &TestRegistry) {
    registry.project("p", false).await;
    let admin = registry.admin();
    let set = push_image(&admin, "p/app", "v1").await;
    admin.push("p/app", Some("v2"), &set).await;
    let other = push_image(&admin, "p/app", "other").await;
    assert_eq!(listed(admin.get(&deleted("p/app")), "digest").await, (Vec::new(), 0));
    admin.post(&restore("p/app", &digest(&set))).await.expect_status(409);
    admin.post(&restore("p/app", &digest(&content::image(SHA)))).await.expect_status(404);
    admin.delete(&artifact("p/app", "v1")).await.expect_status(200);
    let found = read(&admin, deleted("p/app")).await;
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!((&found[0]["digest"], &found[0]["tags"]), (&json!(digest(&set)), &json!(["v1", "v2"])));
    assert_eq!(found[0]["deleted_by"], "admin:admin");
    // Something else has one of its tags by now.
    admin.push("p/app", Some("v2"), &other).await;
    let back = admin.post(&restore("p/app", &digest(&set))).await.expect_status(200).json();
    let expected = json!({ "digest": digest(&set), "tags": ["v1"], "tags_taken": ["v2"], "manifests": 1 });
    assert_eq!(back, expected);
    assert_eq!(tags(&admin, "p/app").await, json!(["other", "v1", "v2"]));
    assert_eq!(
        admin.get("/v2/p/app/manifests/v1").await.expect_status(200).digest().to_string(),
        digest(&set)
    );
    assert_eq!(
        admin.get("/v2/p/app/manifests/v2").await.expect_status(200).digest().to_string(),
        digest(&other)
    );
    assert_eq!(listed(admin.get(&deleted("p/app")), "digest").await.1, 0);
    // What came back is kept, long after garbage collection would have had its blobs.
    registry.clock.advance(Duration::from_secs(3 * 3600));
    registry.collect_garbage().await;
    for blob in &set.blobs {
        admin.get(&format!("/v2/p/app/blobs/{}", blob.digest)).await.expect_status(200);
    }
    admin.post(&restore("p/app", &digest(&set))).await.expect_status(409);
    admin.post(&restore("p/app", "latest")).await.expect_status(404);
    let lines =
        read(&admin, format!("{API}/projects/p/auditlog-exts?q=operation=create,resource_type=artifact"))
            .await;
    assert_eq!(lines[0]["resource"], "p/app:v1");
    let restored = format!("restore artifact: p/app@{}", digest(&set));
    assert_eq!(lines[0]["operation_description"], restored);
    let told = lines.as_array().unwrap().iter().filter(|line| line["operation_description"] == restored);
    assert_eq!(told.count(), 1);
}

async fn what_belongs_to_it_comes_back_with_it(registry: &TestRegistry) {
    registry.project("p", false).await;
    let admin = registry.admin();
    let (one, two) = (content::image(SHA), content::image(SHA));
    let index = Maker::index(SHA).entry(&one).entry(&two).done();
    admin.push("p/app", Some("v1"), &index).await;
    let signature = cosign(&admin, "p/app", &index).await;
    admin.delete(&artifact("p/app", "v1")).await.expect_status(200);
    for gone in [digest(&one), digest(&signature)] {
        admin.get(&format!("/v2/p/app/manifests/{gone}")).await.expect_status(404);
    }
    assert_eq!(listed(admin.get(&deleted("p/app")), "digest").await.1, 4);
    let back = admin.post(&restore("p/app", &digest(&index))).await.expect_status(200).json();
    assert_eq!(back["manifests"], 4, "{back}");
    admin.get(&format!("/v2/p/app/manifests/{}", digest(&two))).await.expect_status(200);
    let accessories = listed(admin.get(&format!("{}/accessories", artifact("p/app", "v1"))), "digest").await;
    assert_eq!(accessories.0, [digest(&signature)]);
    assert_eq!(listed(admin.get(&format!("{}/artifacts", at("p/app"))), "digest").await.0, [digest(&index)]);
}

async fn what_retention_deleted_comes_back(registry: &TestRegistry) {
    let admin = registry.admin();
    let policy = project_with(registry, "p", vec![rule("latestPushedK", 1, "**")]).await;
    let old = push_image(&admin, "p/app", "old").await;
    registry.clock.advance(Duration::from_secs(60));
    push_image(&admin, "p/app", "new").await;
    run(registry, &policy, true).await;
    assert_eq!(listed(admin.get(&deleted("p/app")), "digest").await.1, 0, "a dry run deletes nothing");
    run(registry, &policy, false).await;
    assert_eq!(tags(&admin, "p/app").await, json!(["new"]));
    assert_eq!(read(&admin, deleted("p/app")).await[0]["deleted_by"], "system");
    admin.post(&restore("p/app", &digest(&old))).await.expect_status(200);
    assert_eq!(tags(&admin, "p/app").await, json!(["new", "old"]));
}

async fn not_for_ever(registry: &TestRegistry) {
    registry.project("p", false).await;
    let admin = registry.admin();
    let set = push_image(&admin, "p/app", "v1").await;
    let late = push_image(&admin, "p/app", "late").await;
    admin.delete(&artifact("p/app", "late")).await.expect_status(200);
    registry.clock.advance(Duration::from_secs(3600));
    admin.delete(&artifact("p/app", "v1")).await.expect_status(200);
    registry.clock.advance(Duration::from_secs(3600 + 60));
    admin.post(&restore("p/app", &digest(&late))).await.expect_status(404);
    registry.collect_garbage().await;
    assert_eq!(listed(admin.get(&deleted("p/app")), "digest").await.0, [digest(&set)]);
    // Somebody deleted a blob that it needs.
    let layer = &set.blobs[0].digest;
    admin.delete(&format!("/v2/p/app/blobs/{layer}")).await.expect_status(202);
    let refused = admin.post(&restore("p/app", &digest(&set))).await.expect_error(412, "PRECONDITION");
    assert!(String::from_utf8_lossy(&refused.body).contains(&layer.to_string()), "{refused}");
    admin.get("/v2/p/app/manifests/v1").await.expect_status(404);
}

async fn not_by_everybody(registry: &TestRegistry) {
    registry.project("p", true).await;
    let admin = registry.admin();
    for (name, role) in [("guest", Role::Guest), ("developer", Role::Developer)] {
        let user = registry.add_user(name).await;
        registry.add_member("p", user, role).await;
    }
    let set = push_image(&admin, "p/app", "v1").await;
    admin.delete(&artifact("p/app", "v1")).await.expect_status(200);
    let path = restore("p/app", &digest(&set));
    registry.anon().post(&path).await.expect_status(401);
    registry.user("guest").post(&path).await.expect_status(403);
    registry.project("q", false).await;
    push_image(&admin, "q/app", "v1").await;
    admin.post(&restore("q/app", &digest(&set))).await.expect_status(404);
    let limit = |bytes: i64| json!({ "hard": { "storage": bytes } });
    let project = read(&admin, format!("{API}/projects/p")).await["project_id"].clone();
    let quotas = read(&admin, format!("{API}/quotas?reference=project&reference_id={project}")).await;
    let quota = format!("{API}/quotas/{}", quotas[0]["id"]);
    admin.put(&quota).json(&limit(1)).await.expect_status(200);
    registry.user("developer").post(&path).await.expect_status(403);
    admin.put(&quota).json(&limit(-1)).await.expect_status(200);
    registry.user("developer").post(&path).await.expect_status(200);
    admin.delete(&at("p/app")).await.expect_status(200);
    admin.get(&deleted("p/app")).await.expect_status(404);
}

//! Tags of artifacts.

use harbor_tests::TestRegistry;
use serde_json::json;

use super::{artifact, digest, listed, push_image, read};

harbor_tests::on_every_store! {
    tags_are_made_listed_and_deleted;
    pushing_moves_a_tag;
}

async fn tags_are_made_listed_and_deleted(registry: &TestRegistry) {
    let admin = registry.admin();
    let set = push_image(&admin, "library/app", "v1").await;
    push_image(&admin, "library/app", "other").await;
    let tags = |reference: &str| format!("{}/tags", artifact("library/app", reference));
    let made = admin.post(&tags("v1")).json(&json!({ "name": "stable" })).await.expect_status(201);
    assert!(made.body.is_empty() && made.header("Location").is_none());
    admin.get("/v2/library/app/manifests/stable").await.expect_status(200);
    admin.post(&tags("v1")).json(&json!({ "name": "stable" })).await.expect_error(409, "CONFLICT");
    admin.post(&tags("v1")).json(&json!({ "name": "other" })).await.expect_error(409, "CONFLICT");
    admin.post(&tags("none")).json(&json!({ "name": "x" })).await.expect_error(404, "NOT_FOUND");
    for wrong in ["", "a b", "-a", "a/b", &"x".repeat(129)] {
        admin.post(&tags("v1")).json(&json!({ "name": wrong })).await.expect_error(400, "BAD_REQUEST");
    }
    admin.post(&tags("v1")).json(&json!({})).await.expect_error(400, "BAD_REQUEST");
    let list = || admin.get(&tags(&digest(&set)));
    assert_eq!(listed(list(), "name").await, (vec!["stable".into(), "v1".into()], 2));
    assert_eq!(
        listed(list().query("sort", "-name").query("page_size", 1), "name").await,
        (vec!["v1".into()], 2)
    );
    assert_eq!(listed(list().query("q", "name=~STA"), "name").await.0, ["stable"]);
    assert_eq!(list().query("with_immutable_status", true).await.json()[0]["immutable"], json!(false));
    // A tag of another artifact is not this one's.
    let of_other = format!("{}/other", tags("v1"));
    admin.delete(&of_other).await.expect_error(404, "NOT_FOUND");
    admin.get("/v2/library/app/manifests/other").await.expect_status(200);
    admin.delete(&format!("{}/v1", tags(&digest(&set)))).await.expect_status(200);
    admin.delete(&format!("{}/stable", tags("stable"))).await.expect_status(200);
    admin.get("/v2/library/app/manifests/stable").await.expect_status(404);
    let left = read(&admin, artifact("library/app", digest(&set))).await;
    assert!(left.get("tags").is_none(), "the artifact stays");
    registry
        .anon()
        .post(&tags("other"))
        .json(&json!({ "name": "x" }))
        .await
        .expect_error(401, "UNAUTHORIZED");
}

async fn pushing_moves_a_tag(registry: &TestRegistry) {
    let admin = registry.admin();
    let first = push_image(&admin, "library/app", "latest").await;
    let before = read(&admin, artifact("library/app", "latest")).await;
    let second = push_image(&admin, "library/app", "latest").await;
    let after = read(&admin, artifact("library/app", "latest")).await;
    assert_eq!((&before["digest"], &after["digest"]), (&json!(digest(&first)), &json!(digest(&second))));
    assert_eq!(before["tags"][0]["id"], after["tags"][0]["id"]);
    assert!(before["tags"][0]["push_time"].as_str() < after["tags"][0]["push_time"].as_str());
    let first = read(&admin, artifact("library/app", digest(&first))).await;
    assert!(first.get("tags").is_none());
}

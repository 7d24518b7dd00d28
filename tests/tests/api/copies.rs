//! Copying artifacts.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use harbor_core::StoreError;
use harbor_core::access::{Actor, RepositoryTarget, Role};
use harbor_core::policy::{Policy, Step, Verdict};
use harbor_tests::content::{self, Maker};
use harbor_tests::{BackEnd, TestRegistry};
use serde_json::json;
use tokio::sync::Semaphore;

use super::accessories::cosign;
use super::{API, SHA, artifact, at, digest, listed, push_image, read};

harbor_tests::on_every_store! {
    an_image_is_copied_with_its_tags;
    what_belongs_to_it_is_copied_too;
    copying_needs_both_sides;
    a_copy_keeps_within_the_quota;
    a_copy_ends_for_who_may_pull_no_more(stores);
}

async fn an_image_is_copied_with_its_tags(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("target", false).await;
    let set = push_image(&admin, "library/app", "v1").await;
    admin.push_manifest("library/app", "latest", set.top()).await.expect_status(201);
    let to = format!("{}/artifacts", at("target/copy/app"));
    let copied = admin.post(&to).query("from", "library/app:v1").await.expect_status(201);
    assert!(copied.need("Location").ends_with("/artifacts/v1") && copied.body.is_empty());
    admin.delete(&at("library/app")).await.expect_status(200);
    registry.collect_garbage().await;
    for blob in &set.blobs {
        let target = format!("/v2/target/copy/app/blobs/{}", blob.digest);
        assert_eq!(admin.get(&target).await.expect_status(200).body, blob.bytes);
    }
    let shown = read(&admin, artifact("target/copy/app", "latest")).await;
    assert_eq!((&shown["digest"], &shown["type"]), (&json!(digest(&set)), &json!("IMAGE")));
    assert_eq!(shown["extra_attrs"]["architecture"], "amd64");
    let mut tags: Vec<_> = shown["tags"].as_array().unwrap().iter().map(|tag| tag["name"].clone()).collect();
    tags.sort_by_key(ToString::to_string);
    assert_eq!(tags, ["latest", "v1"]);
}

async fn what_belongs_to_it_is_copied_too(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("target", false).await;
    let (one, two) = (content::image(SHA), content::image(SHA));
    let index = Maker::index(SHA).entry(&one).entry(&two).done();
    admin.push("library/app", Some("all"), &index).await;
    let signature = cosign(&admin, "library/app", &index).await;
    let sbom = Maker::artifact(SHA, "application/spdx+json").subject(one.top()).done();
    admin.push("library/app", None, &sbom).await;
    let to = format!("{}/artifacts", at("target/app"));
    let from = format!("library/app@{}", digest(&index));
    for _ in 0..2 {
        admin.post(&to).query("from", &from).await.expect_status(201);
    }
    for copied in [&index, &one, &two, &signature, &sbom] {
        admin.get(&artifact("target/app", digest(copied))).await.expect_status(200);
    }
    assert_eq!(listed(admin.get(&to), "digest").await, (vec![digest(&index)], 1));
    let accessories = admin.get(&format!("{}/accessories", artifact("target/app", "all")));
    assert_eq!(listed(accessories, "type").await.0, ["signature.cosign"]);
    let refused = admin.post(&to).query("from", format!("library/app@{}", digest(&sbom))).await;
    refused.expect_error(403, "DENIED");
}

async fn copying_needs_both_sides(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("secret", false).await;
    registry.project("mine", false).await;
    let set = push_image(&admin, "secret/app", "v1").await;
    push_image(&admin, "library/app", "v1").await;
    let id = registry.add_user("dev").await;
    registry.add_member("mine", id, Role::Developer).await;
    let dev = registry.user("dev");
    let to = format!("{}/artifacts", at("mine/app"));
    for from in ["secret/app:v1", "secret/none:v1", "none/app:v1", &format!("secret/app@{}", digest(&set))] {
        dev.post(&to).query("from", from).await.expect_error(403, "FORBIDDEN");
    }
    dev.post(&to).query("from", "library/app:v1").await.expect_status(201);
    dev.post(&to).query("from", "library/app:none").await.expect_error(404, "NOT_FOUND");
    dev.post(&to).query("from", "library/none:v1").await.expect_error(404, "NOT_FOUND");
    for wrong in
        ["library", "library/app", "app:v1", "library/app@sha256:00", "library/app:", "Library/app:v1"]
    {
        dev.post(&to).query("from", wrong).await.expect_error(400, "BAD_REQUEST");
    }
    dev.post(&to).await.expect_status(422);
    let theirs = format!("{}/artifacts", at("secret/copy"));
    dev.post(&theirs).query("from", "library/app:v1").await.expect_error(403, "FORBIDDEN");
    registry.anon().post(&to).query("from", "library/app:v1").await.expect_error(401, "UNAUTHORIZED");
    dev.get(&format!("/v2/mine/app/blobs/{}", set.blobs[0].digest)).await.expect_status(404);
    // Who may see what there is, and not pull it, does not get it by copying either.
    let access = |actions: &[(&str, &str)]| {
        let entry = |(resource, action): &(&str, &str)| json!({ "resource": resource, "action": action });
        actions.iter().map(entry).collect::<Vec<_>>()
    };
    let body = json!({ "name": "looks", "level": "system", "duration": 1, "permissions": [
        { "kind": "project", "namespace": "secret", "access": access(&[("artifact", "read")]) },
        { "kind": "project", "namespace": "mine", "access":
            access(&[("artifact", "create"), ("repository", "push"), ("repository", "pull")]) }] });
    let made = admin.post(&format!("{API}/robots")).json(&body).await.expect_status(201).json();
    let robot = registry.anon().basic("robot$looks", made["secret"].as_str().unwrap());
    robot.get(&artifact("secret/app", "v1")).await.expect_status(200);
    robot.post(&to).query("from", "secret/app:v1").await.expect_error(403, "FORBIDDEN");
    robot.post(&to).query("from", "library/app:v1").await.expect_status(201);
}

/// Holds up the first manifest that is pushed into a repository.
#[derive(Clone, Debug)]
struct Held {
    reached: Arc<Semaphore>,
    go_on: Arc<Semaphore>,
}

#[async_trait]
impl Policy for Held {
    fn name(&self) -> &str {
        "held"
    }

    async fn check(
        &self,
        _actor: &Actor,
        repository: &RepositoryTarget,
        step: Step<'_>,
    ) -> Result<Verdict, StoreError> {
        if matches!(step, Step::ManifestPush { .. }) && repository.name.as_str() == "mine/held" {
            self.reached.add_permits(1);
            let _stays_open = self.go_on.acquire().await.unwrap();
        }
        Ok(Verdict::Allow)
    }
}

/// It may take long, and the right to pull from its source may be lost meanwhile.
async fn a_copy_ends_for_who_may_pull_no_more(back_end: BackEnd) {
    let held = Held { reached: Arc::new(Semaphore::new(0)), go_on: Arc::new(Semaphore::new(0)) };
    let registry = TestRegistry::builder(back_end).policy(held.clone()).start().await;
    registry.project("secret", false).await;
    registry.project("mine", false).await;
    let (one, two) = (content::image(SHA), content::image(SHA));
    let index = Maker::index(SHA).entry(&one).entry(&two).done();
    registry.admin().push("secret/app", Some("v1"), &index).await;
    let id = registry.add_user("dev").await;
    registry.add_member("secret", id, Role::Guest).await;
    registry.add_member("mine", id, Role::Developer).await;
    let to = format!("{}/artifacts", at("mine/held"));
    let copy = tokio::spawn(registry.user("dev").post(&to).query("from", "secret/app:v1").into_future());
    held.reached.acquire().await.unwrap().forget();
    let members = format!("{API}/projects/secret/members");
    let member = registry.admin().get(&members).query("entityname", "dev").await.expect_status(200).json();
    registry.admin().delete(&format!("{members}/{}", member[0]["id"])).await.expect_status(200);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    held.go_on.add_permits(1);
    copy.await.unwrap().expect_error(403, "FORBIDDEN");
    for manifest in [&one, &two, &index] {
        let copied = registry.admin().get(&artifact("mine/held", digest(manifest))).await;
        copied.expect_status(404);
    }
    registry.close().await;
}

async fn a_copy_keeps_within_the_quota(registry: &TestRegistry) {
    let admin = registry.admin();
    let body = json!({ "project_name": "small", "storage_limit": 100 });
    admin.post(&format!("{API}/projects")).json(&body).await.expect_status(201);
    push_image(&admin, "library/app", "v1").await;
    let to = format!("{}/artifacts", at("small/app"));
    admin.post(&to).query("from", "library/app:v1").await.expect_error(403, "DENIED");
    assert_eq!(listed(admin.get(&to), "digest").await.1, 0);
}

//! Lists of artifacts.

use harbor_tests::content::{self, Maker};
use harbor_tests::{Call, TestRegistry};
use serde_json::json;

use super::{API, SHA, at, digest, listed, push_image};

harbor_tests::on_every_store! {
    the_last_pushed_comes_first;
    what_belongs_to_others_is_left_out;
    lists_are_filtered;
    artifacts_of_a_project;
}

async fn digests(call: Call) -> (Vec<String>, u64) {
    listed(call, "digest").await
}

async fn the_last_pushed_comes_first(registry: &TestRegistry) {
    let admin = registry.admin();
    let mut pushed = Vec::new();
    for number in 0..5 {
        pushed.insert(0, digest(&push_image(&admin, "library/app", &format!("v{number}")).await));
    }
    let list = || admin.get(&format!("{}/artifacts", at("library/app")));
    assert_eq!(digests(list()).await, (pushed.clone(), 5));
    assert_eq!(digests(list().query("page_size", 2).query("page", 2)).await, (pushed[2..4].to_vec(), 5));
    assert_eq!(digests(list().query("page_size", 2).query("page", 9)).await, (vec![], 5));
    let page = list().query("page_size", 2).query("page", 2).await;
    let link = page.need("Link");
    assert!(link.contains("page=1") && link.contains("page=3") && link.contains("rel=\"next\""), "{link}");
    pushed.reverse();
    assert_eq!(digests(list().query("sort", "push_time")).await.0, pushed);
    let none = admin.get(&format!("{}/artifacts", at("library/none")));
    assert_eq!(digests(none).await, (vec![], 0));
    list().query("page_size", 0).await.expect_status(422);
}

async fn what_belongs_to_others_is_left_out(registry: &TestRegistry) {
    let admin = registry.admin();
    let (one, two) = (content::image(SHA), content::image(SHA));
    let index = Maker::index(SHA).entry(&one).entry(&two).done();
    admin.push("library/app", Some("all"), &index).await;
    let signature = Maker::artifact(SHA, "application/vnd.cncf.notary.signature").subject(index.top()).done();
    admin.push("library/app", None, &signature).await;
    let list = || admin.get(&format!("{}/artifacts", at("library/app")));
    assert_eq!(digests(list()).await, (vec![digest(&index)], 1));
    assert_eq!(digests(list().query("q", "base=*")).await.1, 4);
    // What has a tag is shown.
    admin.push_manifest("library/app", "one", one.top()).await.expect_status(201);
    assert_eq!(digests(list()).await, (vec![digest(&index), digest(&one)], 2));
    let tag = format!("{}/artifacts/one/tags/one", at("library/app"));
    admin.delete(&tag).await.expect_status(200);
    assert_eq!(digests(list()).await.1, 1);
    let repository = admin.get(&at("library/app")).await.json();
    assert_eq!(repository["artifact_count"], 1);
    // As /v2/ deletes: only the index. What it listed is on its own then.
    admin.delete(&format!("/v2/library/app/manifests/{}", digest(&index))).await.expect_status(202);
    assert_eq!(digests(list()).await.1, 2);
}

async fn lists_are_filtered(registry: &TestRegistry) {
    let admin = registry.admin();
    let image = push_image(&admin, "library/app", "v1").await;
    admin.push_manifest("library/app", "latest", image.top()).await.expect_status(201);
    let other = push_image(&admin, "library/app", "v2").await;
    let plain = Maker::artifact(SHA, "application/vnd.acme.thing").done();
    admin.push("library/app", None, &plain).await;
    let found = async |q: String| {
        let call = admin.get(&format!("{}/artifacts", at("library/app"))).query("q", &q);
        let (digests, total) = digests(call).await;
        assert_eq!(digests.len() as u64, total, "{q}");
        digests
    };
    let (image, other, plain) = (digest(&image), digest(&other), digest(&plain));
    assert_eq!(found("tags=*".into()).await, [other.clone(), image.clone()]);
    assert_eq!(found("tags=nil".into()).await, std::slice::from_ref(&plain));
    assert_eq!(found("tags=latest".into()).await, std::slice::from_ref(&image));
    assert_eq!(found("tags=~LAT".into()).await, std::slice::from_ref(&image));
    assert_eq!(found("type=IMAGE".into()).await, [other.clone(), image.clone()]);
    assert_eq!(found("type=IMAGE,tags=v2".into()).await, std::slice::from_ref(&other));
    assert_eq!(found(format!("digest={image}")).await, std::slice::from_ref(&image));
    assert_eq!(found("artifact_type=application/vnd.acme.thing".into()).await, std::slice::from_ref(&plain));
    assert_eq!(found("media_type=~empty".into()).await, std::slice::from_ref(&plain));
    assert_eq!(found("push_time=[2100-01-01T00:00:00~]".into()).await, [""; 0]);
    assert_eq!(found("unknown=1".into()).await.len(), 3);
    for hostile in ["tags=' OR 1=1 --", "tags=~%", "labels=(1' OR 1=1)", "type=~'", "digest=\u{1F6A2}"] {
        assert_eq!(found(hostile.into()).await, [""; 0], "{hostile}");
    }
    let wrong = admin.get(&format!("{}/artifacts", at("library/app"))).query("q", "tags");
    wrong.await.expect_error(400, "BAD_REQUEST");
}

async fn artifacts_of_a_project(registry: &TestRegistry) {
    let admin = registry.admin();
    let early = digest(&push_image(&admin, "library/a", "v1").await);
    let only = digest(&push_image(&admin, "library/b", "v1").await);
    let late = digest(&push_image(&admin, "library/a", "v2").await);
    registry.project("other", false).await;
    push_image(&admin, "other/a", "v1").await;
    let list = || admin.get(&format!("{API}/projects/library/artifacts"));
    assert_eq!(digests(list()).await, (vec![late.clone(), only.clone(), early.clone()], 3));
    assert_eq!(digests(list().query("page_size", 1)).await, (vec![late.clone()], 3));
    let latest = digests(list().query("latest_in_repository", true)).await;
    assert_eq!(latest, (vec![late, only.clone()], 2));
    assert_eq!(digests(list().query("q", "repository_name=library/b")).await, (vec![only.clone()], 1));
    let by_id = admin.get(&format!("{API}/projects/1/artifacts"));
    assert_eq!(digests(by_id).await.1, 3);
    let named = admin.get(&format!("{API}/projects/1/artifacts")).header("X-Is-Resource-Name", "true");
    named.await.expect_error(404, "NOT_FOUND");
    registry.anon().get(&format!("{API}/projects/other/artifacts")).await.expect_error(401, "UNAUTHORIZED");
    let shown = list().query("q", "tags=v1").query("with_label", true).await.json();
    assert_eq!(shown[0]["tags"][0]["name"], json!("v1"));
}

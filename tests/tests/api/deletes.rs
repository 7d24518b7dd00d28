//! Deleting artifacts.

use harbor_core::access::Role;
use harbor_tests::TestRegistry;
use harbor_tests::content::{self, Maker};

use super::accessories::cosign;
use super::{SHA, artifact, at, digest, listed, push_image};

harbor_tests::on_every_store! {
    an_artifact_goes_with_its_tags;
    what_an_index_lists_goes_with_it;
    accessories_go_with_their_subject;
    who_may_push_may_not_delete;
}

async fn an_artifact_goes_with_its_tags(registry: &TestRegistry) {
    let admin = registry.admin();
    let set = push_image(&admin, "library/app", "v1").await;
    admin.push_manifest("library/app", "v2", set.top()).await.expect_status(201);
    let kept = push_image(&admin, "library/app", "v3").await;
    admin.delete(&artifact("library/app", "v1")).await.expect_status(200);
    for gone in ["v1", "v2", &digest(&set)] {
        admin.get(&artifact("library/app", gone)).await.expect_error(404, "NOT_FOUND");
        admin.get(&format!("/v2/library/app/manifests/{gone}")).await.expect_status(404);
    }
    admin.delete(&artifact("library/app", "v1")).await.expect_error(404, "NOT_FOUND");
    let list = admin.get(&format!("{}/artifacts", at("library/app")));
    assert_eq!(listed(list, "digest").await, (vec![digest(&kept)], 1));
}

async fn what_an_index_lists_goes_with_it(registry: &TestRegistry) {
    let admin = registry.admin();
    let (plain, tagged, shared) = (content::image(SHA), content::image(SHA), content::image(SHA));
    let index = Maker::index(SHA).entry(&plain).entry(&tagged).entry(&shared).done();
    admin.push("library/app", Some("all"), &index).await;
    admin.push_manifest("library/app", "own", tagged.top()).await.expect_status(201);
    let other = Maker::index(SHA).entry(&shared).done();
    admin.push("library/app", Some("other"), &other).await;
    for listed in [&plain, &tagged] {
        let refused = admin.delete(&artifact("library/app", digest(listed))).await;
        refused.expect_error(412, "VIOLATE_FOREIGN_KEY_CONSTRAINT");
    }
    admin.delete(&artifact("library/app", "all")).await.expect_status(200);
    admin.get(&artifact("library/app", digest(&plain))).await.expect_error(404, "NOT_FOUND");
    for kept in [&tagged, &shared, &other] {
        admin.get(&artifact("library/app", digest(kept))).await.expect_status(200);
    }
    admin.delete(&artifact("library/app", "own")).await.expect_status(200);
    let repository = admin.get(&at("library/app")).await.json();
    assert_eq!(repository["artifact_count"], 1);
}

async fn accessories_go_with_their_subject(registry: &TestRegistry) {
    let admin = registry.admin();
    let image = push_image(&admin, "library/app", "v1").await;
    let signature = cosign(&admin, "library/app", &image).await;
    let sbom = Maker::artifact(SHA, "application/spdx+json").subject(image.top()).done();
    admin.push("library/app", None, &sbom).await;
    let of_sbom = Maker::artifact(SHA, "application/vnd.cncf.notary.signature").subject(sbom.top()).done();
    admin.push("library/app", None, &of_sbom).await;
    // One goes alone where that is asked for.
    let second = Maker::artifact(SHA, "application/spdx+json").subject(image.top()).done();
    admin.push("library/app", None, &second).await;
    admin.delete(&artifact("library/app", digest(&second))).await.expect_status(200);
    admin.get(&artifact("library/app", "v1")).await.expect_status(200);
    admin.delete(&artifact("library/app", "v1")).await.expect_status(200);
    for gone in [&image, &signature, &sbom, &of_sbom] {
        admin.get(&artifact("library/app", digest(gone))).await.expect_error(404, "NOT_FOUND");
    }
    let list = admin.get(&format!("{}/artifacts", at("library/app"))).query("q", "base=*");
    assert_eq!(listed(list, "digest").await.1, 0);
}

async fn who_may_push_may_not_delete(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("mine", false).await;
    let set = push_image(&admin, "mine/app", "v1").await;
    let id = registry.add_user("dev").await;
    registry.add_member("mine", id, Role::Developer).await;
    let dev = registry.user("dev");
    dev.get(&artifact("mine/app", "v1")).await.expect_status(200);
    dev.delete(&artifact("mine/app", "v1")).await.expect_error(403, "FORBIDDEN");
    dev.delete(&format!("{}/tags/v1", artifact("mine/app", digest(&set))))
        .await
        .expect_error(403, "FORBIDDEN");
    dev.delete(&at("mine/app")).await.expect_error(403, "FORBIDDEN");
}

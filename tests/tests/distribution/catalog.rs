//! The list of repositories, which the specification leaves open and every registry has.

use harbor_core::oci::Algorithm;
use harbor_tests::content::{Maker, Piece};
use harbor_tests::{Answer, TestRegistry};

super::on_every_store! {
    an_empty_registry_has_an_empty_list;
    names_come_in_order_and_in_pages;
    everybody_sees_public_repositories_only;
    a_repository_without_a_manifest_is_not_listed;
}

fn names(answer: &Answer) -> Vec<String> {
    serde_json::from_value(answer.json()["repositories"].clone()).unwrap()
}

async fn fill(registry: &TestRegistry, repositories: &[&str]) {
    for repository in repositories {
        let index = Maker::index(Algorithm::Sha256).done();
        registry.admin().push(repository, None, &index).await;
    }
}

async fn an_empty_registry_has_an_empty_list(registry: &TestRegistry) {
    let answer = registry.admin().get("/v2/_catalog").await.expect_status(200);
    assert!(names(&answer).is_empty(), "{answer}");
}

async fn names_come_in_order_and_in_pages(registry: &TestRegistry) {
    registry.project("a", true).await;
    let all = ["a/b", "library/a", "library/a-b", "library/a.b", "library/a/b", "library/a0", "library/b"];
    let mut shuffled = all;
    shuffled.rotate_left(3);
    fill(registry, &shuffled).await;
    assert_eq!(names(&registry.admin().get("/v2/_catalog").await), all);
    for n in 1..=all.len() + 1 {
        let mut seen = Vec::new();
        let mut at = Some(format!("/v2/_catalog?n={n}"));
        while let Some(target) = at {
            let answer = registry.admin().get(&target).await.expect_status(200);
            seen.extend(names(&answer));
            at = answer.next();
        }
        assert_eq!(seen, all, "n={n}");
    }
    registry.admin().get("/v2/_catalog?n=x").await.expect_error(400, "PAGINATION_NUMBER_INVALID");
    assert!(names(&registry.admin().get("/v2/_catalog?n=0").await).is_empty());
}

async fn everybody_sees_public_repositories_only(registry: &TestRegistry) {
    registry.project("open", true).await;
    registry.project("secret", false).await;
    fill(registry, &["open/app", "secret/app", "library/app"]).await;
    assert_eq!(names(&registry.admin().get("/v2/_catalog").await), ["library/app", "open/app", "secret/app"]);
    assert_eq!(names(&registry.anon().get("/v2/_catalog").await), ["library/app", "open/app"]);
    let paged = registry.anon().get("/v2/_catalog?n=1&last=open/app").await;
    assert!(names(&paged).is_empty() && paged.next().is_none(), "{paged}");
}

async fn a_repository_without_a_manifest_is_not_listed(registry: &TestRegistry) {
    registry.admin().push_blob("library/blobs-only", &Piece::blob(Algorithm::Sha256, 1)).await;
    fill(registry, &["library/app"]).await;
    assert_eq!(names(&registry.admin().get("/v2/_catalog").await), ["library/app"]);
}

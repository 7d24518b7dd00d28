//! Accessories.

use harbor_core::oci::MediaType;
use harbor_tests::content::{self, Maker, Piece};
use harbor_tests::{Client, TestRegistry, content::DataSet};
use serde_json::json;

use super::{SHA, artifact, digest, listed, push_image, read};

harbor_tests::on_every_store! {
    accessories_belong_to_their_subjects;
    cosign_names_what_it_signs_by_a_tag;
    accessories_of_an_index_are_inherited;
}

/// A signature as cosign pushes it where there are no referrers.
pub(crate) async fn cosign(client: &Client, repository: &str, signed: &DataSet) -> DataSet {
    let layer = Piece::new(SHA, "application/vnd.dev.cosign.simplesigning.v1+json", content::random(50));
    let set = Maker::image(SHA).layer(layer).done();
    let tag = format!("{}.sig", digest(signed).replace(':', "-"));
    client.push(repository, Some(&tag), &set).await;
    set
}

async fn accessories_belong_to_their_subjects(registry: &TestRegistry) {
    let admin = registry.admin();
    let image = content::image(SHA);
    // It may come before its subject.
    let sbom = Maker::artifact(SHA, "application/spdx+json").subject(image.top()).done();
    admin.push("library/app", None, &sbom).await;
    admin.push("library/app", Some("v1"), &image).await;
    let signature = Maker::artifact(SHA, "application/vnd.cncf.notary.signature").subject(image.top()).done();
    admin.push("library/app", None, &signature).await;
    let shown = admin.get(&artifact("library/app", "v1")).query("with_accessory", true).await.json();
    let accessories = shown["accessories"].as_array().unwrap();
    assert_eq!(accessories.len(), 2);
    let kinds: Vec<_> = accessories.iter().map(|accessory| accessory["type"].clone()).collect();
    assert_eq!(kinds, ["subject.accessory", "signature.notation"]);
    assert_eq!(accessories[0]["digest"], digest(&sbom));
    assert_eq!(accessories[0]["subject_artifact_id"], shown["id"]);
    assert_eq!(accessories[0]["subject_artifact_digest"], digest(&image));
    assert_eq!(accessories[0]["subject_artifact_repo"], "library/app");
    let own = read(&admin, artifact("library/app", digest(&sbom))).await;
    assert_eq!((&own["id"], &own["size"]), (&accessories[0]["artifact_id"], &accessories[0]["size"]));
    let list = || admin.get(&format!("{}/accessories", artifact("library/app", "v1")));
    assert_eq!(listed(list().query("page_size", 1), "digest").await, (vec![digest(&sbom)], 2));
    assert_eq!(listed(list().query("q", "type=signature.notation"), "digest").await.0, [digest(&signature)]);
    let none = admin.get(&format!("{}/accessories", artifact("library/app", "none")));
    none.await.expect_error(404, "NOT_FOUND");
}

async fn cosign_names_what_it_signs_by_a_tag(registry: &TestRegistry) {
    let admin = registry.admin();
    let image = push_image(&admin, "library/app", "v1").await;
    let signature = cosign(&admin, "library/app", &image).await;
    let list = || admin.get(&format!("{}/accessories", artifact("library/app", "v1")));
    assert_eq!(listed(list(), "type").await, (vec!["signature.cosign".into()], 1));
    assert_eq!(listed(list(), "digest").await.0, [digest(&signature)]);
    let all = admin.get(&format!("{}/artifacts", super::at("library/app")));
    assert_eq!(listed(all, "digest").await, (vec![digest(&image)], 1));
    // Any other manifest under such a tag is one of its own.
    let other = push_image(&admin, "library/app", "v2").await;
    let tag = format!("{}.sig", digest(&other).replace(':', "-"));
    push_image(&admin, "library/app", &tag).await;
    let of_other = admin.get(&format!("{}/accessories", artifact("library/app", "v2")));
    assert_eq!(listed(of_other, "type").await.1, 0);
}

async fn accessories_of_an_index_are_inherited(registry: &TestRegistry) {
    let admin = registry.admin();
    let child = content::image(SHA);
    let index = Maker::index(SHA).entry(&child).done();
    admin.push("library/app", Some("all"), &index).await;
    let sbom = Maker::artifact(SHA, "application/spdx+json").subject(index.top()).done();
    admin.push("library/app", None, &sbom).await;
    let get = admin.get(&artifact("library/app", digest(&child)));
    let shown = get.query("with_accessory", true).query("with_inherited_accessory", true).await.json();
    assert!(shown.get("accessories").is_none());
    assert_eq!(shown["inherited_accessories"][0]["digest"], json!(digest(&sbom)));
    assert_eq!(index.top().media_type, MediaType::OCI_INDEX);
}

//! Artifacts: what is shown of them.

use harbor_core::oci::MediaType;
use harbor_tests::content::{self, Maker, Piece};
use harbor_tests::{TestRegistry, content::DataSet};
use serde_json::{Value, json};

use super::{API, SHA, artifact, digest, push_image, read};

harbor_tests::on_every_store! {
    an_image_is_shown;
    an_index_is_shown_with_what_it_lists;
    types_are_told_apart;
    artifacts_are_named_by_tag_or_digest;
    what_people_wrote_is_not_believed;
}

fn size_of(set: &DataSet) -> usize {
    let blobs: usize = set.blobs.iter().map(|blob| blob.bytes.len()).sum();
    blobs + set.top().bytes.len()
}

async fn an_image_is_shown(registry: &TestRegistry) {
    let admin = registry.admin();
    let config = json!({ "architecture": "arm64", "os": "linux", "created": "2020-01-02T03:04:05Z",
        "config": { "Env": ["A=b"], "Labels": { "maintainer": "Grace" } }, "rootfs": {}, "history": [] });
    let config = Piece::json(SHA, content::CONFIG, &config);
    let image =
        Maker::image_with(SHA, MediaType::OCI_MANIFEST, config).layers(2).annotation("key", "Wert 🚢").done();
    admin.push("library/app", Some("v1"), &image).await;
    let shown = read(&admin, artifact("library/app", "v1")).await;
    assert_eq!((&shown["type"], &shown["digest"]), (&json!("IMAGE"), &json!(digest(&image))));
    assert_eq!(shown["media_type"], content::CONFIG);
    assert_eq!(shown["manifest_media_type"], MediaType::OCI_MANIFEST);
    assert_eq!(shown["size"], json!(size_of(&image)));
    assert_eq!(shown["repository_name"], "library/app");
    assert_eq!(shown["annotations"], json!({ "key": "Wert 🚢" }));
    let attributes = &shown["extra_attrs"];
    assert_eq!((&attributes["architecture"], &attributes["author"]), (&json!("arm64"), &json!("Grace")));
    assert_eq!(attributes["config"]["Env"], json!(["A=b"]));
    assert!(attributes.get("rootfs").is_none());
    assert_eq!(shown["pull_time"], "0001-01-01T00:00:00.000000Z");
    let tags = shown["tags"].as_array().unwrap();
    assert_eq!((tags.len(), &tags[0]["name"], &tags[0]["immutable"]), (1, &json!("v1"), &json!(false)));
    assert_eq!(tags[0]["artifact_id"], shown["id"]);
    let link = &shown["addition_links"]["build_history"];
    assert_eq!(link["absolute"], false);
    admin.get(link["href"].as_str().unwrap()).await.expect_status(200);
    for absent in ["labels", "accessories", "scan_overview", "sbom_overview", "references"] {
        assert!(shown.get(absent).is_none(), "{absent}");
    }
    let bare = admin.get(&artifact("library/app", "v1")).query("with_tag", false).await.json();
    assert!(bare.get("tags").is_none());
    admin.get(&artifact("library/app", "v1")).query("with_label", "perhaps").await.expect_status(422);
}

async fn an_index_is_shown_with_what_it_lists(registry: &TestRegistry) {
    let admin = registry.admin();
    let (one, two) = (content::image(SHA), content::image(SHA));
    let index = Maker::index(SHA).entry(&one).entry(&two).done();
    admin.push("library/app", Some("all"), &index).await;
    let shown = read(&admin, artifact("library/app", "all")).await;
    assert_eq!((&shown["type"], &shown["media_type"]), (&json!("IMAGE"), &json!(MediaType::OCI_INDEX)));
    assert_eq!(shown["size"], json!(size_of(&one) + size_of(&two) + index.top().bytes.len()));
    assert!(shown.get("extra_attrs").is_none() && shown.get("addition_links").is_none());
    let references = shown["references"].as_array().unwrap();
    assert_eq!(references.len(), 2);
    for reference in references {
        assert_eq!(reference["parent_id"], shown["id"]);
        assert_eq!(reference["platform"], json!({ "architecture": "amd64", "os": "linux" }));
        let child = read(&admin, artifact("library/app", reference["child_digest"].as_str().unwrap())).await;
        assert_eq!(child["id"], reference["child_id"]);
    }
}

async fn types_are_told_apart(registry: &TestRegistry) {
    let admin = registry.admin();
    for (config, kind) in [
        ("application/vnd.cncf.helm.config.v1+json", "CHART"),
        ("application/vnd.acme.model.config.v1+json", "MODEL"),
        ("application/vnd.oci.empty.v1+json", "UNKNOWN"),
    ] {
        let config_blob = Piece::new(SHA, config, r#"{"name":"app"}"#);
        let set = Maker::image_with(SHA, MediaType::OCI_MANIFEST, config_blob).layers(1).done();
        admin.push("library/app", None, &set).await;
        let shown = read(&admin, artifact("library/app", digest(&set))).await;
        assert_eq!((&shown["type"], &shown["media_type"]), (&json!(kind), &json!(config)));
        assert_eq!(shown.get("extra_attrs").is_some(), kind != "UNKNOWN", "{kind}");
    }
    let artifact_type = Maker::artifact(SHA, "application/vnd.acme.thing").done();
    admin.push("library/app", None, &artifact_type).await;
    let shown = read(&admin, artifact("library/app", digest(&artifact_type))).await;
    assert_eq!(shown["artifact_type"], "application/vnd.acme.thing");
}

async fn artifacts_are_named_by_tag_or_digest(registry: &TestRegistry) {
    let admin = registry.admin();
    let set = push_image(&admin, "library/deep/er/app", "v1").await;
    let by_tag = read(&admin, artifact("library/deep/er/app", "v1")).await;
    assert_eq!(by_tag, read(&admin, artifact("library/deep/er/app", digest(&set))).await);
    for none in ["v2", "sha256:00", &format!("sha256:{}", "0".repeat(64)), "-wrong", "%00"] {
        admin.get(&artifact("library/deep/er/app", none)).await.expect_error(404, "NOT_FOUND");
    }
    admin.get(&artifact("library/none", "v1")).await.expect_error(404, "NOT_FOUND");
    registry.project("secret", false).await;
    push_image(&admin, "secret/app", "v1").await;
    registry.anon().get(&artifact("library/deep/er/app", "v1")).await.expect_status(200);
    registry.anon().get(&artifact("secret/app", "v1")).await.expect_error(401, "UNAUTHORIZED");
    // The repository of one project is not to be had by way of another.
    let crossed = format!("{API}/projects/library/repositories/..%252Fsecret%252Fapp/artifacts/v1");
    registry.anon().get(&crossed).await.expect_error(401, "UNAUTHORIZED");
}

async fn what_people_wrote_is_not_believed(registry: &TestRegistry) {
    let admin = registry.admin();
    let wrong = ["[]", "no JSON", "", r#"{"architecture":{"deep":[1]},"config":"text"}"#];
    for (number, config) in wrong.into_iter().enumerate() {
        let config = Piece::new(SHA, content::CONFIG, config);
        let set = Maker::image_with(SHA, MediaType::OCI_MANIFEST, config).layers(1).done();
        admin.push("library/app", Some(&format!("v{number}")), &set).await;
        assert_eq!(read(&admin, artifact("library/app", digest(&set))).await["type"], "IMAGE");
    }
    let child = content::image(SHA);
    let mut entry = child.top().descriptor();
    entry["platform"] = json!(["no platform"]);
    let index = Maker::index(SHA).absent_entry(entry).done();
    admin.push("library/app", None, &child).await;
    admin.push("library/app", None, &index).await;
    let shown = read(&admin, artifact("library/app", digest(&index))).await;
    assert_eq!(shown["references"][0].get("platform"), None::<&Value>);
}

//! Counting pulls.

use harbor_tests::TestRegistry;

use super::{artifact, at, digest, push_image, read};

harbor_tests::on_every_store! {
    pulls_are_counted;
}

async fn pulls_are_counted(registry: &TestRegistry) {
    let admin = registry.admin();
    let set = push_image(&admin, "library/app", "v1").await;
    admin.push_manifest("library/app", "v2", set.top()).await.expect_status(201);
    let pulls = async || read(&admin, at("library/app")).await["pull_count"].as_u64().unwrap();
    for _ in 0..3 {
        admin.get("/v2/library/app/manifests/v1").await.expect_status(200);
    }
    admin.get(&format!("/v2/library/app/manifests/{}", digest(&set))).await.expect_status(200);
    // Who only asks whether it is there, or has it already, does not pull.
    admin.head("/v2/library/app/manifests/v2").await.expect_status(200);
    let known = format!("\"{}\"", digest(&set));
    admin.get("/v2/library/app/manifests/v2").header("If-None-Match", known).await.expect_status(304);
    admin.get("/v2/library/app/manifests/none").await.expect_status(404);
    // Harbor's replication is no pull.
    let copied = admin.get("/v2/library/app/manifests/v1").header("User-Agent", "harbor-registry-client");
    copied.await.expect_status(200);
    registry.harbor.write_pulls().await.unwrap();
    assert_eq!(pulls().await, 4);
    let shown = read(&admin, artifact("library/app", "v1")).await;
    assert!(!shown["pull_time"].as_str().unwrap().starts_with("0001"));
    let never = |name: &str| {
        let tag = shown["tags"].as_array().unwrap().iter().find(|tag| tag["name"] == name).unwrap();
        tag["pull_time"].as_str().unwrap().starts_with("0001")
    };
    assert!(!never("v1") && never("v2"));
    let by_tag = |name: &str| {
        let tag = shown["tags"].as_array().unwrap().iter().find(|tag| tag["name"] == name).unwrap();
        tag["pull_count"].as_u64().unwrap()
    };
    assert_eq!((shown["pull_count"].as_u64(), by_tag("v1"), by_tag("v2")), (Some(4), 3, 0));
    registry.harbor.write_pulls().await.unwrap();
    assert_eq!(pulls().await, 4);
}

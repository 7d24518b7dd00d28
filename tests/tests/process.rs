//! The built program: what it was told is still there after it was killed, what it was started with nobody changes, and it stops when it
//! is asked to.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use harbor_core::oci::Algorithm;
use harbor_tests::content;
use harbor_tests::{Build, Process};
use serde_json::{Value, json};

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn what_was_acknowledged_outlives_the_process() {
    let data = tempfile::tempdir().unwrap();
    let set = content::index(Algorithm::Sha256);
    let server = Process::start(data.path()).await;
    server.admin().push("library/app", Some("latest"), &set).await;
    let at = server.admin().begin("library/app").await;
    server.admin().patch(&at).body("begun").await.expect_status(202);
    server.kill().await;

    let server = Process::start(data.path()).await;
    let manifest = server.anon().get("/v2/library/app/manifests/latest").await.expect_status(200);
    assert_eq!(manifest.body, set.top().bytes);
    for blob in &set.blobs {
        let path = format!("/v2/library/app/blobs/{}", blob.digest);
        assert_eq!(server.anon().get(&path).await.expect_status(200).body, blob.bytes);
    }
    let path = at.split_once("/v2/").map(|(_, rest)| format!("/v2/{rest}")).unwrap();
    assert_eq!(server.admin().get(&path).await.expect_status(204).need("Range"), "0-4");
    assert!(server.stop().await, "a stop that was asked for is a success");
}

const CONFIGURATIONS: &str = "/api/v2.0/configurations";

/// What is fixed is told as such, holds, and is set by nobody; what is beside it is.
async fn is_fixed(server: &Process, key: &str, value: &Value, another: &Value) {
    let admin = server.admin();
    let shown = async || admin.get(CONFIGURATIONS).await.expect_status(200).json()[key].clone();
    let fixed = json!({ "value": value, "editable": false });
    assert_eq!(shown().await, fixed, "{key}");
    let put = async |body: Value| admin.put(CONFIGURATIONS).json(&body).await;
    put(json!({ key: another })).await.expect_error(403, "FORBIDDEN");
    put(json!({ key: another, "session_timeout": 7 })).await.expect_error(403, "FORBIDDEN");
    assert_eq!(shown().await, fixed, "{key}");
    let timeout = admin.get(CONFIGURATIONS).await.expect_status(200).json()["session_timeout"].clone();
    assert_eq!(timeout["editable"], true);
    assert_ne!(timeout["value"], 7, "a request that was refused set something");
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn what_the_configuration_file_says_nobody_sets() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("harbor.toml");
    std::fs::write(&file, "[configuration]\nself_registration = true\ntoken_expiration = 11\n").unwrap();
    let mut command = Build::Last.over(data.path());
    command.arg("--config").arg(&file);
    let server = Process::launch(command, &data.path().join("server.log")).await;
    is_fixed(&server, "self_registration", &json!(true), &json!(false)).await;
    is_fixed(&server, "token_expiration", &json!(11), &json!(30)).await;
    let info = server.anon().get("/api/v2.0/systeminfo").await.expect_status(200).json();
    assert_eq!(info["self_registration"], true);
    let token = server.admin().get("/service/token").await.expect_status(200).json();
    assert_eq!(token["expires_in"], 11 * 60);
    assert!(server.stop().await);
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn what_the_environment_says_nobody_sets() {
    let data = tempfile::tempdir().unwrap();
    let log = data.path().join("server.log");
    let file = data.path().join("harbor.toml");
    std::fs::write(&file, "[configuration]\nbanner_message = \"of the file\"\n").unwrap();
    let mut command = Build::Last.over(data.path());
    command.env("HARBOR_CONFIG", &file);
    command.env("HARBOR_CONFIGURATION", r#"{"banner_message":"of the environment","read_only":true}"#);
    let server = Process::launch(command, &log).await;
    is_fixed(&server, "banner_message", &json!("of the environment"), &json!("of somebody")).await;
    is_fixed(&server, "read_only", &json!(true), &json!(false)).await;
    let info = server.anon().get("/api/v2.0/systeminfo").await.expect_status(200).json();
    assert_eq!(info["banner_message"], "of the environment");
    server.admin().post("/v2/library/app/blobs/uploads/").await.expect_error(403, "DENIED");
    assert!(server.stop().await);

    // Nothing of it was kept.
    let server = Process::start(data.path()).await;
    let shown = server.admin().get(CONFIGURATIONS).await.expect_status(200).json();
    assert_eq!(shown["read_only"], json!({ "value": false, "editable": true }));
    assert_eq!(shown["banner_message"], json!({ "value": "", "editable": true }));
    let body = json!({ "banner_message": "of somebody" });
    server.admin().put(CONFIGURATIONS).json(&body).await.expect_status(200);
    assert!(server.stop().await);
}

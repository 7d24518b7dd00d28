//! The built program: what it was told is still there after it was killed, and it stops when it is asked to.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use harbor_core::oci::Algorithm;
use harbor_tests::Process;
use harbor_tests::content;

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

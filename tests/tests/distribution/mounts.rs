//! end-11: linking a blob of another repository without sending it again.

use harbor_core::oci::Algorithm;
use harbor_tests::content::{ALGORITHMS, Piece};
use harbor_tests::{Answer, Client, RegistryBuilder, TestRegistry};

use super::{REPO, REPO2};

super::on_every_store! {
    a_blob_is_mounted_from_a_named_repository;
    a_blob_is_mounted_from_wherever_it_is;
    a_blob_that_is_nowhere_falls_back_to_an_upload;
    a_mounted_blob_stays_when_its_source_goes;
    nobody_mounts_what_they_may_not_pull with alice;
    a_malformed_mount_is_refused;
    a_source_that_cannot_be_falls_back_to_an_upload;
}

fn alice(builder: RegistryBuilder) -> RegistryBuilder {
    builder.user("alice", &["hers"])
}

async fn mount(client: &Client, to: &str, from: Option<&str>, blob: &Piece) -> Answer {
    let call = client.post(&format!("/v2/{to}/blobs/uploads/")).query("mount", blob.digest);
    match from {
        Some(from) => call.query("from", from).await,
        None => call.await,
    }
}

async fn is_readable(client: &Client, repository: &str, blob: &Piece) {
    let path = format!("/v2/{repository}/blobs/{}", blob.digest);
    let read = client.get(&path).await.expect_status(200);
    assert_eq!((read.digest(), &read.body), (blob.digest, &blob.bytes));
}

/// A mount that was not possible is a begun upload, which takes the bytes.
async fn upload_instead(client: &Client, answer: Answer, blob: &Piece) {
    let at = answer.expect_status(202).location();
    let put = client.put(&at).query("digest", blob.digest).body(blob.bytes.clone());
    let location = put.await.expect_status(201).location();
    assert_eq!(client.get(&location).await.expect_status(200).body, blob.bytes);
}

async fn a_blob_is_mounted_from_a_named_repository(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, blob) = (registry.admin(), Piece::blob(algorithm, 512));
        admin.push_blob(REPO2, &blob).await;
        let answer = mount(&admin, REPO, Some(REPO2), &blob).await.expect_status(201);
        assert_eq!(answer.digest(), blob.digest);
        assert_eq!(admin.get(&answer.location()).await.expect_status(200).body, blob.bytes);
        is_readable(&registry.anon(), REPO, &blob).await;
        mount(&admin, REPO, Some(REPO2), &blob).await.expect_status(201);
    }
}

async fn a_blob_is_mounted_from_wherever_it_is(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, blob) = (registry.admin(), Piece::blob(algorithm, 512));
        admin.push_blob(REPO2, &blob).await;
        let answer = mount(&admin, REPO, None, &blob).await.expect_status(201);
        assert_eq!(answer.digest(), blob.digest);
        is_readable(&registry.anon(), REPO, &blob).await;
    }
}

async fn a_blob_that_is_nowhere_falls_back_to_an_upload(registry: &TestRegistry) {
    let admin = registry.admin();
    admin.push_blob(REPO2, &Piece::blob(Algorithm::Sha256, 1)).await;
    for algorithm in ALGORITHMS {
        for from in [Some(REPO2), Some("library/none"), Some("none/none"), None] {
            let blob = Piece::blob(algorithm, 512);
            let answer = mount(&admin, REPO, from, &blob).await;
            upload_instead(&admin, answer, &blob).await;
        }
    }
}

async fn a_mounted_blob_stays_when_its_source_goes(registry: &TestRegistry) {
    let (admin, blob) = (registry.admin(), Piece::blob(Algorithm::Sha256, 200_000));
    admin.push_blob(REPO2, &blob).await;
    mount(&admin, REPO, Some(REPO2), &blob).await.expect_status(201);
    admin.delete(&format!("/v2/{REPO2}/blobs/{}", blob.digest)).await.expect_status(202);
    registry.collect_garbage().await;
    is_readable(&admin, REPO, &blob).await;
    admin.get(&format!("/v2/{REPO2}/blobs/{}", blob.digest)).await.expect_error(404, "BLOB_UNKNOWN");
}

async fn nobody_mounts_what_they_may_not_pull(registry: &TestRegistry) {
    registry.project("hers", false).await;
    registry.project("secret", false).await;
    let blob = Piece::blob(Algorithm::Sha256, 512);
    registry.admin().push_blob("secret/app", &blob).await;
    let alice = registry.user("alice");
    for from in [Some("secret/app"), None] {
        let answer = mount(&alice, "hers/app", from, &blob).await.expect_status(202);
        assert!(answer.header("Docker-Content-Digest").is_none(), "{answer}");
        alice.get(&format!("/v2/hers/app/blobs/{}", blob.digest)).await.expect_error(404, "BLOB_UNKNOWN");
    }
    // Who knows the bytes may have the blob.
    let answer = mount(&alice, "hers/app", Some("secret/app"), &blob).await;
    upload_instead(&alice, answer, &blob).await;
    // And who may pull from a public project may mount from it.
    let public = Piece::blob(Algorithm::Sha256, 512);
    registry.admin().push_blob(REPO, &public).await;
    mount(&alice, "hers/app", Some(REPO), &public).await.expect_status(201);
    is_readable(&alice, "hers/app", &public).await;
}

async fn a_malformed_mount_is_refused(registry: &TestRegistry) {
    let (admin, uploads) = (registry.admin(), format!("/v2/{REPO}/blobs/uploads/"));
    for digest in ["", "sha256:short", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        admin.post(&uploads).query("mount", digest).await.expect_error(400, "DIGEST_INVALID");
    }
}

/// Even where the blob is: the client did not ask for a mount from there.
async fn a_source_that_cannot_be_falls_back_to_an_upload(registry: &TestRegistry) {
    let (admin, blob) = (registry.admin(), Piece::blob(Algorithm::Sha256, 512));
    admin.push_blob(REPO2, &blob).await;
    for from in ["", "UPPER/x", "../library", "a//b"] {
        let answer = mount(&admin, REPO, Some(from), &blob).await;
        upload_instead(&admin, answer, &blob).await;
    }
}

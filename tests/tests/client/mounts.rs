//! Mounts: end-11, with both answers that the specification allows.

use harbor_core::oci::Algorithm;
use harbor_replicate::client::{Credential, PushOptions, Pushed};
use harbor_tests::TestRegistry;
use harbor_tests::content::Piece;

use super::double::{Double, Reply};
use super::{REPO, at, repository};

const FROM: &str = "library/client/source";

#[tokio::test]
async fn a_blob_is_mounted_where_it_is() {
    let registry = TestRegistry::in_memory().await;
    let app = repository(&registry);
    let source = app.registry().repository(FROM.parse().unwrap());
    let (one, two) = (Piece::blob(Algorithm::Sha256, 1000), Piece::blob(Algorithm::Sha512, 1_000_000));
    for blob in [&one, &two] {
        source.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    }
    assert!(app.blob_mount(&one.digest, source.name()).await.unwrap());
    let options = PushOptions::default().mount_from(source.name().clone());
    assert_eq!(app.blob_push(&two.digest, &two.bytes, &options).await.unwrap(), Pushed::Mounted);
    for blob in [&one, &two] {
        let pulled = app.blob(&blob.digest, None).await.unwrap().bytes(2_000_000).await.unwrap();
        assert!(pulled == blob.bytes);
    }
    // What is nowhere is sent.
    let new = Piece::blob(Algorithm::Sha256, 1_000_000);
    assert!(!app.blob_mount(&new.digest, source.name()).await.unwrap());
    assert_eq!(app.blob_push(&new.digest, &new.bytes, &options).await.unwrap(), Pushed::Sent);
    assert!(app.blob_head(&new.digest).await.unwrap().is_some());
    registry.close().await;
}

#[tokio::test]
async fn an_upload_instead_of_a_mount_is_gone_on_with_or_ended() {
    let double = Double::start(|came| match came.method.as_str() {
        "HEAD" => Reply::status(404),
        "POST" => Reply::status(202).header("Location", "/uploads/7"),
        "PUT" => Reply::status(201),
        _ => Reply::status(204),
    })
    .await;
    let app = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    let blob = Piece::blob(Algorithm::Sha256, 100);
    let from = FROM.parse().unwrap();
    assert!(!app.blob_mount(&blob.digest, &from).await.unwrap());
    let uploads = format!("POST /v2/{REPO}/blobs/uploads/");
    assert_eq!(double.lines(), [uploads.clone(), "DELETE /uploads/7".to_owned()]);
    let asked = double.came().remove(0);
    assert_eq!(
        (asked.query("mount"), asked.query("from")),
        (vec![blob.digest.to_string()], vec![FROM.to_owned()])
    );

    let options = PushOptions::default().mount_from(from);
    assert_eq!(app.blob_push(&blob.digest, &blob.bytes, &options).await.unwrap(), Pushed::Sent);
    let head = format!("HEAD /v2/{REPO}/blobs/{}", blob.digest);
    assert_eq!(double.lines()[2..], [head, uploads, "PUT /uploads/7".to_owned()]);
    assert_eq!(double.came().last().unwrap().body, blob.bytes);
}

#[tokio::test]
async fn who_may_not_mount_pushes() {
    let double = Double::start(|came| match came.method.as_str() {
        "HEAD" => Reply::status(404),
        "POST" if came.query("mount").is_empty() => Reply::status(201),
        _ => Reply::error(403, "DENIED"),
    })
    .await;
    let app = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    let blob = Piece::blob(Algorithm::Sha256, 100);
    let options = PushOptions::default().mount_from(FROM.parse().unwrap());
    assert_eq!(app.blob_push(&blob.digest, &blob.bytes, &options).await.unwrap(), Pushed::Sent);
    assert_eq!(app.blob_mount(&blob.digest, &FROM.parse().unwrap()).await.unwrap_err().status(), Some(403));
}

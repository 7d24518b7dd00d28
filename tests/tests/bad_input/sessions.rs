//! Upload sessions of others, many of them, and two writers of one.

use harbor_core::oci::Algorithm;
use harbor_tests::content::Piece;
use harbor_tests::{BackEnd, Client, TestRegistry};

use super::REPO;

async fn is_unknown(client: &Client, at: &str) {
    let blob = Piece::blob(Algorithm::Sha256, 4);
    for method in ["GET", "PATCH", "DELETE"] {
        client.call(method, at).body("evil").await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    }
    client.head(at).await.expect_status(404);
    let put = client.put(at).query("digest", blob.digest).body(blob.bytes.clone());
    put.await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_session_of_another_repository_is_unknown() {
    let registry = TestRegistry::in_memory().await;
    registry.project("other", true).await;
    let at = registry.admin().begin(REPO).await;
    let id = at.rsplit_once('/').unwrap().1;
    for repository in ["library/app2", "library/app/x", "other/app"] {
        registry.admin().push_blob(repository, &Piece::blob(Algorithm::Sha256, 1)).await;
        is_unknown(&registry.admin(), &format!("/v2/{repository}/blobs/uploads/{id}")).await;
    }
    is_unknown(&registry.admin(), &format!("/v2/library/never-pushed/blobs/uploads/{id}")).await;
    assert_eq!(registry.admin().get(&at).await.expect_status(204).need("Range"), "0-0");
}

#[tokio::test]
async fn a_session_of_another_person_is_unknown() {
    let builder = TestRegistry::builder(BackEnd::Memory).user("alice", &["team"]).user("bob", &["team"]);
    let registry = builder.start().await;
    registry.project("team", false).await;
    let blob = Piece::blob(Algorithm::Sha256, 100);
    let at = registry.user("alice").begin("team/app").await;
    registry.user("alice").patch(&at).body(blob.bytes.slice(..50)).await.expect_status(202);
    is_unknown(&registry.user("bob"), &at).await;
    is_unknown(&registry.admin(), &at).await;
    let put = registry.user("alice").put(&at).query("digest", blob.digest).body(blob.bytes.slice(50..));
    put.await.expect_status(201);
    assert_eq!(
        registry.user("bob").get(&format!("/v2/team/app/blobs/{}", blob.digest)).await.body,
        blob.bytes
    );
}

#[tokio::test]
async fn a_busy_session_does_not_tell_strangers_that_it_is_there() {
    let builder = TestRegistry::builder(BackEnd::Memory).user("alice", &["team"]).user("bob", &["team"]);
    let registry = builder.start().await;
    registry.project("team", false).await;
    let at = registry.user("alice").begin("team/app").await;
    let authorization = format!("Authorization: {}", registry.user("alice").header());
    let mut raw = registry.raw().await;
    raw.head(&format!("PATCH {at}"), &[&authorization, "Content-Length: 10", "Expect: 100-continue"]).await;
    assert_eq!(raw.answer().await.expect("an answer").status, 100, "the body is waited for");
    is_unknown(&registry.user("bob"), &at).await;
}

on_stores!(of_two_writers_of_one_session_one_is_told_to_wait);

async fn of_two_writers_of_one_session_one_is_told_to_wait(stores: BackEnd) {
    let registry = TestRegistry::start(stores).await;
    let (admin, blob) = (registry.admin(), Piece::blob(Algorithm::Sha256, 10));
    let at = admin.begin(REPO).await;
    let authorization = format!("Authorization: {}", admin.header());
    let mut raw = registry.raw().await;
    raw.head(&format!("PATCH {at}"), &[&authorization, "Content-Length: 10", "Expect: 100-continue"]).await;
    assert_eq!(raw.answer().await.expect("an answer").status, 100, "the first one writes");
    for method in ["PATCH", "DELETE"] {
        let answer = admin.call(method, &at).body("0123456789").await;
        assert!(!answer.expect_error(409, "BLOB_UPLOAD_INVALID").need("Retry-After").is_empty());
    }
    let put = admin.put(&at).query("digest", blob.digest).body(blob.bytes.clone());
    put.await.expect_error(409, "BLOB_UPLOAD_INVALID");
    assert_eq!(admin.get(&at).await.expect_status(204).need("Range"), "0-0", "the status can be asked");
    raw.send(&blob.bytes).await;
    assert_eq!(raw.answer().await.expect("an answer").status, 202);
    admin.put(&at).query("digest", blob.digest).await.expect_status(201);
    registry.close().await;
}

#[tokio::test]
async fn many_idle_sessions_disturb_nobody() {
    let registry = TestRegistry::in_memory().await;
    let admin = registry.admin();
    let mut sessions = Vec::new();
    for _ in 0..40 {
        let batch = (0..50).map(|_| admin.begin(REPO));
        sessions.extend(futures_util::future::join_all(batch).await);
    }
    assert_eq!(sessions.len(), 2000);
    let blob = Piece::blob(Algorithm::Sha256, 1000);
    admin.push_blob(REPO, &blob).await;
    for at in [&sessions[0], &sessions[999], &sessions[1999]] {
        admin.get(at).await.expect_status(204);
        admin.delete(at).await.expect_status(204);
    }
}

on_stores!(first_uploads_at_once_do_not_wait_for_one_another);

async fn first_uploads_at_once_do_not_wait_for_one_another(stores: BackEnd) {
    let registry = TestRegistry::start(stores).await;
    let admin = registry.admin();
    let began = std::time::Instant::now();
    let names: Vec<String> = (0..100).map(|number| format!("library/new-{number}")).collect();
    futures_util::future::join_all(names.iter().map(|name| admin.begin(name))).await;
    assert!(began.elapsed().as_secs() < 9, "{:?}", began.elapsed());
    registry.close().await;
}

#[tokio::test]
async fn the_same_blob_pushed_by_many_at_once_is_one_blob() {
    let registry = TestRegistry::start(BackEnd::Folder).await;
    let (admin, blob) = (registry.admin(), Piece::blob(Algorithm::Sha256, 200_000));
    futures_util::future::join_all((0..20).map(|_| admin.push_blob(REPO, &blob))).await;
    assert_eq!(admin.get(&format!("/v2/{REPO}/blobs/{}", blob.digest)).await.body, blob.bytes);
    registry.close().await;
}

//! Bodies that are not what their head says.

use std::time::Duration;

use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, Piece};
use harbor_tests::{BackEnd, RawConnection, TestRegistry};

use super::REPO;

async fn begin(registry: &TestRegistry, head: &str, headers: &[&str]) -> RawConnection {
    let authorization = format!("Authorization: {}", registry.admin().header());
    let mut raw = registry.raw().await;
    raw.head(head, &[&[authorization.as_str()], headers].concat()).await;
    raw
}

/// Waits until an upload stands at `offset`, and is free.
async fn until_at(registry: &TestRegistry, at: &str, offset: usize) {
    let expected = format!("0-{}", offset.saturating_sub(1));
    for _ in 0..1000 {
        let status = registry.admin().get(at).await.expect_status(204);
        if status.need("Range") == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{at} never came to {offset}");
}

async fn finish(registry: &TestRegistry, at: &str, from: usize, blob: &Piece) {
    // The broken request may hold the session a moment longer than its bytes take to be recorded.
    for _ in 0..1000 {
        let call = registry.admin().put(at).query("digest", blob.digest);
        let answer = call.body(blob.bytes.slice(from..)).await;
        if answer.status == 409 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        let location = answer.expect_status(201).location();
        assert_eq!(registry.admin().get(&location).await.body, blob.bytes);
        return;
    }
    panic!("{at} stayed busy");
}

#[tokio::test]
async fn an_upload_goes_on_where_the_client_was_cut_off() {
    for stores in [BackEnd::Memory, BackEnd::Folder] {
        let registry = TestRegistry::start(stores).await;
        for encoding in ["Content-Length: 300000", "Transfer-Encoding: chunked"] {
            let blob = Piece::blob(Algorithm::Sha256, 300_000);
            let at = registry.admin().begin(REPO).await;
            let mut raw = begin(&registry, &format!("PATCH {at}"), &[encoding]).await;
            if encoding.starts_with("Transfer") {
                raw.send(b"186A0\r\n").await;
            }
            raw.send(&blob.bytes[..100_000]).await;
            drop(raw);
            until_at(&registry, &at, 100_000).await;
            finish(&registry, &at, 100_000, &blob).await;
        }
        registry.close().await;
    }
}

#[tokio::test]
async fn a_final_put_that_was_cut_off_leaves_the_upload() {
    let registry = TestRegistry::in_memory().await;
    let blob = Piece::blob(Algorithm::Sha256, 300_000);
    let at = registry.admin().begin(REPO).await;
    let head = format!("PUT {at}?digest={}", blob.digest);
    let mut raw = begin(&registry, &head, &["Content-Length: 300000"]).await;
    raw.send(&blob.bytes[..200_000]).await;
    raw.finish().await;
    if let Some(answer) = raw.answer().await {
        assert_eq!(answer.status, 400);
    }
    let path = format!("/v2/{REPO}/blobs/{}", blob.digest);
    registry.admin().get(&path).await.expect_error(404, "BLOB_UNKNOWN");
    until_at(&registry, &at, 200_000).await;
    finish(&registry, &at, 200_000, &blob).await;
}

#[tokio::test]
async fn a_blob_that_was_cut_off_is_not_there() {
    let registry = TestRegistry::in_memory().await;
    let blob = Piece::blob(Algorithm::Sha256, 10_000);
    let head = format!("POST /v2/{REPO}/blobs/uploads/?digest={}", blob.digest);
    for part in [0, 1, 9_999] {
        let mut raw = begin(&registry, &head, &["Content-Length: 10000"]).await;
        raw.send(&blob.bytes[..part]).await;
        raw.finish().await;
        assert!(raw.answer().await.is_none_or(|answer| answer.status == 400));
    }
    let path = format!("/v2/{REPO}/blobs/{}", blob.digest);
    registry.admin().get(&path).await.expect_status(404);
    registry.admin().push_blob(REPO, &blob).await;
}

#[tokio::test]
async fn bytes_beyond_the_length_are_not_the_body() {
    let registry = TestRegistry::in_memory().await;
    let blob = Piece::blob(Algorithm::Sha256, 100);
    let head = format!("POST /v2/{REPO}/blobs/uploads/?digest={}", blob.digest);
    let mut raw = begin(&registry, &head, &["Content-Length: 100"]).await;
    raw.send(&blob.bytes).await;
    raw.send(b"GARBAGE THAT FOLLOWS\r\n\r\n").await;
    assert_eq!(raw.answer().await.expect("an answer").status, 201);
    let second = raw.answer().await;
    assert!(second.is_none_or(|answer| answer.status == 400), "the rest is no request");
}

#[tokio::test]
async fn a_manifest_that_was_cut_off_is_not_there() {
    let registry = TestRegistry::in_memory().await;
    let set = content::image(Algorithm::Sha256);
    for blob in &set.blobs {
        registry.admin().push_blob(REPO, blob).await;
    }
    let bytes = &set.top().bytes;
    let head = format!("PUT /v2/{REPO}/manifests/latest");
    for (length, sent) in [(bytes.len() + 1, bytes.len()), (bytes.len(), bytes.len() - 1)] {
        let length = format!("Content-Length: {length}");
        let kind = format!("Content-Type: {}", set.top().media_type);
        let mut raw = begin(&registry, &head, &[&length, &kind]).await;
        raw.send(&bytes[..sent]).await;
        raw.finish().await;
        assert!(raw.answer().await.is_none_or(|answer| answer.status == 400));
        registry
            .admin()
            .get(&format!("/v2/{REPO}/manifests/latest"))
            .await
            .expect_error(404, "MANIFEST_UNKNOWN");
    }
}

#[tokio::test]
async fn broken_chunked_encoding_is_refused() {
    let registry = TestRegistry::in_memory().await;
    for garbage in [
        "zz\r\nabc\r\n",
        "-1\r\n\r\n",
        "5\r\nabc",
        "3\r\nabcXX0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "\r\n\r\n",
        "3 3\r\nabc\r\n",
    ] {
        let at = registry.admin().begin(REPO).await;
        let mut raw = begin(&registry, &format!("PATCH {at}"), &["Transfer-Encoding: chunked"]).await;
        raw.send(garbage).await;
        raw.finish().await;
        let answer = raw.answer().await;
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 400), "{garbage:?}: {answer:?}");
        let status = registry.admin().get(&at).await.expect_status(204);
        assert!(["0-0", "0-2"].contains(&status.need("Range")), "{garbage:?}: {status}");
    }
}

#[tokio::test]
async fn a_request_with_two_lengths_is_refused() {
    let registry = TestRegistry::in_memory().await;
    for headers in [
        &["Content-Length: 5", "Content-Length: 6"][..],
        &["Content-Length: 5, 6"],
        &["Content-Length: -1"],
        &["Content-Length: +5"],
        &["Content-Length: 0x5"],
        &["Content-Length: 99999999999999999999999"],
        &["Transfer-Encoding: gzip"],
        &["Transfer-Encoding: chunked, identity"],
        &["Transfer-Encoding : chunked"],
    ] {
        let at = registry.admin().begin(REPO).await;
        let mut raw = begin(&registry, &format!("PATCH {at}"), headers).await;
        raw.send("GET /v2/ HTTP/1.1\r\nHost: smuggled\r\n\r\n").await;
        raw.finish().await;
        let answer = raw.answer().await;
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 400), "{headers:?}: {answer:?}");
        assert_eq!(registry.admin().get(&at).await.expect_status(204).need("Range"), "0-0", "{headers:?}");
        assert!(raw.answer().await.is_none(), "{headers:?}: what follows is no request");
    }
}

#[tokio::test]
async fn both_a_length_and_chunks_do_not_smuggle_a_request() {
    let registry = TestRegistry::in_memory().await;
    let at = registry.admin().begin(REPO).await;
    let headers = ["Content-Length: 5", "Transfer-Encoding: chunked"];
    let mut raw = begin(&registry, &format!("PATCH {at}"), &headers).await;
    raw.send("3\r\nabc\r\n0\r\n\r\n").await;
    raw.finish().await;
    let first = raw.answer().await.map(|answer| answer.status);
    assert!([None, Some(400), Some(202)].contains(&first), "{first:?}");
    assert!(raw.answer().await.is_none(), "one request, one answer");
}

#[tokio::test]
async fn a_client_that_falls_silent_is_let_go_and_its_upload_goes_on() {
    let registry =
        TestRegistry::builder(BackEnd::Memory).body_pause(Duration::from_millis(100)).start().await;
    let blob = Piece::blob(Algorithm::Sha256, 1000);
    let at = registry.admin().begin(REPO).await;
    let mut raw = begin(&registry, &format!("PATCH {at}"), &["Content-Length: 1000"]).await;
    raw.send(&blob.bytes[..400]).await;
    let answer = raw.answer().await.expect("an answer to a client that only waits");
    assert_eq!((answer.status, answer.code().as_str()), (400, "BLOB_UPLOAD_INVALID"));
    assert!(raw.ended().await, "the rest of the body is not taken for a request");
    until_at(&registry, &at, 400).await;
    finish(&registry, &at, 400, &blob).await;
    // The same for a manifest.
    let mut raw = begin(&registry, &format!("PUT /v2/{REPO}/manifests/x"), &["Content-Length: 1000"]).await;
    raw.send("{").await;
    assert_eq!(raw.answer().await.expect("an answer").status, 400);
}

/// Who may do it was asked before the body came, and may have changed by the time that it ends.
#[tokio::test]
async fn a_body_that_is_read_whole_does_not_come_for_ever() {
    let registry =
        TestRegistry::builder(BackEnd::Memory).body_pause(Duration::from_millis(100)).start().await;
    let body = r#"{ "sysadmin_flag": true }"#;
    let headers = [format!("Content-Length: {}", body.len()), "Content-Type: application/json".to_owned()];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let mut raw = begin(&registry, "PUT /api/v2.0/users/1/sysadmin", &headers).await;
    // All of it comes, and never with a pause that is too long, but in more than ten of these altogether.
    for byte in body.as_bytes().chunks(1) {
        raw.send(byte).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let answer = raw.answer().await.expect("an answer");
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[tokio::test]
async fn a_client_that_is_slow_but_not_silent_is_served() {
    let registry = TestRegistry::builder(BackEnd::Memory).body_pause(Duration::from_secs(5)).start().await;
    let blob = Piece::blob(Algorithm::Sha256, 40);
    let at = registry.admin().begin(REPO).await;
    let mut raw = begin(&registry, &format!("PATCH {at}"), &["Content-Length: 40"]).await;
    for byte in blob.bytes.chunks(1) {
        raw.send(byte).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(raw.answer().await.expect("an answer").status, 202);
    finish(&registry, &at, 40, &blob).await;
}

#[tokio::test]
async fn a_client_that_asks_to_continue_is_refused_before_it_sends() {
    let registry = TestRegistry::in_memory().await;
    let blob = Piece::blob(Algorithm::Sha256, 1000);
    let head = format!("POST /v2/{REPO}/blobs/uploads/?digest={}", blob.digest);
    let headers = ["Content-Length: 1000", "Expect: 100-continue"];
    let mut raw = registry.raw().await;
    raw.head(&head, &headers).await;
    assert_eq!(raw.answer().await.expect("an answer").status, 401, "nothing is asked of strangers");
    let mut raw = begin(&registry, &head, &headers).await;
    assert_eq!(raw.answer().await.expect("an answer").status, 100);
    raw.send(&blob.bytes).await;
    assert_eq!(raw.answer().await.expect("an answer").status, 201);
}

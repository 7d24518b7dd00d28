//! What comes before and around HTTP.

use std::time::Duration;

use harbor_core::oci::Algorithm;
use harbor_tests::TestRegistry;
use harbor_tests::content::{self, Piece};

use super::REPO;

#[tokio::test]
async fn a_tls_greeting_on_the_plain_port_is_a_bad_request() {
    let registry = TestRegistry::in_memory().await;
    let mut raw = registry.raw().await;
    // The beginning of a ClientHello, as any client of TLS 1.2 or 1.3 sends it.
    raw.send(b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03").await;
    raw.send([7_u8; 189]).await;
    raw.finish().await;
    assert_eq!(raw.answer().await.expect("an answer").status, 400);
    assert!(raw.ended().await);
}

#[tokio::test]
async fn http2_without_tls_works() {
    let registry = TestRegistry::in_memory().await;
    let http2 = registry.admin().http2();
    let set = content::index(Algorithm::Sha256);
    http2.push(REPO, Some("latest"), &set).await;
    let blob = Piece::blob(Algorithm::Sha256, 3_000_000);
    http2.push_blob(REPO, &blob).await;
    let read = http2.get(&format!("/v2/{REPO}/blobs/{}", blob.digest)).await.expect_status(200);
    assert_eq!(read.body, blob.bytes);
    let many = (0..100).map(|_| async { http2.get(&format!("/v2/{REPO}/manifests/latest")).await.status });
    assert!(futures_util::future::join_all(many).await.iter().all(|status| *status == 200));
    http2.get(&format!("/v2/{REPO}/manifests/none")).await.expect_error(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn oversized_heads_are_refused() {
    let registry = TestRegistry::in_memory().await;
    let huge = format!("X-Huge: {}", "x".repeat(2_000_000));
    let many: Vec<String> = (0..5000).map(|number| format!("X-{number}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for headers in [&[huge.as_str()][..], &many] {
        let mut raw = registry.raw().await;
        raw.head("GET /v2/", headers).await;
        let status = raw.answer().await.map_or(431, |answer| answer.status);
        assert!([400, 431].contains(&status), "{status}");
    }
    registry.admin().get("/v2/").await.expect_status(200);
}

#[tokio::test]
async fn malformed_heads_are_refused() {
    let registry = TestRegistry::in_memory().await;
    for head in [
        "GARBAGE\r\n\r\n",
        "GET\r\n\r\n",
        "GET /v2/\r\n\r\n",
        "GET /v2/ HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nNo colon\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\n: empty\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: x\r\nA\0B: c\r\n\r\n",
        "GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
        "G\0T /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v2/\u{1}x HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\n\r\n\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nNOT A FRAME AT ALL, NOT EVEN NEARLY",
    ] {
        let mut raw = registry.raw().await;
        raw.send(head).await;
        raw.finish().await;
        let status = raw.answer().await.map(|answer| answer.status);
        // The registry may also hang up, or answer as HTTP/2 does, which is no answer of HTTP/1.1.
        assert!([None, Some(400), Some(505)].contains(&status), "{head:?}: {status:?}");
    }
    registry.admin().get("/v2/").await.expect_status(200);
}

#[tokio::test]
async fn a_host_that_is_none_is_not_repeated() {
    let registry = TestRegistry::in_memory().await;
    for host in ["evil\"; x=\"", "a b", "<script>", "evil.example/x?", "\u{e4}"] {
        let mut raw = registry.raw().await;
        raw.send(format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let Some(answer) = raw.answer().await else { continue };
        assert!([400, 401].contains(&answer.status), "{host}");
        if let Some(challenge) = answer.headers.get("www-authenticate") {
            let challenge = String::from_utf8_lossy(challenge.as_bytes()).into_owned();
            assert!(challenge.contains(r#"realm="http://localhost/service/token""#), "{host}: {challenge}");
        }
    }
}

#[tokio::test]
async fn a_request_id_that_could_do_harm_is_replaced() {
    let registry = TestRegistry::in_memory().await;
    for id in ["a b", "<script>", "x\"y", "{}", &"x".repeat(129), ""] {
        let answer = registry.admin().get("/v2/").header("X-Request-Id", id).await.expect_status(200);
        assert_ne!(answer.need("X-Request-Id"), id);
    }
}

#[tokio::test]
async fn requests_in_a_row_on_one_connection_are_answered_in_order() {
    let registry = TestRegistry::in_memory().await;
    let authorization = format!("Authorization: {}", registry.admin().header());
    let mut raw = registry.raw().await;
    let targets = ["/v2/", "/v2/UPPER/x/tags/list", "/v2/library/none/tags/list", "/v2/"];
    for target in targets {
        raw.head(&format!("GET {target}"), &[&authorization]).await;
    }
    for status in [200, 400, 404, 200] {
        assert_eq!(raw.answer().await.expect("an answer").status, status);
    }
}

/// Whoever is refused while still sending a small body hears why, and keeps the connection. A large one is not taken in.
#[tokio::test]
async fn a_refused_body() {
    let registry = TestRegistry::in_memory().await;
    let mut connection = registry.raw().await;
    for path in ["manifests/latest", "blobs/uploads/none", "blobs/uploads/?digest=none"] {
        let method = if path.contains('?') { "POST" } else { "PUT" };
        connection.head(&format!("{method} /v2/library/app/{path}"), &["Content-Length: 100000"]).await;
        connection.send(vec![b'x'; 60_000]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        connection.send(vec![b'x'; 40_000]).await;
        assert_eq!(connection.answer().await.expect("an answer").status, 401, "{path}");
    }
    // Not invited to send: what comes next on the connection is the answer.
    connection
        .head("PUT /v2/library/app/manifests/latest", &["Content-Length: 100000", "Expect: 100-continue"])
        .await;
    assert_eq!(connection.answer().await.expect("an answer").status, 401);

    let mut connection = registry.raw().await;
    connection.head("PUT /v2/library/app/manifests/latest", &["Content-Length: 4000000"]).await;
    assert_eq!(connection.answer().await.expect("an answer, without a wait").status, 401);
    assert!(connection.ended().await, "the connection was not closed");
    registry.close().await;
}

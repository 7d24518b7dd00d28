//! end-2 and end-4b: reading blobs, and pushing one in a single request.

use harbor_core::oci::Algorithm;
use harbor_tests::content::{ALGORITHMS, EMPTY, Piece};
use harbor_tests::{Answer, TestRegistry};

use super::{REPO, REPO2};

super::on_every_store! {
    a_blob_that_was_never_pushed_is_unknown;
    a_pushed_blob_is_read_byte_for_byte;
    the_blob_of_no_bytes_is_a_blob;
    the_empty_json_object_is_a_blob;
    large_blobs_are_whole;
    head_has_the_headers_of_get;
    a_client_that_has_the_blob_is_told_so;
    a_blob_is_known_by_the_digest_that_it_was_pushed_by;
    a_blob_is_not_seen_in_other_repositories;
    pushing_a_blob_again_is_no_fault;
}

fn path(repository: &str, blob: &Piece) -> String {
    format!("/v2/{repository}/blobs/{}", blob.digest)
}

async fn read_back(registry: &TestRegistry, blob: &Piece) {
    registry.admin().push_blob(REPO, blob).await;
    let answer = registry.anon().get(&path(REPO, blob)).await.expect_status(200);
    assert_eq!(answer.body, blob.bytes);
    assert_eq!(answer.digest(), blob.digest);
    assert_eq!(answer.need("Content-Length"), blob.bytes.len().to_string());
    assert_eq!(answer.need("Content-Type"), "application/octet-stream");
    let head = registry.anon().head(&path(REPO, blob)).await.expect_status(200);
    assert_eq!(head.need("Content-Length"), blob.bytes.len().to_string());
    assert_eq!(head.digest(), blob.digest);
}

async fn a_blob_that_was_never_pushed_is_unknown(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let blob = Piece::blob(algorithm, 512);
        registry.admin().get(&path(REPO, &blob)).await.expect_error(404, "NAME_UNKNOWN");
        registry.admin().push_blob(REPO2, &Piece::blob(algorithm, 1)).await;
        registry.admin().get(&path(REPO2, &blob)).await.expect_error(404, "BLOB_UNKNOWN");
        registry.admin().head(&path(REPO2, &blob)).await.expect_status(404);
    }
}

async fn a_pushed_blob_is_read_byte_for_byte(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        read_back(registry, &Piece::blob(algorithm, 512)).await;
    }
}

async fn the_blob_of_no_bytes_is_a_blob(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        read_back(registry, &Piece::new(algorithm, EMPTY, "")).await;
    }
}

async fn the_empty_json_object_is_a_blob(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        read_back(registry, &Piece::new(algorithm, EMPTY, "{}")).await;
    }
}

async fn large_blobs_are_whole(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        read_back(registry, &Piece::blob(algorithm, 7_654_321)).await;
    }
}

fn lasting(answer: &Answer) -> Vec<(String, String)> {
    let headers =
        answer.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let mut headers: Vec<_> = headers.filter(|(name, _)| name != "date" && name != "x-request-id").collect();
    headers.sort();
    headers
}

async fn head_has_the_headers_of_get(registry: &TestRegistry) {
    for length in [0, 1, 100_000, 1_000_000] {
        let blob = Piece::blob(Algorithm::Sha256, length);
        registry.admin().push_blob(REPO, &blob).await;
        let head = registry.admin().head(&path(REPO, &blob)).await.expect_status(200);
        let get = registry.admin().get(&path(REPO, &blob)).await.expect_status(200);
        assert_eq!(lasting(&head), lasting(&get));
    }
}

async fn a_client_that_has_the_blob_is_told_so(registry: &TestRegistry) {
    let blob = Piece::blob(Algorithm::Sha256, 512);
    registry.admin().push_blob(REPO, &blob).await;
    let tag = registry.admin().get(&path(REPO, &blob)).await.need("ETag").to_owned();
    assert_eq!(tag, format!("\"{}\"", blob.digest));
    for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        for method in ["GET", "HEAD"] {
            let call = registry.admin().call(method, &path(REPO, &blob));
            let answer = call.header("If-None-Match", &known).await.expect_status(304);
            assert_eq!((answer.need("ETag"), answer.digest()), (tag.as_str(), blob.digest));
            assert!(answer.body.is_empty());
        }
    }
    registry.admin().get(&path(REPO, &blob)).header("If-None-Match", "\"other\"").await.expect_status(200);
    // Knowing a digest is not having access to it.
    let private = Piece::blob(Algorithm::Sha256, 3);
    let call = registry.admin().get(&path(REPO, &private)).header("If-None-Match", "*");
    call.await.expect_error(404, "BLOB_UNKNOWN");
}

async fn a_blob_is_known_by_the_digest_that_it_was_pushed_by(registry: &TestRegistry) {
    let short = Piece::blob(Algorithm::Sha256, 512);
    let long = Piece::new(Algorithm::Sha512, &short.media_type, short.bytes.clone());
    registry.admin().push_blob(REPO, &short).await;
    registry.admin().get(&path(REPO, &long)).await.expect_error(404, "BLOB_UNKNOWN");
    registry.admin().push_blob(REPO, &long).await;
    for blob in [&short, &long] {
        let answer = registry.admin().get(&path(REPO, blob)).await.expect_status(200);
        assert_eq!(answer.digest(), blob.digest);
    }
}

async fn a_blob_is_not_seen_in_other_repositories(registry: &TestRegistry) {
    let blob = Piece::blob(Algorithm::Sha256, 512);
    registry.admin().push_blob(REPO, &blob).await;
    registry.admin().push_blob(REPO2, &Piece::blob(Algorithm::Sha256, 1)).await;
    registry.admin().get(&path(REPO2, &blob)).await.expect_error(404, "BLOB_UNKNOWN");
    registry.admin().head(&path(REPO2, &blob)).await.expect_status(404);
    registry.admin().delete(&path(REPO2, &blob)).await.expect_error(404, "BLOB_UNKNOWN");
    registry.admin().get(&path(REPO, &blob)).await.expect_status(200);
}

async fn pushing_a_blob_again_is_no_fault(registry: &TestRegistry) {
    let blob = Piece::blob(Algorithm::Sha256, 200_000);
    for repository in [REPO, REPO, REPO2] {
        registry.admin().push_blob(repository, &blob).await;
        assert_eq!(registry.anon().get(&path(repository, &blob)).await.body, blob.bytes);
    }
}

//! end-4, end-5, end-6, end-13, end-14: pushing blobs in sessions.

use harbor_core::oci::Algorithm;
use harbor_tests::content::{ALGORITHMS, Piece};
use harbor_tests::{Answer, Client, RegistryBuilder, TestRegistry};

use super::REPO;

super::on_every_store! {
    post_then_put;
    one_chunk_then_put;
    many_chunks_then_put;
    many_chunks_the_last_with_the_put;
    a_chunk_out_of_order_is_refused_and_the_upload_goes_on;
    a_final_chunk_out_of_order_is_refused_and_the_upload_goes_on;
    a_stream_then_put;
    streams_without_ranges_are_appended;
    the_whole_blob_with_the_put_as_a_stream;
    the_status_tells_how_far_an_upload_is;
    a_cancelled_upload_is_gone;
    a_finished_upload_is_gone;
    the_algorithm_can_be_announced;
    an_unknown_algorithm_is_refused;
    a_wrong_digest_is_refused_however_the_bytes_came;
    after_a_wrong_digest_the_upload_can_be_finished;
    the_final_put_needs_a_digest;
    a_chunk_has_the_length_that_its_range_says;
    a_malformed_range_is_refused;
    a_chunk_of_nothing_has_its_place_too;
    a_blob_over_the_limit_is_refused with limit;
}

fn limit(builder: RegistryBuilder) -> RegistryBuilder {
    builder.settings(|settings| settings.blob_limit = Some(1000))
}

/// PATCH of the bytes `from..to`.
async fn chunk(client: &Client, at: &str, blob: &Piece, from: usize, to: usize) -> Answer {
    let call = client.patch(at).header("Content-Range", format!("{from}-{}", to - 1));
    call.header("Content-Type", "application/octet-stream").body(blob.bytes.slice(from..to)).await
}

/// PUT without bytes.
async fn finish(client: &Client, at: &str, blob: &Piece) -> Answer {
    client.put(at).query("digest", blob.digest).header("Content-Length", "0").await
}

/// A finished upload, as its answer tells it and as it is read.
async fn verify(client: &Client, answer: Answer, blob: &Piece) {
    let answer = answer.expect_status(201);
    assert_eq!(answer.digest(), blob.digest);
    let read = client.get(&answer.location()).await.expect_status(200);
    assert_eq!((read.digest(), &read.body), (blob.digest, &blob.bytes));
    let head = client.head(&format!("/v2/{REPO}/blobs/{}", blob.digest)).await.expect_status(200);
    assert_eq!(head.need("Content-Length"), blob.bytes.len().to_string());
}

async fn post_then_put(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, blob) = (registry.admin(), Piece::blob(algorithm, 512));
        let at = admin.begin(REPO).await;
        let call = admin.put(&at).query("digest", blob.digest).body(blob.bytes.clone());
        verify(&admin, call.header("Content-Type", "application/octet-stream").await, &blob).await;
    }
}

async fn one_chunk_then_put(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, blob) = (registry.admin(), Piece::blob(algorithm, 512));
        let at = admin.begin(REPO).await;
        let answer = chunk(&admin, &at, &blob, 0, 512).await.expect_status(202);
        assert_eq!(answer.need("Range"), "0-511");
        verify(&admin, finish(&admin, &answer.location(), &blob).await, &blob).await;
    }
}

async fn many_chunks_then_put(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, blob) = (registry.admin(), Piece::blob(algorithm, 3 * 65_536 - 5));
        let mut at = admin.begin(REPO).await;
        for (from, to) in [(0, 65_536), (65_536, 131_072), (131_072, 196_603)] {
            let answer = chunk(&admin, &at, &blob, from, to).await.expect_status(202);
            assert_eq!(answer.need("Range"), format!("0-{}", to - 1));
            at = answer.location();
        }
        verify(&admin, finish(&admin, &at, &blob).await, &blob).await;
    }
}

async fn many_chunks_the_last_with_the_put(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, blob) = (registry.admin(), Piece::blob(algorithm, 1000));
        let at = admin.begin(REPO).await;
        let at = chunk(&admin, &at, &blob, 0, 400).await.expect_status(202).location();
        let at = chunk(&admin, &at, &blob, 400, 800).await.expect_status(202).location();
        let call = admin.put(&at).query("digest", blob.digest).header("Content-Range", "800-999");
        verify(&admin, call.body(blob.bytes.slice(800..)).await, &blob).await;
    }
}

async fn a_chunk_out_of_order_is_refused_and_the_upload_goes_on(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, blob) = (registry.admin(), Piece::blob(algorithm, 900));
        let at = admin.begin(REPO).await;
        let ahead = chunk(&admin, &at, &blob, 300, 600).await;
        ahead.expect_error(416, "BLOB_UPLOAD_INVALID");
        let at = chunk(&admin, &at, &blob, 0, 300).await.expect_status(202).location();
        for (from, to) in [(600, 900), (0, 300), (299, 600), (301, 600)] {
            let answer = chunk(&admin, &at, &blob, from, to).await.expect_error(416, "BLOB_UPLOAD_INVALID");
            assert_eq!(answer.need("Range"), "0-299", "where the upload stands");
        }
        let status = admin.get(&at).await.expect_status(204);
        assert_eq!(status.need("Range"), "0-299");
        let at = chunk(&admin, &status.location(), &blob, 300, 900).await.expect_status(202).location();
        verify(&admin, finish(&admin, &at, &blob).await, &blob).await;
    }
}

async fn a_final_chunk_out_of_order_is_refused_and_the_upload_goes_on(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, blob) = (registry.admin(), Piece::blob(algorithm, 900));
        let at = admin.begin(REPO).await;
        let at = chunk(&admin, &at, &blob, 0, 300).await.expect_status(202).location();
        let last = |range: &'static str, from: usize| {
            let call = admin.put(&at).query("digest", blob.digest).header("Content-Range", range);
            call.body(blob.bytes.slice(from..))
        };
        let answer = last("600-899", 600).await.expect_error(416, "BLOB_UPLOAD_INVALID");
        assert_eq!(answer.need("Range"), "0-299");
        assert_eq!(admin.get(&at).await.expect_status(204).need("Range"), "0-299");
        verify(&admin, last("300-899", 300).await, &blob).await;
    }
}

async fn a_stream_then_put(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, blob) = (registry.admin(), Piece::blob(algorithm, 300_000));
        let at = admin.begin(REPO).await;
        let pieces = blob.bytes.chunks(70_001).map(bytes::Bytes::copy_from_slice).collect();
        let answer = admin.patch(&at).stream(pieces).await.expect_status(202);
        assert_eq!(answer.need("Range"), "0-299999");
        verify(&admin, finish(&admin, &answer.location(), &blob).await, &blob).await;
    }
}

async fn streams_without_ranges_are_appended(registry: &TestRegistry) {
    let (admin, blob) = (registry.admin(), Piece::blob(Algorithm::Sha256, 1000));
    let mut at = admin.begin(REPO).await;
    for part in [0..1, 1..400, 400..400, 400..1000] {
        at = admin.patch(&at).stream(vec![blob.bytes.slice(part)]).await.expect_status(202).location();
    }
    verify(&admin, finish(&admin, &at, &blob).await, &blob).await;
}

async fn the_whole_blob_with_the_put_as_a_stream(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, blob) = (registry.admin(), Piece::blob(algorithm, 100_000));
        let at = admin.begin(REPO).await;
        let call = admin.put(&at).query("digest", blob.digest).stream(vec![blob.bytes.clone()]);
        verify(&admin, call.await, &blob).await;
    }
}

async fn the_status_tells_how_far_an_upload_is(registry: &TestRegistry) {
    let (admin, blob) = (registry.admin(), Piece::blob(Algorithm::Sha256, 700));
    let begun = admin.post(&format!("/v2/{REPO}/blobs/uploads/")).await.expect_status(202);
    assert_eq!(begun.need("Content-Length"), "0");
    let at = begun.location();
    let id = begun.need("Docker-Upload-UUID");
    assert!(at.ends_with(id), "{at}");
    for method in ["GET", "HEAD"] {
        let status = admin.call(method, &at).await.expect_status(204);
        // The specification's form cannot tell nothing from one byte.
        assert_eq!((status.need("Range"), status.location().as_str()), ("0-0", at.as_str()));
        assert_eq!(status.need("Docker-Upload-UUID"), id);
    }
    chunk(&admin, &at, &blob, 0, 500).await.expect_status(202);
    assert_eq!(admin.get(&at).await.expect_status(204).need("Range"), "0-499");
}

async fn a_cancelled_upload_is_gone(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, blob) = (registry.admin(), Piece::blob(algorithm, 512));
        let at = admin.begin(REPO).await;
        let at = chunk(&admin, &at, &blob, 0, 256).await.expect_status(202).location();
        admin.delete(&at).await.expect_status(204);
        admin.get(&at).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
        admin.head(&at).await.expect_status(404);
        chunk(&admin, &at, &blob, 256, 512).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
        finish(&admin, &at, &blob).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
        admin.delete(&at).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
        let path = format!("/v2/{REPO}/blobs/{}", blob.digest);
        admin.get(&path).await.expect_error(404, "BLOB_UNKNOWN");
    }
}

async fn a_finished_upload_is_gone(registry: &TestRegistry) {
    let (admin, blob) = (registry.admin(), Piece::blob(Algorithm::Sha256, 10));
    // The second time the content is here already, and the session ends all the same.
    for _ in 0..2 {
        let at = admin.begin(REPO).await;
        let at = chunk(&admin, &at, &blob, 0, 10).await.expect_status(202).location();
        verify(&admin, finish(&admin, &at, &blob).await, &blob).await;
        admin.get(&at).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
        finish(&admin, &at, &blob).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
    }
}

async fn the_algorithm_can_be_announced(registry: &TestRegistry) {
    let uploads = format!("/v2/{REPO}/blobs/uploads/");
    for announced in ALGORITHMS {
        // A client may announce one and state another in the end: the digest at the end is what counts.
        for stated in ALGORITHMS {
            let (admin, blob) = (registry.admin(), Piece::blob(stated, 3000));
            let at =
                admin.post(&uploads).query("digest-algorithm", announced).await.expect_status(202).location();
            let at = chunk(&admin, &at, &blob, 0, 1000).await.expect_status(202).location();
            let at = chunk(&admin, &at, &blob, 1000, 3000).await.expect_status(202).location();
            verify(&admin, finish(&admin, &at, &blob).await, &blob).await;
        }
    }
}

async fn an_unknown_algorithm_is_refused(registry: &TestRegistry) {
    let uploads = format!("/v2/{REPO}/blobs/uploads/");
    for algorithm in ["md5", "sha1", "SHA256", "blake3", "", "sha256:"] {
        let call = registry.admin().post(&uploads).query("digest-algorithm", algorithm);
        call.await.expect_error(400, "DIGEST_INVALID");
    }
}

async fn a_wrong_digest_is_refused_however_the_bytes_came(registry: &TestRegistry) {
    for algorithm in ALGORITHMS {
        let (admin, blob) = (registry.admin(), Piece::blob(algorithm, 600));
        let other = Piece::blob(algorithm, 600);
        let post = admin.post(&format!("/v2/{REPO}/blobs/uploads/")).query("digest", other.digest);
        post.body(blob.bytes.clone()).await.expect_error(400, "DIGEST_INVALID");

        let at = admin.begin(REPO).await;
        let put = admin.put(&at).query("digest", other.digest).body(blob.bytes.clone());
        put.await.expect_error(400, "DIGEST_INVALID");

        let at = admin.begin(REPO).await;
        let at = chunk(&admin, &at, &blob, 0, 300).await.expect_status(202).location();
        let put = admin.put(&at).query("digest", other.digest).header("Content-Range", "300-599");
        put.body(blob.bytes.slice(300..)).await.expect_error(400, "DIGEST_INVALID");

        let at = admin.begin(REPO).await;
        let at = chunk(&admin, &at, &blob, 0, 600).await.expect_status(202).location();
        finish(&admin, &at, &other).await.expect_error(400, "DIGEST_INVALID");

        let at = admin.begin(REPO).await;
        let at = admin.patch(&at).stream(vec![blob.bytes.clone()]).await.expect_status(202).location();
        finish(&admin, &at, &other).await.expect_error(400, "DIGEST_INVALID");

        for missing in [&blob, &other] {
            let path = format!("/v2/{REPO}/blobs/{}", missing.digest);
            admin.get(&path).await.expect_error(404, "BLOB_UNKNOWN");
        }
    }
}

async fn after_a_wrong_digest_the_upload_can_be_finished(registry: &TestRegistry) {
    let (admin, blob) = (registry.admin(), Piece::blob(Algorithm::Sha256, 600));
    let at = admin.begin(REPO).await;
    let at = chunk(&admin, &at, &blob, 0, 600).await.expect_status(202).location();
    finish(&admin, &at, &Piece::blob(Algorithm::Sha256, 1)).await.expect_error(400, "DIGEST_INVALID");
    assert_eq!(admin.get(&at).await.expect_status(204).need("Range"), "0-599");
    verify(&admin, finish(&admin, &at, &blob).await, &blob).await;
}

async fn the_final_put_needs_a_digest(registry: &TestRegistry) {
    let admin = registry.admin();
    let at = admin.begin(REPO).await;
    admin.put(&at).await.expect_error(400, "DIGEST_INVALID");
    for digest in ["", "sha256:baddigeststring", "sha256", "md5:d41d8cd98f00b204e9800998ecf8427e", "../x"] {
        admin.put(&at).query("digest", digest).await.expect_error(400, "DIGEST_INVALID");
        let post = admin.post(&format!("/v2/{REPO}/blobs/uploads/")).query("digest", digest);
        post.await.expect_error(400, "DIGEST_INVALID");
    }
    admin.get(&at).await.expect_status(204);
}

async fn a_chunk_has_the_length_that_its_range_says(registry: &TestRegistry) {
    let (admin, blob) = (registry.admin(), Piece::blob(Algorithm::Sha256, 600));
    let at = admin.begin(REPO).await;
    for range in ["0-598", "0-600", "0-0"] {
        let sized = admin.patch(&at).header("Content-Range", range).body(blob.bytes.clone());
        sized.await.expect_error(400, "SIZE_INVALID");
        let streamed = admin.patch(&at).header("Content-Range", range).stream(vec![blob.bytes.clone()]);
        streamed.await.expect_error(400, "SIZE_INVALID");
    }
    assert_eq!(admin.get(&at).await.expect_status(204).need("Range"), "0-0");
    let put = admin.put(&at).query("digest", blob.digest).body(blob.bytes.clone());
    verify(&admin, put.await, &blob).await;
}

async fn a_malformed_range_is_refused(registry: &TestRegistry) {
    let admin = registry.admin();
    let at = admin.begin(REPO).await;
    for range in ["", "0", "-1", "0-", "1-0", "a-b", "+0-3", "0-3-4", "0 - 3", "0-99999999999999999999999"] {
        let call = admin.patch(&at).header("Content-Range", range).body("1234");
        call.await.expect_error(416, "RANGE_INVALID");
    }
    assert_eq!(admin.get(&at).await.expect_status(204).need("Range"), "0-0");
}

async fn a_chunk_of_nothing_has_its_place_too(registry: &TestRegistry) {
    let (admin, blob) = (registry.admin(), Piece::blob(Algorithm::Sha256, 600));
    let at = admin.begin(REPO).await;
    let at = chunk(&admin, &at, &blob, 0, 300).await.expect_status(202).location();
    let nothing = |range: &str| admin.patch(&at).header("Content-Range", range).header("Content-Length", "0");
    for range in ["0-0", "301-301", "299-298", "600-599"] {
        let answer = nothing(range).await.expect_error(416, "BLOB_UPLOAD_INVALID");
        assert_eq!(answer.need("Range"), "0-299", "{range}");
    }
    nothing("x").await.expect_error(416, "RANGE_INVALID");
    for range in ["300-299", "300-300"] {
        assert_eq!(nothing(range).await.expect_status(202).need("Range"), "0-299");
    }
    let at = chunk(&admin, &at, &blob, 300, 600).await.expect_status(202).location();
    let put = admin.put(&at).query("digest", blob.digest).header("Content-Range", "0-599");
    verify(&admin, put.header("Content-Length", "0").await, &blob).await;
}

async fn a_blob_over_the_limit_is_refused(registry: &TestRegistry) {
    let (admin, blob) = (registry.admin(), Piece::blob(Algorithm::Sha256, 1001));
    let post = admin.post(&format!("/v2/{REPO}/blobs/uploads/")).query("digest", blob.digest);
    post.body(blob.bytes.clone()).await.expect_error(413, "SIZE_INVALID");
    let at = admin.begin(REPO).await;
    admin.patch(&at).stream(vec![blob.bytes.clone()]).await.expect_error(413, "SIZE_INVALID");
    let at = chunk(&admin, &at, &blob, 0, 600).await.expect_status(202).location();
    chunk(&admin, &at, &blob, 600, 1001).await.expect_error(413, "SIZE_INVALID");
    admin.push_blob(REPO, &Piece::blob(Algorithm::Sha256, 1000)).await;
}

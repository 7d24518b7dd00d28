//! Reading a part of a blob: RFC 9110, section 14.

use harbor_core::oci::Algorithm;
use harbor_tests::content::{ALGORITHMS, Piece};
use harbor_tests::{Call, TestRegistry};

use super::REPO;

super::on_every_store! {
    a_range_yields_its_bytes;
    a_range_that_cannot_be_served_tells_the_size;
    ranges_that_are_not_served_yield_the_whole;
    a_range_of_another_version_yields_the_whole;
    head_takes_no_range;
    no_range_of_nothing_can_be_served;
}

/// One that is kept in memory and one that is not.
const SIZES: [usize; 2] = [2048, 3_000_000];

fn get(registry: &TestRegistry, blob: &Piece, range: &str) -> Call {
    registry.anon().get(&format!("/v2/{REPO}/blobs/{}", blob.digest)).header("Range", range)
}

async fn a_range_yields_its_bytes(registry: &TestRegistry) {
    for (algorithm, size) in ALGORITHMS.into_iter().flat_map(|algorithm| SIZES.map(|size| (algorithm, size)))
    {
        let blob = Piece::blob(algorithm, size);
        registry.admin().push_blob(REPO, &blob).await;
        for (range, span) in [
            ("500-1499".to_owned(), 500..1500),
            ("0-0".to_owned(), 0..1),
            ("0-".to_owned(), 0..size),
            ("500-".to_owned(), 500..size),
            ("-500".to_owned(), size - 500..size),
            ("-1".to_owned(), size - 1..size),
            ("-99999999".to_owned(), 0..size),
            ("2000-99999999".to_owned(), 2000..size),
            (format!("{}-", size - 1), size - 1..size),
        ] {
            let answer = get(registry, &blob, &format!("bytes={range}")).await.expect_status(206);
            assert_eq!(answer.body, blob.bytes.slice(span.clone()), "{range}");
            assert_eq!(answer.need("Content-Length"), span.len().to_string());
            assert_eq!(answer.need("Content-Range"), format!("bytes {}-{}/{size}", span.start, span.end - 1));
            assert_eq!(answer.digest(), blob.digest);
        }
    }
}

async fn a_range_that_cannot_be_served_tells_the_size(registry: &TestRegistry) {
    for size in SIZES {
        let blob = Piece::blob(Algorithm::Sha256, size);
        registry.admin().push_blob(REPO, &blob).await;
        let beyond = [format!("{size}-"), "5000000-10000000".to_owned()];
        for range in ["500-0", "-0", "-", "a-b", "1-+3"].map(str::to_owned).into_iter().chain(beyond) {
            let answer =
                get(registry, &blob, &format!("bytes={range}")).await.expect_error(416, "RANGE_INVALID");
            assert_eq!(answer.need("Content-Range"), format!("bytes */{size}"), "{range}");
        }
    }
}

async fn ranges_that_are_not_served_yield_the_whole(registry: &TestRegistry) {
    let blob = Piece::blob(Algorithm::Sha256, 2048);
    registry.admin().push_blob(REPO, &blob).await;
    for range in ["bytes=0-1,5-9", "lines=0-1", "nonsense"] {
        let answer = get(registry, &blob, range).await.expect_status(200);
        assert_eq!(answer.body, blob.bytes);
        assert!(answer.header("Content-Range").is_none(), "{range}");
    }
    let whole = registry.anon().get(&format!("/v2/{REPO}/blobs/{}", blob.digest)).await;
    assert_eq!(whole.need("Accept-Ranges"), "bytes");
}

async fn a_range_of_another_version_yields_the_whole(registry: &TestRegistry) {
    let blob = Piece::blob(Algorithm::Sha256, 2048);
    registry.admin().push_blob(REPO, &blob).await;
    let same = get(registry, &blob, "bytes=0-9").header("If-Range", format!("\"{}\"", blob.digest));
    assert_eq!(same.await.expect_status(206).body, blob.bytes.slice(..10));
    for other in ["\"other\"", "Wed, 21 Oct 2015 07:28:00 GMT"] {
        let answer = get(registry, &blob, "bytes=0-9").header("If-Range", other).await.expect_status(200);
        assert_eq!(answer.body, blob.bytes);
    }
}

async fn head_takes_no_range(registry: &TestRegistry) {
    let blob = Piece::blob(Algorithm::Sha256, 2048);
    registry.admin().push_blob(REPO, &blob).await;
    let call = registry.anon().head(&format!("/v2/{REPO}/blobs/{}", blob.digest));
    let answer = call.header("Range", "bytes=0-9").await.expect_status(200);
    assert_eq!(answer.need("Content-Length"), "2048");
}

async fn no_range_of_nothing_can_be_served(registry: &TestRegistry) {
    let blob = Piece::blob(Algorithm::Sha256, 0);
    registry.admin().push_blob(REPO, &blob).await;
    for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
        let answer = get(registry, &blob, range).await.expect_error(416, "RANGE_INVALID");
        assert_eq!(answer.need("Content-Range"), "bytes */0");
    }
}

//! Blobs: end-2, end-10; every byte is checked, and what breaks is taken up where it broke.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use harbor_core::oci::Algorithm;
use harbor_replicate::client::{Credential, Error, Registry, Repository, Result};
use harbor_tests::TestRegistry;
use harbor_tests::content::{ALGORITHMS, Piece};

use super::breaker::{Breaker, Way};
use super::double::{Came, Double, Reply};
use super::{REPO, at, quick, repository};

const LARGE: usize = 5_000_000;

async fn read(repository: &Repository, blob: &Piece, size: Option<u64>) -> Result<Bytes> {
    repository.blob(&blob.digest, size).await?.bytes(LARGE * 2).await
}

#[tokio::test]
async fn what_is_pushed_is_pulled() {
    let registry = TestRegistry::in_memory().await;
    let app = repository(&registry);
    for algorithm in ALGORITHMS {
        for length in [0, 1, 70_000, LARGE] {
            let blob = Piece::blob(algorithm, length);
            assert_eq!(app.blob_head(&blob.digest).await.unwrap(), None);
            app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
            let head = app.blob_head(&blob.digest).await.unwrap().unwrap();
            assert_eq!(head.size, Some(length as u64));
            for size in [None, Some(length as u64)] {
                let stream = app.blob(&blob.digest, size).await.unwrap();
                assert_eq!(stream.size(), Some(length as u64));
                assert!(stream.bytes(LARGE).await.unwrap() == blob.bytes);
            }
            let wrong = app.blob(&blob.digest, Some(length as u64 + 1)).await;
            assert!(matches!(wrong, Err(Error::Size { .. })), "{wrong:?}");
        }
    }
    registry.close().await;
}

#[tokio::test]
async fn parts() {
    let registry = TestRegistry::in_memory().await;
    let (app, blob) = (repository(&registry), Piece::blob(Algorithm::Sha256, 100_000));
    app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    for (from, to) in [(0, 1), (0, 100_000), (99_999, 100_000), (500, 70_000), (7, 7)] {
        let part = app.blob_range(&blob.digest, from as u64..to as u64).await.unwrap();
        assert_eq!(part.size(), Some((to - from) as u64));
        assert!(part.bytes(LARGE).await.unwrap() == blob.bytes.slice(from..to), "{from}-{to}");
    }
    let behind = app.blob_range(&blob.digest, 100_000..100_001).await.unwrap_err();
    assert_eq!(behind.status(), Some(416), "{behind}");
    registry.close().await;
}

#[tokio::test]
async fn blobs_are_deleted() {
    let registry = TestRegistry::in_memory().await;
    let (app, blob) = (repository(&registry), Piece::blob(Algorithm::Sha256, 10));
    app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    app.blob_delete(&blob.digest).await.unwrap();
    assert!(app.blob_delete(&blob.digest).await.unwrap_err().is_absent());
    assert!(app.blob(&blob.digest, None).await.unwrap_err().is_absent());
    registry.close().await;
}

#[tokio::test]
async fn a_blob_larger_than_wanted_is_not_gathered() {
    let registry = TestRegistry::in_memory().await;
    let (app, blob) = (repository(&registry), Piece::blob(Algorithm::Sha256, 1000));
    app.blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    let gathered = app.blob(&blob.digest, None).await.unwrap().bytes(999).await;
    assert!(matches!(gathered, Err(Error::TooLarge { .. })), "{gathered:?}");
    registry.close().await;
}

#[tokio::test]
async fn a_pull_goes_on_where_it_broke() {
    let registry = TestRegistry::in_memory().await;
    let blob = Piece::blob(Algorithm::Sha256, LARGE);
    repository(&registry).blob_push(&blob.digest, &blob.bytes, &Default::default()).await.unwrap();
    let breaker = Breaker::start(registry.address(), Way::Down, 400_000, 8).await;
    let app = at(breaker.address, super::admin(&registry)).repository(REPO.parse().unwrap());
    // More often than a request is tried: progress counts.
    assert!(read(&app, &blob, None).await.unwrap() == blob.bytes);
    assert_eq!(breaker.left(), 0);
    // What lay in buffers when it broke comes again, and nothing else does.
    let again = breaker.carried() - LARGE as u64;
    assert!(again < LARGE as u64 / 2, "{again} bytes came twice");
    // A part as well.
    let breaker = Breaker::start(registry.address(), Way::Down, 400_000, 3).await;
    let app = at(breaker.address, super::admin(&registry)).repository(REPO.parse().unwrap());
    let part = app.blob_range(&blob.digest, 100..3_000_000).await.unwrap().bytes(LARGE).await.unwrap();
    assert!(part == blob.bytes.slice(100..3_000_000) && breaker.left() == 0);
    registry.close().await;
}

/// A repository of a double.
async fn answering(answers: impl Fn(&Came) -> Reply + Send + Sync + 'static) -> (Double, Repository) {
    let double = Double::start(answers).await;
    let app = at(double.address, Credential::Anonymous).repository(REPO.parse().unwrap());
    (double, app)
}

#[tokio::test]
async fn a_registry_without_ranges_is_read_again_from_the_beginning() {
    let blob = Piece::blob(Algorithm::Sha256, 300_000);
    let (bytes, times) = (blob.bytes.clone(), AtomicUsize::new(0));
    let (double, app) = answering(move |_| {
        let reply = Reply::body(bytes.clone());
        match times.fetch_add(1, Ordering::SeqCst) {
            0 => reply.cut(100_000),
            // Not as far as before.
            1 => reply.cut(50_000),
            2 => reply.cut(250_000),
            _ => reply,
        }
    })
    .await;
    assert!(read(&app, &blob, None).await.unwrap() == blob.bytes);
    let ranges: Vec<_> = double.came().iter().map(|came| came.header("range").map(str::to_owned)).collect();
    let from = |at: u64| Some(format!("bytes={at}-299999"));
    assert_eq!(ranges, [None, from(100_000), from(100_000), from(250_000)]);
}

#[tokio::test]
async fn a_blob_of_no_stated_length_is_checked_as_well() {
    let blob = Piece::blob(Algorithm::Sha256, 300_000);
    let (bytes, times) = (blob.bytes.clone(), AtomicUsize::new(0));
    let (_double, app) = answering(move |came| {
        let first = times.fetch_add(1, Ordering::SeqCst) == 0;
        let reply = Reply::body(bytes.clone()).chunked();
        match (first, came.header("range")) {
            (true, None) => reply.cut(100_000),
            (false, Some("bytes=100000-")) => Reply::status(206)
                .header("Content-Range", "bytes 100000-299999/300000")
                .with(bytes.slice(100_000..))
                .chunked(),
            odd => panic!("{odd:?}"),
        }
    })
    .await;
    assert!(read(&app, &blob, None).await.unwrap() == blob.bytes);
    // A body that ends well and too early.
    let bytes = blob.bytes.slice(..200_000);
    let (_double, app) = answering(move |_| Reply::body(bytes.clone()).chunked()).await;
    let short = read(&app, &blob, None).await;
    assert!(matches!(short, Err(Error::Digest { .. })), "{short:?}");
}

/// What goes on with a blob of no stated length says that there is less of it than was read.
#[tokio::test]
async fn a_rest_that_is_less_than_what_came_is_an_error() {
    let blob = Piece::blob(Algorithm::Sha256, 300_000);
    let bytes = blob.bytes.clone();
    let (_double, app) = answering(move |came| match came.header("range") {
        None => Reply::body(bytes.clone()).chunked().cut(100_000),
        Some(_) => Reply::status(206)
            .header("Content-Range", "bytes 100000-299999/500")
            .with(bytes.slice(100_000..))
            .chunked(),
    })
    .await;
    let read = read(&app, &blob, None).await;
    assert!(matches!(read, Err(Error::Size { expected: 100_000, actual: 500 })), "{read:?}");
}

#[tokio::test]
async fn what_ends_too_early_every_time_is_told_in_the_end() {
    let blob = Piece::blob(Algorithm::Sha256, 300_000);
    let bytes = blob.bytes.clone();
    let (double, app) = answering(move |_| Reply::body(bytes.clone()).cut(100_000)).await;
    let mut stream = app.blob(&blob.digest, None).await.unwrap();
    let mut came = 0;
    let error = loop {
        match stream.next().await.expect("an error comes before the end") {
            Ok(piece) => came += piece.len(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Truncated { received: 100_000, .. }), "{error}");
    assert_eq!((came, double.came().len()), (100_000, 5));
}

#[tokio::test]
async fn other_bytes_are_an_error_before_the_last_of_them() {
    let blob = Piece::blob(Algorithm::Sha256, 300_000);
    let mut wrong = blob.bytes.to_vec();
    wrong[299_999] ^= 1;
    for chunked in [false, true] {
        let wrong = wrong.clone();
        let (_double, app) = answering(move |_| {
            let reply = Reply::body(wrong.clone());
            if chunked { reply.chunked() } else { reply }
        })
        .await;
        let mut stream = app.blob(&blob.digest, Some(300_000)).await.unwrap();
        let mut came = 0;
        let error = loop {
            match stream.next().await.expect("an error comes before the end") {
                Ok(piece) => came += piece.len(),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Digest { .. }), "{error}");
        assert!(came < 300_000, "the last piece is held back until all is known to be right");
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn another_size_is_told_before_its_bytes() {
    let blob = Piece::blob(Algorithm::Sha256, 1000);
    let longer = [blob.bytes.as_ref(), b"!"].concat();
    let bytes = longer.clone();
    let (_double, app) = answering(move |_| Reply::body(bytes.clone())).await;
    let outcome = read(&app, &blob, Some(1000)).await;
    assert!(matches!(outcome, Err(Error::Size { expected: 1000, actual: 1001 })), "{outcome:?}");
    let (_double, app) = answering(move |_| Reply::body(longer.clone()).chunked()).await;
    let outcome = read(&app, &blob, Some(1000)).await;
    assert!(matches!(outcome, Err(Error::Size { expected: 1000, .. })), "{outcome:?}");
}

#[tokio::test]
async fn another_part_than_was_asked_for_is_not_put_in() {
    let blob = Piece::blob(Algorithm::Sha256, 1000);
    for range in ["bytes 400-999/1000", "bytes 500-999/2000", "nonsense", ""] {
        let bytes = blob.bytes.clone();
        let (_double, app) = answering(move |came| match came.header("range") {
            None => Reply::body(bytes.clone()).cut(500),
            Some(_) => Reply::status(206).header("Content-Range", range).with(bytes.slice(500..)),
        })
        .await;
        let outcome = read(&app, &blob, None).await;
        assert!(matches!(outcome, Err(Error::BadAnswer { .. } | Error::Size { .. })), "{range}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_part_of_a_registry_without_ranges_is_cut_out() {
    let blob = Piece::blob(Algorithm::Sha256, 1000);
    let bytes = blob.bytes.clone();
    let (_double, app) = answering(move |_| Reply::body(bytes.clone())).await;
    let part = app.blob_range(&blob.digest, 100..200).await.unwrap().bytes(1000).await.unwrap();
    assert_eq!(part, blob.bytes.slice(100..200));
}

#[tokio::test]
async fn a_registry_that_says_nothing_more_is_left() {
    let blob = Piece::blob(Algorithm::Sha256, 100);
    let double = Double::start(|_| Reply::hangs()).await;
    let connection = quick().idle_timeout(Duration::from_millis(50)).build().unwrap();
    let registry = Registry::builder(format!("http://{}", double.address)).connection(connection);
    let app = registry.build().unwrap().repository(REPO.parse().unwrap());
    let outcome = read(&app, &blob, None).await;
    assert!(matches!(outcome, Err(Error::Unreachable { .. })), "{outcome:?}");
    assert_eq!(double.came().len(), 2, "who says nothing is asked once more");
}

/// One byte now and then is no blob that comes.
#[tokio::test]
async fn a_blob_that_drips_is_left() {
    let blob = Piece::blob(Algorithm::Sha256, 100_000);
    let bytes = blob.bytes.clone();
    let double = Double::start(move |came| {
        let from = came.header("range").and_then(|range| range.strip_prefix("bytes="));
        let from: usize = from.map_or(0, |range| range.split('-').next().unwrap().parse().unwrap());
        let part = Reply::body(bytes.slice(from..)).drips(Duration::from_millis(10));
        match from {
            0 => part,
            _ => Reply::status(206)
                .header("Content-Range", format!("bytes {from}-99999/100000"))
                .with(bytes.slice(from..))
                .drips(Duration::from_millis(10)),
        }
    })
    .await;
    let connection = quick().idle_timeout(Duration::from_secs(2)).build().unwrap();
    let registry = Registry::builder(format!("http://{}", double.address)).connection(connection);
    let app = registry.build().unwrap().repository(REPO.parse().unwrap());
    let outcome = tokio::time::timeout(Duration::from_secs(20), read(&app, &blob, Some(100_000))).await;
    let outcome = outcome.expect("an end");
    assert!(
        matches!(&outcome, Err(Error::Truncated { cause, .. }) if cause.contains("1 KiB")),
        "{outcome:?}"
    );
    assert_eq!(double.came().len(), 2, "once more, from where it was");
    // A reader that takes its time is no slow registry.
    let (_double, app) = answering({
        let bytes = blob.bytes.clone();
        move |_| Reply::body(bytes.clone())
    })
    .await;
    let mut stream = app.blob(&blob.digest, Some(100_000)).await.unwrap();
    let mut came = 0;
    while let Some(piece) = stream.next().await {
        came += piece.unwrap().len();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(came, 100_000);
}

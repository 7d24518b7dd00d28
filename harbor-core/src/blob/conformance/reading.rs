//! Clauses about reading.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt};

use super::BlobStoreFixture;
use super::content::{Numbers, content};
use super::session::{assert_holds, push};
use crate::StoreErrorKind;
use crate::blob::SignOptions;

/// *Ranges*: `open` yields exactly the bytes of the range, of any range within the blob.
pub async fn ranges(fixture: &dyn BlobStoreFixture) {
    let (store, mut numbers) = (fixture.open().await, Numbers::new(77));
    for size in [1, 1_000, 65_537, 3_000_001] {
        let content = content(size as u64, size);
        let location = push(fixture, &content).await;
        let mut ranges =
            vec![(0, size), (0, 1), (size - 1, size), (0, 0), (size, size), (size / 2, size / 2)];
        ranges.extend((0..12).map(|_| {
            let start = numbers.below(size);
            (start, start + numbers.below(size - start + 1))
        }));
        for (start, end) in ranges {
            let body = store.open(&location, start as u64..end as u64).await.unwrap();
            assert_eq!(body.remaining(), (end - start) as u64);
            assert!(body.bytes().await.unwrap() == content.slice(start..end), "{start}..{end} of {size}");
        }
    }
}

/// *Missing*: opening a location that was deleted or never was is `NotFound`, whatever its size.
pub async fn missing(fixture: &dyn BlobStoreFixture) {
    let store = fixture.open().await;
    let location = push(fixture, &content(1, 10)).await;
    store.delete(&location).await.unwrap();
    for range in [0..0, 0..10, 0..10_000_000] {
        let fault = store.open(&location, range).await.map(|_| ()).unwrap_err();
        assert_eq!(fault.kind(), StoreErrorKind::NotFound, "{fault}");
    }
}

/// *Concurrent*: readers at different speeds, and one that leaves early, get what is theirs.
pub async fn reads_while_others_read(fixture: &dyn BlobStoreFixture) {
    let (store, content) = (fixture.open().await, content(5, 5_000_003));
    let (store, content) = (&store, &content);
    let location = &push(fixture, content).await;
    let whole = (0..6).map(|_| async { assert_holds(store, location, content).await });
    let slow = (0..3).map(|_| async {
        let body = store.open(location, 0..content.len() as u64).await.unwrap();
        let pieces: Vec<_> = body
            .then(|piece| async {
                tokio::time::sleep(Duration::from_millis(3)).await;
                piece
            })
            .try_collect()
            .await
            .unwrap();
        // The pieces are all held at the end: a driver that reuses buffers must not do it under the reader.
        assert!(pieces.concat() == content[..]);
    });
    let leaving = (0..3).map(|_| async {
        let mut body = store.open(location, 0..content.len() as u64).await.unwrap();
        body.next().await.unwrap().unwrap();
    });
    futures_util::join!(join_all(whole), join_all(slow), join_all(leaving));
}

/// A signed address is either there and an address, or `None`.
pub async fn signed_url_or_none(fixture: &dyn BlobStoreFixture) {
    let store = fixture.open().await;
    let location = push(fixture, &content(3, 30)).await;
    let options = SignOptions::new(Duration::from_secs(60));
    if let Some(url) = store.signed_url(&location, &options).await.unwrap() {
        assert!(url.starts_with("http"), "{url}");
    }
}

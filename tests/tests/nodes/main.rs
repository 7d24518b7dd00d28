//! Two nodes of one registry: two `Harbor`s over one database, of PostgreSQL or MariaDB, and one S3 bucket.

// Helpers outside of `#[test]`, where the lint does not know that this is a test.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

/// Each of these tests over both databases that nodes may share. On threads of their own, since the database goes while the
/// nodes are still at work: on the thread that waits for it, nobody would go on with a connection that is half made.
macro_rules! over_both {
    ($needs:literal; $($test:ident;)+) => {
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = concat!("needs PostgreSQL", $needs)]
                async fn $test() {
                    super::$test(harbor_tests::Database::postgres()).await;
                }
            )+
        }
        mod mariadb {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = concat!("needs MariaDB", $needs)]
                async fn $test() {
                    super::$test(harbor_tests::Database::mariadb()).await;
                }
            )+
        }
    };
}

mod access;
mod collecting;
mod jobs;
mod node;
mod schedules;
mod workers;

use bytes::Bytes;
use harbor_core::content::Incoming;
use harbor_core::{Error, Harbor};
use harbor_tests::Database;
use node::{Pair, content, sha};
use tokio::sync::mpsc;

over_both! {
    " and S3";
    both_start_at_once;
    an_upload_wanders;
    two_writers_of_one_session;
    a_tag_that_moves_is_seen_at_once;
    a_blob_that_is_deleted_is_gone_everywhere;
}

const ONE: &str = "library/one";

async fn both_start_at_once(database: Database) {
    let pair = Pair::new(database).await;
    let (a, b) = tokio::join!(pair.a.start(), pair.b.start());
    a.unwrap();
    b.unwrap();
    pair.a.shutdown().await;
    pair.b.shutdown().await;
}

async fn an_upload_wanders(database: Database) {
    let pair = Pair::started(database).await;
    for (seed, size) in [(1, 1_000), (2, 6 * 1024 * 1024), (3, 9 * 1024 * 1024 + 17)] {
        let chunks = [content(seed, size), content(seed + 10, size / 2), content(seed + 20, 100)];
        let whole: Bytes = chunks.concat().into();
        let id = node::start(&pair.a, ONE).await;
        node::append(&pair.a, ONE, id, chunks[0].clone()).await.unwrap();
        let offset = node::append(&pair.b, ONE, id, chunks[1].clone()).await.unwrap();
        assert_eq!(offset, (chunks[0].len() + chunks[1].len()) as u64);
        node::finish(&pair.a, ONE, id, chunks[2].clone(), &sha(&whole)).await.unwrap();
        for harbor in [&pair.a, &pair.b] {
            assert!(node::read(harbor, ONE, &sha(&whole)).await.unwrap() == whole, "other bytes");
        }
        let gone = node::append(&pair.b, ONE, id, chunks[0].clone()).await;
        assert!(matches!(gone, Err(Error::UploadUnknown)), "{gone:?}");
    }
}

/// A body that comes as it is sent.
fn slow() -> (mpsc::UnboundedSender<Bytes>, Incoming) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let pieces = futures_util::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|piece| (Ok(piece), receiver))
    });
    (sender, Incoming::new(None, pieces))
}

async fn two_writers_of_one_session(database: Database) {
    let pair = Pair::started(database).await;
    let id = node::start(&pair.a, ONE).await;
    let (sender, body) = slow();
    sender.send(content(1, 1_000)).unwrap();
    let harbor: Harbor = pair.a.clone();
    let writing = tokio::spawn(async move { node::append_body(&harbor, ONE, id, body).await });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    for harbor in [&pair.b, &pair.a] {
        let refused = node::append(harbor, ONE, id, content(2, 10)).await;
        assert!(matches!(refused, Err(Error::UploadBusy)), "{refused:?}");
        let refused = node::finish(harbor, ONE, id, Bytes::new(), &sha(b"x")).await;
        assert!(matches!(refused, Err(Error::UploadBusy)), "{refused:?}");
    }
    sender.send(content(3, 1_000)).unwrap();
    drop(sender);
    assert_eq!(writing.await.unwrap().unwrap(), 2_000);
    let whole: Bytes = [content(1, 1_000), content(3, 1_000), content(4, 10)].concat().into();
    node::finish(&pair.b, ONE, id, content(4, 10), &sha(&whole)).await.unwrap();
    assert_eq!(node::read(&pair.a, ONE, &sha(&whole)).await.unwrap(), whole);
}

async fn a_tag_that_moves_is_seen_at_once(database: Database) {
    let pair = Pair::started(database).await;
    for number in 0..30 {
        let (writer, reader) = if number % 2 == 0 { (&pair.a, &pair.b) } else { (&pair.b, &pair.a) };
        let digest = node::push_image(writer, ONE, number, "latest").await.unwrap();
        assert_eq!(node::tagged(reader, ONE, "latest").await, Some(digest));
        assert_eq!(node::tagged(writer, ONE, "latest").await, Some(digest));
        if number % 5 == 0 {
            node::delete_tag(writer, ONE, "latest").await;
            assert_eq!(node::tagged(reader, ONE, "latest").await, None);
        }
        if number % 7 == 0 {
            node::delete_manifest(writer, ONE, &digest).await;
            assert!(!node::has_manifest(reader, ONE, &digest).await);
        }
    }
}

async fn a_blob_that_is_deleted_is_gone_everywhere(database: Database) {
    let pair = Pair::started(database).await;
    // Small enough for the cache of small blobs, and too large for it.
    for (seed, size) in [(1, 1_000), (2, 500_000)] {
        let blob = content(seed, size);
        node::push(&pair.a, ONE, blob.clone()).await.unwrap();
        for harbor in [&pair.b, &pair.a, &pair.b] {
            assert!(node::read(harbor, ONE, &sha(&blob)).await.unwrap() == blob);
        }
        node::delete_blob(&pair.b, ONE, &sha(&blob)).await.unwrap();
        for harbor in [&pair.a, &pair.b] {
            let gone = node::read(harbor, ONE, &sha(&blob)).await;
            assert!(matches!(gone, Err(Error::BlobUnknown(_))), "{gone:?}");
        }
    }
}

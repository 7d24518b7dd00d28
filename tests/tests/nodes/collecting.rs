//! Garbage collection on both nodes at once, while both are pushed to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use harbor_core::{Error, GcReport, Harbor, StoreErrorKind};
use harbor_tests::Database;

use crate::node::{self, Pair, blobs_of, sha};

const PUSHERS: u64 = 6;
const IMAGES: u64 = 40;

over_both! {
    " and S3";
    nothing_is_lost;
}

async fn nothing_is_lost(database: Database) {
    let pair = Pair::started(database).await;
    let done = Arc::new(AtomicBool::new(false));
    let collectors: Vec<_> = [&pair.a, &pair.b]
        .into_iter()
        .map(|harbor| tokio::spawn(collect_until(harbor.clone(), Arc::clone(&done))))
        .collect();
    let pushers: Vec<_> = (0..PUSHERS)
        .map(|pusher| {
            let harbor = if pusher % 2 == 0 { pair.a.clone() } else { pair.b.clone() };
            tokio::spawn(push_and_delete(harbor, pusher))
        })
        .collect();
    let mut kept = Vec::new();
    for pusher in pushers {
        kept.extend(pusher.await.unwrap());
    }
    done.store(true, Ordering::Relaxed);
    let (mut blobs, mut failed) = (0, 0);
    for collector in collectors {
        let report = collector.await.unwrap();
        blobs += report.0;
        failed += report.1;
    }
    println!("{} images kept, {blobs} blobs collected, {failed} reviews put off", kept.len());
    assert!(blobs > 0, "nothing was collected");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    node::collect(&pair.a).await.unwrap();
    for (name, number, tag) in kept {
        verify(&pair, &name, number, &tag).await;
    }
}

async fn collect_until(harbor: Harbor, done: Arc<AtomicBool>) -> (u64, u64) {
    let (mut blobs, mut failed) = (0, 0);
    while !done.load(Ordering::Relaxed) {
        match node::collect(&harbor).await {
            Ok(GcReport { blobs: gone, failed: put_off, .. }) => {
                (blobs, failed) = (blobs + gone, failed + put_off)
            }
            // A machine that has too much to do lets nobody in for a while: a worker tries again as well.
            Err(Error::Store(error)) if error.kind() == StoreErrorKind::Unavailable => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    (blobs, failed)
}

/// Yields the images that were not deleted.
async fn push_and_delete(harbor: Harbor, pusher: u64) -> Vec<(String, u64, String)> {
    let mut kept = Vec::new();
    for image in 0..IMAGES {
        // Repositories that pushers on both nodes have in common, and layers that all have.
        let name = format!("library/r{}", pusher / 2);
        let (number, tag) = (pusher * 100 + image, format!("p{pusher}-{image}"));
        let digest = node::push_image(&harbor, &name, number, &tag).await.unwrap();
        if image % 3 == 0 {
            kept.push((name, number, tag));
        } else {
            node::delete_manifest(&harbor, &name, &digest).await;
            // Refused while another image refers to it.
            let _ = node::delete_blob(&harbor, &name, &sha(&blobs_of(number)[1])).await;
        }
    }
    kept
}

async fn verify(pair: &Pair, name: &str, number: u64, tag: &str) {
    for harbor in [&pair.a, &pair.b] {
        assert!(node::tagged(harbor, name, tag).await.is_some(), "{name}:{tag} is gone");
        for blob in blobs_of(number) {
            let found = node::read(harbor, name, &sha(&blob)).await;
            assert_eq!(found.unwrap(), blob, "{name}:{tag}");
        }
    }
}

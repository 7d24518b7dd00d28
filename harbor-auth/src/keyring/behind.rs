//! A node that has not heard of a key that another one made.

use futures_util::future::join_all;
use harbor_core::Clock;

use super::*;
use crate::claims::Holder;
use crate::tests::Nodes;

const SERVICE: &str = "harbor-registry";

fn claims(now: Timestamp) -> Claims {
    Claims::new(SERVICE, Holder::Anonymous, "", Vec::new(), now, Duration::from_secs(60)).unwrap()
}

async fn rotate(ring: &KeyRing, store: &Nodes, now: Timestamp) {
    let mut transaction = store.begin().await.unwrap();
    let keys = KeyRing::rotated(&mut *transaction, now).await.unwrap();
    transaction.commit().await.unwrap();
    ring.replace(keys);
}

/// A ring that knows the newest key and one that does not, and a token of that key.
async fn two(sharing: Sharing) -> (Nodes, KeyRing, KeyRing, Secret, Timestamp) {
    let (store, now) = (Nodes::new(sharing).await, Clock::System.now());
    let ahead = KeyRing::load(&store, now).await.unwrap();
    let behind = KeyRing::load(&store, now).await.unwrap();
    rotate(&ahead, &store, now).await;
    let token = ahead.sign(&claims(now)).unwrap();
    store.take_reads();
    (store, ahead, behind, token, now)
}

#[tokio::test]
async fn of_many_who_find_a_new_key_one_reads_it() {
    let (store, _ahead, behind, token, now) = two(Sharing::Shared).await;
    let known = behind.revision();
    assert_eq!(behind.verify(token.expose(), SERVICE, now), None);
    // All have begun before the first goes on.
    let shut = store.gate.write().await;
    let mut asking = Box::pin(join_all((0..64).map(|_| behind.catch_up(&store, token.expose(), known))));
    assert!(futures_util::poll!(&mut asking).is_pending());
    drop(shut);
    let caught_up = asking.await;
    assert!(caught_up.into_iter().all(|looks_again| looks_again.unwrap()));
    assert_eq!(store.take_reads(), 64 + 1, "each has read the revision, and one the keys");
    assert!(behind.verify(token.expose(), SERVICE, now).is_some());
}

#[tokio::test]
async fn whoever_looked_with_earlier_keys_looks_again() {
    let (store, ahead, behind, token, now) = two(Sharing::Shared).await;
    let known = behind.revision();
    // Somebody replaces them while the revision is read.
    let shut = store.gate.write().await;
    let mut caught_up = Box::pin(behind.catch_up(&store, token.expose(), known));
    assert!(futures_util::poll!(&mut caught_up).is_pending());
    behind.replace(ahead.stored());
    drop(shut);
    assert!(caught_up.await.unwrap());
    assert_eq!(store.take_reads(), 1, "nor are they read once more");
    // Or before.
    assert!(behind.verify(token.expose(), SERVICE, now).is_some());
    assert!(behind.catch_up(&store, token.expose(), known).await.unwrap());
    assert!(!behind.catch_up(&store, token.expose(), behind.revision()).await.unwrap(), "and once only");
    assert_eq!(store.take_reads(), 0);
}

/// Whatever somebody shows costs a read where it names a key, and nothing where no other node can have made it.
#[tokio::test]
async fn a_key_that_there_is_not_costs_one_small_read() {
    for (sharing, reads) in [(Sharing::Shared, 1), (Sharing::Exclusive, 0)] {
        let (store, ahead, _behind, token, _now) = two(sharing).await;
        let other = Nodes::new(sharing).await;
        let now = Clock::System.now();
        let made_up = KeyRing::load(&other, now).await.unwrap().sign(&claims(now)).unwrap();
        assert!(!ahead.catch_up(&store, made_up.expose(), ahead.revision()).await.unwrap());
        assert_eq!(store.take_reads(), reads, "{sharing:?}");
        for wrong in ["", "a.b.c", &token.expose()[..token.expose().len() - 1], &"x".repeat(LONGEST + 1)] {
            assert!(!ahead.catch_up(&store, wrong, ahead.revision()).await.unwrap());
        }
        assert_eq!(store.take_reads(), 0, "{sharing:?}");
    }
}

/// Of two who read at once, the one who read first may be the last to tell.
#[tokio::test]
async fn earlier_keys_do_not_replace_later_ones() {
    let (store, ahead, behind, token, now) = two(Sharing::Shared).await;
    let earlier = behind.stored();
    behind.reload(&store).await.unwrap();
    behind.replace(earlier);
    assert_eq!(behind.revision(), ahead.revision());
    assert!(behind.verify(token.expose(), SERVICE, now).is_some());
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_no_refusal() {
    let (store, _ahead, behind, token, _now) = two(Sharing::Shared).await;
    store.unreadable.store(true, std::sync::atomic::Ordering::SeqCst);
    behind.catch_up(&store, token.expose(), behind.revision()).await.unwrap_err();
}

//! Keys of the token service over time, and on two nodes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use harbor_core::access::Secret;
use harbor_core::meta::Sharing;
use harbor_core::{Clock, Timestamp};

use super::Nodes;
use crate::claims::{Claims, Holder};
use crate::keyring::KeyRing;
use crate::{AccountOptions, Accounts, SERVICE};

const HALF_AN_HOUR: Duration = Duration::from_secs(30 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn store() -> Arc<Nodes> {
    Arc::new(Nodes::new(Sharing::Shared).await)
}

async fn node(store: &Arc<Nodes>, clock: &Clock) -> Accounts {
    let mut options = AccountOptions::default();
    (options.admin_password, options.admin_password_is_random) = (Some(Secret::new("of no account")), true);
    Accounts::bootstrap(Arc::<Nodes>::clone(store), options, clock.clone()).await.unwrap().0
}

fn token(accounts: &Accounts) -> Secret {
    let life = Duration::from_secs(60);
    let claims = Claims::new(SERVICE, Holder::Anonymous, "", Vec::new(), accounts.now(), life).unwrap();
    accounts.keys().sign(&claims).unwrap()
}

async fn rotate(accounts: &Accounts) {
    let mut transaction = accounts.metadata().begin().await.unwrap();
    let keys = KeyRing::rotated(&mut *transaction, accounts.now()).await.unwrap();
    transaction.commit().await.unwrap();
    accounts.keys().replace(keys);
}

/// When the key was made that signs here.
fn since(accounts: &Accounts) -> Timestamp {
    accounts.keys().current_since()
}

/// A good token is refused to nobody, however many ask at the moment in which the node hears of its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_key_is_known_on_the_other_node_to_all_who_ask_at_once() {
    let (store, clock) = (store().await, Clock::System);
    let (here, there) = (node(&store, &clock).await, node(&store, &clock).await);
    let first = token(&here);
    for round in 0..20 {
        rotate(&here).await;
        let token = Arc::new(token(&here));
        let asking: Vec<_> = (0..64)
            .map(|_| {
                let (there, token) = (there.clone(), Arc::clone(&token));
                tokio::spawn(async move { there.bearer(token.expose()).await.unwrap().is_some() })
            })
            .collect();
        for asked in asking {
            assert!(asked.await.unwrap(), "round {round}");
        }
    }
    assert!(there.bearer(first.expose()).await.unwrap().is_some(), "nor is one of an earlier key");
}

/// Somebody else hears of the key just after it was found that there is none.
#[tokio::test]
async fn keys_that_are_replaced_after_a_look_are_looked_at() {
    let (store, clock) = (store().await, Clock::System);
    let (here, there) = (node(&store, &clock).await, node(&store, &clock).await);
    rotate(&here).await;
    let (token, now) = (token(&here), clock.now());
    let verify = |token: &str| {
        let found = there.keys().verify(token, SERVICE, now);
        there.keys().replace(here.keys().stored());
        found
    };
    store.take_reads();
    assert!(there.claims_of(token.expose(), now, verify).await.unwrap().is_some());
    assert_eq!(store.take_reads(), 0, "which needs no reading");
}

#[tokio::test]
async fn one_reads_the_keys_again_and_nobody_waits_for_that() {
    let (store, clock) = (store().await, Clock::manual());
    let accounts = node(&store, &clock).await;
    store.take_reads();
    accounts.tend_keys().await;
    assert_eq!(store.take_reads(), 0, "it is not due");
    clock.advance(HALF_AN_HOUR);
    let shut = store.gate.write().await;
    let mut first = Box::pin(accounts.tend_keys());
    assert!(futures_util::poll!(&mut first).is_pending());
    for _ in 0..10 {
        let mut other = Box::pin(accounts.tend_keys());
        assert!(futures_util::poll!(&mut other).is_ready());
    }
    drop(shut);
    first.await;
    assert_eq!(store.take_reads(), 1);
}

#[tokio::test]
async fn a_key_that_cannot_be_renewed_goes_on_to_sign() {
    let (store, clock) = (store().await, Clock::manual());
    let accounts = node(&store, &clock).await;
    let made = since(&accounts);
    clock.advance(DAY * 91);
    store.unwritable.store(true, Ordering::SeqCst);
    accounts.tend_keys().await;
    assert_eq!(since(&accounts), made);
    assert!(accounts.bearer(token(&accounts).expose()).await.unwrap().is_some());
    store.unwritable.store(false, Ordering::SeqCst);
    accounts.tend_keys().await;
    assert_eq!(since(&accounts), made, "it is tried when it is due again");
    clock.advance(HALF_AN_HOUR);
    accounts.tend_keys().await;
    assert_eq!(since(&accounts), clock.now());
}

#[tokio::test]
async fn keys_that_cannot_be_read_are_read_by_the_next() {
    let (store, clock) = (store().await, Clock::manual());
    let (here, there) = (node(&store, &clock).await, node(&store, &clock).await);
    clock.advance(HALF_AN_HOUR);
    rotate(&there).await;
    store.unreadable.store(true, Ordering::SeqCst);
    here.tend_keys().await;
    assert_ne!(since(&here), since(&there));
    store.unreadable.store(false, Ordering::SeqCst);
    here.tend_keys().await;
    assert_eq!(since(&here), since(&there));
}

/// Whoever asks for a token may leave before it is made.
#[tokio::test]
async fn what_somebody_began_is_done_without_them() {
    let (store, clock) = (store().await, Clock::manual());
    let accounts = node(&store, &clock).await;
    clock.advance(DAY * 91);
    let shut = store.gate.write().await;
    let mut leaving = Box::pin(accounts.tend_keys());
    assert!(futures_util::poll!(&mut leaving).is_pending());
    drop(leaving);
    drop(shut);
    let renewed = async {
        while since(&accounts) != clock.now() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), renewed)
        .await
        .expect("a new key, though nobody waits for it");
}

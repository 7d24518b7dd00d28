//! Every case with every fault.

use std::collections::BTreeSet;

use harbor_core::meta::MetadataStore;
use harbor_core::{Error, Harbor, StoreErrorKind, Timestamp};

use crate::cases::{Case, deletes, pushes};
use crate::faults::Mode;
use crate::world::{CHUNKS, CONFIG, EXTRA, LAYER, ONE, TWO, World, facts, sha};

type Facts = BTreeSet<String>;

/// More calls than any case makes.
const ENDLESS: u64 = 2_000;

#[tokio::test]
async fn a_call_of_a_push_fails() {
    sweep(pushes(), Mode::Before(StoreErrorKind::Unavailable)).await;
}

#[tokio::test]
async fn a_call_of_a_delete_fails() {
    sweep(deletes(), Mode::Before(StoreErrorKind::Unavailable)).await;
}

#[tokio::test]
async fn a_concurrent_transaction_wins_over_a_push() {
    sweep(pushes(), Mode::Before(StoreErrorKind::Conflict)).await;
}

#[tokio::test]
async fn a_concurrent_transaction_wins_over_a_delete() {
    sweep(deletes(), Mode::Before(StoreErrorKind::Conflict)).await;
}

#[tokio::test]
async fn the_disk_is_full_in_a_push() {
    sweep(pushes(), Mode::Before(StoreErrorKind::Full)).await;
}

#[tokio::test]
async fn a_push_dies() {
    sweep(pushes(), Mode::Dead).await;
}

#[tokio::test]
async fn a_delete_dies() {
    sweep(deletes(), Mode::Dead).await;
}

#[tokio::test]
async fn an_answer_to_a_push_is_lost() {
    sweep(pushes(), Mode::Lost).await;
}

#[tokio::test]
async fn an_answer_to_a_delete_is_lost() {
    sweep(deletes(), Mode::Lost).await;
}

async fn sweep(cases: Vec<Case>, mode: Mode) {
    for case in cases {
        let (before, complete) = without_faults(&case).await;
        let mut faults = 0;
        for n in 1..ENDLESS {
            let Some(call) = with_fault(&case, n, mode, &before, &complete).await else { break };
            faults += 1;
            assert!(n + 1 < ENDLESS, "{} never ends, at {call}", case.name);
        }
        println!("{}: {faults} faults, {mode:?}", case.name);
        assert!(faults > 0, "{} makes no calls", case.name);
    }
}

async fn prepared(case: &Case) -> World {
    let world = World::new().await;
    (case.prepare)(&world).await.unwrap();
    world
}

/// What is seen before the case and after it.
async fn without_faults(case: &Case) -> (Facts, Facts) {
    let before = facts(&prepared(case).await.harbor).await;
    // Another one: who asks for a blob puts off its collection.
    let world = prepared(case).await;
    (case.run)(&world).await.unwrap();
    let complete = facts(&world.fresh()).await;
    assert_eq!(complete, facts(&world.harbor).await);
    (before, complete)
}

/// One run. Yields the call that failed, if there was one.
async fn with_fault(
    case: &Case,
    n: u64,
    mode: Mode,
    before: &Facts,
    complete: &Facts,
) -> Option<&'static str> {
    let world = prepared(case).await;
    // Half of the runs begin with warm caches.
    if n.is_multiple_of(2) && !case.in_parts {
        facts(&world.harbor).await;
    }
    world.faults.arm(n, mode);
    let outcome = (case.run)(&world).await;
    // What runs on behind the answer comes to its end.
    tokio::task::yield_now().await;
    let fired = world.faults.disarm();
    let run = format!("{}, call {n} ({}), {mode:?}, {outcome:?}", case.name, fired.unwrap_or("none"));
    println!("{run}");
    let seen = agreed(&world, &run).await;
    if mode == Mode::Before(StoreErrorKind::Conflict)
        && fired.is_some_and(|call| ["writer", "write", "park", "commit of bytes"].contains(&call))
    {
        assert!(matches!(outcome, Err(Error::UploadBusy)), "another writer has the upload: {run}");
    }
    if outcome.is_ok() && !case.in_parts {
        assert_eq!(&seen, complete, "Ok, and not complete: {run}");
    } else if case.in_parts {
        assert!(complete.is_subset(&seen) && seen.is_subset(before), "lost or made up: {run}\n{seen:#?}");
    } else {
        assert!(&seen == before || &seen == complete, "half done: {run}\n{seen:#?}");
    }
    if case.again {
        let again = (case.run)(&world).await;
        let seen = agreed(&world, &run).await;
        assert_eq!(&seen, complete, "tried again ({again:?}) and not complete: {run}");
    }
    assert_collected(&world, &run).await;
    fired
}

/// What is seen, by the registry that lived through the fault and by a fresh one.
async fn agreed(world: &World, run: &str) -> Facts {
    let fresh = facts(&world.fresh()).await;
    let old = facts(&world.harbor).await;
    assert_eq!(old, fresh, "the caches are wrong: {run}");
    assert_eq!(facts(&world.harbor).await, fresh, "the caches are wrong the second time: {run}");
    fresh
}

/// After everything was collected, the stores hold what lives, and nothing else.
async fn assert_collected(world: &World, run: &str) {
    let fresh = world.fresh();
    for _ in 0..3 {
        world.wait();
        let report = world.collect(&fresh).await.unwrap();
        assert_eq!(report.failed, 0, "{run}");
    }
    let fresh = world.fresh();
    let seen = facts(&fresh).await;
    let tagged = seen.iter().filter(|fact| fact.starts_with("blob")).count();
    let manifests = seen.iter().filter(|fact| fact.starts_with("manifest")).count();
    assert!(tagged == 0 || manifests > 0, "a blob that nothing refers to was kept: {run}\n{seen:#?}");
    let locations = locations(world, &fresh).await;
    assert_eq!(world.blobs.count(), locations.len(), "bytes that no row knows of: {run}");
    let mut rows = world.metadata.read().await.unwrap();
    let all = rows.uploads_idle(Timestamp::MAX, Timestamp::MAX, 100).await.unwrap();
    assert_eq!(all, [], "{run}");
    assert_eq!(rows.reviews_due(Timestamp::MAX, 100).await.unwrap(), [], "{run}");
}

/// Where the bytes of the linked blobs are.
async fn locations(world: &World, _harbor: &Harbor) -> BTreeSet<String> {
    let mut rows = world.metadata.read().await.unwrap();
    let mut locations = BTreeSet::new();
    let whole = CHUNKS.concat();
    for name in [ONE, TWO] {
        let Some(repository) = rows.repository(&name.parse().unwrap()).await.unwrap() else { continue };
        for content in [CONFIG, LAYER, EXTRA, &whole] {
            if let Some(blob) = rows.linked_blob(repository.id, &sha(content)).await.unwrap() {
                locations.insert(blob.location.as_str().to_owned());
            }
        }
    }
    locations
}

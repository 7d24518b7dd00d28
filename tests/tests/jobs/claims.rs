//! Claims and leases: nodes over one store, in one process, whose clocks, stores and schedules are not as they should be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use harbor_core::access::permission::JobserviceMonitorStop;
use harbor_core::job::{Done, Job, Rules, Running};
use harbor_core::meta::{
    ExecutionId, MetadataStore, Priority, Schedule, ScheduleId, Sharing, Task, TaskScope, TaskStatus,
};
use harbor_core::query::Query;
use harbor_core::{Clock, Harbor, Result, StoreErrorKind};
use harbor_tests::faults::{FailingWrites, HeldMetadata, Switch};
use harbor_tests::{BackEnd, Stores, on_every_store};
use serde::{Deserialize, Serialize};

use crate::kinds::{Does, Yields, job, name, seen, start, start_with, told};
use crate::node::{LEASE, admin, node_over, status};

on_every_store! {
    what_runs_here_is_not_lost_when_the_clock_is_set(stores);
    who_cannot_renew_leases_ends_what_others_would_take(stores);
    a_slow_store_makes_no_job_slow(stores);
    one_that_failed_is_not_forgotten_behind_a_retry(stores);
    who_is_next_is_looked_at_soon(stores);
    a_schedule_that_does_not_read_holds_up_nothing(stores);
    schedules_are_fired_while_no_worker_is_free(stores);
    who_was_slow_is_slow_until_it_is_quick(stores);
    shutdowns_are_no_deaths(stores);
    what_kills_its_workers_is_given_up(stores);
    who_died_while_its_clock_was_ahead_has_nothing_for_years(stores);
}

/// The only task of an execution.
async fn task(stores: &Stores, execution: ExecutionId) -> Task {
    let scope = TaskScope { execution: Some(execution), ..TaskScope::default() };
    let mut rows = stores.metadata.read().await.unwrap();
    rows.tasks(scope, &Query::default()).await.unwrap().entries.remove(0)
}

async fn until(what: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !what().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Two workers that are not asked for their leases in the meantime.
fn two_workers(stores: &Stores, clock: &Clock) -> Harbor {
    two_workers_over(stores, Arc::clone(&stores.metadata), clock)
}

fn two_workers_over(stores: &Stores, metadata: Arc<dyn MetadataStore>, clock: &Clock) -> Harbor {
    node_over(stores, metadata, clock, |parts| {
        let mut settings = harbor_core::Settings::default();
        (settings.job_workers, settings.job_lease) = (2, Duration::from_secs(60));
        settings.gc_interval = Duration::from_secs(3600);
        parts.settings(settings).job(told)
    })
}

/// A metadata store that stays open when one node is shut down.
fn others_have_it(stores: &Stores) -> Arc<dyn MetadataStore> {
    Arc::new(HeldMetadata::new(Arc::clone(&stores.metadata), usize::MAX))
}

async fn what_runs_here_is_not_lost_when_the_clock_is_set(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let node = two_workers(&stores, &clock);
    node.start().await.unwrap();
    let (hangs, other) = (name("hangs"), name("other"));
    let first = start(&node, &job(&hangs, Does::Hangs), 0).await;
    until(async || seen(&hangs).now == 1).await;
    clock.advance(Duration::from_secs(3600));
    let second = start(&node, &job(&other, Does::Succeeds), 1).await;
    until(async || task(&stores, second).await.status == TaskStatus::Success).await;
    let held = task(&stores, first).await;
    assert_eq!((held.status, held.runs, seen(&hangs).begun), (TaskStatus::Running, 1, 1));
    assert!(held.due > clock.now(), "its lease is renewed");
    node.shutdown().await;
    stores.close().await;
}

async fn who_cannot_renew_leases_ends_what_others_would_take(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::System);
    let switch = Switch::new(StoreErrorKind::Unavailable);
    let inner = Arc::clone(&stores.metadata);
    let metadata = Arc::new(FailingWrites { inner, switch: switch.clone() });
    let node = node_over(&stores, metadata, &clock, |parts| parts.job(told));
    node.start().await.unwrap();
    let hangs = name("hangs");
    start(&node, &job(&hangs, Does::Hangs), 0).await;
    until(async || seen(&hangs).now == 1).await;
    switch.set(true);
    if stores.metadata.sharing() == Sharing::Shared {
        until(async || seen(&hangs).now == 0).await;
    } else {
        tokio::time::sleep(LEASE * 3 / 2).await;
        assert_eq!(seen(&hangs).now, 1, "nobody else could take it");
    }
    switch.set(false);
    node.shutdown().await;
    stores.close().await;
}

async fn a_slow_store_makes_no_job_slow(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let held = Arc::new(HeldMetadata::new(Arc::clone(&stores.metadata), 1));
    let with = |parts: harbor_core::Builder| parts.job(|Yields(job): Yields, running| told(job, running));
    let other = node_over(&stores, Arc::clone(&stores.metadata), &clock, with);
    let working = node_over(&stores, Arc::clone(&held) as _, &clock, with);
    let quick = start(&other, &Yields(job(&name("quick"), Does::Succeeds)), 0).await;
    let working = tokio::spawn(async move { working.run_due_jobs().await });
    held.reached().await;
    // Longer than what is slow.
    tokio::time::sleep(Duration::from_millis(550)).await;
    held.go_on();
    assert_eq!(working.await.unwrap().unwrap(), 1);
    let quick = task(&stores, quick).await;
    assert_eq!((quick.status, quick.priority), (TaskStatus::Success, Priority::Normal));
    stores.close().await;
}

/// Somebody retries an earlier one of the same key while a later one waits for its next attempt.
async fn one_that_failed_is_not_forgotten_behind_a_retry(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let node = node_over(&stores, Arc::clone(&stores.metadata), &clock, |parts| parts.job(told));
    let (dead, fails) = (name("dead"), name("fails"));
    let keyed = async |told| start_with(&node, &told, 0, |enqueue| enqueue.key(&dead)).await;
    let first = keyed(job(&dead, Does::GivesUp)).await;
    let second = keyed(job(&fails, Does::Fails(1))).await;
    assert_eq!(node.run_due_jobs().await.unwrap(), 2);
    assert_eq!(task(&stores, second).await.status, TaskStatus::Waiting);
    // Its time comes while the first one is ahead of it again.
    clock.advance(Duration::from_secs(1));
    let proof = node.authorize::<JobserviceMonitorStop>(&admin(), ()).await.unwrap();
    node.jobs().retry(&proof, &task(&stores, first).await.job).await.unwrap();
    assert_eq!(node.run_due_jobs().await.unwrap(), 1);
    assert_eq!((seen(&dead).begun, seen(&fails).begun), (2, 1));
    clock.advance(Duration::from_secs(60));
    assert_eq!(node.run_due_jobs().await.unwrap(), 1);
    assert_eq!(status(&stores, second).await.1, [TaskStatus::Success]);
    stores.close().await;
}

/// The one ahead may have ended, and have woken nobody, in a transaction that was not committed when it was looked at.
async fn who_is_next_is_looked_at_soon(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let node = two_workers(&stores, &clock);
    node.start().await.unwrap();
    let key = name("key");
    let keyed = async |does| start_with(&node, &job(&key, does), 0, |enqueue| enqueue.key(&key)).await;
    keyed(Does::Hangs).await;
    until(async || seen(&key).now == 1).await;
    let (next, last) = (keyed(Does::Succeeds).await, keyed(Does::Succeeds).await);
    let put_off = async |execution| task(&stores, execution).await.due.since(clock.now());
    until(async || !put_off(next).await.is_zero() && !put_off(last).await.is_zero()).await;
    assert!(put_off(next).await <= Duration::from_secs(10));
    assert!(put_off(last).await > Duration::from_secs(60), "whoever is ahead of it wakes it");
    node.shutdown().await;
    stores.close().await;
}

async fn a_schedule_that_does_not_read_holds_up_nothing(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let node = node_over(&stores, Arc::clone(&stores.metadata), &clock, |parts| parts.job(told));
    let now = clock.now();
    let schedule = Schedule {
        id: ScheduleId::new(0),
        kind: "NOBODY_KNOWS".to_owned(),
        subject: 0,
        rhythm: "Custom".to_owned(),
        cron: "0 0 0 * * *".to_owned(),
        time_zone: "Mars/Olympus".to_owned(),
        payload: r#"{"v":1}"#.to_owned(),
        next: Some(now),
        created_at: now,
        updated_at: now,
    };
    let mut rows = stores.metadata.begin().await.unwrap();
    rows.schedule_put(&schedule).await.unwrap();
    rows.commit().await.unwrap();
    let waits = start(&node, &job(&name("waits"), Does::Succeeds), 0).await;
    assert_eq!(node.run_due_jobs().await.unwrap(), 1);
    assert_eq!(task(&stores, waits).await.status, TaskStatus::Success);
    let schedule = stores.metadata.read().await.unwrap().schedule("NOBODY_KNOWS", 0).await.unwrap();
    assert_eq!(schedule.unwrap().next, None);
    stores.close().await;
}

/// A job that must not take long: the first time it waits for ever, the second time it does so in a way that cannot be broken off.
#[derive(Debug, Serialize, Deserialize)]
struct TakesTooLong;

impl Job for TakesTooLong {
    const KIND: &'static str = "TAKES_TOO_LONG";

    fn rules() -> Rules {
        Rules::default().attempts(2).backoff(Duration::from_millis(1)).longest(Duration::from_secs(1))
    }
}

/// How often it was begun, and whether the one that cannot be broken off may end.
static BEGUN: AtomicU32 = AtomicU32::new(0);
static MAY_END: AtomicBool = AtomicBool::new(false);

/// Lets that one end, also where a test fails: a runtime waits for it.
struct MayEnd;

impl Drop for MayEnd {
    fn drop(&mut self) {
        MAY_END.store(true, Ordering::SeqCst);
    }
}

async fn takes_too_long(_: TakesTooLong, _: Running) -> Result<Done> {
    match BEGUN.fetch_add(1, Ordering::SeqCst) {
        0 => std::future::pending().await,
        1 => {
            while !MAY_END.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        _ => {}
    }
    Ok(Done::default())
}

/// It has its attempts like others that fail, and whoever does not end at all loses its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_takes_too_long_is_tried_again() {
    let stores = BackEnd::Memory.open().await;
    let may_end = MayEnd;
    let node =
        node_over(&stores, Arc::clone(&stores.metadata), &Clock::System, |parts| parts.job(takes_too_long));
    node.start().await.unwrap();
    let execution = start(&node, &TakesTooLong, 0).await;
    until(async || task(&stores, execution).await.status == TaskStatus::Success).await;
    let task = task(&stores, execution).await;
    assert_eq!((task.runs, task.failures, BEGUN.load(Ordering::SeqCst)), (3, 1, 3));
    drop(may_end);
    node.shutdown().await;
    stores.close().await;
}

/// Something that has low priority whenever it is set going.
#[derive(Debug, Serialize, Deserialize)]
struct Seldom {}

impl Job for Seldom {
    const KIND: &'static str = "SELDOM";

    fn rules() -> Rules {
        let mut rules = Rules::default();
        rules.priority = Priority::Low;
        rules
    }
}

/// The dispatcher sleeps until then, and for no longer.
async fn schedules_are_fired_while_no_worker_is_free(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::System);
    let node = node_over(&stores, Arc::clone(&stores.metadata), &clock, |parts| {
        parts.job(told).job(async |_: Seldom, _| Ok(Done::default()))
    });
    let now = clock.now();
    let schedule = Schedule {
        id: ScheduleId::new(0),
        kind: Seldom::KIND.to_owned(),
        subject: 0,
        rhythm: "Custom".to_owned(),
        cron: "0 0 0 * * *".to_owned(),
        time_zone: "UTC".to_owned(),
        payload: r#"{"v":1}"#.to_owned(),
        next: Some(now.plus(Duration::from_secs(1))),
        created_at: now,
        updated_at: now,
    };
    let mut rows = stores.metadata.begin().await.unwrap();
    rows.schedule_put(&schedule).await.unwrap();
    rows.commit().await.unwrap();
    start(&node, &job(&name("hangs"), Does::Hangs), 0).await;
    node.start().await.unwrap();
    let runs = async || {
        let mut rows = stores.metadata.read().await.unwrap();
        let tasks = rows.tasks(TaskScope::default(), &Query::default()).await.unwrap().entries;
        tasks.into_iter().filter(|task| task.kind == Seldom::KIND).collect::<Vec<_>>()
    };
    until(async || !runs().await.is_empty()).await;
    assert_eq!(runs().await[0].priority, Priority::Low, "as its kind has it");
    node.shutdown().await;
    stores.close().await;
}

/// A node that dies while its clock is years ahead has a lease that ends then, where others share the store: they take it all the same.
async fn who_died_while_its_clock_was_ahead_has_nothing_for_years(back_end: BackEnd) {
    const YEARS: i64 = 4 * 365 * 86_400 * 1_000_000;
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let Clock::Manual(micros) = &clock else { panic!("a manual clock") };
    let waits = name("waits");
    micros.fetch_add(YEARS, Ordering::SeqCst);
    let (dies, node) = (two_workers(&stores, &clock), two_workers(&stores, &clock));
    let hangs = start(&dies, &job(&name("hangs"), Does::Hangs), 0).await;
    let working = tokio::spawn(async move { dies.run_due_jobs().await });
    until(async || task(&stores, hangs).await.status == TaskStatus::Running).await;
    working.abort();
    let failed = start(&node, &job(&waits, Does::Succeeds), 1).await;
    micros.fetch_sub(YEARS, Ordering::SeqCst);
    assert!(task(&stores, hangs).await.due > clock.now().plus(Duration::from_secs(86_400)));
    assert_eq!(node.run_due_jobs().await.unwrap(), 1);
    assert_eq!(task(&stores, failed).await.status, TaskStatus::Success);
    let left = task(&stores, hangs).await;
    assert_eq!(left.status, TaskStatus::Running);
    assert!(left.due <= clock.now().plus(Duration::from_secs(60)), "a lease from now on");
    stores.close().await;
}

/// Also where nothing of its key waits as it ends: what comes next is not taken to be quick.
async fn who_was_slow_is_slow_until_it_is_quick(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let with = |parts: harbor_core::Builder| parts.job(|Yields(job): Yields, running| told(job, running));
    let node = node_over(&stores, Arc::clone(&stores.metadata), &clock, with);
    let (slow, key) = (name("slow"), name("key"));
    for (does, enqueued, ended) in [
        (Does::Succeeds, Priority::Normal, Priority::Normal),
        (Does::Takes(510), Priority::Normal, Priority::Low),
        (Does::GivesUp, Priority::Low, Priority::Low),
        (Does::Succeeds, Priority::Low, Priority::Normal),
        (Does::Succeeds, Priority::Normal, Priority::Normal),
    ] {
        let job = Yields(job(&slow, does));
        let execution = start_with(&node, &job, 0, |enqueue| enqueue.key(&key)).await;
        assert_eq!(task(&stores, execution).await.priority, enqueued, "{does:?}");
        assert_eq!(node.run_due_jobs().await.unwrap(), 1);
        let task = task(&stores, execution).await;
        assert!(task.status.is_over());
        assert_eq!(task.priority, ended, "{does:?}");
    }
    stores.close().await;
}

async fn shutdowns_are_no_deaths(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let (hangs, first) = (name("rolls"), two_workers(&stores, &clock));
    let execution = start(&first, &job(&hangs, Does::Hangs), 0).await;
    for begun in 1..=9 {
        let node = two_workers_over(&stores, others_have_it(&stores), &clock);
        node.start().await.unwrap();
        until(async || seen(&hangs).now == 1).await;
        node.shutdown().await;
        let task = task(&stores, execution).await;
        assert_eq!((task.status, task.deaths), (TaskStatus::Waiting, 0));
        assert!(task.runs >= begun, "{task:?}");
    }
    stores.close().await;
}

/// Six times, and who tries it again means it.
async fn what_kills_its_workers_is_given_up(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let node = two_workers(&stores, &clock);
    let execution = start(&node, &job(&name("kills"), Does::Hangs), 0).await;
    for begun in 1..=6 {
        let dies = two_workers(&stores, &clock);
        let working = tokio::spawn(async move { dies.run_due_jobs().await });
        until(async || task(&stores, execution).await.runs == begun).await;
        working.abort();
        let _ = working.await;
        clock.advance(Duration::from_secs(120));
    }
    assert_eq!(node.run_due_jobs().await.unwrap(), 0);
    let ended = task(&stores, execution).await;
    assert_eq!((ended.status, ended.runs, ended.deaths), (TaskStatus::Error, 6, 6), "{ended:?}");
    let proof = node.authorize::<JobserviceMonitorStop>(&admin(), ()).await.unwrap();
    node.jobs().retry(&proof, &ended.job).await.unwrap();
    let again = task(&stores, execution).await;
    assert_eq!((again.status, again.runs, again.deaths), (TaskStatus::Waiting, 6, 0));
    stores.close().await;
}

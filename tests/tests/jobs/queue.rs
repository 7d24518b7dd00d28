//! The queue: what becomes of jobs, in which order, and what somebody can do with them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use harbor_core::access::permission::{JobserviceMonitorStop, SystemConfigurationUpdate};
use harbor_core::meta::{ExecutionStatus, Priority, TaskScope, TaskStatus, Trigger};
use harbor_core::query::Query;
use harbor_core::{Clock, Enqueue};
use harbor_tests::faults::HeldMetadata;
use harbor_tests::{BackEnd, TestRegistry, on_every_store};
use serde_json::json;

use crate::kinds::{
    Does, Two, Yields, job, log, name, order, seen, start, start_with, task, task_once, told,
};
use crate::node::{admin, node_over, status};

const JOBS: &str = "/api/v2.0/jobservice/jobs";
const QUEUES: &str = "/api/v2.0/jobservice/queues";

on_every_store! {
    with crate::kinds::told_kinds;
    what_becomes_of_jobs;
    tried_again;
    stopped_wherever_it_stands;
    stopped_while_it_fails(stores);
    retried;
    one_at_a_time_of_a_key_and_in_order;
    retried_while_another_of_its_key_runs;
    many_that_wait_for_another_hold_up_nothing_else;
    no_more_at_once_than_the_kind_may;
    precedence;
    who_fails_or_is_slow_leaves_places_to_the_rest;
    queues_pause_and_stop;
    pools_and_workers;
    logs_are_followed;
    who_administers_no_more_follows_no_log;
    what_there_is_not;
}

async fn what_becomes_of_jobs(registry: &TestRegistry) {
    for (does, status, message, says) in [
        (Does::Succeeds, "Success", "", "Succeeds"),
        (Does::GivesUp, "Error", "there is no hope", "failed: there is no hope"),
        (Does::Panics, "Error", "the job ended abnormally", "failed: the job ended abnormally"),
    ] {
        let name = name("becomes");
        let execution = start(&registry.harbor, &job(&name, does), 0).await;
        let task = task_once(registry, execution, status).await;
        assert_eq!(task["status_message"], message, "{does:?}");
        assert_eq!(task["vendor_type"], "TOLD");
        assert_eq!(task["execution_id"], execution.get());
        assert!(task["start_time"].is_string() && task["end_time"].is_string(), "{task}");
        let log = log(registry, &task).await;
        assert!(log.contains(says) && log.contains(&name), "{log}");
        if status == "Success" {
            assert_eq!(task["extra_attrs"], json!({ "came": "out" }));
            assert_eq!((&task["check_in"], &task["run_count"]), (&json!("through"), &json!(1)));
        }
    }
}

async fn tried_again(registry: &TestRegistry) {
    let (twice, always) = (name("twice"), name("always"));
    let helped = start(&registry.harbor, &job(&twice, Does::Fails(2)), 0).await;
    let hopeless = start(&registry.harbor, &job(&always, Does::Fails(9)), 0).await;
    let task = task_once(registry, helped, "Success").await;
    assert_eq!((seen(&twice).begun, &task["run_count"]), (3, &json!(3)));
    let log_text = log(registry, &task).await;
    assert_eq!(log_text.matches("failed, and will be tried again").count(), 2, "{log_text}");
    let task = task_once(registry, hopeless, "Error").await;
    assert_eq!(seen(&always).begun, 3);
    assert!(!task["status_message"].as_str().unwrap().is_empty());
    assert!(log(registry, &task).await.contains(" failed: "), "{task}");
}

async fn stopped_wherever_it_stands(registry: &TestRegistry) {
    let hangs = name("hangs");
    let execution = start(&registry.harbor, &job(&hangs, Does::Hangs), 0).await;
    let running = task_once(registry, execution, "Running").await;
    assert_eq!(running["end_time"], json!(null));
    let path = format!("{JOBS}/{}", running["job_id"].as_str().unwrap());
    while seen(&hangs).now == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    registry.admin().put(&path).await.expect_status(200);
    let stopped = task_once(registry, execution, "Stopped").await;
    assert_eq!((seen(&hangs).now, seen(&hangs).ended), (0, 0));
    assert!(log(registry, &stopped).await.contains("stopped"));
    // Again, it stays as it is.
    registry.admin().put(&path).await.expect_status(200);
    assert_eq!(task(&registry.admin(), execution).await["status"], "Stopped");
    // What waits is over at once.
    let later = registry.harbor.now().plus(Duration::from_secs(3600));
    let waits = name("waits");
    let waiting = job(&waits, Does::Succeeds);
    let execution = start_with(&registry.harbor, &waiting, 0, |enqueue| enqueue.due(later)).await;
    let waiting = task(&registry.admin(), execution).await;
    assert_eq!(waiting["status"], "Pending");
    registry.admin().put(&format!("{JOBS}/{}", waiting["job_id"].as_str().unwrap())).await.expect_status(200);
    assert_eq!(task(&registry.admin(), execution).await["status"], "Stopped");
    assert_eq!(seen(&waits).begun, 0);
}

/// Stopped on another node, when it has broken off already and would be tried again.
async fn stopped_while_it_fails(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let over = |metadata| node_over(&stores, metadata, &clock, |parts| parts.job(told));
    let other = over(Arc::clone(&stores.metadata));
    let fails = name("fails");
    let execution = start(&other, &job(&fails, Does::Fails(9)), 0).await;
    let held = Arc::new(HeldMetadata::new(Arc::clone(&stores.metadata), 1));
    let failing = over(Arc::clone(&held) as _);
    let working = tokio::spawn(async move { failing.run_due_jobs().await });
    held.reached().await;
    let query = Query::default();
    let tasks = stores.metadata.read().await.unwrap().tasks(TaskScope::default(), &query).await.unwrap();
    let proof = other.authorize::<JobserviceMonitorStop>(&admin(), ()).await.unwrap();
    other.jobs().stop(&proof, &tasks.entries[0].job).await.unwrap();
    held.go_on();
    assert_eq!(working.await.unwrap().unwrap(), 1);
    assert_eq!(status(&stores, execution).await, (ExecutionStatus::Stopped, vec![TaskStatus::Stopped]));
    clock.advance(Duration::from_secs(3600));
    assert_eq!((other.run_due_jobs().await.unwrap(), seen(&fails).begun), (0, 1));
    stores.close().await;
}

async fn retried(registry: &TestRegistry) {
    let fails = name("fails");
    let execution = start(&registry.harbor, &job(&fails, Does::Fails(4)), 0).await;
    let task = task_once(registry, execution, "Error").await;
    let path = format!("{JOBS}/{}/retry", task["job_id"].as_str().unwrap());
    let dead = registry.admin().get(&format!("{JOBS}?q=status=Error")).await.expect_status(200).json();
    assert!(dead.as_array().unwrap().iter().any(|letter| letter["job_id"] == task["job_id"]), "{dead}");
    registry.admin().post(&path).await.expect_status(200);
    let task = task_once(registry, execution, "Success").await;
    assert_eq!(seen(&fails).begun, 5);
    assert!(log(registry, &task).await.contains("failed"), "the log goes on");
    registry.admin().post(&path).await.expect_status(412);
}

async fn one_at_a_time_of_a_key_and_in_order(registry: &TestRegistry) {
    let keyed = name("keyed");
    let mut executions = Vec::new();
    for (number, does) in [Does::Takes(60), Does::Fails(3), Does::GivesUp, Does::Takes(5), Does::Succeeds]
        .into_iter()
        .enumerate()
    {
        let told = job(&format!("{keyed}:{number}"), does);
        executions
            .push(start_with(&registry.harbor, &told, number as i64, |enqueue| enqueue.key(&keyed)).await);
    }
    let told = job(&name("other"), Does::Succeeds);
    let elsewhere = format!("{keyed}/other");
    let other = start_with(&registry.harbor, &told, 99, |enqueue| enqueue.key(elsewhere)).await;
    for (execution, status) in
        executions.into_iter().zip(["Success", "Success", "Error", "Success", "Success"])
    {
        task_once(registry, execution, status).await;
    }
    task_once(registry, other, "Success").await;
    assert_eq!(seen(&keyed).at_once, 1);
    // The second is the one that fails, and the others wait for it.
    assert_eq!(order(&keyed), "0111234");
}

/// It waits, and whatever else is due does not.
async fn retried_while_another_of_its_key_runs(registry: &TestRegistry) {
    let (dead, hangs, other) = (name("dead"), name("hangs"), name("other"));
    let keyed = async |told| start_with(&registry.harbor, &told, 0, |enqueue| enqueue.key(&dead)).await;
    let first = keyed(job(&dead, Does::GivesUp)).await;
    let path = format!("{JOBS}/{}", task_once(registry, first, "Error").await["job_id"].as_str().unwrap());
    let second = task_once(registry, keyed(job(&hangs, Does::Hangs)).await, "Running").await;
    registry.admin().post(&format!("{path}/retry")).await.expect_status(200);
    let other = start(&registry.harbor, &job(&other, Does::Succeeds), 1).await;
    task_once(registry, other, "Success").await;
    assert_eq!(seen(&dead).begun, 1);
    let second = format!("{JOBS}/{}", second["job_id"].as_str().unwrap());
    registry.admin().put(&second).await.expect_status(200);
    task_once(registry, first, "Error").await;
    assert_eq!((seen(&dead).begun, seen(&hangs).ended), (2, 0));
}

/// How many jobs wait behind one of their key, and how long those of others may wait for these to be looked at. They are looked
/// at a few at a time: the shortest of pauses in between would be longer than that altogether.
const MANY: usize = 960;
const AT_MOST: Duration = Duration::from_secs(3);

/// On a machine that has much else to do, one of some attempts must do.
async fn many_that_wait_for_another_hold_up_nothing_else(registry: &TestRegistry) {
    let mut took = Vec::new();
    while took.last().is_none_or(|last| *last >= AT_MOST) {
        assert!(took.len() < 5, "{took:?}");
        took.push(beside_many_that_wait(registry).await);
    }
}

/// How long another one waits.
async fn beside_many_that_wait(registry: &TestRegistry) -> Duration {
    let (key, other) = (name("key"), name("other"));
    let head = start_with(&registry.harbor, &job(&key, Does::Hangs), 0, |enqueue| enqueue.key(&key)).await;
    let head = task_once(registry, head, "Running").await;
    let proof = registry.harbor.authorize::<SystemConfigurationUpdate>(&admin(), ()).await.unwrap();
    let mut write = registry.harbor.write(&proof).await.unwrap();
    let many = write.execution("TOLD", 1, Trigger::Event, serde_json::Map::new()).await.unwrap();
    for _ in 0..MANY {
        write.enqueue(many, Enqueue::new(&job(&key, Does::Succeeds)).key(&key)).await.unwrap();
    }
    write.enqueue(many, Enqueue::new(&job(&other, Does::Succeeds))).await.unwrap();
    let begun = Instant::now();
    write.commit().await.unwrap();
    while seen(&other).ended == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = begun.elapsed();
    let stop = json!({ "action": "stop" });
    registry.admin().put(&format!("{QUEUES}/TOLD")).json(&stop).await.expect_status(200);
    let path = format!("{JOBS}/{}", head["job_id"].as_str().unwrap());
    registry.admin().put(&path).await.expect_status(200);
    took
}

async fn no_more_at_once_than_the_kind_may(registry: &TestRegistry) {
    let limited = name("limited");
    let mut executions = Vec::new();
    for number in 0..8 {
        let told = Two(job(&limited, Does::Takes(40)));
        executions.push(start(&registry.harbor, &told, number).await);
    }
    join_all(executions.iter().map(|execution| task_once(registry, *execution, "Success"))).await;
    let seen = seen(&limited);
    assert_eq!((seen.ended, seen.at_once), (8, 2));
}

async fn precedence(registry: &TestRegistry) {
    let (admin, ranked) = (registry.admin(), name("ranked"));
    let pause = |action: &str| json!({ "action": action });
    let queue = format!("{QUEUES}/TWO");
    admin.put(&queue).json(&pause("pause")).await.expect_status(200);
    let mut executions = Vec::new();
    let ranks =
        [("l", Priority::Low), ("n", Priority::Normal), ("h", Priority::High), ("m", Priority::Normal)];
    for (number, (word, priority)) in (0..).zip(ranks) {
        let told = Two(job(&format!("{ranked}:{word}"), Does::Takes(30)));
        let execution =
            start_with(&registry.harbor, &told, number, |enqueue| enqueue.priority(priority)).await;
        executions.push(execution);
    }
    assert_eq!(seen(&ranked).begun, 0, "the queue is paused");
    admin.put(&queue).json(&pause("resume")).await.expect_status(200);
    join_all(executions.iter().map(|execution| task_once(registry, *execution, "Success"))).await;
    // Two run at once, so which of a pair is first is chance.
    let order = order(&ranked);
    assert!(order[..2].contains('h') && order[2..].contains('l'), "{order}");
}

async fn who_fails_or_is_slow_leaves_places_to_the_rest(registry: &TestRegistry) {
    let (stuck, quick) = (name("stuck"), name("quick"));
    let keyed = async |key: &str, name: &str, does| {
        let told = Yields(job(name, does));
        start_with(&registry.harbor, &told, 0, |enqueue| enqueue.key(key)).await
    };
    let running = async |count| {
        let waited = tokio::time::timeout(Duration::from_secs(30), async {
            while seen(&stuck).now != count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(waited.await.is_ok(), "{:?} and not {count}", seen(&stuck));
    };
    let mut hanging = Vec::new();
    for (number, does) in [Does::GivesUp, Does::Takes(510), Does::GivesUp].into_iter().enumerate() {
        let key = format!("{stuck}/{number}");
        let first = keyed(&key, &quick, does).await;
        hanging.push(keyed(&key, &stuck, Does::Hangs).await);
        task_once(registry, first, if number == 1 { "Success" } else { "Error" }).await;
    }
    running(1).await;
    for number in 0..5 {
        let other = keyed(&format!("{quick}/{number}"), &quick, Does::Succeeds).await;
        task_once(registry, other, "Success").await;
    }
    assert_eq!(seen(&stuck).at_once, 1, "of three that could");
    for execution in hanging {
        let task = task(&registry.admin(), execution).await;
        let path = format!("{JOBS}/{}", task["job_id"].as_str().unwrap());
        registry.admin().put(&path).await.expect_status(200);
        task_once(registry, execution, "Stopped").await;
    }
    // Who is quick again has the places of the quick.
    let (better, bad) = (format!("{stuck}/better"), format!("{stuck}/bad"));
    for (name, does) in [(&quick, Does::GivesUp), (&quick, Does::Succeeds), (&stuck, Does::Hangs)] {
        keyed(&better, name, does).await;
    }
    running(1).await;
    for (name, does) in [(&quick, Does::GivesUp), (&stuck, Does::Hangs)] {
        keyed(&bad, name, does).await;
    }
    running(2).await;
}

async fn queues_pause_and_stop(registry: &TestRegistry) {
    let (admin, paused) = (registry.admin(), name("paused"));
    let act = async |kind: &str, action: &str| {
        admin.put(&format!("{QUEUES}/{kind}")).json(&json!({ "action": action })).await
    };
    act("TOLD", "pause").await.expect_status(200);
    let execution = start(&registry.harbor, &job(&paused, Does::Succeeds), 0).await;
    let of = async |kind: &str| {
        let queues = admin.get(QUEUES).await.expect_status(200).json();
        queues.as_array().unwrap().iter().find(|queue| queue["job_type"] == kind).unwrap().clone()
    };
    let queue = of("TOLD").await;
    assert_eq!((&queue["count"], &queue["paused"]), (&json!(1), &json!(true)));
    assert_eq!(of("TWO").await["paused"], false);
    assert_eq!(of("SCHEDULER").await["paused"], false);
    act("TOLD", "stop").await.expect_status(200);
    assert_eq!(task(&admin, execution).await["status"], "Stopped");
    act("all", "pause").await.expect_status(200);
    assert_eq!(of("GARBAGE_COLLECTION").await["paused"], true);
    let clock = admin.get("/api/v2.0/schedules/all/paused").await.expect_status(200).json();
    assert_eq!(clock, json!({ "paused": true }));
    act("all", "resume").await.expect_status(200);
    assert_eq!((&of("TOLD").await["paused"], &of("TOLD").await["count"]), (&json!(false), &json!(0)));
    act("TOLD", "explode").await.expect_status(422);
    act("NOTHING", "pause").await.expect_status(404);
    assert_eq!(seen(&paused).begun, 0);
}

async fn pools_and_workers(registry: &TestRegistry) {
    let (admin, works) = (registry.admin(), name("works"));
    let execution = start(&registry.harbor, &job(&works, Does::Hangs), 0).await;
    let running = task_once(registry, execution, "Running").await;
    let pools = admin.get("/api/v2.0/jobservice/pools").await.expect_status(200).json();
    assert_eq!(pools.as_array().unwrap().len(), 1, "{pools}");
    assert_eq!((&pools[0]["concurrency"], &pools[0]["pid"]), (&json!(10), &json!(std::process::id())));
    let pool = pools[0]["worker_pool_id"].as_str().unwrap();
    for pool in ["all", pool] {
        let path = format!("/api/v2.0/jobservice/pools/{pool}/workers");
        let workers = admin.get(&path).await.expect_status(200).json();
        assert_eq!(workers.as_array().unwrap().len(), 1, "{workers}");
        assert_eq!((&workers[0]["job_id"], &workers[0]["job_name"]), (&running["job_id"], &json!("TOLD")));
    }
    admin.get("/api/v2.0/jobservice/pools/none/workers").await.expect_status(404);
    admin.put(&format!("{JOBS}/{}", running["job_id"].as_str().unwrap())).await.expect_status(200);
    task_once(registry, execution, "Stopped").await;
}

async fn logs_are_followed(registry: &TestRegistry) {
    let (admin, says) = (registry.admin(), name("says"));
    let execution = start(&registry.harbor, &job(&says, Does::Takes(1500)), 0).await;
    let running = task_once(registry, execution, "Running").await;
    let path = format!("{JOBS}/{}/log", running["job_id"].as_str().unwrap());
    let followed = admin.get(&format!("{path}?follow=true")).await.expect_status(200);
    assert!(String::from_utf8_lossy(&followed.body).contains(&says));
    assert_eq!(task(&admin, execution).await["status"], "Success", "the log ends with the job");
    let many = start(&registry.harbor, &job(&name("many"), Does::Says(20_000)), 0).await;
    let told = log(registry, &task_once(registry, many, "Success").await).await;
    assert_eq!(told.lines().filter(|line| line.contains(" line ")).count(), 20_000);
    assert!(told.contains("line 19999"));
}

async fn who_administers_no_more_follows_no_log(registry: &TestRegistry) {
    let (admin, boss) = (registry.admin(), registry.add_user("boss").await);
    let administers = async |flag: bool| {
        let path = format!("/api/v2.0/users/{}/sysadmin", boss.get());
        admin.put(&path).json(&json!({ "sysadmin_flag": flag })).await.expect_status(200);
    };
    administers(true).await;
    let execution = start(&registry.harbor, &job(&name("followed"), Does::Hangs), 0).await;
    let running = task_once(registry, execution, "Running").await;
    let path = format!("{JOBS}/{}/log", running["job_id"].as_str().unwrap());
    let client = registry.user("boss");
    // So that its password is known by now, and nothing waits for a hash.
    client.get("/v2/").await.expect_status(200);
    let following = client.get(&format!("{path}?follow=true")).into_future();
    let demoted = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        administers(false).await;
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(following, demoted) });
    // It ends, and the job does not.
    ended.await.unwrap().0.expect_status(200);
    assert_eq!(task(&admin, execution).await["status"], "Running");
    admin.put(&format!("{JOBS}/{}", running["job_id"].as_str().unwrap())).await.expect_status(200);
}

async fn what_there_is_not(registry: &TestRegistry) {
    let admin = registry.admin();
    for path in ["none", "%00", "..%2f", "%27%20OR%201=1"] {
        admin.get(&format!("{JOBS}/{path}/log")).await.expect_status(404);
        admin.put(&format!("{JOBS}/{path}")).await.expect_status(404);
        admin.post(&format!("{JOBS}/{path}/retry")).await.expect_status(404);
    }
    admin.get("/api/v2.0/schedules/GARBAGE_COLLECTION/paused").await.expect_status(400);
    registry.anon().get("/api/v2.0/schedules/all/paused").await.expect_status(401);
}

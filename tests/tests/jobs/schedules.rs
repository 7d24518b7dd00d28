//! Schedules: that each run comes once, whatever the clock does.

use std::sync::atomic::Ordering;
use std::time::Duration;

use harbor_core::{Clock, Timestamp};
use harbor_tests::{TestRegistry, on_every_store};
use serde_json::{Value, json};

const SCHEDULE: &str = "/api/v2.0/system/gc/schedule";
const HISTORY: &str = "/api/v2.0/system/gc";

on_every_store! {
    with crate::kinds::by_hand;
    every_rhythm;
    a_missed_run_is_made_up_once;
    a_clock_that_was_ahead_holds_nothing_up;
    what_waits_for_a_clock_that_was_ahead;
    never_two_at_a_time;
    paused;
    taken_away;
    time_zones;
    daylight_saving;
    wrong_ones;
}

fn body(kind: &str, cron: &str) -> Value {
    json!({ "schedule": { "type": kind, "cron": cron }, "parameters": {} })
}

async fn runs(registry: &TestRegistry) -> Vec<Value> {
    let runs = registry.admin().get(HISTORY).await.expect_status(200).json();
    runs.as_array().unwrap().clone()
}

/// When the next run is, in seconds since the epoch.
async fn next(registry: &TestRegistry) -> i64 {
    let schedule = registry.admin().get(SCHEDULE).await.expect_status(200).json();
    let next: Timestamp =
        serde_json::from_value(schedule["schedule"]["next_scheduled_time"].clone()).unwrap();
    next.micros() / 1_000_000
}

/// Goes on to the second after the next run.
async fn to_the_next(registry: &TestRegistry) {
    let now = registry.harbor.now().micros() / 1_000_000;
    let wait = u64::try_from(next(registry).await - now).unwrap();
    registry.clock.advance(Duration::from_secs(wait + 1));
}

async fn every_rhythm(registry: &TestRegistry) {
    for (kind, cron, every) in [
        ("Hourly", "", 3600),
        ("Daily", "", 86_400),
        ("Weekly", "", 7 * 86_400),
        ("Daily", "0 30 4 * * *", 86_400),
        ("Custom", "0 */5 * * * *", 300),
    ] {
        let admin = registry.admin();
        admin.put(SCHEDULE).json(&body(kind, cron)).await.expect_status(200);
        let schedule = admin.get(SCHEDULE).await.expect_status(200).json();
        assert_eq!((&schedule["job_kind"], &schedule["schedule"]["type"]), (&json!(kind), &json!(kind)));
        assert_eq!(schedule["schedule"]["time_zone"], "UTC");
        let first = next(registry).await;
        assert!(first * 1_000_000 > registry.harbor.now().micros());
        assert_eq!(
            first % every.min(86_400),
            if cron.contains("30 4") { 16_200 } else { 0 },
            "{kind} {cron}"
        );
        if kind == "Weekly" {
            // The first day of 1970 was a Thursday.
            assert_eq!((first / 86_400 + 4) % 7, 0, "on Sunday");
        }
        let before = runs(registry).await.len();
        assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0, "not yet");
        to_the_next(registry).await;
        assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
        assert_eq!(next(registry).await, first + every, "{kind} {cron}");
        let runs = runs(registry).await;
        assert_eq!(runs.len(), before + 1);
        assert_eq!((&runs[0]["job_kind"], &runs[0]["job_status"]), (&json!("SCHEDULE"), &json!("Success")));
    }
    let all = registry.admin().get("/api/v2.0/schedules").await.expect_status(200);
    assert_eq!(all.need("X-Total-Count"), "1");
    let all = all.json();
    assert_eq!(
        (&all[0]["vendor_type"], &all[0]["cron"]),
        (&json!("GARBAGE_COLLECTION"), &json!("0 */5 * * * *"))
    );
}

async fn a_missed_run_is_made_up_once(registry: &TestRegistry) {
    registry.admin().post(SCHEDULE).json(&body("Hourly", "")).await.expect_status(201);
    registry.clock.advance(Duration::from_secs(100 * 3600));
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0);
    assert_eq!(runs(registry).await.len(), 1);
    let (next, now) = (next(registry).await, registry.harbor.now().micros() / 1_000_000);
    assert!(next > now && next <= now + 3600);
}

/// A machine starts with a clock that is years ahead, and is put right a little later.
async fn a_clock_that_was_ahead_holds_nothing_up(registry: &TestRegistry) {
    const AHEAD: i64 = 4 * 365 * 86_400;
    let Clock::Manual(micros) = &registry.clock else { panic!("a manual clock") };
    registry.admin().post(SCHEDULE).json(&body("Weekly", "")).await.expect_status(201);
    let planned = next(registry).await;
    registry.clock.advance(Duration::from_secs(AHEAD.unsigned_abs()));
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
    micros.fetch_sub(AHEAD * 1_000_000, Ordering::SeqCst);
    assert!(next(registry).await > planned + AHEAD / 2);
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0, "it is not Sunday");
    assert_eq!(next(registry).await, planned);
    to_the_next(registry).await;
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
    // The clock of another node is a little behind: for it, the time of the run has not come.
    let behind = i64::try_from(Duration::from_secs(2).as_micros()).unwrap();
    let after = next(registry).await;
    micros.fetch_sub(behind, Ordering::SeqCst);
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0);
    registry.clock.advance(Duration::from_secs(4));
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0, "it was set going already");
    assert_eq!(next(registry).await, after);
}

/// It set a run going for which no worker was free before it was put right: the run's time has come, and so do those that are next.
async fn what_waits_for_a_clock_that_was_ahead(registry: &TestRegistry) {
    const AHEAD: i64 = 4 * 365 * 86_400;
    let (admin, queue) = (registry.admin(), "/api/v2.0/jobservice/queues/GARBAGE_COLLECTION");
    let Clock::Manual(micros) = &registry.clock else { panic!("a manual clock") };
    admin.post(SCHEDULE).json(&body("Weekly", "")).await.expect_status(201);
    admin.put(queue).json(&json!({ "action": "pause" })).await.expect_status(200);
    registry.clock.advance(Duration::from_secs(AHEAD.unsigned_abs()));
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0);
    assert_eq!(runs(registry).await[0]["job_status"], "Pending");
    micros.fetch_sub(AHEAD * 1_000_000, Ordering::SeqCst);
    admin.put(queue).json(&json!({ "action": "resume" })).await.expect_status(200);
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
    to_the_next(registry).await;
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
    assert_eq!(runs(registry).await.len(), 2);
}

async fn never_two_at_a_time(registry: &TestRegistry) {
    let admin = registry.admin();
    admin.put(SCHEDULE).json(&body("Hourly", "")).await.expect_status(200);
    // The run is set going, and waits: the queue is paused.
    let queue = "/api/v2.0/jobservice/queues/GARBAGE_COLLECTION";
    admin.put(queue).json(&json!({ "action": "pause" })).await.expect_status(200);
    for _ in 0..3 {
        to_the_next(registry).await;
        assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0);
    }
    let pending = runs(registry).await;
    assert_eq!(pending.len(), 1, "the second is left out while the first is not over");
    assert_eq!(pending[0]["job_status"], "Pending");
    admin.put(queue).json(&json!({ "action": "resume" })).await.expect_status(200);
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
    to_the_next(registry).await;
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
    assert_eq!(runs(registry).await.len(), 2);
}

async fn paused(registry: &TestRegistry) {
    let admin = registry.admin();
    admin.put(SCHEDULE).json(&body("Hourly", "")).await.expect_status(200);
    let clock = "/api/v2.0/jobservice/queues/SCHEDULER";
    admin.put(clock).json(&json!({ "action": "pause" })).await.expect_status(200);
    to_the_next(registry).await;
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0);
    assert!(runs(registry).await.is_empty());
    admin.put(clock).json(&json!({ "action": "resume" })).await.expect_status(200);
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1, "it is made up");
}

async fn taken_away(registry: &TestRegistry) {
    let admin = registry.admin();
    assert_eq!(admin.get(SCHEDULE).await.expect_status(200).json(), json!({}));
    admin.put(SCHEDULE).json(&body("None", "")).await.expect_status(200);
    admin.put(SCHEDULE).json(&body("Hourly", "")).await.expect_status(200);
    admin.put(SCHEDULE).json(&body("None", "")).await.expect_status(200);
    assert_eq!(admin.get(SCHEDULE).await.expect_status(200).json(), json!({}));
    registry.clock.advance(Duration::from_secs(7200));
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0);
}

async fn time_zones(registry: &TestRegistry) {
    let body = json!({
        "schedule": { "type": "Custom", "cron": "0 0 12 * * *", "time_zone": "Asia/Kolkata" },
    });
    registry.admin().put(SCHEDULE).json(&body).await.expect_status(200);
    // To Go, `null` is an empty map.
    let without = json!({ "schedule": { "type": "Weekly" }, "parameters": null });
    registry.admin().put(SCHEDULE).json(&without).await.expect_status(200);
    registry.admin().put(SCHEDULE).json(&body).await.expect_status(200);
    // Half past six by Greenwich.
    assert_eq!(next(registry).await % 86_400, 23_400);
    let schedule = registry.admin().get(SCHEDULE).await.expect_status(200).json();
    assert_eq!(schedule["schedule"]["time_zone"], "Asia/Kolkata");
}

/// In Berlin, half past two is left out on 31 March 2030, and comes twice on 27 October: each day has one run all the same.
async fn daylight_saving(registry: &TestRegistry) {
    let body = json!({
        "schedule": { "type": "Custom", "cron": "0 30 2 * * *", "time_zone": "Europe/Berlin" },
    });
    for (from, planned) in [
        ("2030-03-29T12:00:00Z", ["2030-03-30T01:30:00Z", "2030-03-31T01:00:00Z", "2030-04-01T00:30:00Z"]),
        ("2030-10-25T12:00:00Z", ["2030-10-26T00:30:00Z", "2030-10-27T00:30:00Z", "2030-10-28T01:30:00Z"]),
    ] {
        let from: Timestamp = serde_json::from_value(json!(from)).unwrap();
        let wait = u64::try_from(from.micros() - registry.harbor.now().micros()).unwrap();
        registry.clock.advance(Duration::from_micros(wait));
        registry.admin().put(SCHEDULE).json(&body).await.expect_status(200);
        for planned in planned {
            let planned: Timestamp = serde_json::from_value(json!(planned)).unwrap();
            assert_eq!(next(registry).await, planned.micros() / 1_000_000);
            to_the_next(registry).await;
            assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
            // The hour that comes again has no run of its own.
            registry.clock.advance(Duration::from_secs(3600));
            assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0);
        }
    }
    assert_eq!(runs(registry).await.len(), 6);
}

async fn wrong_ones(registry: &TestRegistry) {
    let admin = registry.admin();
    for (body, says) in [
        (body("Custom", ""), "six fields"),
        (body("Custom", "* * * * *"), "six fields"),
        (body("Custom", "30 * * * * *"), "must be 0"),
        (body("Custom", "0 61 * * * *"), "does not read"),
        (body("Custom", "0 0 0 31 2 *"), "never comes"),
        (body("Yearly", ""), "Hourly, Daily, Weekly"),
        (body("", ""), "Hourly, Daily, Weekly"),
        (json!({}), "Hourly, Daily, Weekly"),
        (json!({ "schedule": { "type": "Daily", "time_zone": "Mars/Olympus" } }), "no time zone"),
        (json!({ "schedule": { "type": "Daily" }, "parameters": { "workers": 11 } }), "1 to 10"),
        (json!({ "schedule": { "type": "Manual" }, "parameters": { "workers": 0 } }), "1 to 10"),
        (json!({ "schedule": { "type": "Daily" }, "parameters": { "dry_run": "maybe" } }), "do not read"),
    ] {
        let answer = admin.put(SCHEDULE).json(&body).await.expect_error(400, "BAD_REQUEST");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.contains(says), "{body}: {text}");
    }
    assert_eq!(admin.get(SCHEDULE).await.expect_status(200).json(), json!({}));
}

//! Purges of the audit log.

use std::time::Duration;

use harbor_tests::{TestRegistry, on_every_store};
use serde_json::{Value, json};

const SCHEDULE: &str = "/api/v2.0/system/purgeaudit/schedule";
const HISTORY: &str = "/api/v2.0/system/purgeaudit";

on_every_store! {
    with crate::kinds::by_hand;
    what_is_old_and_named_goes;
    history_log_and_schedule;
    what_cannot_be_purged_is_refused;
    a_purge_is_stopped;
}

/// Sets a purge going; yields where it is.
async fn begin(registry: &TestRegistry, parameters: Value) -> String {
    let body = json!({ "schedule": { "type": "Manual" }, "parameters": parameters });
    let answer = registry.admin().post(SCHEDULE).json(&body).await.expect_status(201);
    let path = answer.need("Location").to_owned();
    assert!(path.starts_with("/api/v2.0/system/purgeaudit/"), "{path}");
    path
}

/// Sets a purge going, and yields what came out of it when it is over.
async fn purge(registry: &TestRegistry, hours: u32, types: &str, dry_run: bool) -> u64 {
    let parameters =
        json!({ "audit_retention_hour": hours, "include_event_types": types, "dry_run": dry_run });
    let path = begin(registry, parameters).await;
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
    let run = registry.admin().get(&path).await.expect_status(200).json();
    assert_eq!(
        (&run["job_status"], &run["job_name"]),
        (&json!("Success"), &json!("PURGE_AUDIT_LOG")),
        "{run}"
    );
    let parameters: Value = serde_json::from_str(run["job_parameters"].as_str().unwrap()).unwrap();
    assert_eq!(parameters["audit_retention_hour"], hours);
    parameters["purged"].as_u64().unwrap()
}

/// How many lines a query finds.
async fn lines(registry: &TestRegistry, q: &str) -> u64 {
    let answer = registry.admin().get(&format!("/api/v2.0/auditlog-exts?q={q}")).await.expect_status(200);
    answer.need("X-Total-Count").parse().unwrap()
}

async fn labels(registry: &TestRegistry, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let body = json!({ "name": format!("label-{number}"), "scope": "g" });
        registry.admin().post("/api/v2.0/labels").json(&body).await.expect_status(201);
    }
}

async fn what_is_old_and_named_goes(registry: &TestRegistry) {
    registry.project("old", false).await;
    labels(registry, 0..3).await;
    registry.clock.advance(Duration::from_secs(3 * 3600));
    registry.project("young", false).await;
    labels(registry, 3..5).await;
    assert_eq!(purge(registry, 2, "", false).await, 0, "who names nothing purges nothing");
    assert_eq!(purge(registry, 2, "create_project,create_artifact", true).await, 1);
    assert_eq!(
        (lines(registry, "resource_type=project").await, lines(registry, "resource_type=label").await),
        (2, 5)
    );
    assert_eq!(purge(registry, 2, "create_project,create_artifact", false).await, 1);
    assert_eq!(
        (lines(registry, "resource_type=project").await, lines(registry, "resource_type=label").await),
        (1, 5)
    );
    assert_eq!(purge(registry, 2, "create_project", false).await, 0);
    assert_eq!(lines(registry, "resource=young").await, 1);
    purge(registry, 2, "other", false).await;
    assert_eq!(lines(registry, "resource_type=label").await, 2);
}

async fn history_log_and_schedule(registry: &TestRegistry) {
    let admin = registry.admin();
    purge(registry, 1, "other", true).await;
    purge(registry, 2, "create_project", false).await;
    let listed = admin.get(HISTORY).await.expect_status(200);
    assert_eq!(listed.need("X-Total-Count"), "2");
    let first = listed.json()[1]["id"].clone();
    let log = admin.get(&format!("{HISTORY}/{first}/log")).await.expect_status(200);
    let log = String::from_utf8(log.body.to_vec()).unwrap();
    assert!(log.contains("dry_run=true") && log.contains("would be deleted: "), "{log}");
    assert_eq!(admin.get(SCHEDULE).await.expect_status(200).json(), json!({}));
    let parameters =
        json!({ "audit_retention_hour": 168, "include_event_types": "create_artifact", "dry_run": false });
    let daily = json!({ "schedule": { "type": "Daily" }, "parameters": parameters });
    admin.put(SCHEDULE).json(&daily).await.expect_status(200);
    let schedule = admin.get(SCHEDULE).await.expect_status(200).json();
    assert_eq!(schedule["schedule"]["type"], "Daily");
    let shown: Value = serde_json::from_str(schedule["job_parameters"].as_str().unwrap()).unwrap();
    assert_eq!(shown, parameters);
    registry.clock.advance(Duration::from_secs(25 * 3600));
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
    let latest = admin.get(HISTORY).await.expect_status(200).json()[0].clone();
    assert_eq!((&latest["job_kind"], &latest["job_status"]), (&json!("SCHEDULE"), &json!("Success")));
    admin.put(SCHEDULE).json(&json!({ "schedule": { "type": "None" } })).await.expect_status(200);
    assert_eq!(admin.get(SCHEDULE).await.expect_status(200).json(), json!({}));
    // A run of another kind is none of these.
    let gc = json!({ "schedule": { "type": "Manual" } });
    let gc = admin.post("/api/v2.0/system/gc/schedule").json(&gc).await.expect_status(201);
    let id = gc.need("Location").rsplit('/').next().unwrap().to_owned();
    for path in [id.clone(), format!("{id}/log"), "9999".to_owned()] {
        admin.get(&format!("{HISTORY}/{path}")).await.expect_status(404);
    }
}

async fn what_cannot_be_purged_is_refused(registry: &TestRegistry) {
    for parameters in [
        // Who forgets to say how long lines are kept does not delete all of them.
        json!({ "include_event_types": "other" }),
        json!({ "audit_retention_hour": -1 }),
        json!({ "audit_retention_hour": 240_001 }),
        json!({ "audit_retention_hour": 24, "include_event_types": "everything" }),
    ] {
        for kind in ["Manual", "Daily"] {
            let body = json!({ "schedule": { "type": kind }, "parameters": parameters });
            registry.admin().post(SCHEDULE).json(&body).await.expect_error(400, "BAD_REQUEST");
        }
    }
}

async fn a_purge_is_stopped(registry: &TestRegistry) {
    let admin = registry.admin();
    let path = begin(registry, json!({ "audit_retention_hour": 0, "include_event_types": "other" })).await;
    admin.put(&path).await.expect_status(200);
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0);
    assert_eq!(admin.get(&path).await.expect_status(200).json()["job_status"], "Stopped");
}

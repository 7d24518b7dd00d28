//! Work in the background.

use std::time::Duration;

use harbor_core::api::{ActionRequest, Schedule, ScheduleObj};
use harbor_replicate::client::api::{Api, Query};
use serde_json::{Map, json};

use crate::Outcome;

/// Waits until a run is over; yields how it ended.
pub(crate) async fn over(status: impl AsyncFn() -> Outcome<String>) -> Outcome<String> {
    loop {
        let status = status().await?;
        if matches!(status.as_str(), "Success" | "Succeed" | "Error" | "Stopped") {
            return Ok(status);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Once, now.
fn manual(parameters: serde_json::Value) -> Schedule {
    let schedule = ScheduleObj { kind: "Manual".to_owned(), ..ScheduleObj::default() };
    let parameters = parameters.as_object().cloned().unwrap_or_default();
    Schedule { schedule: Some(schedule), parameters }
}

pub(crate) async fn jobservice(api: &Api) -> Outcome {
    for queue in api.jobservice().queues().await? {
        println!("{}: {} wait", queue.job_type, queue.count);
    }
    let act = async |action: &str| {
        let action = ActionRequest { action: action.to_owned() };
        api.jobservice().act("GARBAGE_COLLECTION", &action).await
    };
    act("pause").await?;
    act("resume").await?;
    println!("{} jobs in all", api.jobservice().list(&Query::new()).all().await?.len());
    Ok(())
}

pub(crate) async fn schedules(api: &Api) -> Outcome {
    let nightly =
        ScheduleObj { kind: "Custom".to_owned(), cron: "0 30 1 * * *".to_owned(), ..ScheduleObj::default() };
    let schedule = Schedule { schedule: Some(nightly), parameters: Map::new() };
    api.garbage_collection().set_schedule(&schedule).await?;
    for schedule in api.schedules().list(&Query::new()).all().await? {
        println!("{}: {}", schedule.vendor_type, schedule.cron);
    }
    println!("paused: {}", api.schedules().paused("all").await?.paused);
    Ok(())
}

pub(crate) async fn garbage_collection(api: &Api) -> Outcome {
    let trial = manual(json!({ "dry_run": true, "delete_untagged": true }));
    let id = api.garbage_collection().run(&trial).await?.id().ok_or("a key")?;
    let status = async || Ok(api.garbage_collection().get(id).await?.job_status);
    println!("a trial: {}", over(status).await?);
    print!("{}", api.garbage_collection().log(id).await?);
    Ok(())
}

pub(crate) async fn purges(api: &Api) -> Outcome {
    let trial = manual(json!({
        "dry_run": true,
        "audit_retention_hour": 24,
        "include_event_types": "pull_artifact",
    }));
    let id = api.purges().run(&trial).await?.id().ok_or("a key")?;
    let status = async || Ok(api.purges().get(id).await?.job_status);
    println!("a trial: {}", over(status).await?);
    Ok(())
}

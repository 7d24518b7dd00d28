//! Garbage collection, jobs, schedules, webhooks, purges.

use harbor_core::oci::Algorithm;
use harbor_tests::TestRegistry;
use harbor_tests::content::image;
use serde_json::Value;

use crate::{Transcript, logged_in};

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn gc() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "gc run --dry-run --wait
         gc run --wait --workers 2 -o json
         gc list
         gc get 99
         gc log 99
         gc schedule get
         gc schedule set daily
         gc schedule set '0 30 3 * * 6' --time-zone Europe/Berlin
         gc schedule set '0 30 3'
         gc schedule get
         schedule list
         gc schedule delete
         schedule list",
    )
    .await;
    let runs: Vec<Value> = serde_json::from_str(&harborctl.ok(&["gc", "list", "-o", "json"]).await).unwrap();
    let run = runs[0]["id"].to_string();
    assert!(harborctl.ok(&["gc", "log", &run]).await.contains("blobs"));
    told.check("gc");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn job() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    harborctl.ok(&["gc", "run", "--wait"]).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "job list
         job list --query status=Error
         job queues
         job workers
         job pause WEBHOOK
         job queues -o yaml --quiet
         job resume WEBHOOK
         job clear WEBHOOK
         job pause NONSENSE
         job log nonsense
         job stop nonsense
         job retry nonsense
         schedule paused
         schedule pause
         schedule paused -o name
         schedule resume
         schedule paused -o name",
    )
    .await;
    let job = harborctl.ok(&["job", "list", "-o", "name"]).await;
    assert!(!harborctl.ok(&["job", "log", job.trim()]).await.is_empty());
    assert_eq!(harborctl.ok(&["job", "pools", "-o", "name"]).await.lines().count(), 1);
    told.check("job");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn retention_runs() {
    let registry = TestRegistry::in_memory().await;
    for tag in ["1", "2", "3"] {
        registry.admin().push("library/web", Some(tag), &image(Algorithm::Sha256)).await;
    }
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "retention add-rule -p library latestPushedK 1
         retention preview -p library
         retention run -p library --dry-run --wait
         tag list library/web:1 -o name
         retention run -p library --wait
         retention runs -p library -o wide
         artifact list library/web -o name",
    )
    .await;
    let runs: Vec<Value> =
        serde_json::from_str(&harborctl.ok(&["retention", "runs", "-p", "library", "-o", "json"]).await)
            .unwrap();
    let run = runs[0]["id"].to_string();
    let tasks = harborctl.ok(&["retention", "tasks", &run, "-p", "library", "-o", "json"]).await;
    let tasks: Vec<Value> = serde_json::from_str(&tasks).unwrap();
    assert_eq!((tasks[0]["total"].as_u64(), tasks[0]["retained"].as_u64()), (Some(3), Some(1)));
    let log = harborctl.ok(&["retention", "log", &run, &tasks[0]["id"].to_string(), "-p", "library"]).await;
    assert!(!log.is_empty());
    told.check("retention_runs");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn webhook() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "webhook create ci -p library --address https://example.org/hook --event PUSH_ARTIFACT
         webhook create ci -p library --address https://example.org/hook
         webhook create wrong -p library --address nonsense
         webhook create wrong -p library
         webhook create all --address https://example.org/all --format CloudEvents -q
         webhook list -p library
         webhook list -o wide
         webhook get ci -p library -o yaml
         webhook disable ci -p library
         webhook list -p library -o name
         webhook get nope -p library
         webhook enable ci -p library
         webhook last-triggers library
         webhook deliveries ci -p library
         webhook tasks ci 99 -p library
         webhook log ci 99 99 -p library
         webhook events -p library",
    )
    .await;
    let yaml = harborctl.ok(&["webhook", "get", "ci", "-p", "library", "-o", "yaml"]).await;
    told.line("webhook update ci -p library --file -", &yaml.replace("name: ci", "name: builds")).await;
    told.type_in("webhook delete builds -p library\nwebhook delete all\nwebhook list").await;
    told.check("webhook");
}

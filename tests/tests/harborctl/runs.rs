//! Transcripts of runs and of deliveries, which begin when the test says so: what waits is stopped, what is over has a log.

use std::time::Duration;

use harbor_tests::content::image;
use harbor_tests::receiver::{Answers, Receiver};
use harbor_tests::{BackEnd, TestRegistry};

use crate::{Transcript, images, logged_in};

/// A registry in which jobs wait for the test, and requests may go to this machine.
async fn registry() -> TestRegistry {
    let builder = TestRegistry::builder(BackEnd::Memory).settings(|settings| {
        settings.job_workers = 0;
        settings.gc_interval = Duration::from_secs(24 * 60 * 60);
        settings.egress_allow = vec!["127.0.0.1".parse().unwrap()];
    });
    builder.start().await
}

/// Runs the one job that waits.
async fn one_job(registry: &TestRegistry) {
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn what_waits_is_stopped_and_what_is_over_has_a_log() {
    let registry = registry().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "gc run
         gc get 1
         gc log 1
         gc stop 1
         gc get 1 -o json
         gc stop 1
         gc stop 99
         gc run --delete-untagged --workers 3",
    )
    .await;
    one_job(&registry).await;
    told.type_in(
        "gc get 2
         gc log 2
         gc list -o wide
         gc run --workers 99
         audit purge run --keep-hours 24 --event create_project
         audit purge stop 3
         audit purge get 3
         audit purge run --keep-hours 48 --dry-run",
    )
    .await;
    one_job(&registry).await;
    told.type_in(
        "audit purge get 4
         audit purge log 4
         audit purge get 99
         audit purge log 99
         audit purge stop 99
         audit purge list
         audit purge run --event nonsense",
    )
    .await;
    told.check("runs");
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn jobs_are_stopped_and_tried_again() {
    let registry = registry().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in("gc run --dry-run\njob list\njob queues").await;
    let job = harborctl.ok(&["job", "list", "-o", "name"]).await.trim().to_owned();
    told.type_in(&format!(
        "job stop {job}
         job list -o yaml
         job stop {job}
         job retry {job}
         job list"
    ))
    .await;
    one_job(&registry).await;
    told.type_in(&format!(
        "job list
         job log {job}
         job retry {job}
         job pools --no-headers
         job workers all
         job workers nonsense"
    ))
    .await;
    told.check("jobs");
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn retention_is_set_stopped_and_looked_at() {
    let registry = registry().await;
    for (tag, architecture) in [("1", "amd64"), ("2", "arm64")] {
        registry.admin().push("library/web", Some(tag), &images::image(architecture, &[])).await;
    }
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::with_digests(&harborctl);
    let policy = "rules:
- action: retain
  template: latestPushedK
  params: {latestPushedK: 1}
  tag_selectors:
  - {kind: doublestar, decoration: matches, pattern: '**'}
  scope_selectors:
    repository:
    - {kind: doublestar, decoration: repoMatches, pattern: '**'}
";
    told.line("retention set -p library --file -", policy).await;
    told.line("retention set --default --file -", policy).await;
    told.line("retention set -p library --file -", "rules: 7").await;
    told.line("retention set -p nope --file -", policy).await;
    told.line("retention preview -p library --file -", policy).await;
    told.type_in(
        "retention get -p library
         retention run -p library
         retention stop 1 -p library
         retention runs -p library
         retention run -p library",
    )
    .await;
    assert!(registry.harbor.run_due_jobs().await.unwrap() > 0);
    told.type_in(
        "retention runs -p library
         retention tasks 2 -p library
         retention log 2 2 -p library
         retention log 2 99 -p library
         retention stop 2 -p library
         artifact list library/web",
    )
    .await;
    told.check("retention_stopped");
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn deliveries_are_looked_at() {
    let registry = registry().await;
    let harborctl = logged_in(&registry).await;
    let receiver = Receiver::start(Answers::Status(200)).await;
    let mut told = Transcript::of(&harborctl)
        .but(r"(?m)^(http://\[server\]\S+ .*) +\d+$", "$1   [ms]")
        .but(r"(took_ms.{1,3})\d+", "$1[ms]")
        .but(r"\b\d+ ms\b", "[ms]");
    told.type_in(&format!(
        "webhook create ci -p library --address {url} --event PUSH_ARTIFACT
         webhook create all --address {url} --event PUSH_ARTIFACT --format CloudEvents
         webhook test ci -p library
         webhook test all -o json",
        url = receiver.url()
    ))
    .await;
    registry.admin().push("library/web", Some("1"), &image(harbor_core::oci::Algorithm::Sha256)).await;
    // It is told of the manifest, and of the manifest with its tag; two samples came before.
    let come = async {
        while receiver.came().len() < 6 {
            registry.harbor.run_due_jobs().await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), come).await.unwrap();
    told.type_in(
        "webhook deliveries ci -p library
         webhook tasks ci 1 -p library
         webhook log ci 1 1 -p library
         webhook deliveries all -o wide
         webhook log all 2 2
         webhook log all 1 1
         webhook last-triggers library",
    )
    .await;
    receiver.answer(Answers::Status(500));
    told.type_in("webhook test ci -p library\nwebhook test nope").await;
    told.check("deliveries");
    registry.close().await;
}

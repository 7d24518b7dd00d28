//! A server that is killed, again and again, while a policy of retention deletes: what the policy says is gone in the end, what it
//! keeps is there, and each deletion was told once.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use harbor_core::Timestamp;
use harbor_core::event::{Event, EventKind};
use harbor_core::meta::{ManifestId, MetadataStore, Task, TaskKey, TaskScope, TaskStatus};
use harbor_core::oci::{Algorithm, MediaType};
use harbor_core::query::{Order, Query};
use harbor_storage::sql::SqlMetadata;
use harbor_tests::content::{CONFIG, Maker, Piece};
use harbor_tests::{Build, Client, Process};
use serde_json::json;

use crate::content::Numbers;

const API: &str = "/api/v2.0";
const REPOSITORY: &str = "p/app";

/// How many artifacts the repository has, of which every tenth stays.
const ARTIFACTS: usize = 400;
const KEPT: usize = ARTIFACTS / 10;

/// How often the server is killed. A task whose workers end more often than its kind has attempts, and five times, is given up.
const KILLS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the built harbor-server"]
async fn killed_while_retention_deletes() {
    let seed = crate::number("HARBOR_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()) * 7_919);
    println!("HARBOR_CRASH_SEED={seed}");
    let (mut chance, folder) = (Numbers::new(seed), tempfile::tempdir().unwrap());
    let mut server = start(folder.path()).await;
    let (policy, going, kept) = fill(&server.admin()).await;
    let admin = server.admin();
    let made = admin.post(&format!("{policy}/executions")).json(&json!({})).await.expect_status(201);
    let run = made.need("Location").to_owned();
    let mut before = ARTIFACTS;
    for kill in 1..=KILLS {
        // Each time a small part of what is left, so that enough is left although it goes on until it is dead.
        let share = (before - KEPT) / (KILLS + 4 - kill);
        let most = before - 1 - chance.below(share as u64) as usize;
        until(async || count(&server.admin()).await <= most).await;
        server.kill().await;
        let rows = Rows::read(folder.path()).await;
        println!("killed when {} were left", rows.left.len());
        assert!((KEPT + 1..before).contains(&rows.left.len()), "{} of {before} are left", rows.left.len());
        assert!(rows.left.is_superset(&kept));
        rows.deleted_once(&going);
        assert_eq!((rows.tasks[1].status, rows.tasks[1].runs), (TaskStatus::Running, kill as u32));
        before = rows.left.len();
        server = start(folder.path()).await;
    }
    let status = async |path: &str| {
        let all = server.admin().get(path).await.expect_status(200).json();
        all[0]["status"].as_str().unwrap().to_owned()
    };
    until(async || status(&format!("{policy}/executions")).await == "Success").await;
    assert_eq!(status(&format!("{run}/tasks")).await, "Success");
    for digest in &kept {
        server.admin().get(&format!("/v2/{REPOSITORY}/manifests/{digest}")).await.expect_status(200);
    }
    assert!(server.stop().await);
    let rows = Rows::read(folder.path()).await;
    assert_eq!(rows.left, kept);
    rows.deleted_once(&going);
    assert_eq!((rows.deleted.len(), rows.finished), (going.len(), 1));
    for (task, runs) in rows.tasks.iter().zip([1, 1 + KILLS as u32]) {
        assert_eq!((task.status, task.runs, task.failures), (TaskStatus::Success, runs, 0), "{task:?}");
        assert!(task.owner.is_empty(), "{task:?}");
    }
    assert_eq!(rows.tasks.len(), 2);
}

async fn start(data: &Path) -> Process {
    Process::launch(Build::Last.over(data), &data.join("server.log")).await
}

/// Makes a policy and artifacts. Yields the address of the policy, and the digests of what goes and of what stays.
async fn fill(admin: &Client) -> (String, BTreeSet<String>, BTreeSet<String>) {
    admin.post(&format!("{API}/projects")).json(&json!({ "project_name": "p" })).await.expect_status(201);
    let id = admin.get(&format!("{API}/projects/p")).await.expect_status(200).json()["project_id"].clone();
    let any = json!([{ "kind": "doublestar", "decoration": "repoMatches", "pattern": "**" }]);
    let policy = json!({
        "algorithm": "or",
        "rules": [{
            "action": "retain", "template": "always", "params": {}, "scope_selectors": { "repository": any },
            "tag_selectors": [{ "kind": "doublestar", "decoration": "matches", "pattern": "keep*" }],
        }],
        "trigger": { "kind": "Schedule", "settings": { "cron": "" } },
        "scope": { "level": "project", "ref": id },
    });
    let policy = admin.post(&format!("{API}/retentions")).json(&policy).await.expect_status(201);
    let config = Piece::json(Algorithm::Sha256, CONFIG, &json!({ "architecture": "amd64", "os": "linux" }));
    admin.push_blob(REPOSITORY, &config).await;
    let (mut going, mut kept) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..ARTIFACTS {
        let stays = number % 10 == 5;
        let tag = format!("{}{number}", if stays { "keep" } else { "v" });
        let image = Maker::image_with(Algorithm::Sha256, MediaType::OCI_MANIFEST, config.clone());
        let image = image.annotation("number", &number.to_string()).done();
        admin.push_manifest(REPOSITORY, &tag, image.top()).await.expect_status(201);
        let digest = image.top().digest.to_string();
        if stays {
            kept.insert(digest)
        } else {
            going.insert(digest)
        };
    }
    (policy.need("Location").to_owned(), going, kept)
}

/// How many artifacts there are.
async fn count(admin: &Client) -> usize {
    let list = format!("{API}/projects/p/repositories/app/artifacts?page_size=1");
    admin.get(&list).await.expect_status(200).need("X-Total-Count").parse().unwrap()
}

async fn until(mut done: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not happen");
    }
}

/// What is in the database while no server runs.
struct Rows {
    left: BTreeSet<String>,
    deleted: Vec<String>,
    finished: usize,
    tasks: Vec<Task>,
}

impl Rows {
    async fn read(data: &Path) -> Self {
        let database = format!("sqlite:{}", data.join("registry.db").display());
        let store = SqlMetadata::connect(&database).await.unwrap();
        let mut rows = store.read().await.unwrap();
        let repository = rows.repository(&REPOSITORY.parse().unwrap()).await.unwrap().unwrap();
        let start = (Timestamp::default(), ManifestId::new(0));
        let artifacts = rows.retention_artifacts(repository.id, start, 1_000).await.unwrap();
        let left = artifacts.into_iter().map(|artifact| artifact.digest.to_string()).collect();
        let query = Query::default().sort(TaskKey::Id, Order::Ascending);
        let tasks = rows.tasks(TaskScope::default(), &query).await.unwrap().entries;
        let (mut deleted, mut finished) = (Vec::new(), 0);
        for row in rows.events(0, 10_000).await.unwrap() {
            match serde_json::from_str::<Event>(&row.body).unwrap().kind {
                EventKind::ArtifactDeleted { digest, .. } => deleted.push(digest.to_string()),
                EventKind::RetentionFinished { .. } => finished += 1,
                _ => {}
            }
        }
        drop(rows);
        store.close().await;
        Self { left, deleted, finished, tasks }
    }

    /// What is not left was told to be deleted, once.
    fn deleted_once(&self, going: &BTreeSet<String>) {
        let deleted: BTreeSet<String> = self.deleted.iter().cloned().collect();
        assert_eq!(deleted.len(), self.deleted.len(), "some deletion was told twice");
        assert_eq!(deleted, going.difference(&self.left).cloned().collect());
    }
}

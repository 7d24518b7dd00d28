//! Jobs that a server enqueues and `harbor-server worker` runs.

use std::path::Path;
use std::time::Duration;

use harbor_tests::{Build, Client, Database, Process};
use serde_json::{Value, json};
use tokio::process::Command;

const GC: &str = "/api/v2.0/system/gc";
const POOLS: &str = "/api/v2.0/jobservice/pools";

/// The program over a database and a folder, with so many workers.
fn command(database: &str, data: &Path, workers: u32) -> Command {
    let file = data.join(format!("{workers}.toml"));
    std::fs::write(&file, format!("[settings]\njob_workers = {workers}\njob_lease = 3\n")).unwrap();
    let mut command = Build::Last.over(data);
    command.env("HARBOR_DATABASE_URL", database).arg("--config").arg(file);
    command
}

fn worker(database: &str, data: &Path) -> Command {
    let mut command = command(database, data, 2);
    command.arg("worker");
    command
}

async fn collect(admin: &Client) -> String {
    let body = json!({ "schedule": { "type": "Manual" } });
    admin.post(&format!("{GC}/schedule")).json(&body).await.expect_status(201).need("Location").to_owned()
}

async fn until(admin: &Client, path: &str, done: impl Fn(&Value) -> bool) -> Value {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let found = admin.get(path).await.expect_status(200).json();
            if done(&found) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.unwrap()
}

over_both! {
    " and the built harbor-server";
    a_server_enqueues_and_workers_run;
}

async fn a_server_enqueues_and_workers_run(database: Database) {
    let data = tempfile::tempdir().unwrap();
    let log = data.path().join("log");
    let server = Process::launch(command(database.url(), data.path(), 0), &log).await;
    let admin = server.admin();
    let run = collect(&admin).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(admin.get(&run).await.expect_status(200).json()["job_status"], "Pending", "nobody runs jobs");
    assert_eq!(admin.get(POOLS).await.expect_status(200).json(), json!([]));
    let first = Process::launch(worker(database.url(), data.path()), &log).await;
    until(&admin, &run, |run| run["job_status"] == "Success").await;
    let second = Process::launch(worker(database.url(), data.path()), &log).await;
    let pools = until(&admin, POOLS, |pools| pools.as_array().unwrap().len() == 2).await;
    let mut pids: Vec<_> =
        pools.as_array().unwrap().iter().map(|pool| pool["pid"].as_u64().unwrap()).collect();
    pids.sort_unstable();
    let mut both = [u64::from(first.id()), u64::from(second.id())];
    both.sort_unstable();
    assert_eq!(pids, both);
    assert!(pools[0]["host"].as_str().is_some_and(|host| !host.is_empty()), "{pools}");
    // Whoever is left goes on.
    first.kill().await;
    for _ in 0..3 {
        let run = collect(&admin).await;
        until(&admin, &run, |run| run["job_status"] == "Success").await;
    }
    assert!(second.stop().await && server.stop().await);
}

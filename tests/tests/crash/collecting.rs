//! A server that is killed or stopped, again and again, while it collects garbage: what is in use is whole, the garbage is gone in the
//! end, and the run is told as one success that freed what a trial had told.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use harbor_core::oci::{Algorithm, MediaType};
use harbor_tests::content::{CONFIG, DataSet, Maker, Piece};
use harbor_tests::{Build, Client, Database, Process};
use serde_json::{Value, json};

use crate::content::Numbers;

const GC: &str = "/api/v2.0/system/gc";
const REPOSITORIES: [&str; 2] = ["p/one", "p/two"];

/// How many blobs belong to nothing, and how many bytes each of them has.
const GARBAGE: usize = 6_000;
const SIZE: usize = 100;

/// How many untagged images there are, and how many tagged ones.
const UNTAGGED: usize = 150;
const LIVE: usize = 20;

/// How often the server is killed. A task whose workers end more often than its kind has attempts, and five times, is given up.
const KILLS: usize = 5;

/// How many blobs are pushed at a time.
const AT_ONCE: usize = 8;

/// How long content is kept that nothing refers to.
const GRACE: Duration = Duration::from_secs(1);

const PATIENCE: Duration = Duration::from_secs(120);

/// How long it is waited for another node to go on, and to delete something: longer than a lease.
const LONGEST: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the built harbor-server"]
async fn killed_while_it_collects_over_sqlite() {
    let data = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", data.path().join("registry.db").display());
    killed_while_it_collects(data.path(), &database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and the built harbor-server"]
async fn killed_while_it_collects_over_postgresql() {
    let (data, database) = (tempfile::tempdir().unwrap(), Database::postgres());
    killed_while_it_collects(data.path(), database.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MariaDB and the built harbor-server"]
async fn killed_while_it_collects_over_mariadb() {
    let (data, database) = (tempfile::tempdir().unwrap(), Database::mariadb());
    killed_while_it_collects(data.path(), database.url()).await;
}

async fn killed_while_it_collects(data: &Path, database: &str) {
    let seed = crate::number("HARBOR_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()) * 7_919);
    println!("HARBOR_CRASH_SEED={seed}");
    let mut chance = Numbers::new(seed);
    let mut server = start(data, database).await;
    let live = fill(&server.admin()).await;
    let all = files(data);
    tokio::time::sleep(GRACE * 2).await;
    let trial = begin(&server.admin(), true).await;
    let would = freed(&over(&server.admin(), &trial).await);
    assert_eq!(would, (GARBAGE as u64, UNTAGGED as u64, would.2));
    assert!(would.2 > (GARBAGE * SIZE) as u64, "{would:?}");

    let run = begin(&server.admin(), false).await;
    let (mut broken_off, mut before) = (0, all);
    for kill in 1..=KILLS {
        // The first among untagged artifacts, the others at some moment behind the deletion of some bytes.
        if kill > 1 {
            // Nobody asks for anything meanwhile: it would make room for them.
            let begun = Instant::now();
            while files(data) == before && begun.elapsed() < LONGEST {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(chance.below(150))).await;
        // Every other time it has a chance to put things in order, and somebody else's turn comes first at the next start.
        if kill % 2 == 0 {
            assert!(server.stop().await);
        } else {
            server.kill().await;
        }
        before = files(data);
        server = start(data, database).await;
        let in_its_midst = !is_over(&server.admin(), &run).await;
        println!("killed when {before} of {all} files were left, in the midst of the run: {in_its_midst}");
        broken_off += usize::from(in_its_midst);
    }
    assert!(broken_off >= 2, "it was hardly ever broken off");
    let did = over(&server.admin(), &run).await;
    assert_eq!((did["job_status"].as_str(), freed(&did)), (Some("Success"), would));
    let history = server.admin().get(GC).await.expect_status(200).json();
    assert_eq!(history.as_array().unwrap().len(), 2, "{history}");
    whole(&server.admin(), &live).await;

    // What untagged images referred to is due now.
    tokio::time::sleep(GRACE * 2).await;
    let last = begin(&server.admin(), false).await;
    // Where the run was over ahead of the last start, that start has collected them already.
    let freed = freed(&over(&server.admin(), &last).await).0;
    assert!([0, UNTAGGED as u64].contains(&freed), "{freed}");
    whole(&server.admin(), &live).await;
    assert_eq!(files(data), LIVE + 1, "a layer of each image, and their configuration");
    assert!(server.stop().await);
}

/// A server on which nobody collects by itself but when it starts.
async fn start(data: &Path, database: &str) -> Process {
    let file = data.join("settings.toml");
    let settings = format!("gc_grace = {}\ngc_interval = 3600\njob_lease = 3\n", GRACE.as_secs());
    std::fs::write(&file, format!("[settings]\n{settings}")).unwrap();
    let mut command = Build::Last.over(data);
    command.env("HARBOR_DATABASE_URL", database).arg("--config").arg(file);
    Process::launch(command, &data.join("server.log")).await
}

/// Pushes images that stay, each with a tag; images without; and blobs that belong to nothing. Yields what stays.
async fn fill(admin: &Client) -> Vec<(&'static str, String, DataSet)> {
    admin.post("/api/v2.0/projects").json(&json!({ "project_name": "p" })).await.expect_status(201);
    let config = Piece::json(Algorithm::Sha256, CONFIG, &json!({ "architecture": "amd64", "os": "linux" }));
    let mut live = Vec::new();
    for number in 0..UNTAGGED + LIVE {
        let repository = REPOSITORIES[number % 2];
        let image = Maker::image_with(Algorithm::Sha256, MediaType::OCI_MANIFEST, config.clone());
        let image = image.layer(Piece::blob(Algorithm::Sha256, 1_000 + number)).done();
        let tag = (number % (UNTAGGED / LIVE + 1) == 0 && live.len() < LIVE).then(|| format!("v{number}"));
        admin.push(repository, tag.as_deref(), &image).await;
        if let Some(tag) = tag {
            live.push((repository, tag, image));
        }
    }
    assert_eq!(live.len(), LIVE);
    let garbage = (0..GARBAGE).map(|number| async move {
        admin.push_blob(REPOSITORIES[number % 2], &Piece::blob(Algorithm::Sha256, SIZE)).await;
    });
    stream::iter(garbage).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    live
}

/// Sets a run going; yields its address.
async fn begin(admin: &Client, dry_run: bool) -> String {
    let parameters = json!({ "delete_untagged": true, "dry_run": dry_run, "workers": 3 });
    let body = json!({ "schedule": { "type": "Manual" }, "parameters": parameters });
    admin.post(&format!("{GC}/schedule")).json(&body).await.expect_status(201).need("Location").to_owned()
}

async fn is_over(admin: &Client, run: &str) -> bool {
    let run = admin.get(run).await.expect_status(200).json();
    !["Pending", "Running"].contains(&run["job_status"].as_str().unwrap())
}

/// A run, once it is over.
async fn over(admin: &Client, run: &str) -> Value {
    let begun = Instant::now();
    while !is_over(admin, run).await {
        assert!(begun.elapsed() < PATIENCE, "it does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    admin.get(run).await.expect_status(200).json()
}

/// What the history says that a run freed: blobs, manifests, bytes.
fn freed(run: &Value) -> (u64, u64, u64) {
    let came: Value = serde_json::from_str(run["job_parameters"].as_str().unwrap()).unwrap();
    let number = |name: &str| came[name].as_u64().unwrap_or_else(|| panic!("no {name}: {run}"));
    (number("purged_blobs"), number("purged_manifests"), number("freed_space"))
}

/// Whether all that stays is there, byte for byte.
async fn whole(admin: &Client, live: &[(&str, String, DataSet)]) {
    for (repository, tag, image) in live {
        let manifest = admin.get(&format!("/v2/{repository}/manifests/{tag}")).await.expect_status(200);
        assert_eq!(manifest.body, image.top().bytes, "{repository}:{tag}");
        for blob in &image.blobs {
            let found =
                admin.get(&format!("/v2/{repository}/blobs/{}", blob.digest)).await.expect_status(200);
            assert_eq!(found.body, blob.bytes, "{repository}:{tag}");
        }
    }
}

/// How many blobs' files there are.
fn files(data: &Path) -> usize {
    let list =
        |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
    list(data.join("blobs/blobs")).map(|group| list(group).count()).sum()
}

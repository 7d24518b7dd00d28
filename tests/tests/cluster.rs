//! Two servers and two workers over one database, as processes, of which one is killed while they are at a thousand jobs: all
//! jobs are done, and none has an effect twice.
//!
//! Policies of retention delete artifacts, and webhooks tell of each that is gone. `HARBOR_KILL_SEED` says which process is
//! killed, and when.

// Helpers outside of `#[test]`, where the lint does not know that this is a test.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use futures_util::{StreamExt as _, stream};
use harbor_core::event::{Event, EventKind};
use harbor_core::meta::{
    ExecutionScope, ExecutionStatus, MetadataStore, Task, TaskId, TaskKey, TaskScope, TaskStatus,
};
use harbor_core::oci::{Algorithm, MediaType};
use harbor_core::query::{Order, Query, Test, Value as Filter};
use harbor_storage::sql::SqlMetadata;
use harbor_tests::content::{CONFIG, Maker, Piece};
use harbor_tests::receiver::{Answers, Came, Receiver};
use harbor_tests::{Build, Client, Database, Process};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::Mutex;

const API: &str = "/api/v2.0";

/// Projects, repositories of each, and artifacts of each of those that go; beside which one stays.
const PROJECTS: usize = 20;
const REPOSITORIES: usize = 10;
const GOING: usize = 5;

/// How many repositories and artifacts that go there are in all.
const SWEPT: usize = PROJECTS * REPOSITORIES;
const DELETED: usize = SWEPT * GOING;

/// For each project one task that finds its repositories, for each repository one that deletes, for each artifact one that tells.
const JOBS: usize = PROJECTS + SWEPT + DELETED;

/// How many jobs a process runs at once.
const WORKERS: usize = 3;

/// How long all of them may take.
const PATIENCE: Duration = Duration::from_secs(240);

/// How many projects are filled at a time.
const FILLED_AT_ONCE: usize = 4;

/// One of these tests has all of the machine that there is.
static TURN: Mutex<()> = Mutex::const_new(());

/// A repository and a digest.
type Name = (String, String);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and the built harbor-server"]
async fn one_of_four_is_killed_over_postgresql() {
    one_of_four_is_killed(&Database::postgres()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MariaDB and the built harbor-server"]
async fn one_of_four_is_killed_over_mariadb() {
    one_of_four_is_killed(&Database::mariadb()).await;
}

async fn one_of_four_is_killed(database: &Database) {
    let _turn = TURN.lock().await;
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::start(Answers::Status(200)).await);
    let mut chance = Chance::new();
    let (victim, moment) = (chance.below(4), 50 + chance.below(JOBS - 150));
    let mut processes = Vec::new();
    for name in ["server-a", "server-b", "worker-a", "worker-b"] {
        let command = command(name, database.url(), data.path());
        processes.push(Process::launch(command, &data.path().join(format!("{name}.log"))).await);
    }
    let admins = [processes[0].admin(), processes[1].admin()];
    let begun = Instant::now();
    let filling = (0..PROJECTS).map(|number| fill(&admins[number % 2], number, receiver.url()));
    let filled = stream::iter(filling).buffered(FILLED_AT_ONCE).collect::<Vec<_>>().await;
    let (policies, going): (Vec<_>, Vec<_>) = filled.into_iter().unzip();
    let going: BTreeSet<Name> = going.into_iter().flatten().collect();
    println!("{} artifacts pushed after {:?}", going.len() + SWEPT, begun.elapsed());

    let watch = Watch { store: SqlMetadata::connect(database.url()).await.unwrap(), begun: Instant::now() };
    let pool = pool_of(&admins[0], processes[victim].id()).await;
    let survivor = &admins[usize::from(victim == 0)];
    for policy in &policies {
        survivor.post(&format!("{policy}/executions")).json(&json!({})).await.expect_status(201);
    }
    watch.until(|done| done >= moment).await;
    while watch.held(&pool).await.is_empty() {
        assert!(watch.done().await < JOBS, "it is at nothing any more");
    }
    processes.remove(victim).kill().await;
    let broken_off = watch.left_by(&pool).await;
    let done = watch.done().await;
    println!("killed the {victim}. of four in the midst of {broken_off:?}, {done} of {JOBS} jobs were done");
    assert!((moment..JOBS - 1).contains(&done), "{done} jobs were done");
    // None, when it had just ended the last one.
    assert!(broken_off.len() <= WORKERS, "{broken_off:?}");
    watch.until(|done| done >= JOBS).await;
    println!("all were done after {:?}", watch.begun.elapsed());

    let tasks = watch.tasks(TaskScope::default()).await;
    all_are_over(&tasks, &broken_off);
    watch.executions_succeeded().await;
    nothing_is_done_twice(&watch.events().await, &tasks, &going);
    each_is_told_once(&receiver.came(), &tasks, &going, &broken_off);
    what_is_kept_is_there(survivor).await;
    for process in processes {
        assert!(process.stop().await);
    }
    watch.store.close().await;
}

/// One of the processes, by its name.
fn command(name: &str, database: &str, data: &Path) -> Command {
    let file = data.join(format!("{name}.toml"));
    let settings = format!("[settings]\njob_workers = {WORKERS}\njob_lease = 3\n");
    std::fs::write(&file, settings).unwrap();
    let mut command = Build::Last.over(data);
    command.env("HARBOR_DATABASE_URL", database).env("HARBOR_EGRESS_ALLOW", "127.0.0.1");
    command.arg("--config").arg(file);
    if name.starts_with("worker") {
        command.arg("worker");
    }
    command
}

/// Numbers that follow from a seed, which is printed.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let seed = std::env::var("HARBOR_KILL_SEED").map(|seed| seed.parse().unwrap());
        let time = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64;
        let seed = seed.unwrap_or_else(|_| time());
        println!("HARBOR_KILL_SEED={seed}");
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// Makes a project with a webhook, a policy of retention, and artifacts. Yields the address of the policy, and what it deletes.
async fn fill(admin: &Client, number: usize, hook: String) -> (String, Vec<Name>) {
    let project = format!("p{number:02}");
    let of = format!("{API}/projects/{project}");
    admin.post(&format!("{API}/projects")).json(&json!({ "project_name": project })).await.expect_status(201);
    let id = admin.get(&of).await.expect_status(200).json()["project_id"].clone();
    let webhook = json!({
        "name": "gone", "enabled": true, "event_types": ["DELETE_ARTIFACT"],
        "targets": [{ "type": "http", "address": hook }],
    });
    admin.post(&format!("{of}/webhook/policies")).json(&webhook).await.expect_status(201);
    let any = json!([{ "kind": "doublestar", "decoration": "repoMatches", "pattern": "**" }]);
    let policy = json!({
        "algorithm": "or",
        "rules": [{
            "action": "retain", "template": "always", "params": {}, "scope_selectors": { "repository": any },
            "tag_selectors": [{ "kind": "doublestar", "decoration": "matches", "pattern": "keep" }],
        }],
        "trigger": { "kind": "Schedule", "settings": { "cron": "" } },
        "scope": { "level": "project", "ref": id },
    });
    let policy = admin.post(&format!("{API}/retentions")).json(&policy).await.expect_status(201);
    let config = Piece::json(Algorithm::Sha256, CONFIG, &json!({ "architecture": "amd64", "os": "linux" }));
    let mut going = Vec::new();
    for repository in (0..REPOSITORIES).map(|repository| format!("{project}/r{repository}")) {
        admin.push_blob(&repository, &config).await;
        for tag in (0..GOING).map(|tag| format!("v{tag}")).chain(["keep".to_owned()]) {
            let image = Maker::image_with(Algorithm::Sha256, MediaType::OCI_MANIFEST, config.clone());
            let image = image.annotation("name", &format!("{repository}:{tag}")).done();
            admin.push_manifest(&repository, &tag, image.top()).await.expect_status(201);
            if tag != "keep" {
                going.push((repository.clone(), image.top().digest.to_string()));
            }
        }
    }
    (policy.need("Location").to_owned(), going)
}

/// The name that a process has among those that run jobs, once all of them are there.
async fn pool_of(admin: &Client, pid: u32) -> String {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let pools = admin.get(&format!("{API}/jobservice/pools")).await.expect_status(200).json();
            let pools = pools.as_array().unwrap();
            if pools.len() == 4 {
                let pool = pools.iter().find(|pool| pool["pid"] == pid).unwrap();
                return pool["worker_pool_id"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.unwrap()
}

/// Looks at the rows, past all processes.
struct Watch {
    store: SqlMetadata,
    begun: Instant,
}

impl Watch {
    async fn done(&self) -> usize {
        let success = Test::Is(Filter::Text(TaskStatus::Success.as_str().to_owned()));
        let query = Query::default().filter(TaskKey::Status, success).page(1, 1);
        let mut rows = self.store.read().await.unwrap();
        usize::try_from(rows.tasks(TaskScope::default(), &query).await.unwrap().total).unwrap()
    }

    async fn until(&self, enough: impl Fn(usize) -> bool) {
        loop {
            let done = self.done().await;
            if enough(done) {
                return;
            }
            assert!(self.begun.elapsed() < PATIENCE, "{done} of {JOBS} are done");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn tasks(&self, scope: TaskScope<'_>) -> Vec<Task> {
        let (mut all, size) = (Vec::new(), 500);
        for number in 1.. {
            let query = Query::default().sort(TaskKey::Id, Order::Ascending).page(number, size);
            let page = self.store.read().await.unwrap().tasks(scope, &query).await.unwrap().entries;
            let last = page.len() < size as usize;
            all.extend(page);
            if last {
                break;
            }
        }
        all
    }

    /// What the workers of a process are at.
    async fn held(&self, pool: &str) -> Vec<Task> {
        self.tasks(TaskScope { owner: Some(pool), ..TaskScope::default() }).await
    }

    /// What a process has left behind: what it sent to the database with its last breath may still come, and its leases last
    /// for longer than this looks.
    async fn left_by(&self, pool: &str) -> BTreeSet<TaskId> {
        let mut left = BTreeSet::new();
        for _ in 0..30 {
            left.extend(self.held(pool).await.into_iter().map(|task| task.id));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        left
    }

    async fn executions_succeeded(&self) {
        for (kind, count) in [("RETENTION", PROJECTS), ("WEBHOOK", DELETED)] {
            let scope = ExecutionScope { kinds: vec![kind.to_owned()], subject: None };
            let query = Query::default().page(1, 2_000);
            let found = self.store.read().await.unwrap().executions(&scope, &query).await.unwrap();
            let over = found.entries.iter().filter(|one| one.status == ExecutionStatus::Success).count();
            assert_eq!((over, found.entries.len(), found.total), (count, count, count as u64), "{kind}");
        }
    }

    async fn events(&self) -> Vec<Event> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = self.store.read().await.unwrap().events(after, 1_000).await.unwrap();
            let Some(last) = page.last() else { return all };
            after = last.id;
            all.extend(page.iter().map(|row| serde_json::from_str::<Event>(&row.body).unwrap()));
        }
    }
}

/// All succeeded at once, but those that the process which was killed was at; and nobody is at anything.
fn all_are_over(tasks: &[Task], broken_off: &BTreeSet<TaskId>) {
    assert_eq!(tasks.len(), JOBS);
    for task in tasks {
        assert_eq!((task.status, task.failures), (TaskStatus::Success, 0), "{task:?}");
        assert!(task.owner.is_empty() && task.slot.is_none() && !task.stopping, "{task:?}");
        let runs = 1 + u32::from(broken_off.contains(&task.id));
        assert!((1..=runs).contains(&task.runs), "begun {} times: {task:?}", task.runs);
    }
}

/// Each repository was swept by one task, each artifact that was to go was deleted once and no other, and each end was told once.
fn nothing_is_done_twice(events: &[Event], tasks: &[Task], going: &BTreeSet<Name>) {
    let (mut deleted, mut swept) = (Vec::new(), Vec::new());
    for event in events {
        match &event.kind {
            EventKind::ArtifactDeleted { repository, digest, .. } => {
                deleted.push((repository.clone(), digest.to_string()));
            }
            EventKind::RetentionFinished { repository, .. } => swept.push(repository),
            _ => {}
        }
    }
    deleted.sort();
    assert!(deleted.iter().eq(going), "{} deletions of {}", deleted.len(), going.len());
    swept.sort();
    let mut repositories: Vec<&String> = going.iter().map(|(repository, _)| repository).collect();
    repositories.dedup();
    assert_eq!(swept, repositories);
    let sweeps = tasks.iter().filter(|task| task.kind == "RETENTION").map(|task| {
        let job: Value = serde_json::from_str(&task.payload).unwrap();
        (job["policy"].as_i64(), job["repository"].as_str().map(str::to_owned))
    });
    assert_eq!(sweeps.collect::<BTreeSet<_>>().len(), PROJECTS + SWEPT);
}

/// Of each artifact one delivery tells, which came once, or again when the process that was killed was at it; and those of a
/// target came in order.
fn each_is_told_once(came: &[Came], tasks: &[Task], going: &BTreeSet<Name>, broken_off: &BTreeSet<TaskId>) {
    let mut deliveries = BTreeMap::new();
    for task in tasks.iter().filter(|task| task.kind == "WEBHOOK") {
        let detail: Value = serde_json::from_str(&task.detail).unwrap();
        deliveries.insert(detail["delivery"].as_str().unwrap().to_owned(), task);
    }
    assert_eq!(deliveries.len(), DELETED);
    let mut times = BTreeMap::<&str, u32>::new();
    let (mut told, mut last) = (Vec::new(), BTreeMap::<&str, TaskId>::new());
    for one in came {
        let id = one.header("x-harbor-delivery").unwrap();
        let task = deliveries[id];
        *times.entry(id).or_default() += 1;
        if times[id] > 1 {
            assert!(broken_off.contains(&task.id) && times[id] <= task.runs, "{} times: {task:?}", times[id]);
            continue;
        }
        let body = one.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let data = &body["event_data"];
        told.push((text(&data["repository"]["repo_full_name"]), text(&data["resources"][0]["digest"])));
        let before = last.insert(task.key.as_deref().unwrap(), task.id);
        assert!(before < Some(task.id), "{:?} came ahead of {:?}", before, task.id);
    }
    told.sort();
    assert!(told.iter().eq(going), "told of {} of {}", told.len(), going.len());
}

async fn what_is_kept_is_there(admin: &Client) {
    for project in 0..PROJECTS {
        for repository in (0..REPOSITORIES).map(|repository| format!("p{project:02}/r{repository}")) {
            let left = admin.get(&format!("/v2/{repository}/tags/list")).await.expect_status(200).json();
            assert_eq!(left["tags"], json!(["keep"]), "{repository}");
            admin.get(&format!("/v2/{repository}/manifests/keep")).await.expect_status(200);
        }
        let path = format!("{API}/projects/p{project:02}/repositories?page_size=100");
        let repositories = admin.get(&path).await.expect_status(200).json();
        let counts =
            repositories.as_array().unwrap().iter().map(|one| one["artifact_count"].as_i64().unwrap());
        assert_eq!(counts.collect::<Vec<_>>(), [1; REPOSITORIES]);
    }
}

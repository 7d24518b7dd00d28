//! Jobs on several nodes over one database, some of which end in the midst of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harbor_core::access::permission::SystemConfigurationUpdate;
use harbor_core::access::{Actor, AllowAll};
use harbor_core::job::{Done, Job, Rules, Running};
use harbor_core::meta::{ExecutionId, ExecutionScope, ExecutionStatus, MetadataStore, Trigger};
use harbor_core::query::Query;
use harbor_core::{Harbor, Result, Settings};
use harbor_storage::blobs::MemoryBlobs;
use harbor_storage::sql::SqlMetadata;
use harbor_tests::Database;
use serde::{Deserialize, Serialize};
use sqlx::{MySqlPool, PgPool};
use tokio::runtime::Runtime;

/// How many jobs there are.
const JOBS: u32 = 1_000;

/// How long a node has a job without saying that it is alive.
const LEASE: Duration = Duration::from_secs(3);

/// Leaves a mark, which is there once however often it is made.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    number: u32,
}

impl Job for Mark {
    const KIND: &'static str = "MARK";

    fn rules() -> Rules {
        Rules::default().kept(JOBS)
    }
}

/// How often a job was run, of the test whose turn it is.
static RUN: AtomicU32 = AtomicU32::new(0);
static TURN: Mutex<()> = Mutex::new(());

/// Where marks are.
#[derive(Clone)]
enum Marks {
    Postgres(PgPool),
    MariaDb(MySqlPool),
}

impl Marks {
    /// Of that database, from a connection that is made when it is needed.
    fn of(url: &str) -> Self {
        match url.starts_with("mysql") {
            true => Self::MariaDb(MySqlPool::connect_lazy(url).unwrap()),
            false => Self::Postgres(PgPool::connect_lazy(url).unwrap()),
        }
    }

    async fn create(&self) {
        let create = "CREATE TABLE marks (number BIGINT PRIMARY KEY)";
        match self {
            Self::Postgres(pool) => drop(sqlx::query(create).execute(pool).await.unwrap()),
            Self::MariaDb(pool) => drop(sqlx::query(create).execute(pool).await.unwrap()),
        }
    }

    async fn put(&self, number: u32) {
        let number = i64::from(number);
        match self {
            Self::Postgres(pool) => {
                let insert = "INSERT INTO marks (number) VALUES ($1) ON CONFLICT DO NOTHING";
                sqlx::query(insert).bind(number).execute(pool).await.unwrap();
            }
            Self::MariaDb(pool) => {
                let insert = "INSERT IGNORE INTO marks (number) VALUES (?)";
                sqlx::query(insert).bind(number).execute(pool).await.unwrap();
            }
        }
    }

    async fn count(&self) -> i64 {
        let count = "SELECT COUNT(*) FROM marks";
        match self {
            Self::Postgres(pool) => sqlx::query_scalar(count).fetch_one(pool).await.unwrap(),
            Self::MariaDb(pool) => sqlx::query_scalar(count).fetch_one(pool).await.unwrap(),
        }
    }

    async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::MariaDb(pool) => pool.close().await,
        }
    }
}

async fn mark(marks: Marks, job: Mark, running: Running) -> Result<Done> {
    RUN.fetch_add(1, Ordering::SeqCst);
    running.log(format!("marking {}", job.number));
    marks.put(job.number).await;
    tokio::time::sleep(Duration::from_millis(u64::from(job.number % 7) * 10)).await;
    Done::with(&serde_json::json!({ "number": job.number }))
}

/// A node on threads of its own, that can be ended as a loss of power ends one: nothing that it does goes on.
struct Node {
    runtime: Runtime,
    harbor: Harbor,
}

impl Node {
    fn start(url: &str, workers: u32) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let url = url.to_owned();
        let harbor = runtime.block_on(async {
            let mut settings = Settings::default();
            (settings.job_workers, settings.job_lease) = (workers, LEASE);
            let marks = Marks::of(&url);
            let harbor = Harbor::builder()
                .metadata(SqlMetadata::connect(&url).await.unwrap())
                .blobs(MemoryBlobs::default())
                .authorizer(AllowAll)
                .settings(settings)
                .job(move |job, running| mark(marks.clone(), job, running))
                .build()
                .unwrap();
            harbor.start().await.unwrap();
            harbor
        });
        Self { runtime, harbor }
    }

    fn kill(self) {
        self.runtime.shutdown_background();
    }
}

async fn start(harbor: &Harbor, number: u32) -> ExecutionId {
    let admin = Actor::administrator("admin");
    let proof = harbor.authorize::<SystemConfigurationUpdate>(&admin, ()).await.unwrap();
    let mut write = harbor.write(&proof).await.unwrap();
    let execution = write.start(&Mark { number }, 0, Trigger::Manual).await.unwrap();
    write.commit().await.unwrap();
    execution
}

/// Every job runs to its end, whichever nodes end; and what they did is counted once.
fn each_job_ends_although_nodes_do(database: &Database) {
    RUN.store(0, Ordering::SeqCst);
    let url = database.url().to_owned();
    // One that only enqueues and looks.
    let watch = Node::start(&url, 0);
    let marks = watch.runtime.block_on(async { Marks::of(&url) });
    let executions: Vec<_> = watch.runtime.block_on(async {
        marks.create().await;
        let mut executions = Vec::new();
        for number in 0..JOBS {
            executions.push(start(&watch.harbor, number).await);
        }
        executions
    });
    let lasting = Node::start(&url, 5);
    let scope = ExecutionScope::kind("MARK");
    let over = || {
        watch.runtime.block_on(async {
            let store = SqlMetadata::connect(&url).await.unwrap();
            let mut rows = store.read().await.unwrap();
            let mut over = 0;
            for execution in &executions {
                let found = rows.execution(*execution).await.unwrap().unwrap();
                assert!(scope.has(&found));
                over += usize::from(found.status == ExecutionStatus::Success);
            }
            drop(rows);
            store.close().await;
            over
        })
    };
    let begun = std::time::Instant::now();
    let mut killed = 0;
    while over() < executions.len() {
        assert!(begun.elapsed() < Duration::from_secs(240), "{} of {JOBS} are over", over());
        if killed < 6 {
            let node = Node::start(&url, 5);
            std::thread::sleep(Duration::from_millis(200 + 170 * killed));
            node.kill();
            killed += 1;
        }
    }
    let tasks = watch.runtime.block_on(async {
        let store = SqlMetadata::connect(&url).await.unwrap();
        let query = Query::default();
        let found = store.read().await.unwrap().executions(&scope, &query).await.unwrap();
        store.close().await;
        found.total
    });
    assert_eq!(tasks, u64::from(JOBS), "each has one execution, and none has two");
    let run = RUN.load(Ordering::SeqCst);
    assert!(run > JOBS, "nodes that ended left jobs to others: {run}");
    assert_eq!(watch.runtime.block_on(marks.count()), i64::from(JOBS));
    watch.runtime.block_on(marks.close());
    for node in [lasting, watch] {
        node.runtime.block_on(node.harbor.shutdown());
        node.kill();
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn each_job_ends_although_nodes_do_on_postgresql() {
    let _turn = TURN.lock();
    each_job_ends_although_nodes_do(&Database::postgres());
}

#[test]
#[ignore = "needs MariaDB"]
fn each_job_ends_although_nodes_do_on_mariadb() {
    let _turn = TURN.lock();
    each_job_ends_although_nodes_do(&Database::mariadb());
}

/// It hears of it although it would look by itself only in seconds.
#[test]
#[ignore = "needs PostgreSQL"]
fn a_node_hears_of_the_jobs_of_another() {
    finds_the_jobs_of_another(&Database::postgres(), Duration::from_secs(2));
}

/// Nobody tells it: it looks every fifteen seconds.
#[test]
#[ignore = "needs MariaDB"]
fn a_node_that_hears_nothing_looks() {
    finds_the_jobs_of_another(&Database::mariadb(), Duration::from_secs(17));
}

/// A node that has slept for a while finds a job that another node enqueues within that time.
fn finds_the_jobs_of_another(database: &Database, within: Duration) {
    let url = database.url().to_owned();
    let (asks, works) = (Node::start(&url, 0), Node::start(&url, 1));
    let marks = asks.runtime.block_on(async { Marks::of(&url) });
    // It looks when it starts and when it begins to hear, then after four seconds, and then after eight more.
    std::thread::sleep(Duration::from_millis(5_000));
    let over = asks.runtime.block_on(async {
        marks.create().await;
        start(&asks.harbor, 7).await;
        let begun = std::time::Instant::now();
        while begun.elapsed() < within {
            if marks.count().await == 1 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    });
    assert!(over, "it was not found within {within:?}");
    asks.runtime.block_on(marks.close());
    for node in [asks, works] {
        node.runtime.block_on(node.harbor.shutdown());
        node.kill();
    }
}

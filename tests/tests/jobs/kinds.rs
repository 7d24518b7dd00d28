//! A kind of jobs that does as it is told.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use harbor_core::access::Actor;
use harbor_core::access::permission::SystemConfigurationUpdate;
use harbor_core::job::{Done, Job, Rules, Running};
use harbor_core::meta::{ExecutionId, Trigger};
use harbor_core::{Clock, Enqueue, Error, Harbor, Result};
use harbor_tests::{Client, RegistryBuilder, TestRegistry};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Does {
    Succeeds,
    /// As often as this, and then it succeeds.
    Fails(u32),
    GivesUp,
    Panics,
    Hangs,
    /// Takes so many milliseconds.
    Takes(u64),
    /// Says so many lines.
    Says(u32),
}

/// A job that does as it is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// What it is known by: another one in each test.
    pub(crate) name: String,
    pub(crate) does: Does,
}

impl Job for Told {
    const KIND: &'static str = "TOLD";

    fn rules() -> Rules {
        Rules::default().backoff(Duration::from_millis(1)).kept(3).longest(Duration::from_secs(60))
    }
}

/// The same of a kind of which two run at once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Two(pub(crate) Told);

impl Job for Two {
    const KIND: &'static str = "TWO";

    fn rules() -> Rules {
        Rules::default().at_once(2).kept(3)
    }
}

/// The same of a kind of which those yield that are slow.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Yields(pub(crate) Told);

impl Job for Yields {
    const KIND: &'static str = "YIELDS";

    fn rules() -> Rules {
        Rules::default().at_once(2).yields(Duration::from_millis(500))
    }
}

/// How often jobs of a name were begun and ended, and how many ran at once at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) begun: u32,
    pub(crate) ended: u32,
    pub(crate) now: u32,
    pub(crate) at_once: u32,
}

/// What was seen of jobs, by their names, and the words that they said.
type All = Mutex<BTreeMap<String, (Seen, Vec<String>)>>;

fn all() -> &'static All {
    static ALL: OnceLock<All> = OnceLock::new();
    ALL.get_or_init(All::default)
}

fn change(name: &str, change: impl FnOnce(&mut Seen, &mut Vec<String>)) {
    let mut all = all().lock().unwrap();
    let (seen, order) = all.entry(name.to_owned()).or_default();
    change(seen, order);
}

pub(crate) fn seen(name: &str) -> Seen {
    all().lock().unwrap().get(name).map(|(seen, _)| *seen).unwrap_or_default()
}

/// In which order jobs of a name said a word, when they began.
pub(crate) fn order(name: &str) -> String {
    all().lock().unwrap().get(name).map(|(_, order)| order.concat()).unwrap_or_default()
}

/// Counts a job that runs for as long as it lives.
struct Here(String);

impl Here {
    fn new(name: &str, word: &str) -> Self {
        change(name, |seen, order| {
            seen.begun += 1;
            seen.now += 1;
            seen.at_once = seen.at_once.max(seen.now);
            order.push(word.to_owned());
        });
        Self(name.to_owned())
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        change(&self.0, |seen, _| seen.now -= 1);
    }
}

pub(crate) async fn told(job: Told, running: Running) -> Result<Done> {
    // What stands behind a colon is a word of this job's own.
    let (name, word) = job.name.split_once(':').unwrap_or((&job.name, ""));
    let _here = Here::new(name, word);
    running.log(format!("{name} {:?}", job.does));
    match job.does {
        Does::Succeeds => {}
        Does::Fails(times) if seen(name).begun <= times => return Err(Error::Contended),
        Does::Fails(_) => {}
        Does::GivesUp => return Ok(Done::failed("there is no hope")),
        Does::Panics => panic!("as it was told"),
        Does::Hangs => std::future::pending().await,
        Does::Takes(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        Does::Says(lines) => (0..lines).for_each(|line| running.log(format!("line {line}"))),
    }
    running.progress("through");
    change(name, |seen, _| seen.ended += 1);
    Done::with(&json!({ "came": "out" }))
}

/// Makes a registry run these kinds.
pub(crate) fn told_kinds(builder: RegistryBuilder) -> RegistryBuilder {
    let two = |Two(job): Two, running| told(job, running);
    builder.job(told).job(two).job(|Yields(job): Yields, running| told(job, running))
}

/// Makes a registry whose clock stands still, in which nothing happens by itself.
pub(crate) fn by_hand(builder: RegistryBuilder) -> RegistryBuilder {
    builder.clock(Clock::manual()).settings(|settings| {
        settings.job_workers = 0;
        settings.gc_interval = Duration::from_secs(3600);
    })
}

/// A name that no other test has.
pub(crate) fn name(test: &str) -> String {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    format!("{test}{}", NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

pub(crate) fn job(name: &str, does: Does) -> Told {
    Told { name: name.to_owned(), does }
}

/// Enqueues a job as the only task of an execution for the thing of a key.
pub(crate) async fn start<J: Job>(harbor: &Harbor, job: &J, subject: i64) -> ExecutionId {
    start_with(harbor, job, subject, |enqueue| enqueue).await
}

pub(crate) async fn start_with<J: Job>(
    harbor: &Harbor,
    job: &J,
    subject: i64,
    how: impl FnOnce(Enqueue<'_, J>) -> Enqueue<'_, J>,
) -> ExecutionId {
    let proof =
        harbor.authorize::<SystemConfigurationUpdate>(&Actor::administrator("admin"), ()).await.unwrap();
    let mut write = harbor.write(&proof).await.unwrap();
    let execution = write.execution(J::KIND, subject, Trigger::Manual, Map::new()).await.unwrap();
    write.enqueue(execution, how(Enqueue::new(job))).await.unwrap();
    write.commit().await.unwrap();
    execution
}

/// The only task of an execution, as the API shows it.
pub(crate) async fn task(client: &Client, execution: ExecutionId) -> Value {
    let path = format!("/api/v2.0/jobservice/jobs?q=execution_id={}", execution.get());
    client.get(&path).await.expect_status(200).json()[0].clone()
}

/// The same, as soon as it has a status.
pub(crate) async fn task_once(registry: &TestRegistry, execution: ExecutionId, status: &str) -> Value {
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let task = task(&registry.admin(), execution).await;
            if task["status"] == status {
                return task;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    match waited.await {
        Ok(task) => task,
        Err(_) => panic!("not {status}: {}", task(&registry.admin(), execution).await),
    }
}

pub(crate) async fn log(registry: &TestRegistry, task: &Value) -> String {
    let path = format!("/api/v2.0/jobservice/jobs/{}/log", task["job_id"].as_str().unwrap());
    let answer = registry.admin().get(&path).await.expect_status(200);
    assert!(answer.need("Content-Type").starts_with("text/plain"));
    String::from_utf8(answer.body.to_vec()).unwrap()
}

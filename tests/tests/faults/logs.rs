//! The log of a job over a store whose answers are lost.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use harbor_core::access::permission::SystemConfigurationUpdate;
use harbor_core::access::{Actor, AllowAll};
use harbor_core::job::{Done, Job, Rules, Running};
use harbor_core::meta::{ExecutionId, Task, TaskScope, TaskStatus, Trigger};
use harbor_core::query::Query;
use harbor_core::{Harbor, Result, Settings, StoreErrorKind};
use harbor_tests::{BackEnd, Stores};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::faults::{Faults, Mode};
use crate::rows::FaultyMetadata;

/// When the job of this test is begun, and when it goes on.
fn steps() -> &'static (Semaphore, Semaphore) {
    static STEPS: OnceLock<(Semaphore, Semaphore)> = OnceLock::new();
    STEPS.get_or_init(|| (Semaphore::new(0), Semaphore::new(0)))
}

/// A job that says a word as soon as it may, and then another one.
#[derive(Debug, Serialize, Deserialize)]
struct Says {}

impl Job for Says {
    const KIND: &'static str = "SAYS";

    fn rules() -> Rules {
        Rules::default()
    }
}

async fn says(_: Says, running: Running) -> Result<Done> {
    let (begun, go_on) = steps();
    begun.add_permits(1);
    go_on.acquire().await.unwrap().forget();
    running.log("the first");
    go_on.acquire().await.unwrap().forget();
    running.log("the second");
    Ok(Done::failed("there is no hope"))
}

/// A registry over a store that fails, in which nothing happens by itself.
fn registry(stores: &Stores, faults: &Faults) -> Harbor {
    let mut settings = Settings::default();
    settings.job_lease = Duration::from_secs(3600);
    let metadata = FaultyMetadata { inner: Arc::clone(&stores.metadata), faults: faults.clone() };
    let parts = Harbor::builder().metadata_arc(Arc::new(metadata)).blobs_arc(Arc::clone(&stores.blobs));
    parts.authorizer(AllowAll).settings(settings).job(says).build().unwrap()
}

async fn start(harbor: &Harbor) -> ExecutionId {
    let admin = Actor::administrator("admin");
    let proof = harbor.authorize::<SystemConfigurationUpdate>(&admin, ()).await.unwrap();
    let mut write = harbor.write(&proof).await.unwrap();
    let execution = write.start(&Says {}, 0, Trigger::Manual).await.unwrap();
    write.commit().await.unwrap();
    execution
}

async fn task(stores: &Stores, execution: ExecutionId) -> Task {
    let scope = TaskScope { execution: Some(execution), ..TaskScope::default() };
    let mut rows = stores.metadata.read().await.unwrap();
    rows.tasks(scope, &Query::default()).await.unwrap().entries.remove(0)
}

async fn log(stores: &Stores, task: &Task) -> String {
    let pieces = stores.metadata.read().await.unwrap().task_log(task.id, 0, 99).await.unwrap();
    pieces.into_iter().map(|(_, piece)| piece).collect()
}

/// The job ends, and what it has said stands in its log once.
#[tokio::test]
async fn what_is_stored_without_an_answer_is_stored_once() {
    let (stores, faults) = (BackEnd::Memory.open().await, Faults::default());
    let harbor = registry(&stores, &faults);
    let execution = start(&harbor).await;
    let working = tokio::spawn(async move { harbor.run_due_jobs().await });
    let (begun, go_on) = steps();
    begun.acquire().await.unwrap().forget();
    let begun_task = task(&stores, execution).await;
    faults.arm(1, Mode::Lost);
    go_on.add_permits(1);
    // What is stored can be seen before the answer is lost.
    while log(&stores, &begun_task).await.is_empty() || !faults.has_fired() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(faults.disarm(), Some("commit"));
    // The end is not stored the first time.
    faults.arm(1, Mode::Before(StoreErrorKind::Unavailable));
    go_on.add_permits(1);
    let worked = tokio::time::timeout(Duration::from_secs(60), working).await;
    assert_eq!(worked.expect("it does not end").unwrap().unwrap(), 1);
    let task = task(&stores, execution).await;
    assert_eq!(task.status, TaskStatus::Error);
    let log = log(&stores, &task).await;
    for word in ["the first", "the second", "no hope"] {
        assert_eq!(log.matches(word).count(), 1, "{log}");
    }
    stores.close().await;
}

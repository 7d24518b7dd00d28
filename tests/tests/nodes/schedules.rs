//! Schedules that two nodes look at, at the same moment: each run comes once, and never two at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harbor_core::access::permission::SystemConfigurationUpdate;
use harbor_core::access::{Actor, AllowAll};
use harbor_core::job::{Done, Job, Rules};
use harbor_core::meta::{ExecutionScope, MetadataStore as _};
use harbor_core::query::Query;
use harbor_core::{Clock, Harbor, Rhythm, Settings};
use harbor_storage::blobs::MemoryBlobs;
use harbor_storage::sql::SqlMetadata;
use harbor_tests::Database;
use serde::{Deserialize, Serialize};
use tokio::sync::{Barrier, Semaphore};

/// How many schedules there are.
const SCHEDULES: i64 = 5;

/// How many hours go by.
const HOURS: u32 = 20;

#[derive(Debug, Serialize, Deserialize)]
struct Tick {
    subject: i64,
}

impl Job for Tick {
    const KIND: &'static str = "TICK";

    fn rules() -> Rules {
        Rules::default().kept(10 * HOURS)
    }
}

/// What the runs of both nodes did.
struct Seen {
    begun: AtomicU32,
    /// How many runs of each schedule are there at the moment.
    now: [AtomicU32; SCHEDULES as usize],
    /// Runs last until they get one of these.
    may_end: Semaphore,
}

impl Seen {
    async fn tick(&self, tick: Tick) -> harbor_core::Result<Done> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let now = &self.now[usize::try_from(tick.subject - 1).unwrap()];
        assert_eq!(now.fetch_add(1, Ordering::SeqCst), 0, "two at a time of schedule {}", tick.subject);
        self.may_end.acquire().await.unwrap().forget();
        now.fetch_sub(1, Ordering::SeqCst);
        Ok(Done::default())
    }
}

async fn node(url: &str, clock: &Clock, seen: &Arc<Seen>) -> Harbor {
    let seen = Arc::clone(seen);
    let mut settings = Settings::default();
    // Hours go by in no time, and nobody has ended.
    settings.job_lease = Duration::from_secs(10 * 3600);
    Harbor::builder()
        .metadata(SqlMetadata::connect(url).await.unwrap())
        .blobs(MemoryBlobs::default())
        .authorizer(AllowAll)
        .clock(clock.clone())
        .settings(settings)
        .job(move |tick: Tick, _| {
            let seen = Arc::clone(&seen);
            async move { seen.tick(tick).await }
        })
        .build()
        .unwrap()
}

/// Both nodes look as soon as the hour is full, on threads of their own.
async fn both_look(nodes: &[Harbor; 2]) -> u32 {
    let together = Arc::new(Barrier::new(nodes.len()));
    let looks: Vec<_> = nodes
        .iter()
        .map(|node| {
            let (node, together) = (node.clone(), Arc::clone(&together));
            tokio::spawn(async move {
                together.wait().await;
                u32::try_from(node.run_due_jobs().await.unwrap()).unwrap()
            })
        })
        .collect();
    let mut run = 0;
    for look in looks {
        run += look.await.unwrap();
    }
    run
}

over_both! {
    "";
    each_run_comes_once;
}

async fn each_run_comes_once(database: Database) {
    let clock = Clock::manual();
    let seen = Arc::new(Seen {
        begun: AtomicU32::new(0),
        now: [const { AtomicU32::new(0) }; SCHEDULES as usize],
        may_end: Semaphore::new(0),
    });
    let nodes = [node(database.url(), &clock, &seen).await, node(database.url(), &clock, &seen).await];
    let proof =
        nodes[0].authorize::<SystemConfigurationUpdate>(&Actor::administrator("admin"), ()).await.unwrap();
    let mut write = nodes[0].write(&proof).await.unwrap();
    let hourly = Rhythm::named("Hourly", "", "").unwrap();
    for subject in 1..=SCHEDULES {
        write.schedule(subject, &hourly, &Tick { subject }).await.unwrap();
    }
    write.commit().await.unwrap();
    let each = u32::try_from(SCHEDULES).unwrap();
    for hour in 1..=HOURS {
        clock.advance(Duration::from_secs(3600));
        if hour % 4 == 0 {
            // They last past the next hour, of which there is none then.
            let looked = tokio::spawn({
                let nodes = nodes.clone();
                async move { both_look(&nodes).await }
            });
            while seen.begun.load(Ordering::SeqCst) < each * hour {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            clock.advance(Duration::from_secs(3600));
            assert_eq!(both_look(&nodes).await, 0, "hour {hour}");
            seen.may_end.add_permits(each as usize);
            let run = looked.await.unwrap() + both_look(&nodes).await;
            assert_eq!((run, seen.begun.load(Ordering::SeqCst)), (each, each * hour), "hour {hour}");
            continue;
        }
        seen.may_end.add_permits(each as usize);
        let run = both_look(&nodes).await;
        // One may have left what the other was just about to begin.
        let run = run + both_look(&nodes).await;
        assert_eq!((run, seen.begun.load(Ordering::SeqCst)), (each, each * hour), "hour {hour}");
    }
    let store = SqlMetadata::connect(database.url()).await.unwrap();
    let executions = ExecutionScope::kind("TICK");
    let found = store.read().await.unwrap().executions(&executions, &Query::default()).await.unwrap();
    assert_eq!(found.total, u64::from(each * HOURS));
    store.close().await;
    for node in nodes {
        node.shutdown().await;
    }
}

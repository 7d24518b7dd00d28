//! Events, as an embedder receives them.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use harbor_core::event::{Event, EventKind, EventSink};
use harbor_core::meta::MetadataStore;
use harbor_core::oci::Algorithm;
use harbor_core::{Clock, StoreError};
use harbor_tests::{BackEnd, TestRegistry, content};
use tokio::sync::Notify;

#[derive(Clone, Debug, Default)]
struct Keeping {
    events: Arc<Mutex<Vec<Event>>>,
    came: Arc<Notify>,
}

#[async_trait]
impl EventSink for Keeping {
    fn name(&self) -> &str {
        "keeping"
    }

    async fn deliver(&self, event: &Event) -> Result<(), StoreError> {
        self.events.lock().unwrap().push(event.clone());
        self.came.notify_one();
        Ok(())
    }
}

impl Keeping {
    /// The events so far, as soon as there are so many.
    async fn wait_for(&self, count: usize) -> Vec<Event> {
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            while self.events.lock().unwrap().len() < count {
                self.came.notified().await;
            }
        });
        waited.await.expect("the events come");
        self.events.lock().unwrap().clone()
    }
}

/// Never answers.
#[derive(Debug)]
struct Hanging;

#[async_trait]
impl EventSink for Hanging {
    fn name(&self) -> &str {
        "hanging"
    }

    async fn deliver(&self, _: &Event) -> Result<(), StoreError> {
        std::future::pending().await
    }
}

/// The numbers of the events that are kept.
async fn kept(store: &Arc<dyn MetadataStore>) -> Vec<i64> {
    let events = store.read().await.unwrap().events(0, 100).await.unwrap();
    events.iter().map(|event| event.id).collect()
}

async fn reached(store: &Arc<dyn MetadataStore>, number: i64) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while store.read().await.unwrap().event_cursor("keeping").await.unwrap() < Some(number) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.expect("the cursor moves");
}

#[tokio::test]
async fn events_are_kept_for_the_sinks_of_other_nodes_but_not_for_ever() {
    let (keeping, clock) = (Keeping::default(), Clock::manual());
    let (give, mut take) = tokio::sync::mpsc::unbounded_channel();
    let builder = TestRegistry::builder(BackEnd::Memory).event_sink(keeping.clone()).clock(clock.clone());
    let builder = builder.wrap_metadata(move |store| {
        give.send(Arc::clone(&store)).unwrap();
        store
    });
    let registry = builder.start().await;
    let store = take.recv().await.unwrap();
    let elsewhere = async |cursor| {
        let mut rows = store.begin().await.unwrap();
        rows.event_cursor_put("elsewhere", cursor).await.unwrap();
        rows.commit().await.unwrap();
    };
    // That of the project that is there from the start.
    let first = keeping.wait_for(1).await[0].id;
    reached(&store, first).await;
    elsewhere(first).await;
    for name in ["one", "two", "three"] {
        registry.project(name, false).await;
    }
    let numbers: Vec<i64> = keeping.wait_for(4).await[1..].iter().map(|event| event.id).collect();
    reached(&store, numbers[2]).await;
    let later = async || {
        clock.advance(Duration::from_secs(11 * 60));
        registry.collect_garbage().await;
        kept(&store).await
    };
    registry.collect_garbage().await;
    assert_eq!(kept(&store).await, [&[first], &*numbers].concat(), "who listens may come back for them");
    assert_eq!(later().await, numbers, "another node's sink has none of them");
    elsewhere(numbers[0]).await;
    registry.project("four", false).await;
    let last = keeping.wait_for(5).await[4].id;
    reached(&store, last).await;
    assert_eq!(later().await, [numbers[1], numbers[2], last]);
    // Nobody was heard of for long: that sink is no more.
    clock.advance(Duration::from_secs(8 * 24 * 60 * 60));
    registry.collect_garbage().await;
    assert_eq!(kept(&store).await, [0; 0]);
    registry.close().await;
}

#[tokio::test]
async fn a_sink_that_hangs_holds_up_no_other_and_not_the_end() {
    let keeping = Keeping::default();
    let builder = TestRegistry::builder(BackEnd::Memory).event_sink(Hanging).event_sink(keeping.clone());
    let registry = builder.start().await;
    let set = content::image(Algorithm::Sha256);
    registry.admin().push("library/app", Some("latest"), &set).await;
    let path = format!("/v2/library/app/manifests/{}", set.top().digest);
    registry.admin().delete(&path).await.expect_status(202);

    // The project, the push by digest or by tag, and the end.
    let gone =
        |events: &[Event]| events.iter().any(|event| matches!(event.kind, EventKind::ArtifactDeleted { .. }));
    let mut events = keeping.wait_for(3).await;
    while !gone(&events) {
        events = keeping.wait_for(events.len() + 1).await;
    }
    assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id), "in the order of numbers: {events:?}");
    assert!(matches!(&events[0].kind, EventKind::ProjectCreated { project } if project == "library"));
    let tagged =
        |event: &Event| matches!(&event.kind, EventKind::ArtifactPushed { tags, .. } if tags == &["latest"]);
    assert!(events.iter().any(tagged), "{events:?}");
    let with_tag =
        |event: &Event| matches!(&event.kind, EventKind::ArtifactDeleted { tags, .. } if tags == &["latest"]);
    assert!(events.iter().any(with_tag), "{events:?}");
    tokio::time::timeout(Duration::from_secs(20), registry.close()).await.expect("the registry ends");
}

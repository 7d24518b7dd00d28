//! Events, as an embedder receives them.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use harbor_core::StoreError;
use harbor_core::event::{Event, EventKind, EventSink};
use harbor_core::oci::Algorithm;
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
    let last = events.last().map(|event| &event.kind);
    assert!(
        matches!(last, Some(EventKind::ArtifactDeleted { tags, .. }) if tags == &["latest"]),
        "{events:?}"
    );
    tokio::time::timeout(Duration::from_secs(20), registry.close()).await.expect("the registry ends");
}

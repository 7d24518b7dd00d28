//! Nodes over one store, in one process.

use std::sync::Arc;
use std::time::Duration;

use harbor_core::access::{Actor, AllowAll};
use harbor_core::meta::{ExecutionId, ExecutionStatus, MetadataStore, TaskKey, TaskScope, TaskStatus};
use harbor_core::query::{Order, Query};
use harbor_core::{Builder, Clock, Harbor, Settings};
use harbor_tests::Stores;

/// For how long a node has a task without renewing it.
pub(crate) const LEASE: Duration = Duration::from_millis(900);

pub(crate) fn admin() -> Actor {
    Actor::administrator("admin")
}

/// A node over stores, which is not started yet.
pub(crate) fn node(stores: &Stores, clock: &Clock) -> Harbor {
    node_over(stores, Arc::clone(&stores.metadata), clock, |parts| parts)
}

/// The same with something between it and the metadata, and with further parts.
pub(crate) fn node_over(
    stores: &Stores,
    metadata: Arc<dyn MetadataStore>,
    clock: &Clock,
    with: impl FnOnce(Builder) -> Builder,
) -> Harbor {
    let parts = Harbor::builder().metadata_arc(metadata).blobs_arc(Arc::clone(&stores.blobs));
    let parts = parts.authorizer(AllowAll).clock(clock.clone()).settings(settings(LEASE));
    with(parts).build().unwrap()
}

/// A lease that nobody renews while a test goes on: that would be a transaction, too.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// With leases of that length.
pub(crate) fn settings(lease: Duration) -> Settings {
    let mut settings = Settings::default();
    // One after the other, so that what comes next is known.
    (settings.job_workers, settings.job_lease) = (1, lease);
    settings.gc_interval = Duration::from_secs(3600);
    settings
}

/// How an execution is, and how its tasks are, in order. Nobody is at what does not run.
pub(crate) async fn status(stores: &Stores, run: ExecutionId) -> (ExecutionStatus, Vec<TaskStatus>) {
    let mut rows = stores.metadata.read().await.unwrap();
    let execution = rows.execution(run).await.unwrap().unwrap();
    let scope = TaskScope { execution: Some(run), ..TaskScope::default() };
    let query = Query::default().sort(TaskKey::Id, Order::Ascending).page(1, 1_000);
    let tasks = rows.tasks(scope, &query).await.unwrap().entries;
    assert!(tasks.iter().all(|task| task.status == TaskStatus::Running || task.owner.is_empty()));
    (execution.status, tasks.into_iter().map(|task| task.status).collect())
}

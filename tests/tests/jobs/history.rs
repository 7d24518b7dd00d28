//! How much of what is over is kept.

use std::sync::Arc;
use std::time::Duration;

use harbor_core::Clock;
use harbor_core::meta::{Execution, ExecutionId, ExecutionStatus, MetadataStore, NewExecution, Trigger};
use harbor_tests::{BackEnd, TestRegistry};

use crate::kinds::{Does, job, name, start, task, task_once, told};
use crate::node::node_over;

harbor_tests::on_every_store! {
    with crate::kinds::told_kinds;
    history_is_kept_so_far;
    what_failed_or_waits_counts_for_itself(stores);
    of_what_failed_a_thousand_are_kept(stores);
}

async fn history_is_kept_so_far(registry: &TestRegistry) {
    let kept = name("kept");
    let mut executions = Vec::new();
    for _ in 0..6 {
        let execution = start(&registry.harbor, &job(&kept, Does::Succeeds), 77).await;
        task_once(registry, execution, "Success").await;
        executions.push(execution);
    }
    let other = start(&registry.harbor, &job(&kept, Does::Succeeds), 78).await;
    task_once(registry, other, "Success").await;
    // Those beyond are deleted after the answer.
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while task(&registry.admin(), executions[2]).await.is_object() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.unwrap();
    for (place, execution) in executions.iter().enumerate() {
        assert_eq!(task(&registry.admin(), *execution).await.is_object(), place >= 3, "{place}");
    }
    assert!(task(&registry.admin(), other).await.is_object());
}

/// Which of these executions there still are.
async fn there(store: &Arc<dyn MetadataStore>, executions: &[ExecutionId]) -> Vec<usize> {
    let mut rows = store.read().await.unwrap();
    let mut there = Vec::new();
    for (place, id) in executions.iter().enumerate() {
        if rows.execution(*id).await.unwrap().is_some() {
            there.push(place);
        }
    }
    there
}

/// Three of a kind are kept, and of those that failed more.
async fn what_failed_or_waits_counts_for_itself(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let harbor = node_over(&stores, Arc::clone(&stores.metadata), &clock, |parts| parts.job(told));
    let counts = name("counts");
    let mut executions = Vec::new();
    // It fails first, and waits for as long as the clock stands.
    executions.push(start(&harbor, &job(&format!("{counts}w"), Does::Fails(1)), 5).await);
    assert_eq!(harbor.run_due_jobs().await.unwrap(), 1);
    for does in [Does::GivesUp, Does::Succeeds] {
        for _ in 0..5 {
            executions.push(start(&harbor, &job(&counts, does), 5).await);
            assert_eq!(harbor.run_due_jobs().await.unwrap(), 1);
        }
    }
    assert_eq!(there(&stores.metadata, &executions).await, [0, 1, 2, 3, 4, 5, 8, 9, 10]);
    clock.advance(Duration::from_secs(3600));
    assert_eq!(harbor.run_due_jobs().await.unwrap(), 1);
    // It is over by now, and the oldest of four.
    assert_eq!(there(&stores.metadata, &executions).await, [1, 2, 3, 4, 5, 8, 9, 10]);
    stores.close().await;
}

async fn of_what_failed_a_thousand_are_kept(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let harbor = node_over(&stores, Arc::clone(&stores.metadata), &clock, |parts| parts.job(told));
    let mut rows = stores.metadata.begin().await.unwrap();
    let mut executions = Vec::new();
    for _ in 0..1001 {
        let new = NewExecution {
            kind: "TOLD".to_owned(),
            subject: 6,
            trigger: Trigger::Event,
            detail: "{}".to_owned(),
            started_at: clock.now(),
        };
        let id = rows.execution_insert(&new).await.unwrap();
        let made = rows.execution_lock(id).await.unwrap().unwrap();
        let over = Execution { status: ExecutionStatus::Error, ended_at: Some(clock.now()), ..made };
        rows.execution_save(&over).await.unwrap();
        executions.push(id);
    }
    rows.commit().await.unwrap();
    executions.push(start(&harbor, &job(&name("thousand"), Does::GivesUp), 6).await);
    assert_eq!(harbor.run_due_jobs().await.unwrap(), 1);
    assert_eq!(there(&stores.metadata, &executions).await, (2..1002).collect::<Vec<_>>());
    stores.close().await;
}

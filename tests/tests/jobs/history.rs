//! How much of what is over is kept.

use std::sync::Arc;
use std::time::Duration;

use harbor_core::access::permission::JobserviceMonitorStop;
use harbor_core::job::Job;
use harbor_core::meta::{
    Execution, ExecutionId, ExecutionScope, ExecutionStatus, MetadataStore, NewExecution, NewTask, Priority,
    Task, TaskScope, TaskStatus, Transaction, Trigger,
};
use harbor_core::query::Query;
use harbor_core::{Clock, Timestamp};
use harbor_tests::faults::HeldMetadata;
use harbor_tests::{BackEnd, Stores, TestRegistry};
use serde_json::json;

use crate::kinds::{Does, Told, job, name, start, task, task_once, told};
use crate::node::{LONG, admin, node_over, settings};

harbor_tests::on_every_store! {
    with crate::kinds::told_kinds;
    history_is_kept_so_far;
    what_failed_or_waits_counts_for_itself(stores);
    of_what_failed_a_thousand_are_kept(stores);
    what_is_tried_again_meanwhile_stays(stores);
    many_tasks_go_in_steps(stores);
    what_is_stopped_as_it_waits_counts_too(stores);
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
    // It is over by now, and was the last of four to end, though it is the oldest.
    assert_eq!(there(&stores.metadata, &executions).await, [0, 1, 2, 3, 4, 5, 9, 10]);
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

/// An execution that is over, as it stands in the store.
async fn over(
    rows: &mut dyn Transaction,
    subject: i64,
    (at, status): (Timestamp, TaskStatus),
    tasks: u64,
) -> ExecutionId {
    let new = NewExecution {
        kind: Told::KIND.to_owned(),
        subject,
        trigger: Trigger::Event,
        detail: "{}".to_owned(),
        started_at: at,
    };
    let id = rows.execution_insert(&new).await.unwrap();
    let mut made = rows.execution_lock(id).await.unwrap().unwrap();
    for number in 0..tasks {
        let new = NewTask {
            execution: id,
            job: name(&format!("over{number}")),
            kind: Told::KIND.to_owned(),
            payload: json!({ "v": 1, "name": "again", "does": "Succeeds" }).to_string(),
            priority: Priority::Normal,
            key: None,
            due: at,
            detail: "{}".to_owned(),
            created_at: at,
        };
        let task = rows.task_insert(&new).await.unwrap();
        rows.task_log_put(task, 1, "said").await.unwrap();
        let task = rows.task_lock(task).await.unwrap().unwrap();
        rows.task_save(&Task { status, ended_at: Some(at), ..task }).await.unwrap();
        made.tasks.add(status);
    }
    let status = made.tasks.status();
    rows.execution_save(&Execution { status, ended_at: Some(at), ..made }).await.unwrap();
    id
}

/// How many tasks there are of an execution.
async fn tasks_of(stores: &Stores, execution: ExecutionId) -> u64 {
    let scope = TaskScope { execution: Some(execution), ..TaskScope::default() };
    stores.metadata.read().await.unwrap().tasks(scope, &Query::default()).await.unwrap().total
}

/// Somebody tries a job again that is about to be deleted as history: it stays, and runs.
async fn what_is_tried_again_meanwhile_stays(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let other = node_over(&stores, Arc::clone(&stores.metadata), &clock, |parts| parts.job(told));
    let mut rows = stores.metadata.begin().await.unwrap();
    let mut executions = Vec::new();
    for _ in 0..5 {
        executions.push(over(&mut *rows, 7, (clock.now(), TaskStatus::Stopped), 1).await);
    }
    rows.commit().await.unwrap();
    // One ends anew, so history is looked at; two that were stopped are beyond what is kept.
    start(&other, &job(&name("ends"), Does::Succeeds), 7).await;
    let mut before = 0;
    let (running, held) = loop {
        let held = Arc::new(HeldMetadata::new(Arc::clone(&stores.metadata), before));
        let node = node_over(&stores, Arc::clone(&held) as _, &clock, |parts| {
            parts.job(told).settings(settings(LONG))
        });
        let running = tokio::spawn(async move { node.run_due_jobs().await.unwrap() });
        held.reached().await;
        let open = ExecutionScope::of(Told::KIND, 7);
        let all = stores.metadata.read().await.unwrap().executions(&open, &Query::default()).await.unwrap();
        if all.entries.iter().any(|execution| execution.status == ExecutionStatus::Success) {
            break (running, held);
        }
        // Not there yet: it goes on as if its node had died.
        running.abort();
        clock.advance(LONG * 2);
        before += 1;
    };
    let task = task_row(&stores, executions[0]).await;
    let proof = other.authorize::<JobserviceMonitorStop>(&admin(), ()).await.unwrap();
    other.jobs().retry(&proof, &task.job).await.unwrap();
    held.go_on();
    running.await.unwrap();
    assert_eq!(there(&stores.metadata, &executions).await, [0, 2, 3, 4]);
    assert_eq!(task_row(&stores, executions[0]).await.status, TaskStatus::Success);
    stores.close().await;
}

/// No worker has it, whose end would trim the history.
async fn what_is_stopped_as_it_waits_counts_too(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let harbor = node_over(&stores, Arc::clone(&stores.metadata), &clock, |parts| parts.job(told));
    let proof = harbor.authorize::<JobserviceMonitorStop>(&admin(), ()).await.unwrap();
    let mut executions = Vec::new();
    for _ in 0..5 {
        executions.push(start(&harbor, &job(&name("stopped"), Does::Succeeds), 9).await);
        clock.advance(Duration::from_secs(1));
        let task = task_row(&stores, executions[executions.len() - 1]).await;
        harbor.jobs().stop(&proof, &task.job).await.unwrap();
    }
    assert_eq!(there(&stores.metadata, &executions).await, [2, 3, 4]);
    assert_eq!(harbor.run_due_jobs().await.unwrap(), 0);
    stores.close().await;
}

async fn task_row(stores: &Stores, execution: ExecutionId) -> Task {
    let scope = TaskScope { execution: Some(execution), ..TaskScope::default() };
    let mut rows = stores.metadata.read().await.unwrap();
    rows.tasks(scope, &Query::default()).await.unwrap().entries.remove(0)
}

/// No transaction is longer for an execution of very many tasks.
async fn many_tasks_go_in_steps(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let mut rows = stores.metadata.begin().await.unwrap();
    let many = over(&mut *rows, 8, (clock.now(), TaskStatus::Success), 450).await;
    for _ in 0..3 {
        over(&mut *rows, 8, (clock.now(), TaskStatus::Success), 1).await;
    }
    rows.commit().await.unwrap();
    clock.advance(Duration::from_secs(1));
    let held = Arc::new(HeldMetadata::new(Arc::clone(&stores.metadata), usize::MAX));
    let node = node_over(&stores, Arc::clone(&held) as _, &clock, |parts| parts.job(told));
    start(&node, &job(&name("ends"), Does::Succeeds), 8).await;
    let (mut seen, mut steps) = (vec![450], 0);
    held.hold_after(0);
    let running = tokio::spawn(async move { node.run_due_jobs().await.unwrap() });
    while !running.is_finished() {
        tokio::select! {
            () = held.reached() => {}
            () = tokio::time::sleep(Duration::from_millis(20)) => continue,
        }
        let left = tasks_of(&stores, many).await;
        seen.extend((seen.last() != Some(&left)).then_some(left));
        steps += 1;
        held.hold_after(0);
        held.go_on();
    }
    running.await.unwrap();
    let left = tasks_of(&stores, many).await;
    seen.extend((seen.last() != Some(&left)).then_some(left));
    assert_eq!(seen, [450, 250, 50, 0], "in {steps} transactions");
    assert_eq!(there(&stores.metadata, &[many]).await, [0_usize; 0]);
    stores.close().await;
}

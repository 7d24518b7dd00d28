//! Executions of many tasks that are stopped.

use std::sync::Arc;

use harbor_core::access::permission::GarbageCollectionStop;
use harbor_core::job::Job as _;
use harbor_core::meta::{
    Execution, ExecutionId, ExecutionStatus, NewExecution, NewTask, Priority, TaskStatus, Transaction,
    Trigger,
};
use harbor_core::{Clock, CollectGarbage, Timestamp};
use harbor_tests::BackEnd;
use harbor_tests::faults::HeldMetadata;

use crate::kinds::name;
use crate::node::{admin, node_over, status};

harbor_tests::on_every_store! {
    with crate::kinds::told_kinds;
    many_tasks_are_stopped_in_steps(stores);
}

/// An execution with as many tasks that wait.
async fn waiting(rows: &mut dyn Transaction, at: Timestamp, tasks: u64) -> ExecutionId {
    let new = NewExecution {
        kind: CollectGarbage::KIND.to_owned(),
        subject: 0,
        trigger: Trigger::Manual,
        detail: "{}".to_owned(),
        started_at: at,
    };
    let id = rows.execution_insert(&new).await.unwrap();
    let mut made = rows.execution_lock(id).await.unwrap().unwrap();
    for number in 0..tasks {
        let new = NewTask {
            execution: id,
            job: name(&format!("waits{number}")),
            kind: CollectGarbage::KIND.to_owned(),
            payload: "{}".to_owned(),
            priority: Priority::Normal,
            key: None,
            due: at,
            detail: "{}".to_owned(),
            created_at: at,
        };
        rows.task_insert(&new).await.unwrap();
        made.tasks.add(TaskStatus::Waiting);
    }
    let status = made.tasks.status();
    rows.execution_save(&Execution { status, ..made }).await.unwrap();
    id
}

/// Others write between the steps, and whoever asked for it goes on where it was broken off.
async fn many_tasks_are_stopped_in_steps(back_end: BackEnd) {
    let (stores, clock) = (back_end.open().await, Clock::manual());
    let mut rows = stores.metadata.begin().await.unwrap();
    let many = waiting(&mut *rows, clock.now(), 150).await;
    rows.commit().await.unwrap();
    let held = Arc::new(HeldMetadata::new(Arc::clone(&stores.metadata), usize::MAX));
    let node = node_over(&stores, Arc::clone(&held) as _, &clock, |parts| parts);
    let stop = |node: &harbor_core::Harbor| {
        let node = node.clone();
        tokio::spawn(async move {
            let proof = node.authorize::<GarbageCollectionStop>(&admin(), ()).await.unwrap();
            node.runs::<CollectGarbage>().stop(&proof, many).await.unwrap();
        })
    };
    // The first transaction has the line of the audit, and then there are as many as it takes.
    held.hold_after(2);
    let broken_off = stop(&node);
    held.reached().await;
    let (_, tasks) = status(&stores, many).await;
    let stopped = tasks.iter().filter(|task| **task == TaskStatus::Stopped).count();
    assert!((1..150).contains(&stopped), "{stopped}");
    broken_off.abort();
    stop(&node).await.unwrap();
    let (execution, tasks) = status(&stores, many).await;
    assert_eq!(execution, ExecutionStatus::Stopped);
    assert_eq!(tasks, [TaskStatus::Stopped; 150]);
    stores.close().await;
}

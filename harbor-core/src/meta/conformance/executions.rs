//! The row methods of executions.

use super::MetadataFixture;
use super::jobs::{KIND, execution, with_tasks};
use super::kit::{at, begin, read};
use crate::meta::{
    Execution, ExecutionId, ExecutionKey, ExecutionScope, ExecutionStatus, TaskCounts, Trigger,
};
use crate::query::{Query, Test, Value};

/// `execution_insert`, `execution_lock`, `execution_save`, `execution_empty` and `execution_delete`: what is stored is read, and goes with its tasks.
pub async fn execution_insert(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (id, tasks) = with_tasks(&store, &[("one", None), ("more", None), ("most", None)]).await;
    let (other, others) = with_tasks(&store, &[("two", None)]).await;
    let made = Execution {
        id,
        kind: KIND.to_owned(),
        subject: 1,
        trigger: Trigger::Manual,
        status: ExecutionStatus::Running,
        message: String::new(),
        tasks: TaskCounts::default(),
        detail: r#"{"ß":"🚢"}"#.to_owned(),
        started_at: at(1),
        updated_at: at(1),
        ended_at: None,
    };
    assert_eq!(read(&store).await.execution(id).await.unwrap(), Some(made.clone()));
    let tasks_now = TaskCounts { waiting: 1, running: 2, succeeded: 3, failed: 4, stopped: 5 };
    let changed = Execution {
        status: ExecutionStatus::Error,
        message: "Ærø".to_owned(),
        tasks: tasks_now,
        detail: "{}".to_owned(),
        updated_at: at(7),
        ended_at: Some(at(8)),
        ..made
    };
    let mut rows = begin(&store).await;
    assert!(rows.execution_lock(id).await.unwrap().is_some());
    assert_eq!(rows.execution_lock(ExecutionId::new(9_999)).await.unwrap(), None);
    rows.execution_save(&changed).await.unwrap();
    rows.task_log_put(tasks[0], 1, "said").await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.execution(id).await.unwrap(), Some(changed));
    let mut rows = begin(&store).await;
    assert_eq!(rows.execution_empty(id, 2).await.unwrap(), 2);
    assert_eq!(rows.execution_empty(ExecutionId::new(9_999), 2).await.unwrap(), 0);
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.tasks_open(id).await.unwrap(), tasks[2..]);
    let mut rows = begin(&store).await;
    rows.execution_delete(id).await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.execution(id).await.unwrap(), None);
    assert_eq!(rows.task(tasks[2]).await.unwrap(), None);
    assert_eq!(rows.task(tasks[0]).await.unwrap(), None);
    assert!(rows.task_log(tasks[0], 0, 9).await.unwrap().is_empty());
    assert!(rows.execution(other).await.unwrap().is_some() && rows.task(others[0]).await.unwrap().is_some());
}

/// `executions` and `execution_is_open`: of a scope, the latest first.
pub async fn executions_listed(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    let mut ids = Vec::new();
    for (kind, subject, trigger) in [
        (KIND, 1, Trigger::Manual),
        (KIND, 1, Trigger::Schedule),
        (KIND, 2, Trigger::Event),
        ("OTHER", 1, Trigger::Manual),
        (KIND, 1, Trigger::Event),
    ] {
        ids.push(execution(&mut *rows, kind, subject, trigger).await);
    }
    rows.commit().await.unwrap();
    let list = async |scope: &ExecutionScope, query: Query<ExecutionKey>| {
        let page = read(&store).await.executions(scope, &query).await.unwrap();
        let place = |id| ids.iter().position(|known| *known == id).unwrap();
        (page.entries.iter().map(|execution| place(execution.id)).collect::<Vec<_>>(), page.total)
    };
    assert_eq!(list(&ExecutionScope::kind(KIND), Query::default()).await, (vec![4, 2, 1, 0], 4));
    assert_eq!(list(&ExecutionScope::of(KIND, 1), Query::default()).await, (vec![4, 1, 0], 3));
    let both = ExecutionScope { kinds: vec![KIND.to_owned(), "OTHER".to_owned()], subject: Some(1) };
    assert_eq!(list(&both, Query::default()).await, (vec![4, 3, 1, 0], 4));
    let none = ExecutionScope { kinds: Vec::new(), subject: None };
    assert_eq!(list(&none, Query::default()).await, (vec![], 0));
    let by = |key, value: &str| Query::default().filter(key, Test::Is(Value::Text(value.to_owned())));
    assert_eq!(list(&both, by(ExecutionKey::Trigger, "MANUAL")).await, (vec![3, 0], 2));
    assert_eq!(list(&both, by(ExecutionKey::Status, "Running")).await.1, 4);
    assert_eq!(list(&both, by(ExecutionKey::Status, "Success")).await.1, 0);
    let mut rows = begin(&store).await;
    for place in [0, 1] {
        let execution = rows.execution_lock(ids[place]).await.unwrap().unwrap();
        rows.execution_save(&Execution { ended_at: Some(at(9)), ..execution }).await.unwrap();
    }
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert!(!rows.execution_is_open(KIND, 1, Trigger::Schedule).await.unwrap());
    assert!(rows.execution_is_open(KIND, 1, Trigger::Event).await.unwrap());
    assert!(!rows.execution_is_open(KIND, 2, Trigger::Schedule).await.unwrap());
}

/// `executions_beyond`: each status is counted for itself, and those that ended first come first, whenever they were made.
pub async fn executions_beyond(fixture: &dyn MetadataFixture) {
    use ExecutionStatus::{Error, Running, Stopped, Success};
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    let mut ids = Vec::new();
    for (place, status) in
        [Error, Success, Error, Success, Running, Stopped, Success, Error, Running, Running]
            .into_iter()
            .enumerate()
    {
        let id = execution(&mut *rows, KIND, 1, Trigger::Event).await;
        let made = rows.execution_lock(id).await.unwrap().unwrap();
        // The first of those that failed was tried again, after all others.
        let ended_at = (status != Running).then_some(at(if place == 0 { 12 } else { 9 }));
        rows.execution_save(&Execution { status, ended_at, ..made }).await.unwrap();
        ids.push(id);
    }
    for (kind, subject) in [(KIND, 2), ("OTHER", 1)] {
        let id = execution(&mut *rows, kind, subject, Trigger::Event).await;
        let made = rows.execution_lock(id).await.unwrap().unwrap();
        rows.execution_save(&Execution { status: Success, ended_at: Some(at(9)), ..made }).await.unwrap();
    }
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    for (status, keep, limit, expected) in [
        (Success, 0, 9, &[1, 3, 6][..]),
        (Success, 1, 9, &[1, 3]),
        (Success, 1, 1, &[1]),
        (Success, 2, 9, &[1]),
        (Success, 3, 9, &[]),
        (Error, 0, 2, &[2, 7]),
        (Error, 0, 3, &[2, 7, 0]),
        (Error, 1, 1, &[2]),
        (Error, 1, 9, &[2, 7]),
        (Error, 2, 9, &[2]),
        (Error, 3, 9, &[]),
        (Stopped, 0, 9, &[5]),
        (Stopped, 1, 9, &[]),
    ] {
        let expected: Vec<ExecutionId> = expected.iter().map(|place| ids[*place]).collect();
        let beyond = rows.executions_beyond(KIND, 1, status, keep, limit).await.unwrap();
        assert_eq!(beyond, expected, "{status:?}, {keep}, {limit}");
    }
    assert_eq!(rows.executions_beyond(KIND, 2, Success, 1, 9).await.unwrap(), []);
    assert_eq!(rows.executions_beyond(KIND, 2, Error, 0, 9).await.unwrap(), []);
}

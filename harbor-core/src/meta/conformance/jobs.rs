//! The row methods of tasks, schedules and worker pools.

use super::MetadataFixture;
use super::kit::{AT_ONCE, Store, WAITS, at, begin, read};
use crate::StoreErrorKind;
use crate::meta::{
    ExecutionId, NewExecution, NewTask, Priority, Schedule, ScheduleId, ScheduleKey, Task, TaskId, TaskKey,
    TaskScope, TaskStatus, Transaction, Trigger, WorkerPool,
};
use crate::query::{Query, Test, Value};

pub(super) const KIND: &str = "KIND_A";

pub(super) async fn execution(
    rows: &mut dyn Transaction,
    kind: &str,
    subject: i64,
    trigger: Trigger,
) -> ExecutionId {
    let (kind, detail) = (kind.to_owned(), r#"{"ß":"🚢"}"#.to_owned());
    let new = NewExecution { kind, subject, trigger, detail, started_at: at(1) };
    rows.execution_insert(&new).await.unwrap()
}

fn new_task(execution: ExecutionId, job: &str, key: Option<&str>) -> NewTask {
    NewTask {
        execution,
        job: job.to_owned(),
        kind: KIND.to_owned(),
        payload: r#"{"v":1}"#.to_owned(),
        priority: Priority::Normal,
        key: key.map(str::to_owned),
        due: at(10),
        detail: "{}".to_owned(),
        created_at: at(5),
    }
}

/// An execution with tasks of these names, in an own transaction.
pub(super) async fn with_tasks(store: &Store, new: &[(&str, Option<&str>)]) -> (ExecutionId, Vec<TaskId>) {
    let mut rows = begin(store).await;
    let id = execution(&mut *rows, KIND, 1, Trigger::Manual).await;
    let mut tasks = Vec::new();
    for (job, key) in new {
        tasks.push(rows.task_insert(&new_task(id, job, *key)).await.unwrap());
    }
    rows.commit().await.unwrap();
    (id, tasks)
}

async fn task(store: &Store, id: TaskId) -> Task {
    read(store).await.task(id).await.unwrap().unwrap()
}

/// Makes a task run, for a node.
fn begun(task: Task, owner: &str, slot: Option<u32>) -> Task {
    let status = TaskStatus::Running;
    Task { status, owner: owner.to_owned(), slot, runs: task.runs + 1, due: at(100), ..task }
}

async fn save(store: &Store, task: &Task) -> Result<(), StoreErrorKind> {
    let mut rows = begin(store).await;
    let saved = match rows.task_save(task).await {
        Ok(()) => rows.commit().await,
        failed => failed,
    };
    saved.map_err(|error| error.kind())
}

/// `task_insert`, `task_save`, `task` and `task_of_job`: what is stored is read.
pub async fn task_insert(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (execution, tasks) = with_tasks(&store, &[("Ærø", Some("key")), ("two", None)]).await;
    let made = task(&store, tasks[0]).await;
    assert_eq!((made.execution, made.job.as_str(), made.key.as_deref()), (execution, "Ærø", Some("key")));
    assert_eq!((made.status, made.due, made.created_at), (TaskStatus::Waiting, at(10), at(5)));
    assert_eq!((made.failures, made.runs, made.deaths), (0, 0, 0));
    assert_eq!((made.owner.as_str(), made.stopping), ("", false));
    assert_eq!((made.slot, made.started_at, made.ended_at, made.updated_at), (None, None, None, at(5)));
    let changed = Task {
        payload: r#"{"v":1,"more":"🚢"}"#.to_owned(),
        slot: Some(3),
        failures: 2,
        deaths: 4,
        stopping: true,
        progress: "half".to_owned(),
        message: "ß".to_owned(),
        detail: r#"{"a":1}"#.to_owned(),
        updated_at: at(20),
        started_at: Some(at(21)),
        ended_at: Some(at(22)),
        ..begun(made, "node", Some(3))
    };
    save(&store, &changed).await.unwrap();
    assert_eq!(task(&store, tasks[0]).await, changed);
    let mut rows = read(&store).await;
    assert_eq!(rows.task_of_job("Ærø").await.unwrap(), Some(changed));
    assert_eq!(rows.task_of_job("ærø").await.unwrap(), None);
    assert_eq!(rows.task_of_job("nul\0").await.unwrap(), None);
    assert_eq!(rows.task(TaskId::new(9_999)).await.unwrap(), None);
    let mut rows = begin(&store).await;
    let twice = rows.task_insert(&new_task(execution, "two", None)).await;
    assert_eq!(twice.unwrap_err().kind(), StoreErrorKind::Conflict, "no other ever had the name");
}

/// `tasks`, `tasks_held`, `tasks_open`, `tasks_queued` and `task_slots`: of an execution, of a node, of a kind.
pub async fn tasks_listed(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (one, of_one) = with_tasks(&store, &[("a", None), ("b", None), ("c", None)]).await;
    let (_, of_two) = with_tasks(&store, &[("d", None)]).await;
    save(&store, &begun(task(&store, of_one[0]).await, "here", Some(0))).await.unwrap();
    save(&store, &Task { stopping: true, ..begun(task(&store, of_two[0]).await, "here", Some(2)) })
        .await
        .unwrap();
    let ended = Task { status: TaskStatus::Error, ..task(&store, of_one[1]).await };
    save(&store, &ended).await.unwrap();
    let mut rows = read(&store).await;
    let jobs = |tasks: Vec<Task>| tasks.into_iter().map(|task| task.job).collect::<Vec<_>>().join("");
    let mut list = async |scope: TaskScope<'_>, query: Query<TaskKey>| {
        let page = rows.tasks(scope, &query).await.unwrap();
        (jobs(page.entries), page.total)
    };
    assert_eq!(list(TaskScope::default(), Query::default()).await, ("dcba".to_owned(), 4));
    let of = TaskScope { execution: Some(one), owner: None };
    assert_eq!(list(of, Query::default()).await, ("cba".to_owned(), 3));
    let failed = Query::default().filter(TaskKey::Status, Test::Is(Value::Text("Error".to_owned())));
    assert_eq!(list(of, failed).await, ("b".to_owned(), 1));
    let here = TaskScope { execution: None, owner: Some("here") };
    assert_eq!(list(here, Query::default()).await, ("da".to_owned(), 2));
    let mut held = rows.tasks_held("here").await.unwrap();
    held.sort_by_key(|held| held.id);
    let told: Vec<_> = held.iter().map(|held| (held.id, held.runs, held.stopping)).collect();
    assert_eq!(told, [(of_one[0], 1, false), (of_two[0], 1, true)]);
    assert!(rows.tasks_held("elsewhere").await.unwrap().is_empty());
    assert_eq!(rows.tasks_open(one).await.unwrap(), [of_one[0], of_one[2]]);
    let queued = rows.tasks_queued().await.unwrap();
    assert_eq!(queued.len(), 1);
    assert_eq!((queued[0].kind.as_str(), queued[0].waiting, queued[0].oldest), (KIND, 1, at(5)));
    assert_eq!(rows.task_slots(KIND).await.unwrap(), [0, 2]);
    assert!(rows.task_slots("KIND%").await.unwrap().is_empty());
}

/// `tasks_due` and `task_next_due`: by status, priority, kind and time.
pub async fn tasks_due(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let mut rows = begin(&store).await;
    let id = execution(&mut *rows, KIND, 0, Trigger::Event).await;
    for (job, due, priority, kind) in [
        ("a", 30, Priority::Normal, KIND),
        ("b", 10, Priority::Normal, KIND),
        ("c", 20, Priority::Normal, "OTHER"),
        ("d", 40, Priority::High, KIND),
        ("e", 5, Priority::Low, "OTHER"),
    ] {
        let new = NewTask { due: at(due), priority, kind: kind.to_owned(), ..new_task(id, job, None) };
        rows.task_insert(&new).await.unwrap();
    }
    rows.commit().await.unwrap();
    let both = [KIND, "OTHER"];
    let due = async |priority, kinds: &[&str], now: i64, limit| {
        let mut rows = begin(&store).await;
        let due = rows.tasks_due(TaskStatus::Waiting, priority, kinds, at(now), limit).await.unwrap();
        // Otherwise they would be left out for as long as they are locked.
        rows.commit().await.unwrap();
        due.into_iter().map(|task| task.job).collect::<Vec<_>>().join("")
    };
    assert_eq!(due(Priority::Normal, &both, 30, 9).await, "bca");
    assert_eq!(due(Priority::Normal, &both, 29, 9).await, "bc");
    assert_eq!(due(Priority::Normal, &both, 30, 1).await, "b");
    let many: Vec<String> = (0..40).map(|number| format!("KIND-{number}")).collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    many.insert(0, KIND);
    many.push("OTHER");
    assert_eq!(due(Priority::Normal, &many, 30, 9).await, "bca", "of many kinds");
    assert_eq!(due(Priority::Normal, &many, 30, 2).await, "bc", "the first of many kinds");
    assert_eq!(due(Priority::Normal, &[KIND], 30, 9).await, "ba");
    assert_eq!(due(Priority::High, &both, 39, 9).await, "");
    assert_eq!(due(Priority::Low, &both, 39, 9).await, "e");
    assert_eq!(due(Priority::Normal, &[], 30, 9).await, "");
    let mut rows = read(&store).await;
    let mut next =
        async |status, priority, kinds: &[&str]| rows.task_next_due(status, priority, kinds).await.unwrap();
    let (waiting, low, normal) = (TaskStatus::Waiting, Priority::Low, Priority::Normal);
    assert_eq!(next(waiting, low, &both).await, Some(at(5)));
    assert_eq!(next(waiting, normal, &both).await, Some(at(10)));
    assert_eq!(next(waiting, normal, &["OTHER"]).await, Some(at(20)));
    assert_eq!(next(waiting, low, &many).await, Some(at(5)));
    assert_eq!(next(waiting, low, &[KIND]).await, None);
    assert_eq!(next(waiting, normal, &["NONE"]).await, None);
    assert_eq!(next(waiting, normal, &[]).await, None);
    assert_eq!(next(TaskStatus::Running, normal, &both).await, None);
}

/// `tasks_due` of many at once: each task is somebody's, and nobody waits for those that others have.
pub async fn tasks_due_at_once(fixture: &dyn MetadataFixture) {
    let one = fixture.open().await;
    let names: Vec<String> = (0..40).map(|number| format!("job {number}")).collect();
    let new: Vec<_> = names.iter().map(|name| (name.as_str(), None)).collect();
    let (_, tasks) = with_tasks(&one, &new).await;
    let mut claims = Vec::new();
    for number in 0..8 {
        let store = fixture.open().await;
        claims.push(tokio::spawn(async move {
            let mut mine = 0;
            for _ in 0..40 {
                let mut rows = begin(&store).await;
                let waiting = TaskStatus::Waiting;
                let due = rows.tasks_due(waiting, Priority::Normal, &[KIND], at(10), 3).await.unwrap();
                for task in &due {
                    rows.task_save(&begun(task.clone(), &format!("node {number}"), None)).await.unwrap();
                }
                rows.commit().await.unwrap();
                mine += due.len();
            }
            mine
        }));
    }
    let mut claimed = 0;
    for claim in claims {
        claimed += tokio::time::timeout(AT_ONCE * 10, claim).await.unwrap().unwrap();
    }
    assert_eq!(claimed, 40);
    for id in tasks {
        assert_eq!(task(&one, id).await.runs, 1);
    }
}

/// `task_save`: of the running tasks of one key one runs, and one in each place of a kind; others are a `Conflict`.
pub async fn task_save_alone(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (_, ids) = with_tasks(&store, &[("a", Some("k")), ("b", Some("k")), ("c", None), ("d", None)]).await;
    let tasks = [task(&store, ids[0]).await, task(&store, ids[1]).await, task(&store, ids[2]).await];
    save(&store, &begun(tasks[0].clone(), "x", Some(0))).await.unwrap();
    assert_eq!(save(&store, &begun(tasks[1].clone(), "y", Some(1))).await, Err(StoreErrorKind::Conflict));
    assert_eq!(save(&store, &begun(tasks[2].clone(), "y", Some(0))).await, Err(StoreErrorKind::Conflict));
    save(&store, &begun(tasks[2].clone(), "y", Some(1))).await.unwrap();
    save(&store, &begun(task(&store, ids[3]).await, "y", None)).await.unwrap();
    let over = Task { status: TaskStatus::Success, slot: None, ..begun(tasks[0].clone(), "", None) };
    save(&store, &over).await.unwrap();
    save(&store, &begun(tasks[1].clone(), "y", Some(0))).await.unwrap();
}

/// `task_head`, `task_first_waiting` and `task_wake`: the first of a key that is not over.
pub async fn task_head(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (_, ids) = with_tasks(&store, &[("a", Some("k")), ("b", Some("k")), ("c", Some("K"))]).await;
    let head = async |key| read(&store).await.task_head(key).await.unwrap();
    assert_eq!(head("k").await, Some((ids[0], TaskStatus::Waiting, at(10))));
    assert_eq!(head("none").await, None);
    let later = Task { due: at(1_000), ..task(&store, ids[1]).await };
    save(&store, &later).await.unwrap();
    let over = Task { status: TaskStatus::Stopped, ..task(&store, ids[0]).await };
    save(&store, &over).await.unwrap();
    assert_eq!(head("k").await, Some((ids[1], TaskStatus::Waiting, at(1_000))));
    let wake = async |key, now| {
        let mut rows = begin(&store).await;
        rows.task_wake(key, now).await.unwrap();
        rows.commit().await.unwrap();
    };
    wake("none", at(20)).await;
    wake("k", at(20)).await;
    assert_eq!(head("k").await, Some((ids[1], TaskStatus::Waiting, at(20))));
    // Whoever puts it off meanwhile does not win.
    let mut holder = begin(&store).await;
    let mut held = holder.task_lock(ids[1]).await.unwrap().unwrap();
    let (other, woken) = (Store::clone(&store), ids[1]);
    let waking = tokio::spawn(async move {
        let mut rows = begin(&other).await;
        rows.task_wake("k", at(30)).await.unwrap();
        rows.commit().await.unwrap();
    });
    tokio::time::sleep(WAITS).await;
    held.due = at(5_000);
    holder.task_save(&held).await.unwrap();
    holder.commit().await.unwrap();
    waking.await.unwrap();
    assert_eq!(head("k").await, Some((woken, TaskStatus::Waiting, at(30))));
    // One that is due is due.
    wake("K", at(20)).await;
    assert_eq!(head("K").await, Some((ids[2], TaskStatus::Waiting, at(10))));
    // One that failed has its own time.
    save(&store, &Task { failures: 1, due: at(1_000), ..later }).await.unwrap();
    wake("k", at(20)).await;
    assert_eq!(head("k").await, Some((ids[1], TaskStatus::Waiting, at(1_000))));
    // One that is tried again waits for whichever runs.
    save(&store, &begun(task(&store, ids[1]).await, "x", None)).await.unwrap();
    let again = Task { status: TaskStatus::Waiting, ..task(&store, ids[0]).await };
    save(&store, &again).await.unwrap();
    assert_eq!(head("k").await.map(|(id, status, _)| (id, status)), Some((ids[1], TaskStatus::Running)));
    let first_waiting = async |key| read(&store).await.task_first_waiting(key).await.unwrap();
    assert_eq!(first_waiting("k").await, Some(ids[0]));
    assert_eq!((first_waiting("K").await, first_waiting("none").await), (Some(ids[2]), None));
    save(&store, &over).await.unwrap();
    assert_eq!(first_waiting("k").await, None, "the other one runs");
}

/// `task_last_priority`: of whichever was enqueued last of a key, over or not.
pub async fn task_last_priority(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (_, ids) = with_tasks(&store, &[("a", Some("k")), ("b", Some("k")), ("c", Some("K"))]).await;
    let last = async |key| read(&store).await.task_last_priority(key).await.unwrap();
    assert_eq!((last("k").await, last("none").await), (Some(Priority::Normal), None));
    save(&store, &Task { priority: Priority::Low, ..task(&store, ids[0]).await }).await.unwrap();
    assert_eq!(last("k").await, Some(Priority::Normal));
    for status in TaskStatus::ALL {
        for priority in [Priority::Low, Priority::High] {
            save(&store, &Task { status, priority, ..task(&store, ids[1]).await }).await.unwrap();
            assert_eq!(last("k").await, Some(priority), "{status:?}");
        }
    }
    assert_eq!(last("K").await, Some(Priority::Normal));
}

/// `tasks_beat` and `tasks_release`: leases that a node has, and all.
pub async fn tasks_beat(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (_, ids) = with_tasks(&store, &[("a", None), ("b", None), ("c", None), ("d", None)]).await;
    save(&store, &begun(task(&store, ids[0]).await, "x", None)).await.unwrap();
    save(&store, &begun(task(&store, ids[1]).await, "y", None)).await.unwrap();
    save(&store, &begun(task(&store, ids[3]).await, "x", None)).await.unwrap();
    let mut rows = begin(&store).await;
    // The last one is not among them.
    rows.tasks_beat("x", &ids[..3], at(200)).await.unwrap();
    rows.commit().await.unwrap();
    let due = async || {
        assert_eq!(task(&store, ids[3]).await.owner, "x");
        let (one, other) = (task(&store, ids[0]).await.due, task(&store, ids[1]).await.due);
        [one, other, task(&store, ids[2]).await.due, task(&store, ids[3]).await.due]
    };
    assert_eq!(due().await, [at(200), at(100), at(10), at(100)]);
    let mut rows = begin(&store).await;
    rows.tasks_release(at(3)).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(due().await, [at(3), at(3), at(10), at(3)]);
}

/// `task_log_put`, `task_log` and `task_log_end`: pieces in order.
pub async fn task_log(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let (_, ids) = with_tasks(&store, &[("a", None), ("b", None)]).await;
    assert_eq!(read(&store).await.task_log_end(ids[0]).await.unwrap(), (0, 0));
    let mut rows = begin(&store).await;
    for (number, text) in [(1, "one\n"), (2, "two\n"), (3, "three\n")] {
        rows.task_log_put(ids[0], number, text).await.unwrap();
    }
    rows.task_log_put(ids[1], 1, "other").await.unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    let pieces =
        |pieces: &[(u32, &str)]| pieces.iter().map(|(n, text)| (*n, (*text).to_owned())).collect::<Vec<_>>();
    let log = rows.task_log(ids[0], 0, 9).await.unwrap();
    assert_eq!(log, pieces(&[(1, "one\n"), (2, "two\n"), (3, "three\n")]));
    assert_eq!(rows.task_log(ids[0], 1, 1).await.unwrap(), pieces(&[(2, "two\n")]));
    assert_eq!(rows.task_log_end(ids[0]).await.unwrap(), (3, 14));
    let mut rows = begin(&store).await;
    let twice = match rows.task_log_put(ids[1], 1, "again").await {
        Ok(()) => rows.commit().await,
        failed => failed,
    };
    assert_eq!(twice.unwrap_err().kind(), StoreErrorKind::Conflict);
}

/// `schedule_put`, `schedule_lock`, `schedule_delete`, `schedules`, `schedules_due` and `schedule_next`.
pub async fn schedules(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let new = |kind: &str, subject, next| Schedule {
        id: ScheduleId::new(0),
        kind: kind.to_owned(),
        subject,
        rhythm: "Custom".to_owned(),
        cron: "0 0 0 * * *".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        payload: r#"{"v":1}"#.to_owned(),
        next,
        created_at: at(1),
        updated_at: at(2),
    };
    let mut rows = begin(&store).await;
    for schedule in [new(KIND, 1, Some(at(30))), new(KIND, 2, Some(at(20))), new("OTHER", 1, None)] {
        rows.schedule_put(&schedule).await.unwrap();
    }
    rows.commit().await.unwrap();
    let first = read(&store).await.schedule(KIND, 1).await.unwrap().unwrap();
    assert_eq!(Schedule { id: ScheduleId::new(0), ..first.clone() }, new(KIND, 1, Some(at(30))));
    let mut rows = begin(&store).await;
    assert_eq!(rows.schedule_lock(KIND, 1).await.unwrap().as_ref(), Some(&first));
    assert_eq!(rows.schedule_lock(KIND, 3).await.unwrap(), None);
    let changed =
        Schedule { rhythm: "Daily".to_owned(), next: Some(at(40)), updated_at: at(9), ..first.clone() };
    rows.schedule_put(&Schedule { id: ScheduleId::new(7), created_at: at(8), ..changed.clone() })
        .await
        .unwrap();
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.schedule(KIND, 1).await.unwrap(), Some(changed));
    let subjects = |schedules: &[Schedule]| schedules.iter().map(|one| one.subject).collect::<Vec<_>>();
    assert_eq!(subjects(&rows.schedules_due(at(40), 9).await.unwrap()), [2, 1]);
    assert_eq!(subjects(&rows.schedules_due(at(39), 9).await.unwrap()), [2]);
    assert_eq!(subjects(&rows.schedules_due(at(40), 1).await.unwrap()), [2]);
    assert_eq!(rows.schedule_next().await.unwrap(), Some(at(20)));
    let listed = rows.schedules(&Query::<ScheduleKey>::default()).await.unwrap();
    assert_eq!((subjects(&listed.entries), listed.total), (vec![1, 2, 1], 3));
    let mut rows = begin(&store).await;
    assert!(rows.schedule_delete(KIND, 2).await.unwrap());
    assert!(!rows.schedule_delete(KIND, 2).await.unwrap());
    assert!(rows.schedule_delete(KIND, 1).await.unwrap());
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.schedule_next().await.unwrap(), None);
}

/// `worker_pool_put`, `worker_pools` and `worker_pools_forget`.
pub async fn worker_pools(fixture: &dyn MetadataFixture) {
    let store = fixture.open().await;
    let pool = |id: &str, started: i64, seen: i64| WorkerPool {
        id: id.to_owned(),
        host: "Ærø".to_owned(),
        pid: 7,
        workers: 10,
        started_at: at(started),
        seen_at: at(seen),
    };
    let mut rows = begin(&store).await;
    for pool in [pool("a", 2, 3), pool("b", 1, 5), pool("a", 9, 6)] {
        rows.worker_pool_put(&pool).await.unwrap();
    }
    rows.commit().await.unwrap();
    let mut rows = read(&store).await;
    assert_eq!(rows.worker_pools(at(0)).await.unwrap(), [pool("b", 1, 5), pool("a", 2, 6)]);
    assert_eq!(rows.worker_pools(at(6)).await.unwrap(), [pool("a", 2, 6)]);
    let mut rows = begin(&store).await;
    rows.worker_pools_forget(at(6)).await.unwrap();
    rows.commit().await.unwrap();
    assert_eq!(read(&store).await.worker_pools(at(0)).await.unwrap(), [pool("a", 2, 6)]);
}

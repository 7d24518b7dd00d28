//! Nothing is lost, and nothing is told twice, whoever ends in the midst of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use harbor_core::access::permission::{
    ProjectCreate, ProjectDelete, SystemNotificationPolicyCreate, SystemNotificationPolicyUpdate,
};
use harbor_core::access::{Actor, Authorizer, Decision, Permission, ProjectFilter, Target as On};
use harbor_core::meta::{ExecutionKey, ExecutionScope, Priority, TaskStatus, WebhookId};
use harbor_core::query::{Order, Query};
use harbor_core::webhook::{EventType, Target, TargetKind, Webhook};
use harbor_core::{Clock, EitherProof, Harbor, NewProject, NewWebhook, Result};
use harbor_tests::{BackEnd, Build, Process, Stores};
use serde_json::{Value, json};

use super::receiver::{Answers, Receiver};
use super::{API, http, make, of, policy, push};

/// A delivery is under way when the server is killed, and others wait.
#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn killed_in_the_midst() {
    let receiver = Receiver::start(Answers::Hangs).await;
    let folder = tempfile::TempDir::with_prefix("harbor-test-").unwrap();
    let start = async || {
        let mut command = Build::Last.over(folder.path());
        command.env("HARBOR_EGRESS_ALLOW", "127.0.0.1");
        Process::launch(command, &folder.path().join("server.log")).await
    };
    let server = start().await;
    let admin = server.admin();
    admin.post(&format!("{API}/projects")).json(&json!({ "project_name": "p" })).await.expect_status(201);
    make(&admin, &of("p"), &policy("one", &["PUSH_ARTIFACT"], vec![http(&receiver.url())])).await;
    for number in 0..5 {
        push(&admin, "p/app", &format!("v{number}")).await;
    }
    receiver.wait_for(1).await;
    server.kill().await;
    receiver.answer(Answers::Status(200));
    let server = start().await;
    let came = receiver.wait_for(6).await;
    let tags: Vec<_> = came.iter().map(super::receiver::Came::tag).collect();
    assert_eq!(tags, ["v0", "v0", "v1", "v2", "v3", "v4"]);
    let ids: Vec<_> = came.iter().map(|came| came.header("x-harbor-delivery").unwrap()).collect();
    assert_eq!((ids[0] == ids[1], ids.iter().collect::<BTreeSet<_>>().len()), (true, 5));
    assert!(server.stop().await);
}

/// Lets everybody do everything.
#[derive(Debug)]
struct Anybody;

#[async_trait::async_trait]
impl Authorizer for Anybody {
    async fn decide(
        &self,
        _: &Actor,
        _: Permission,
        _: On<'_>,
    ) -> std::result::Result<Decision, harbor_core::StoreError> {
        Ok(Decision::Allow)
    }

    async fn projects(
        &self,
        _: &Actor,
        _: Permission,
    ) -> std::result::Result<ProjectFilter, harbor_core::StoreError> {
        Ok(ProjectFilter::All)
    }
}

fn node(clock: &Clock, stores: &Stores) -> Harbor {
    let mut settings = harbor_core::Settings::default();
    settings.job_workers = 0;
    settings.egress_allow = vec!["127.0.0.1".parse().unwrap()];
    let parts = Harbor::builder().metadata_arc(Arc::clone(&stores.metadata));
    let parts = parts.blobs_arc(Arc::clone(&stores.blobs)).clock(clock.clone());
    parts.authorizer(Anybody).settings(settings).build().unwrap()
}

/// A policy of the whole registry.
fn telling(receiver: &Receiver, of: &[EventType]) -> NewWebhook {
    let targets =
        vec![Target::new(TargetKind::Http, receiver.url()), Target::new(TargetKind::Slack, receiver.url())];
    NewWebhook {
        name: "one".to_owned(),
        enabled: true,
        webhook: Webhook::new(of.to_vec(), targets),
        ..NewWebhook::default()
    }
}

async fn make_policy(harbor: &Harbor, receiver: &Receiver) -> Result<WebhookId> {
    let proof =
        harbor.authorize::<SystemNotificationPolicyCreate>(&Actor::administrator("admin"), ()).await?;
    let new = telling(receiver, &[EventType::CreateProject]);
    harbor.webhooks().create(EitherProof::System(proof), &new).await
}

/// Many events wait when nodes start at once over one store: each is told of once, in order, in several transactions.
async fn two_nodes(stores: BackEnd) {
    const EVENTS: usize = 30;
    let (stores, receiver) = (stores.open().await, Receiver::start(Answers::Status(200)).await);
    let clock = Clock::manual();
    let one = node(&clock, &stores);
    make_policy(&one, &receiver).await.unwrap();
    for number in 0..EVENTS {
        let proof = one.authorize::<ProjectCreate>(&Actor::administrator("admin"), ()).await.unwrap();
        let name = format!("p{number:02}").parse().unwrap();
        one.projects().create(proof, NewProject::new(name)).await.unwrap();
    }
    let nodes = [node(&clock, &stores), node(&clock, &stores), one];
    for node in &nodes {
        node.start().await.unwrap();
    }
    let scope = ExecutionScope { kinds: vec!["WEBHOOK".to_owned(), "SLACK".to_owned()], subject: None };
    let total = async || {
        let mut rows = stores.metadata.read().await.unwrap();
        usize::try_from(rows.executions(&scope, &Query::default()).await.unwrap().total).unwrap()
    };
    // The project that every registry has comes with the start, and is told of as well.
    let all = 2 * (EVENTS + 1);
    let waited = tokio::time::timeout(Duration::from_secs(40), async {
        while total().await < all {
            tokio::time::sleep(Duration::from_millis(50)).await;
            // Numbers of the outbox are missing where transactions were tried again.
            clock.advance(Duration::from_secs(5));
        }
    });
    let came = waited.await;
    assert!(came.is_ok(), "{} of {all}", total().await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(total().await, all, "none comes twice");
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for page in 1..=3 {
        let query = Query::default().sort(ExecutionKey::Id, Order::Ascending).page(page, 50);
        let listed = stores.metadata.read().await.unwrap().executions(&scope, &query).await.unwrap();
        for execution in listed.entries {
            let detail: Value = serde_json::from_str(&execution.detail).unwrap();
            let payload = detail["payload"].as_str().unwrap();
            let name = payload.find("p0").or(payload.find("p1")).or(payload.find("p2"));
            let name = name.map_or("library", |at| &payload[at..at + 3]);
            told.entry(execution.kind).or_default().push(name.to_owned());
        }
    }
    let mut expected: Vec<_> = (0..EVENTS).map(|number| format!("p{number:02}")).collect();
    for names in told.values_mut() {
        names.retain(|name| name != "library");
    }
    assert_eq!(told["WEBHOOK"], expected);
    assert_eq!(told["SLACK"], std::mem::take(&mut expected));
    for node in nodes {
        node.shutdown().await;
    }
    stores.close().await;
}

/// What a policy is changed to want counts from then on, and what it wanted until then is told of, also where the node that changes it
/// looked for neither yet.
async fn changed_by_a_node_that_is_behind(stores: BackEnd) {
    let (stores, receiver) = (stores.open().await, Receiver::start(Answers::Status(200)).await);
    let (clock, admin) = (Clock::manual(), Actor::administrator("admin"));
    let nodes = [node(&clock, &stores), node(&clock, &stores)];
    let id = make_policy(&nodes[0], &receiver).await.unwrap();
    let proof = nodes[0].authorize::<ProjectCreate>(&admin, ()).await.unwrap();
    nodes[0].projects().create(proof, NewProject::new("p".parse().unwrap())).await.unwrap();
    let proof = nodes[0].authorize::<ProjectDelete>(&admin, &"p".parse().unwrap()).await.unwrap();
    nodes[0].projects().delete(proof).await.unwrap();
    let proof = nodes[1].authorize::<SystemNotificationPolicyUpdate>(&admin, ()).await.unwrap();
    let new = telling(&receiver, &[EventType::DeleteProject]);
    nodes[1].webhooks().update(EitherProof::System(proof), id, &new).await.unwrap();
    nodes[1].start().await.unwrap();
    let proof = nodes[1].authorize::<ProjectDelete>(&admin, &"library".parse().unwrap()).await.unwrap();
    nodes[1].projects().delete(proof).await.unwrap();
    let scope = ExecutionScope { kinds: vec!["WEBHOOK".to_owned()], subject: None };
    let told = async || {
        let query = Query::default().sort(ExecutionKey::Id, Order::Ascending);
        let listed = stores.metadata.read().await.unwrap().executions(&scope, &query).await.unwrap().entries;
        let details = listed.iter().map(|one| serde_json::from_str::<Value>(&one.detail).unwrap());
        details.map(|detail| detail["event_type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let waited = tokio::time::timeout(Duration::from_secs(40), async {
        while told().await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            clock.advance(Duration::from_secs(1));
        }
    });
    waited.await.unwrap();
    assert_eq!(told().await, ["CREATE_PROJECT", "DELETE_PROJECT"]);
    assert!(receiver.came().is_empty());
    for node in nodes {
        node.shutdown().await;
    }
    stores.close().await;
}

/// What waits behind a delivery that fails does not come up with each of its attempts: a long queue would be ahead of everybody
/// else's.
async fn a_queue_behind_one_that_fails(stores: BackEnd) {
    let (stores, receiver) = (stores.open().await, Receiver::start(Answers::Status(503)).await);
    let clock = Clock::manual();
    let node = node(&clock, &stores);
    make_policy(&node, &receiver).await.unwrap();
    // It makes a project, and tells of it.
    node.start().await.unwrap();
    for name in ["one", "two"] {
        let proof = node.authorize::<ProjectCreate>(&Actor::administrator("admin"), ()).await.unwrap();
        node.projects().create(proof, NewProject::new(name.parse().unwrap())).await.unwrap();
    }
    let due = async || {
        let (mut rows, kinds) = (stores.metadata.begin().await.unwrap(), ["WEBHOOK", "SLACK"]);
        let mut keys = Vec::new();
        // Who fails has low priority.
        for priority in Priority::ALL {
            let due = rows.tasks_due(TaskStatus::Waiting, priority, &kinds, clock.now(), 100).await.unwrap();
            keys.extend(due.into_iter().map(|task| task.key.unwrap()));
        }
        keys
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while due().await.len() < 6 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap();
    node.run_due_jobs().await.unwrap();
    assert_eq!(receiver.came().len(), 2);
    clock.advance(Duration::from_secs(60));
    let due = due().await;
    assert!(due.len() == 2 && due[0] != due[1], "{due:?}");
    // And is told in its turn.
    receiver.answer(Answers::Status(200));
    node.run_due_jobs().await.unwrap();
    assert_eq!(receiver.came().len(), 8);
    node.shutdown().await;
    stores.close().await;
}

harbor_tests::on_every_store! {
    two_nodes(stores);
    changed_by_a_node_that_is_behind(stores);
    a_queue_behind_one_that_fails(stores);
}

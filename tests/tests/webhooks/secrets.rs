//! What is secret is seen by nobody but the receiver.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use harbor_core::StoreError;
use harbor_core::event::{Event, EventSink};
use harbor_tests::{BackEnd, TestRegistry};
use serde_json::{Value, json};

use super::receiver::{Answers, Receiver};
use super::{API, by_hand, enqueued, http, make, of, policy, push, read, task};

const HEADER: &str = "Bearer canary-of-the-header";
const SECRETS: [&str; 2] = ["canary-of-secret-one", "canary-of-secret-two"];

#[derive(Clone, Debug, Default)]
struct Keeping(Arc<Mutex<String>>);

#[async_trait]
impl EventSink for Keeping {
    fn name(&self) -> &str {
        "keeping"
    }

    async fn deliver(&self, event: &Event) -> Result<(), StoreError> {
        self.0.lock().unwrap().push_str(&serde_json::to_string(event).unwrap());
        Ok(())
    }
}

async fn in_no_answer_log_or_event(stores: BackEnd) {
    let told = Keeping::default();
    let registry = by_hand(TestRegistry::builder(stores)).event_sink(told.clone()).start().await;
    let admin = registry.admin();
    // It says again all that it was told.
    let receiver = Receiver::start(Answers::Echo(500)).await;
    registry.project("p", false).await;
    let mut target = http(&receiver.url());
    target["auth_header"] = json!(HEADER);
    target["secrets"] = json!(SECRETS);
    let body = policy("one", &["PUSH_ARTIFACT"], vec![target]);
    let path = make(&admin, &of("p"), &body).await;
    let id = path.rsplit('/').next().unwrap().to_owned();
    push(&admin, "p/app", "v1").await;
    let execution = enqueued(&registry, &path, 1).await.remove(0);
    registry.harbor.run_due_jobs().await.unwrap();
    assert!(receiver.came()[0].head.contains(HEADER));
    let task = task(&admin, &path, &execution).await;
    let below = format!("{path}/executions/{}/tasks", execution["id"]);
    let log = format!("{below}/{}/log", task["id"]);
    let mut seen = String::new();
    for target in [
        of("p"),
        path.clone(),
        format!("{path}/executions"),
        below.clone(),
        log.clone(),
        format!("{API}/projects/p/webhook/jobs?policy_id={id}"),
        format!("{API}/projects/p/webhook/lasttrigger"),
        format!("{API}/jobservice/jobs"),
        format!("{API}/auditlog-exts?page_size=100"),
        format!("{API}/audit-logs?page_size=100"),
        "/metrics".to_owned(),
    ] {
        let answer = admin.get(&target).await.expect_status(200);
        seen.push_str(&String::from_utf8_lossy(&answer.body));
    }
    seen.push_str(&String::from_utf8_lossy(
        &admin.post(&format!("{path}/test")).await.expect_status(200).body,
    ));
    // Refusals, of bodies that have them as well.
    for change in [
        json!({ "event_types": [] }),
        json!({ "targets": [{ "type": "http", "address": "x", "auth_header": HEADER }] }),
    ] {
        let mut wrong = body.clone();
        wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        seen.push_str(&String::from_utf8_lossy(&admin.put(&path).json(&wrong).await.expect_status(400).body));
    }
    seen.push_str(&told.0.lock().unwrap());
    assert!(seen.contains("answered 500") && seen.contains("*****"), "{seen}");
    for secret in ["canary", SECRETS[0], SECRETS[1]] {
        let place = seen.find(secret).map(|at| &seen[at.saturating_sub(200)..at]);
        assert_eq!(place, None);
    }
    // Nor does it go elsewhere when somebody changes the address and sends back what was shown; who gives none anew says so.
    let other = Receiver::start(Answers::Status(200)).await;
    let mut shown: Value = read(&admin, &path).await;
    shown["targets"][0]["address"] = json!(other.url());
    let refused = admin.put(&path).json(&shown).await.expect_status(400);
    let why = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(why.contains("anew") && !why.contains("canary"), "{why}");
    shown["targets"][0]["auth_header"] = json!("");
    admin.put(&path).json(&shown).await.expect_status(400);
    shown["targets"][0]["secrets"] = json!([]);
    admin.put(&path).json(&shown).await.expect_status(200);
    admin.post(&format!("{path}/test")).await.expect_status(200);
    let came = other.came().remove(0);
    assert!(!came.head.contains("canary") && !came.head.contains("*****"), "{}", came.head);
    assert_eq!((came.header("authorization"), came.header("x-harbor-signature-256")), (None, None));
    assert!(read(&admin, &path).await["targets"][0].get("auth_header").is_none());
    registry.close().await;
}

harbor_tests::on_every_store! {
    in_no_answer_log_or_event(stores);
}

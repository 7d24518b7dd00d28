//! Policies, as the API makes, shows, changes and deletes them.

use std::time::Duration;

use harbor_core::access::Role;
use harbor_tests::TestRegistry;
use serde_json::{Value, json};

use super::receiver::{Answers, Receiver};
use super::{API, enqueued, http, make, of, policy, push, read};

harbor_tests::on_every_store! {
    with crate::by_hand;
    made_shown_changed_and_deleted;
    policies_that_are_none;
    a_hundred_targets;
    a_policy_is_its_projects_own;
    lists;
    it_goes_with_its_project;
}

async fn made_shown_changed_and_deleted(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("p", false).await;
    let project = read(&admin, &format!("{API}/projects/p")).await["project_id"].clone();
    let mut body = policy("one", &["PUSH_ARTIFACT", "CHANGE_MEMBER"], vec![http("https://example.org/hook")]);
    body["description"] = json!("Ærø");
    body["targets"][0]["skip_cert_verify"] = json!(true);
    body["id"] = json!(70_000);
    let path = make(&admin, &of("p"), &body).await;
    let id: i64 = path.strip_prefix(&format!("{}/", of("p"))).unwrap().parse().unwrap();
    let mut shown = read(&admin, &path).await;
    assert!(shown["creation_time"].is_string() && shown["creation_time"] == shown["update_time"]);
    body["id"] = json!(id);
    body["project_id"] = project;
    body["creator"] = json!("admin");
    body["targets"][0]["payload_format"] = json!("Default");
    for time in ["creation_time", "update_time"] {
        body[time] = shown[time].clone();
    }
    assert_eq!(shown, body);
    admin.post(&of("p")).json(&body).await.expect_error(409, "CONFLICT");
    registry.clock.advance(Duration::from_secs(60));
    shown["name"] = json!("two");
    shown["enabled"] = json!(false);
    shown["creator"] = json!("mallory");
    shown["targets"] = json!([{ "type": "slack", "address": "https://hooks.slack.com/x" }]);
    admin.put(&path).json(&shown).await.expect_status(200);
    let changed = read(&admin, &path).await;
    assert_eq!(
        (&changed["name"], &changed["enabled"], &changed["creator"]),
        (&json!("two"), &json!(false), &json!("admin"))
    );
    assert_eq!(
        changed["targets"],
        json!([{ "type": "slack", "address": "https://hooks.slack.com/x", "skip_cert_verify": false }])
    );
    assert!(
        changed["creation_time"] == shown["creation_time"] && changed["update_time"] != shown["update_time"]
    );
    let log =
        read(&admin, &format!("{API}/projects/p/auditlog-exts?q=resource_type=notification-policy")).await;
    let operations: Vec<_> = log.as_array().unwrap().iter().map(|line| line["operation"].clone()).collect();
    assert_eq!(operations, ["update", "create"]);
    admin.delete(&path).await.expect_status(200);
    admin.get(&path).await.expect_error(404, "NOT_FOUND");
    admin.delete(&path).await.expect_error(404, "NOT_FOUND");
    let supported = read(&admin, &format!("{API}/projects/p/webhook/events")).await;
    assert_eq!(supported["notify_type"], json!(["http", "slack"]));
    assert_eq!(
        supported["payload_formats"],
        json!([{ "notify_type": "http", "formats": ["Default", "CloudEvents"] }])
    );
    let harbors = json!([
        "PUSH_ARTIFACT",
        "PULL_ARTIFACT",
        "DELETE_ARTIFACT",
        "QUOTA_EXCEED",
        "QUOTA_WARNING",
        "SCANNING_FAILED",
        "SCANNING_STOPPED",
        "SCANNING_COMPLETED",
        "REPLICATION",
        "TAG_RETENTION"
    ]);
    assert_eq!(json!(supported["event_type"].as_array().unwrap()[..10]), harbors);
}

async fn policies_that_are_none(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("p", false).await;
    let good = policy("one", &["PUSH_ARTIFACT"], vec![http("https://example.org/")]);
    let path = make(&admin, &of("p"), &good).await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = policy("two", &["PUSH_ARTIFACT"], vec![http("https://example.org/")]);
        change(&mut body);
        body
    };
    for (body, says) in [
        (with(&|body| body["name"] = json!(" ")), "has a name"),
        (with(&|body| body["name"] = json!("x".repeat(192))), "191"),
        (with(&|body| body["event_types"] = json!([])), "empty event type"),
        (with(&|body| body["event_types"] = json!(["PUSH"])), "unsupported event type PUSH"),
        (with(&|body| body["targets"] = json!([])), "empty notification target"),
        (with(&|body| body["targets"][0]["type"] = json!("teams")), "unsupported target type teams"),
        (with(&|body| body["targets"][0]["address"] = json!("example.org")), "URL of http or https"),
        (with(&|body| body["targets"][0]["address"] = json!("http://10.0.0.1/")), "egress_allow"),
        (with(&|body| body["targets"][0]["address"] = json!("http://0x7f.2/")), "egress_allow"),
        (with(&|body| body["targets"][0]["address"] = json!("http://[::ffff:192.168.0.1]/")), "egress_allow"),
        (
            with(&|body| body["targets"][0]["payload_format"] = json!("XML")),
            "unsupported payload format type: XML",
        ),
        (with(&|body| body["targets"][0]["secrets"] = json!(["short"])), "16 to 256"),
        (with(&|body| body["targets"][0]["auth_header"] = json!("a\nb")), "printable ASCII"),
        (
            with(&|body| {
                body["targets"] =
                    json!([{ "type": "slack", "address": "https://a.b", "payload_format": "CloudEvents" }])
            }),
            "not allowed for slack",
        ),
    ] {
        for call in [admin.post(&of("p")), admin.put(&path), admin.post(&format!("{API}/webhook/policies"))] {
            let answer = call.json(&body).await.expect_error(400, "BAD_REQUEST");
            let message = answer.json()["errors"][0]["message"].to_string();
            assert!(message.contains(says), "{message}");
        }
    }
    assert_eq!(read(&admin, &path).await["name"], "one");
}

/// So many has a project over all of its policies, however many each has.
async fn a_hundred_targets(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("p", false).await;
    let with = |name: &str, targets: usize| {
        let targets = (0..targets).map(|number| http(&format!("https://example.org/{number}")));
        policy(name, &["PUSH_ARTIFACT"], targets.collect())
    };
    let first = make(&admin, &of("p"), &with("first", 10)).await;
    for number in 1..10 {
        make(&admin, &of("p"), &with(&format!("n{number}"), 10)).await;
    }
    let refused = admin.post(&of("p")).json(&with("more", 1)).await.expect_error(400, "BAD_REQUEST");
    let message = refused.json()["errors"][0]["message"].to_string();
    assert!(message.contains("at most 100 targets"), "{message}");
    admin.put(&first).json(&with("renamed", 10)).await.expect_status(200);
    admin.put(&first).json(&with("renamed", 9)).await.expect_status(200);
    admin.put(&first).json(&with("renamed", 10)).await.expect_status(200);
    admin.put(&first).json(&with("renamed", 9)).await.expect_status(200);
    make(&admin, &of("p"), &with("more", 1)).await;
    admin.put(&first).json(&with("renamed", 10)).await.expect_error(400, "BAD_REQUEST");
    make(&admin, &format!("{API}/webhook/policies"), &with("elsewhere", 1)).await;
}

async fn a_policy_is_its_projects_own(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Status(200)).await);
    registry.project("mine", false).await;
    registry.project("theirs", false).await;
    let id = registry.add_user("owner").await;
    registry.add_member("mine", id, Role::ProjectAdmin).await;
    let owner = registry.user("owner");
    let mut body = policy("one", &["PUSH_ARTIFACT"], vec![http(&receiver.url())]);
    let theirs = make(&admin, &of("theirs"), &body).await;
    let global = make(&admin, &format!("{API}/webhook/policies"), &body).await;
    push(&admin, "theirs/app", "v1").await;
    let execution = enqueued(registry, &theirs, 1).await.remove(0);
    let task = super::task(&admin, &theirs, &execution).await;
    let (execution, task) = (execution["id"].clone(), task["id"].clone());
    let mine = make(&owner, &of("mine"), &body).await;
    body["targets"][0]["address"] = json!("https://evil.example.org/");
    let key = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    for foreign in [key(&theirs), key(&global), "70000".to_owned()] {
        let path = format!("{}/{foreign}", of("mine"));
        let below = format!("{path}/executions/{execution}");
        for target in [
            path.clone(),
            format!("{path}/executions"),
            format!("{below}/tasks"),
            format!("{below}/tasks/{task}/log"),
            format!("{API}/projects/mine/webhook/jobs?policy_id={foreign}"),
        ] {
            owner.get(&target).await.expect_error(404, "NOT_FOUND");
        }
        owner.put(&path).json(&body).await.expect_error(404, "NOT_FOUND");
        owner.post(&format!("{path}/test")).await.expect_error(404, "NOT_FOUND");
        owner.delete(&path).await.expect_error(404, "NOT_FOUND");
    }
    // An execution of somebody else's below a policy of one's own, and a task below another execution.
    let below = format!("{mine}/executions/{execution}");
    owner.get(&format!("{below}/tasks")).await.expect_error(404, "NOT_FOUND");
    owner.get(&format!("{below}/tasks/{task}/log")).await.expect_error(404, "NOT_FOUND");
    let gc =
        admin.post(&format!("{API}/system/gc/schedule")).json(&json!({ "schedule": { "type": "Manual" } }));
    let gc = gc.await.expect_status(201).need("Location").rsplit('/').next().unwrap().to_owned();
    admin.get(&format!("{theirs}/executions/{gc}/tasks")).await.expect_error(404, "NOT_FOUND");
    owner.get(&format!("{}/{}", of("theirs"), key(&theirs))).await.expect_error(403, "FORBIDDEN");
    owner.get(&global).await.expect_error(403, "FORBIDDEN");
    owner.get(&mine).await.expect_status(200);
    admin.get(&format!("{API}/webhook/policies/{}", key(&mine))).await.expect_error(404, "NOT_FOUND");
    owner.get(&format!("{API}/projects/mine/webhook/jobs")).await.expect_error(422, "UNPROCESSABLE_ENTITY");
    assert_eq!(receiver.came().len(), 0);
}

async fn lists(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("p", false).await;
    for name in ["b", "a", "c"] {
        registry.clock.advance(Duration::from_secs(1));
        make(&admin, &of("p"), &policy(name, &["PUSH_ARTIFACT"], vec![http("https://example.org/")])).await;
    }
    let names = async |query: &str| {
        let answer = admin.get(&format!("{}{query}", of("p"))).await.expect_status(200);
        let names = answer
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<String>();
        (names, answer.need("X-Total-Count").to_owned())
    };
    let of = |names: &str, total: &str| (names.to_owned(), total.to_owned());
    assert_eq!(names("").await, of("cab", "3"));
    assert_eq!(names("?sort=name&page_size=2").await, of("ab", "3"));
    assert_eq!(names("?q=name=~A").await, of("a", "1"));
    assert_eq!(names("?q=targets=~example").await, of("cab", "3"), "what is no key is left out");
}

async fn it_goes_with_its_project(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Status(200)).await);
    registry.project("p", false).await;
    let path = make(&admin, &of("p"), &policy("one", &["CHANGE_POLICY"], vec![http(&receiver.url())])).await;
    enqueued(registry, &path, 1).await;
    admin.delete(&format!("{API}/projects/p")).await.expect_status(200);
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!(receiver.came().len(), 0);
    let jobs = read(&admin, &format!("{API}/jobservice/jobs?q=vendor_type=WEBHOOK")).await;
    assert_eq!(jobs, json!([]));
}

//! What goes out, and what becomes of it.

use std::time::Duration;

use harbor_core::access::Secret;
use harbor_core::webhook::sign;
use harbor_tests::{Client, TestRegistry};
use serde_json::json;

use super::receiver::{Answers, Receiver};
use super::{API, enqueued, http, log, make, of, policy, push, read, run_for, statuses, task};

harbor_tests::on_every_store! {
    with crate::by_hand;
    a_push_is_told;
    the_last_of_each_type_is_known;
    as_a_cloud_event_and_to_slack;
    either_secret_verifies;
    one_fails_and_holds_up_nobody;
    order_is_kept_while_the_first_fails;
    receivers_that_lie;
    what_nobody_wants;
    what_is_older_than_a_policy;
    the_whole_registry;
    a_sample_is_sent;
    pulls_are_told_where_somebody_wants_it;
}

const HOUR: Duration = Duration::from_secs(3600);

async fn a_push_is_told(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Status(204)).await);
    registry.project("p", true).await;
    let mut target = http(&receiver.url());
    target["auth_header"] = json!("Bearer something secret");
    let path = make(&admin, &of("p"), &policy("one", &["PUSH_ARTIFACT"], vec![target])).await;
    let id: i64 = path.rsplit('/').next().unwrap().parse().unwrap();
    let at = registry.clock.now().micros() / 1_000_000;
    let digest = push(&admin, "p/a/b", "v1").await;
    let execution = enqueued(registry, &path, 1).await.remove(0);
    assert_eq!((&execution["vendor_type"], &execution["vendor_id"]), (&json!("WEBHOOK"), &json!(id)));
    assert_eq!((&execution["trigger"], &execution["status"]), (&json!("EVENT"), &json!("Running")));
    assert_eq!(execution["extra_attrs"]["event_type"], "PUSH_ARTIFACT");
    registry.harbor.run_due_jobs().await.unwrap();
    let came = receiver.came().remove(0);
    assert!(came.head.starts_with("POST /hook?x=1 HTTP/1.1"), "{}", came.head);
    assert_eq!(came.header("authorization"), Some("Bearer something secret"));
    assert_eq!(came.header("content-type"), Some("application/json"));
    assert_eq!(came.header("x-harbor-signature-256"), None);
    assert_eq!(execution["extra_attrs"]["payload"], came.body);
    let mut body = came.json();
    assert!(body["event_data"]["repository"]["date_created"].take().is_i64());
    let expected = json!({
        "type": "PUSH_ARTIFACT", "occur_at": at, "operator": "admin",
        "event_data": {
            "resources": [{ "digest": digest, "tag": "v1", "resource_url": "reg.example.org:8443/p/a/b:v1" }],
            "repository": { "date_created": null, "name": "a/b", "namespace": "p", "repo_full_name": "p/a/b", "repo_type": "public" },
        },
    });
    assert_eq!(body, expected);
    assert_eq!(statuses(&admin, &path).await, ["Success"]);
    let done = task(&admin, &path, &execution).await;
    assert_eq!((&done["status"], &done["run_count"]), (&json!("Success"), &json!(1)));
    assert_eq!(done["extra_attrs"]["status_code"], 204);
    let said = log(&admin, &path, &execution).await;
    assert!(
        said.contains("answered 204 after") && !said.contains("secret") && !said.contains("/hook"),
        "{said}"
    );
    let jobs = read(&admin, &format!("{API}/projects/p/webhook/jobs?policy_id={id}&status=Success")).await;
    assert_eq!((&jobs[0]["id"], &jobs[0]["notify_type"]), (&execution["id"], &json!("http")));
    assert_eq!(
        (&jobs[0]["event_type"], &jobs[0]["job_detail"]),
        (&json!("PUSH_ARTIFACT"), &json!(came.body))
    );
    let none = read(&admin, &format!("{API}/projects/p/webhook/jobs?policy_id={id}&status=Error")).await;
    assert_eq!(none, json!([]));
    let last = read(&admin, &format!("{API}/projects/p/webhook/lasttrigger")).await;
    assert_eq!((&last[0]["policy_name"], &last[0]["event_type"]), (&json!("one"), &json!("PUSH_ARTIFACT")));
    assert_eq!(last[0]["last_trigger_time"], execution["start_time"]);
}

/// However many of another type came behind it, of which the deliveries are no longer kept.
async fn the_last_of_each_type_is_known(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Status(200)).await);
    registry.project("p", false).await;
    let types = ["CREATE_TAG", "DELETE_ARTIFACT", "QUOTA_EXCEED"];
    let path = make(&admin, &of("p"), &policy("busy", &types, vec![http(&receiver.url())])).await;
    let triggers = format!("{API}/projects/p/webhook/lasttrigger");
    let last = async |of: &str| {
        let all = read(&admin, &triggers).await;
        let of = all.as_array().unwrap().iter().find(|one| one["event_type"] == of).unwrap();
        of["last_trigger_time"].as_str().map(str::to_owned)
    };
    push(&admin, "p/app", "v1").await;
    let digest = push(&admin, "p/other", "v1").await;
    admin.delete(&format!("/v2/p/other/manifests/{digest}")).await.expect_status(202);
    enqueued(registry, &path, 3).await;
    let deleted = last("DELETE_ARTIFACT").await;
    registry.clock.advance(HOUR);
    for number in 0..120 {
        let tag = json!({ "name": format!("t{number}") });
        let tags = format!("{API}/projects/p/repositories/app/artifacts/v1/tags");
        admin.post(&tags).json(&tag).await.expect_status(201);
    }
    let begun = std::time::Instant::now();
    while receiver.came().len() < 123 {
        registry.harbor.run_due_jobs().await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(60), "{} came", receiver.came().len());
    }
    assert_eq!(last("DELETE_ARTIFACT").await, deleted);
    assert!(deleted.is_some() && last("CREATE_TAG").await > deleted, "{deleted:?}");
    assert_eq!(last("QUOTA_EXCEED").await, None);
}

async fn as_a_cloud_event_and_to_slack(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Status(200)).await);
    registry.project("p", false).await;
    let mut cloud = http(&receiver.url());
    cloud["payload_format"] = json!("CloudEvents");
    let slack = json!({ "type": "slack", "address": receiver.url() });
    let path = make(&admin, &of("p"), &policy("both", &["DELETE_ARTIFACT"], vec![cloud, slack])).await;
    let digest = push(&admin, "p/app", "v1").await;
    admin.delete(&format!("/v2/p/app/manifests/{digest}")).await.expect_status(202);
    let kinds: Vec<_> =
        enqueued(registry, &path, 2).await.into_iter().map(|one| one["vendor_type"].clone()).collect();
    assert_eq!(kinds, ["WEBHOOK", "SLACK"]);
    registry.harbor.run_due_jobs().await.unwrap();
    let came = receiver.came();
    let is_cloud =
        |came: &&super::receiver::Came| came.header("content-type") == Some("application/cloudevents+json");
    let (cloud, slack) =
        (came.iter().find(is_cloud).unwrap(), came.iter().find(|came| !is_cloud(came)).unwrap());
    let event = cloud.json();
    assert_eq!((&event["specversion"], &event["type"]), (&json!("1.0"), &json!("harbor.artifact.deleted")));
    assert_eq!(event["id"], cloud.header("x-harbor-delivery").unwrap());
    assert!(
        event["source"]
            .as_str()
            .unwrap()
            .ends_with(path.strip_prefix(API).unwrap().split_once("/webhook").unwrap().1)
    );
    assert_eq!(event["data"]["resources"][0]["digest"], digest);
    assert!(slack.json()["blocks"][1]["text"]["text"] == "*event_type:* DELETE_ARTIFACT", "{}", slack.body);
}

async fn either_secret_verifies(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Status(200)).await);
    registry.project("p", false).await;
    let (old, new) = ("the old secret 1", "the new secret 2");
    let mut target = http(&receiver.url());
    target["secrets"] = json!([old]);
    let path = make(&admin, &of("p"), &policy("one", &["PUSH_ARTIFACT"], vec![target])).await;
    push(&admin, "p/app", "v1").await;
    enqueued(registry, &path, 1).await;
    registry.harbor.run_due_jobs().await.unwrap();
    // The new one comes beside the old one, and then stands alone.
    for (secrets, tag) in [(json!(["*****", new]), "v2"), (json!([new]), "v3")] {
        let mut shown = read(&admin, &path).await;
        shown["targets"][0]["secrets"] = secrets;
        admin.put(&path).json(&shown).await.expect_status(200);
        push(&admin, "p/app", tag).await;
        enqueued(registry, &path, if tag == "v2" { 2 } else { 3 }).await;
        registry.harbor.run_due_jobs().await.unwrap();
    }
    for (came, secrets) in receiver.came().iter().zip([vec![old], vec![old, new], vec![new]]) {
        let signatures = came.header("x-harbor-signature-256").unwrap().split(", ").collect::<Vec<_>>();
        let time = came.header("x-harbor-timestamp").unwrap().parse().unwrap();
        let expected = secrets.iter().map(|secret| sign(&[Secret::new(*secret)], time, came.body.as_bytes()));
        assert_eq!(signatures, expected.collect::<Vec<_>>());
    }
}

async fn one_fails_and_holds_up_nobody(registry: &TestRegistry) {
    let admin = registry.admin();
    let (bad, good) =
        (Receiver::start(Answers::Status(503)).await, Receiver::start(Answers::Status(200)).await);
    registry.project("p", false).await;
    let targets = vec![http(&bad.url()), http(&good.url())];
    let path = make(&admin, &of("p"), &policy("both", &["PUSH_ARTIFACT"], targets)).await;
    for tag in ["v1", "v2", "v3"] {
        push(&admin, "p/app", tag).await;
    }
    let all = enqueued(registry, &path, 6).await;
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!(
        (bad.tags(), good.tags()),
        (vec!["v1".to_owned()], ["v1", "v2", "v3"].map(str::to_owned).to_vec())
    );
    let failing = task(&admin, &path, &all[0]).await;
    assert_eq!((&failing["status"], &failing["run_count"]), (&json!("Pending"), &json!(1)));
    assert_eq!(failing["status_message"], "the target answered 503");
    let targets = read(&admin, &path).await["targets"].clone();
    let shown = &targets[0]["failing"];
    assert_eq!((&shown["failures"], &shown["message"]), (&json!(1), &failing["status_message"]));
    assert_eq!(shown["since"], failing["start_time"]);
    assert!(shown["next_attempt"].as_str() > shown["since"].as_str(), "{shown}");
    assert_eq!(targets[1].get("failing"), None, "{targets}");
    let said = log(&admin, &path, &all[0]).await;
    assert!(
        said.contains("answered 503 after")
            && said.contains("will be tried again")
            && !said.contains('\u{1b}'),
        "{said}"
    );
    // After eight attempts the next one has its turn.
    for _ in 0..7 {
        run_for(registry, HOUR).await;
    }
    assert_eq!(bad.tags()[..8], vec!["v1".to_owned(); 8]);
    let ids: std::collections::BTreeSet<_> =
        bad.came()[..8].iter().map(|came| came.header("x-harbor-delivery").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1, "one delivery, however often");
    assert_eq!(task(&admin, &path, &all[0]).await["status"], "Error");
    registry.clock.advance(HOUR);
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!(bad.tags()[8], "v2");
    // Somebody tries it again, once the receiver is back.
    bad.answer(Answers::Status(200));
    run_for(registry, HOUR).await;
    run_for(registry, HOUR).await;
    assert_eq!(bad.tags().last().unwrap(), "v3");
    let dead = read(&admin, &format!("{API}/jobservice/jobs?q=status=Error")).await;
    let retry = format!("{API}/jobservice/jobs/{}/retry", dead[0]["job_id"].as_str().unwrap());
    admin.post(&retry).await.expect_status(200);
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!(bad.tags().last().unwrap(), "v1");
    assert_eq!(statuses(&admin, &path).await, vec!["Success"; 6]);
}

async fn order_is_kept_while_the_first_fails(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Ends).await);
    registry.project("p", false).await;
    let path = make(&admin, &of("p"), &policy("one", &["PUSH_ARTIFACT"], vec![http(&receiver.url())])).await;
    for number in 1..=4 {
        push(&admin, "p/app", &format!("v{number}")).await;
    }
    enqueued(registry, &path, 4).await;
    run_for(registry, Duration::from_secs(60)).await;
    let failed = receiver.tags();
    assert!(failed.len() >= 2 && failed.iter().all(|tag| tag == "v1"), "{failed:?}");
    receiver.answer(Answers::Status(200));
    run_for(registry, HOUR).await;
    for _ in 0..4 {
        run_for(registry, Duration::from_secs(5)).await;
    }
    let rest: Vec<_> = receiver.tags().into_iter().skip_while(|tag| tag == "v1").collect();
    assert_eq!(rest, ["v2", "v3", "v4"]);
}

/// Runs one delivery to a receiver that answers so; yields its status, its message, and its log.
async fn told(
    registry: &TestRegistry,
    admin: &Client,
    name: &str,
    answers: Answers,
) -> (String, String, String) {
    let receiver = Receiver::start(answers).await;
    let path = make(admin, &of("p"), &policy(name, &["PUSH_ARTIFACT"], vec![http(&receiver.url())])).await;
    push(admin, "p/app", name).await;
    let execution = enqueued(registry, &path, 1).await.remove(0);
    let began = std::time::Instant::now();
    registry.harbor.run_due_jobs().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{name}");
    let (task, said) = (task(admin, &path, &execution).await, log(admin, &path, &execution).await);
    assert!(said.len() < 2000, "{said}");
    admin.delete(&path).await.expect_status(200);
    let text = |name: &str| task[name].as_str().unwrap_or_default().to_owned();
    (text("status"), text("status_message"), said)
}

async fn receivers_that_lie(registry: &TestRegistry) {
    let admin = registry.admin();
    registry.project("p", false).await;
    for (name, answers, status, message) in [
        ("garbage", Answers::Garbage, "Pending", "no answer of HTTP came"),
        ("ends", Answers::Ends, "Pending", "no answer of HTTP came"),
        ("slow", Answers::Hangs, "Pending", "no answer came in time"),
        ("endless", Answers::Endless(500), "Pending", "the target answered 500"),
        ("drips", Answers::Drips(500), "Pending", "the target answered 500"),
        // The status says that it was taken, and nobody needs the rest.
        ("endless-200", Answers::Endless(200), "Success", ""),
        ("drips-200", Answers::Drips(200), "Success", ""),
        ("moved", Answers::To(302, "http://example.org/".to_owned()), "Pending", "the target answered 302"),
        ("nowhere", Answers::To(307, "gopher://example.org/".to_owned()), "Error", "no URL of http"),
        ("hidden", Answers::To(307, "http://127.0.0.2/".to_owned()), "Error", "egress_allow"),
        ("inner", Answers::To(308, "http://[::ffff:a9fe:a9fe]/latest".to_owned()), "Error", "egress_allow"),
    ] {
        let (is, says, said) = told(registry, &admin, name, answers).await;
        assert!(is == status && says.contains(message), "{name}: {is}, {says}\n{said}");
        assert!(!said.contains("/latest"), "{said}");
    }
}

async fn what_nobody_wants(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Status(200)).await);
    registry.project("p", false).await;
    registry.project("other", false).await;
    let mut body = policy("one", &["PUSH_ARTIFACT"], vec![http(&receiver.url())]);
    let path = make(&admin, &of("p"), &body).await;
    let all = make(&admin, &of("p"), &policy("tags", &["DELETE_TAG"], vec![http(&receiver.url())])).await;
    push(&admin, "other/app", "v1").await;
    body["enabled"] = json!(false);
    admin.put(&path).json(&body).await.expect_status(200);
    push(&admin, "p/app", "disabled").await;
    push(&admin, "p/marker", "m").await;
    admin
        .delete(&format!("{API}/projects/p/repositories/marker/artifacts/m/tags/m"))
        .await
        .expect_status(200);
    // What came before the marker was looked at before it.
    enqueued(registry, &all, 1).await;
    body["enabled"] = json!(true);
    admin.put(&path).json(&body).await.expect_status(200);
    let off = json!({ "notification_enable": false });
    admin.put(&format!("{API}/configurations")).json(&off).await.expect_status(200);
    // Longer than a node of many relies on what it knew.
    registry.clock.advance(Duration::from_secs(2));
    push(&admin, "p/app", "off").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let on = json!({ "notification_enable": true });
    admin.put(&format!("{API}/configurations")).json(&on).await.expect_status(200);
    registry.clock.advance(Duration::from_secs(2));
    push(&admin, "p/app", "on").await;
    enqueued(registry, &path, 1).await;
    registry.harbor.run_due_jobs().await.unwrap();
    let mut tags = receiver.tags();
    tags.sort();
    assert_eq!(tags, ["m", "on"]);
    // With a policy goes what has not gone out.
    push(&admin, "p/app", "late").await;
    enqueued(registry, &path, 2).await;
    admin.delete(&path).await.expect_status(200);
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!(receiver.came().len(), 2);
    admin.get(&format!("{path}/executions")).await.expect_error(404, "NOT_FOUND");
}

async fn what_is_older_than_a_policy(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Status(200)).await);
    registry.project("p", false).await;
    push(&admin, "p/app", "before").await;
    registry.clock.advance(Duration::from_secs(1));
    let path = make(&admin, &of("p"), &policy("one", &["PUSH_ARTIFACT"], vec![http(&receiver.url())])).await;
    push(&admin, "p/app", "after").await;
    enqueued(registry, &path, 1).await;
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!(receiver.tags(), ["after"]);
}

async fn the_whole_registry(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Status(200)).await);
    let types = ["CREATE_PROJECT", "PUSH_ARTIFACT", "DELETE_PROJECT", "CHANGE_POLICY"];
    let path =
        make(&admin, &format!("{API}/webhook/policies"), &policy("all", &types, vec![http(&receiver.url())]))
            .await;
    enqueued(registry, &path, 1).await;
    registry.project("one", false).await;
    push(&admin, "one/app", "v1").await;
    registry.project("two", false).await;
    admin.delete(&format!("{API}/projects/two")).await.expect_status(200);
    let told: Vec<_> = enqueued(registry, &path, 5)
        .await
        .into_iter()
        .map(|one| one["extra_attrs"]["event_type"].as_str().unwrap().to_owned())
        .collect();
    let mut expected =
        ["CHANGE_POLICY", "CREATE_PROJECT", "PUSH_ARTIFACT", "CREATE_PROJECT", "DELETE_PROJECT"];
    let mut sorted = told.clone();
    sorted.sort();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    for _ in 0..5 {
        run_for(registry, Duration::from_secs(2)).await;
    }
    let came: Vec<_> =
        receiver.came().iter().map(|came| came.json()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(came, told, "in order");
}

async fn a_sample_is_sent(registry: &TestRegistry) {
    let admin = registry.admin();
    let (good, bad) =
        (Receiver::start(Answers::Status(200)).await, Receiver::start(Answers::Echo(500)).await);
    registry.project("p", false).await;
    let mut closed = http("http://127.0.0.1:9/");
    closed["auth_header"] = json!("Bearer a canary");
    let mut signed = http(&bad.url());
    signed["secrets"] = json!(["0123456789abcdef"]);
    let targets = vec![http(&good.url()), signed, closed, http("http://localhost:9/")];
    let path = make(&admin, &of("p"), &policy("one", &["DELETE_TAG"], targets)).await;
    let answer = admin.post(&format!("{path}/test")).await.expect_status(200).json();
    let codes: Vec<_> = answer.as_array().unwrap().iter().map(|one| one["status_code"].as_u64()).collect();
    assert_eq!(codes, [Some(200), Some(500), None, None], "{answer}");
    assert!(answer[2]["error"].as_str().unwrap().contains("no connection came about"), "{answer}");
    assert_eq!(good.came()[0].json()["type"], "PUSH_ARTIFACT");
    assert!(bad.came()[0].header("x-harbor-signature-256").is_some());
    assert!(!answer.to_string().contains("canary") && !answer.to_string().contains("sha256="), "{answer}");
    assert_eq!(read(&admin, &format!("{path}/executions")).await, json!([]));
}

async fn pulls_are_told_where_somebody_wants_it(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Status(200)).await);
    registry.project("p", true).await;
    registry.project("other", true).await;
    let digest = push(&admin, "p/app", "v1").await;
    push(&admin, "other/app", "v1").await;
    let mut body = policy("one", &["PULL_ARTIFACT"], vec![http(&receiver.url())]);
    assert!(!registry.harbor.wants_pulls("p"));
    let path = make(&admin, &of("p"), &body).await;
    assert!(registry.harbor.wants_pulls("p") && !registry.harbor.wants_pulls("other"));
    for reference in ["v1", &digest] {
        admin.head(&format!("/v2/p/app/manifests/{reference}")).await.expect_status(200);
        admin.get(&format!("/v2/p/app/manifests/{reference}")).await.expect_status(200);
    }
    admin.get("/v2/other/app/manifests/v1").await.expect_status(200);
    assert_eq!(read(&admin, &format!("{path}/executions")).await, json!([]), "a pull writes nothing");
    registry.harbor.write_pulls().await.unwrap();
    enqueued(registry, &path, 2).await;
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!(receiver.tags(), ["v1".to_owned(), digest.clone()]);
    let told = receiver.came().remove(0).json();
    assert_eq!((&told["type"], &told["operator"]), (&json!("PULL_ARTIFACT"), &json!("admin")));
    assert_eq!(told["event_data"]["resources"][0]["digest"], digest);
    body["enabled"] = json!(false);
    admin.put(&path).json(&body).await.expect_status(200);
    assert!(!registry.harbor.wants_pulls("p"));
    make(
        &admin,
        &format!("{API}/webhook/policies"),
        &policy("all", &["PULL_ARTIFACT"], vec![http(&receiver.url())]),
    )
    .await;
    assert!(registry.harbor.wants_pulls("other"));
}

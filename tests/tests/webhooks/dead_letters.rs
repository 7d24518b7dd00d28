//! What is not delivered: how long it is tried, and how long it is kept.

use std::time::Duration;

use harbor_core::oci::Algorithm;
use harbor_tests::{TestRegistry, content};
use serde_json::json;

use super::receiver::{Answers, Receiver};
use super::{API, enqueued, http, log, make, of, policy, push, read, run_for, statuses, task};

harbor_tests::on_every_store! {
    with crate::by_hand;
    what_waited_for_too_long_is_tried_once;
    what_a_paused_queue_held_back_goes_out;
    dead_letters_stay;
}

const HOUR: Duration = Duration::from_secs(3600);

/// A target is down for days: what waits for it does not become more and more, and what comes later has its turn at once.
async fn what_waited_for_too_long_is_tried_once(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Status(503)).await);
    registry.project("p", false).await;
    let path = make(&admin, &of("p"), &policy("one", &["PUSH_ARTIFACT"], vec![http(&receiver.url())])).await;
    for tag in ["v1", "v2", "v3"] {
        push(&admin, "p/app", tag).await;
    }
    let old = enqueued(registry, &path, 3).await;
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!(receiver.came().len(), 1);
    registry.clock.advance(HOUR * 71);
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!((receiver.came().len(), statuses(&admin, &path).await), (2, vec!["Running".to_owned(); 3]));
    registry.clock.advance(HOUR * 2);
    push(&admin, "p/app", "v4").await;
    enqueued(registry, &path, 4).await;
    for _ in 0..4 {
        registry.harbor.run_due_jobs().await.unwrap();
    }
    assert_eq!(statuses(&admin, &path).await, ["Error", "Error", "Error", "Running"]);
    let said = log(&admin, &path, &old[2]).await;
    assert!(
        said.contains("failed: the target answered 503: it is not tried again by itself, for it is more than three days old"),
        "{said}"
    );
    assert_eq!(receiver.tags(), ["v1", "v1", "v1", "v2", "v3", "v4"], "each was tried");
    let came = receiver.came().len();
    // Whoever wants one all the same gets it.
    let dead = read(&admin, &format!("{API}/jobservice/jobs?q=status=Error")).await;
    let second = task(&admin, &path, &old[1]).await;
    let job = dead.as_array().unwrap().iter().find(|letter| letter["id"] == second["id"]).unwrap();
    let retry = format!("{API}/jobservice/jobs/{}/retry", job["job_id"].as_str().unwrap());
    admin.post(&retry).await.expect_status(200);
    registry.clock.advance(HOUR);
    for _ in 0..2 {
        registry.harbor.run_due_jobs().await.unwrap();
    }
    let told = receiver.came()[came..].iter().any(|one| one.body == old[1]["extra_attrs"]["payload"]);
    assert!(told, "it is tried again");
}

/// Nobody knows that a target is gone when it was never asked.
async fn what_a_paused_queue_held_back_goes_out(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Status(200)).await);
    registry.project("p", false).await;
    let path = make(&admin, &of("p"), &policy("one", &["PUSH_ARTIFACT"], vec![http(&receiver.url())])).await;
    let act = async |action: &str| {
        let queue = admin.put(&format!("{API}/jobservice/queues/WEBHOOK"));
        queue.json(&json!({ "action": action })).await.expect_status(200);
    };
    act("pause").await;
    for tag in ["v1", "v2", "v3"] {
        push(&admin, "p/app", tag).await;
    }
    enqueued(registry, &path, 3).await;
    registry.harbor.run_due_jobs().await.unwrap();
    registry.clock.advance(HOUR * 96);
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!(receiver.came().len(), 0, "the queue is paused");
    act("resume").await;
    for _ in 0..3 {
        run_for(registry, Duration::from_secs(2)).await;
    }
    assert_eq!(receiver.tags(), ["v1", "v2", "v3"]);
    assert_eq!(statuses(&admin, &path).await, ["Success"; 3]);
}

/// What waits, and what succeeds later, takes the place of no dead letter, though of a policy no more than fifty are kept otherwise.
async fn dead_letters_stay(registry: &TestRegistry) {
    let (admin, receiver) = (registry.admin(), Receiver::start(Answers::Status(503)).await);
    registry.project("p", false).await;
    let path = make(&admin, &of("p"), &policy("one", &["PUSH_ARTIFACT"], vec![http(&receiver.url())])).await;
    push(&admin, "p/app", "first").await;
    let first = enqueued(registry, &path, 1).await.remove(0);
    let set = content::image(Algorithm::Sha256);
    // It is told of twice: by its digest, and with the tag.
    admin.push("p/app", Some("v2"), &set).await;
    for number in 3..60 {
        admin.push_manifest("p/app", format!("v{number}"), set.top()).await.expect_status(201);
    }
    enqueued(registry, &path, 60).await;
    let dead = async || {
        let list = format!("{API}/jobservice/jobs?q=status=Error&sort=creation_time&page_size=100");
        read(&admin, &list).await.as_array().unwrap().clone()
    };
    for _ in 0..8 {
        run_for(registry, HOUR).await;
    }
    let letters = dead().await;
    assert_eq!((letters.len(), &letters[0]["execution_id"]), (1, &first["id"]));
    assert_eq!(statuses(&admin, &path).await.len(), 60);
    // The rest become dead letters, and fifty succeed after them, and more.
    registry.clock.advance(HOUR * 96);
    while registry.harbor.run_due_jobs().await.unwrap() > 0 {}
    assert_eq!(dead().await.len(), 60);
    receiver.answer(Answers::Status(200));
    for number in 0..53 {
        admin.push_manifest("p/app", format!("w{number}"), set.top()).await.expect_status(201);
    }
    let listed = async |status: &str| {
        let list = format!("{path}/executions?q=status={status}&page_size=1");
        admin.get(&list).await.expect_status(200).need("X-Total-Count").to_owned()
    };
    for _ in 0..2000 {
        registry.harbor.run_due_jobs().await.unwrap();
        if receiver.tags().last().is_some_and(|tag| tag == "w52") && listed("Running").await == "0" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        // As for whoever waits for what is enqueued.
        registry.clock.advance(Duration::from_secs(1));
    }
    assert_eq!((listed("Success").await.as_str(), listed("Error").await.as_str()), ("50", "60"));
    let retry = format!("{API}/jobservice/jobs/{}/retry", letters[0]["job_id"].as_str().unwrap());
    admin.post(&retry).await.expect_status(200);
    registry.harbor.run_due_jobs().await.unwrap();
    assert_eq!(
        (receiver.tags().pop().unwrap(), listed("Error").await),
        ("first".to_owned(), "59".to_owned())
    );
}

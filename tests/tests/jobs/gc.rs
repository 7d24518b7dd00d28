//! Garbage collection as somebody sets it going: what it frees, what it would free, its history.

use std::time::Duration;

use harbor_core::oci::Algorithm;
use harbor_tests::content::{self, Maker, Piece};
use harbor_tests::{BackEnd, TestRegistry, on_every_store};
use serde_json::{Value, json};

use crate::kinds::by_hand;
use crate::retention::Thinking;

const SCHEDULE: &str = "/api/v2.0/system/gc/schedule";
const HISTORY: &str = "/api/v2.0/system/gc";

on_every_store! {
    with crate::kinds::by_hand;
    a_dry_run_tells_exactly_what_a_run_frees;
    history_and_log;
    stopped;
    nothing_goes_while_the_registry_is_read_only;
    a_run_ends_when_the_registry_comes_to_be_read_only(stores);
    untagged_goes_with_what_belongs_to_it;
    untagged_that_cannot_go_holds_up_nothing;
}

/// Sets a run going, and yields it when it is over.
async fn run(registry: &TestRegistry, parameters: Value) -> Value {
    let body = json!({ "schedule": { "type": "Manual" }, "parameters": parameters });
    let answer = registry.admin().post(SCHEDULE).json(&body).await.expect_status(201);
    let path = answer.need("Location").to_owned();
    assert!(path.starts_with("/api/v2.0/system/gc/"), "{path}");
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
    let run = registry.admin().get(&path).await.expect_status(200).json();
    assert_eq!(run["job_status"], "Success", "{run}");
    run
}

fn blob(length: usize) -> Piece {
    Piece::blob(Algorithm::Sha256, length)
}

/// What came out of a run: bytes, blobs, manifests.
fn freed(run: &Value) -> (u64, u64, u64) {
    let parameters: Value = serde_json::from_str(run["job_parameters"].as_str().unwrap()).unwrap();
    let number = |name: &str| parameters[name].as_u64().unwrap();
    (number("freed_space"), number("purged_blobs"), number("purged_manifests"))
}

async fn a_dry_run_tells_exactly_what_a_run_frees(registry: &TestRegistry) {
    registry.project("p", false).await;
    let admin = registry.admin();
    // Two images that share a layer, in two repositories; then blobs that belong to nothing.
    let (shared, own) = (blob(1_000), blob(2_000));
    admin.push_blob("p/two", &shared).await;
    let stray = blob(5_000);
    admin.push_blob("p/two", &stray).await;
    let image = Maker::image(Algorithm::Sha256).layer(shared.clone()).layer(own).done();
    admin.push("p/one", Some("kept"), &image).await;
    registry.clock.advance(Duration::from_secs(3 * 3600));
    for (workers, dry_run, left) in [(1, true, true), (10, true, true), (4, false, true), (1, true, false)] {
        let run = run(registry, json!({ "dry_run": dry_run, "workers": workers })).await;
        // What the image lists stays; the other repository's link to the shared one goes, and the blob stays.
        let expected = if left { (5_000, 1, 0) } else { (0, 0, 0) };
        assert_eq!(freed(&run), expected, "workers {workers}, dry {dry_run}");
    }
    let last = run(registry, json!({})).await;
    assert_eq!(freed(&last), (0, 0, 0));
    admin.head(&format!("/v2/p/one/blobs/{}", shared.digest)).await.expect_status(200);
    admin.head(&format!("/v2/p/two/blobs/{}", shared.digest)).await.expect_status(404);
    admin.head(&format!("/v2/p/two/blobs/{}", stray.digest)).await.expect_status(404);
}

async fn untagged_goes_with_what_belongs_to_it(registry: &TestRegistry) {
    registry.project("p", false).await;
    let admin = registry.admin();
    let image = || content::image(Algorithm::Sha256);
    let (young, index, old, kept) = (image(), content::index(Algorithm::Sha256), image(), image());
    admin.push("p/app", None, &index).await;
    admin.push("p/app", Some("v1"), &old).await;
    admin.push("p/app", Some("v2"), &kept).await;
    // The tag moves on, so the image is named by none.
    let tag = "/api/v2.0/projects/p/repositories/app/artifacts/v1/tags/v1";
    admin.delete(tag).await.expect_status(200);
    registry.clock.advance(Duration::from_secs(3 * 3600));
    admin.push("p/app", None, &young).await;
    let nothing = run(registry, json!({})).await;
    assert_eq!(freed(&nothing).2, 0, "who says nothing deletes nothing untagged");
    let would = run(registry, json!({ "delete_untagged": true, "dry_run": true })).await;
    let done = run(registry, json!({ "delete_untagged": true })).await;
    assert_eq!(freed(&would), freed(&done));
    // The index with its two images, and the old one.
    assert_eq!(freed(&done).2, 4);
    let left = admin.get("/api/v2.0/projects/p/repositories/app/artifacts").await.expect_status(200).json();
    let digests: Vec<&str> =
        left.as_array().unwrap().iter().map(|one| one["digest"].as_str().unwrap()).collect();
    assert_eq!(digests, [young.top().digest.to_string(), kept.top().digest.to_string()]);
    let lines =
        admin.get("/api/v2.0/projects/p/auditlog-exts?q=operation=delete").await.expect_status(200).json();
    let by_system = lines.as_array().unwrap().iter().filter(|line| line["username"] == "system");
    assert_eq!(by_system.count(), 4, "{lines}");
    // Their blobs go when their time has come.
    registry.clock.advance(Duration::from_secs(3 * 3600));
    let would = run(registry, json!({ "dry_run": true })).await;
    let after = run(registry, json!({})).await;
    assert_eq!(freed(&would), freed(&after));
    assert!(freed(&after).1 >= 5, "{after}");
    admin.get("/v2/p/app/manifests/v2").await.expect_status(200);
}

/// A signature has a tag that is immutable, so what it signs stays with it; the rest goes, and what two of the rest share goes with
/// the last of them. A trial tells the same, also of what it tried ahead of a refusal.
async fn untagged_that_cannot_go_holds_up_nothing(registry: &TestRegistry) {
    registry.project("p", false).await;
    let admin = registry.admin();
    let image = || content::image(Algorithm::Sha256);
    let (shared, signed, plain) = (image(), image(), image());
    let lists = |says: &str| Maker::index(Algorithm::Sha256).entry(&shared).annotation("is", says).done();
    let (one, other) = (lists("one"), lists("other"));
    admin.push("p/app", None, &one).await;
    admin.push("p/app", None, &signed).await;
    admin.push("p/app", None, &plain).await;
    admin.push("p/app", None, &other).await;
    let says = "application/vnd.dev.cosign.simplesigning.v1+json";
    let layer = Piece::new(Algorithm::Sha256, says, content::random(50));
    let signature = Maker::image(Algorithm::Sha256).layer(layer).done();
    let tag = format!("{}.sig", signed.top().digest.to_string().replace(':', "-"));
    admin.push("p/app", Some(&tag), &signature).await;
    let any = |decoration: &str, pattern: &str| json!([{ "kind": "doublestar", "decoration": decoration, "pattern": pattern }]);
    let rule = json!({
        "action": "immutable", "template": "immutable_template",
        "tag_selectors": any("matches", "*.sig"),
        "scope_selectors": { "repository": any("repoMatches", "**") },
    });
    admin.post("/api/v2.0/projects/p/immutabletagrules").json(&rule).await.expect_status(201);
    registry.clock.advance(Duration::from_secs(3 * 3600));
    let would = run(registry, json!({ "delete_untagged": true, "dry_run": true })).await;
    let done = run(registry, json!({ "delete_untagged": true })).await;
    assert_eq!((freed(&would), freed(&done).2), (freed(&done), 4));
    let log = admin.get(&format!("{HISTORY}/{}/log", done["id"])).await.expect_status(200);
    let log = String::from_utf8(log.body.to_vec()).unwrap();
    let says =
        |digest: &str, what: &str| log.lines().any(|line| line.contains(digest) && line.contains(what));
    assert!(
        says(&signed.top().digest.to_string(), "stays: ") && says(&tag, "configured as immutable"),
        "{log}"
    );
    assert!(says(&plain.top().digest.to_string(), "1 manifests deleted"), "{log}");
    admin.get(&format!("/v2/p/app/manifests/{tag}")).await.expect_status(200);
    admin.get(&format!("/v2/p/app/manifests/{}", signed.top().digest)).await.expect_status(200);
}

async fn history_and_log(registry: &TestRegistry) {
    let admin = registry.admin();
    let first = run(registry, json!({ "dry_run": true })).await;
    let second = run(registry, json!({ "workers": 3 })).await;
    let listed = admin.get(HISTORY).await.expect_status(200);
    assert_eq!(listed.need("X-Total-Count"), "2");
    let listed = listed.json();
    assert_eq!((&listed[0]["id"], &listed[1]["id"]), (&second["id"], &first["id"]));
    assert_eq!(
        (&listed[0]["job_name"], &listed[0]["job_kind"]),
        (&json!("GARBAGE_COLLECTION"), &json!("MANUAL"))
    );
    let paged = admin.get(&format!("{HISTORY}?page=2&page_size=1&sort=-id")).await.expect_status(200).json();
    assert_eq!(paged[0]["id"], first["id"]);
    let parameters: Value = serde_json::from_str(second["job_parameters"].as_str().unwrap()).unwrap();
    assert_eq!((&parameters["workers"], &parameters["dry_run"]), (&json!(3), &json!(false)));
    let log = admin.get(&format!("{HISTORY}/{}/log", first["id"])).await.expect_status(200);
    let log = String::from_utf8(log.body.to_vec()).unwrap();
    assert!(log.contains("dry_run=true") && log.contains("would be freed: 0 blobs"), "{log}");
    for path in ["9999", "9999/log"] {
        admin.get(&format!("{HISTORY}/{path}")).await.expect_status(404);
    }
    admin.put(&format!("{HISTORY}/9999")).await.expect_status(404);
    admin.get(&format!("{HISTORY}/x")).await.expect_status(422);
}

async fn stopped(registry: &TestRegistry) {
    let admin = registry.admin();
    let body = json!({ "schedule": { "type": "Manual" } });
    let waiting = admin.post(SCHEDULE).json(&body).await.expect_status(201);
    let path = waiting.need("Location").to_owned();
    assert_eq!(admin.get(&path).await.expect_status(200).json()["job_status"], "Pending");
    admin.put(&path).await.expect_status(200);
    assert_eq!(admin.get(&path).await.expect_status(200).json()["job_status"], "Stopped");
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 0);
    admin.put(&path).await.expect_status(200);
    assert_eq!(admin.get(&path).await.expect_status(200).json()["job_status"], "Stopped");
}

async fn nothing_goes_while_the_registry_is_read_only(registry: &TestRegistry) {
    registry.project("p", false).await;
    let admin = registry.admin();
    let stray = blob(5_000);
    admin.push_blob("p/app", &stray).await;
    let there = |status| {
        let head = admin.head(&format!("/v2/p/app/blobs/{}", stray.digest));
        async move { head.await.expect_status(status) }
    };
    let read_only = |flag: bool| admin.put("/api/v2.0/configurations").json(&json!({ "read_only": flag }));
    let body = json!({ "schedule": { "type": "Manual" } });
    let path = admin.post(SCHEDULE).json(&body).await.expect_status(201).need("Location").to_owned();
    read_only(true).await.expect_status(200);
    registry.clock.advance(Duration::from_secs(3 * 3600));
    assert_eq!(registry.collect_garbage().await.reviewed, 0, "neither by itself");
    registry.harbor.run_due_jobs().await.unwrap();
    let status = async || admin.get(&path).await.expect_status(200).json()["job_status"].clone();
    assert_eq!(status().await, "Error");
    let log = admin.get(&format!("{path}/log")).await.expect_status(200);
    assert!(String::from_utf8_lossy(&log.body).contains("read only"), "{log}");
    read_only(false).await.expect_status(200);
    there(200).await;
    // Whoever asked for it relies on the answer for a while.
    registry.clock.advance(Duration::from_secs(3 * 3600));
    assert_eq!(freed(&run(registry, json!({})).await), (5_000, 1, 0));
    there(404).await;
}

async fn a_run_ends_when_the_registry_comes_to_be_read_only(back_end: BackEnd) {
    let thinking = Thinking::after(1);
    let builder = TestRegistry::builder(back_end).patient_with_logins().policy(thinking.clone());
    let registry = by_hand(builder).start().await;
    registry.project("p", false).await;
    let admin = registry.admin();
    for _ in 0..3 {
        admin.push("p/app", None, &content::image(Algorithm::Sha256)).await;
    }
    registry.clock.advance(Duration::from_secs(3 * 3600));
    let body = json!({ "schedule": { "type": "Manual" }, "parameters": { "delete_untagged": true } });
    let path = admin.post(SCHEDULE).json(&body).await.expect_status(201).need("Location").to_owned();
    let working = async {
        thinking.0.reached.acquire().await.unwrap().forget();
        let read_only = json!({ "read_only": true });
        admin.put("/api/v2.0/configurations").json(&read_only).await.expect_status(200);
        thinking.0.go_on.add_permits(1);
    };
    let (done, ()) = tokio::join!(registry.harbor.run_due_jobs(), working);
    assert_eq!(done.unwrap(), 1);
    assert_eq!(admin.get(&path).await.expect_status(200).json()["job_status"], "Error");
    let left = admin.get("/api/v2.0/projects/p/repositories/app/artifacts").await.expect_status(200);
    assert_eq!(left.need("X-Total-Count"), "2");
    registry.close().await;
}

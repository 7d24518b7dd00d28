//! What is done to the audit log behind the engine's back is found.

use std::sync::Arc;
use std::time::Duration;

use harbor_core::Clock;
use harbor_core::meta::MetadataStore;
use harbor_tests::{BackEnd, TestRegistry};
use serde_json::{Value, json};

use crate::{API, read};

harbor_tests::on_every_store! {
    what_is_changed_is_found(stores);
    what_is_deleted_is_found(stores);
    what_is_put_in_is_found(stores);
    what_is_reordered_is_found(stores);
    an_end_that_is_cut_off_is_found(stores);
    a_purge_is_no_deletion(stores);
    a_base_stands_for_what_was_purged(stores);
    a_purge_beside_it_is_no_finding(stores);
    what_was_not_forwarded_is_not_purged(stores);
    who_may_not_read_the_log_may_not_verify_it(stores);
}

/// A registry whose database others can reach, with twenty lines in its log.
async fn with_lines(stores: BackEnd) -> TestRegistry {
    with_lines_and_store(stores).await.0
}

/// The same, and its store.
pub(super) async fn with_lines_and_store(stores: BackEnd) -> (TestRegistry, Arc<dyn MetadataStore>) {
    let stores = if stores == BackEnd::Memory { BackEnd::Folder } else { stores };
    let (sender, store) = std::sync::mpsc::channel();
    let registry = TestRegistry::builder(stores)
        .wrap_metadata(move |store| {
            sender.send(Arc::clone(&store)).unwrap();
            store
        })
        .clock(Clock::manual())
        .settings(|settings| settings.job_workers = 0)
        .start()
        .await;
    registry.project("first", false).await;
    for number in 0..20 {
        let body = json!({ "name": format!("label-{number}"), "scope": "g" });
        registry.admin().post(&format!("{API}/labels")).json(&body).await.expect_status(201);
    }
    seal(&registry).await;
    (registry, store.recv().unwrap())
}

pub(super) async fn seal(registry: &TestRegistry) {
    // Keys that were taken and not used are waited for.
    registry.harbor.seal_audit().await.unwrap();
    registry.clock.advance(Duration::from_secs(36));
    registry.harbor.seal_audit().await.unwrap();
}

pub(super) async fn verify(registry: &TestRegistry, query: &str) -> Value {
    read(&registry.admin(), format!("{API}/auditlog-exts/verify{query}")).await
}

/// What is found, in short: `changed line 7`.
pub(super) async fn found(registry: &TestRegistry, query: &str) -> Vec<String> {
    let report = verify(registry, query).await;
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(report["intact"], findings.is_empty());
    let short = |finding: &Value| match finding["line"].as_i64() {
        Some(line) => format!("{} line {line}", finding["kind"].as_str().unwrap()),
        None => format!("{} link {}", finding["kind"].as_str().unwrap(), finding["seq"]),
    };
    findings.iter().map(short).collect()
}

/// The keys of the lines about labels, in order, and the number of the link of the first.
pub(super) async fn keys(registry: &TestRegistry) -> Vec<i64> {
    let lines =
        read(&registry.admin(), format!("{API}/auditlog-exts?q=resource_type=label&sort=id&page_size=100"))
            .await;
    lines.as_array().unwrap().iter().map(|line| line["id"].as_i64().unwrap()).collect()
}

async fn what_is_changed_is_found(stores: BackEnd) {
    let registry = with_lines(stores).await;
    let report = verify(&registry, "").await;
    assert_eq!((&report["intact"], &report["purged"]), (&json!(true), &json!(0)), "{report}");
    assert!(
        report["lines"].as_i64().unwrap() >= 20 && report["head"]["signature"].as_str().unwrap().len() == 86,
        "{report}"
    );
    let keys = keys(&registry).await;
    for (number, change) in
        ["username = 'somebody'", "happened_at = happened_at + 1", "allowed = 0", "client_address = ''"]
            .iter()
            .enumerate()
    {
        registry.sql(&format!("UPDATE audit_log SET {change} WHERE id = {}", keys[number])).await;
        let expected: Vec<String> = keys[..=number].iter().map(|key| format!("changed line {key}")).collect();
        assert_eq!(found(&registry, "").await, expected);
    }
    registry.close().await;
}

async fn what_is_deleted_is_found(stores: BackEnd) {
    let registry = with_lines(stores).await;
    let keys = keys(&registry).await;
    registry.sql(&format!("DELETE FROM audit_log WHERE id = {}", keys[5])).await;
    assert_eq!(found(&registry, "").await, [format!("deleted line {}", keys[5])]);
    // With its link, and with that made up for.
    registry.sql(&format!("DELETE FROM audit_chain WHERE line_id = {}", keys[5])).await;
    let told = found(&registry, "").await;
    assert!(told.len() == 2 && told[0].starts_with("missing") && told[1].starts_with("broken"), "{told:?}");
    // As if it had been purged.
    registry.sql(&format!("DELETE FROM audit_log WHERE id = {}", keys[9])).await;
    registry.sql(&format!("UPDATE audit_chain SET purged = 'x' WHERE line_id = {}", keys[9])).await;
    let told = found(&registry, "").await;
    assert!(told.len() == 3 && told[2].starts_with("unpurged"), "{told:?}");
    registry.close().await;
}

async fn what_is_put_in_is_found(stores: BackEnd) {
    let registry = with_lines(stores).await;
    let keys = keys(&registry).await;
    let columns = "happened_at, actor, operation, project_id, resource, username, resource_type, description";
    registry.sql(&format!("DELETE FROM audit_log WHERE id = {}", keys[5])).await;
    // In place of another, with all that one can see.
    registry
        .sql(&format!(
            "INSERT INTO audit_log (id, {columns}) SELECT {}, {columns} FROM audit_log WHERE id = {}",
            keys[5], keys[6]
        ))
        .await;
    // Ahead of all.
    registry
        .sql(&format!(
            "INSERT INTO audit_log (id, {columns}) SELECT -3, {columns} FROM audit_log WHERE id = {}",
            keys[6]
        ))
        .await;
    let told = found(&registry, "").await;
    assert_eq!(told, ["inserted line -3".to_owned(), format!("changed line {}", keys[5])]);
    registry.close().await;
}

async fn what_is_reordered_is_found(stores: BackEnd) {
    let registry = with_lines(stores).await;
    let keys = keys(&registry).await;
    for (from, to) in [(keys[3], 900_001), (keys[4], keys[3]), (900_001, keys[4])] {
        registry.sql(&format!("UPDATE audit_log SET id = {to} WHERE id = {from}")).await;
    }
    let expected = [format!("changed line {}", keys[3]), format!("changed line {}", keys[4])];
    assert_eq!(found(&registry, "").await, expected);
    // With their links.
    for (from, to) in [(keys[3], 900_001), (keys[4], keys[3]), (900_001, keys[4])] {
        registry.sql(&format!("UPDATE audit_chain SET line_id = {to} WHERE line_id = {from}")).await;
    }
    let told = found(&registry, "").await;
    assert!(told.iter().any(|told| told.starts_with("reordered")), "{told:?}");
    registry.close().await;
}

async fn an_end_that_is_cut_off_is_found(stores: BackEnd) {
    let registry = with_lines(stores).await;
    let head = verify(&registry, "").await["head"].clone();
    let saved = format!("?head={}:{}", head["seq"], head["hash"].as_str().unwrap());
    assert_eq!(found(&registry, &saved).await, [""; 0]);
    let wrong = format!("?head={}:{}", head["seq"], "0".repeat(64));
    assert_eq!(found(&registry, &wrong).await, [format!("head link {}", head["seq"])]);
    registry.admin().get(&format!("{API}/auditlog-exts/verify?head=x")).await.expect_status(422);
    let last = head["seq"].as_i64().unwrap();
    // The last three links are gone, and their lines.
    registry
        .sql(&format!(
            "DELETE FROM audit_log WHERE id IN (SELECT line_id FROM audit_chain WHERE seq > {})",
            last - 3
        ))
        .await;
    registry.sql(&format!("DELETE FROM audit_chain WHERE seq > {}", last - 3)).await;
    assert_eq!(found(&registry, "").await, [format!("truncated link {last}")]);
    // And the head that says so: then only who kept it can tell, unless an earlier one is far behind.
    registry.sql(&format!("DELETE FROM audit_heads WHERE seq > {}", last - 3)).await;
    let told = found(&registry, &saved).await;
    assert!(told.contains(&format!("truncated link {last}")), "{told:?}");
    // What is sealed next is signed by nobody: it would be signed that all this never was.
    label(&registry, "next").await;
    seal(&registry).await;
    let told = found(&registry, "").await;
    assert!(told.iter().any(|told| told.starts_with("unsigned")), "{told:?}");
    registry.close().await;
}

pub(super) async fn label(registry: &TestRegistry, name: &str) {
    let label = json!({ "name": name, "scope": "g" });
    registry.admin().post(&format!("{API}/labels")).json(&label).await.expect_status(201);
}

pub(super) async fn purge(registry: &TestRegistry, types: &str) {
    let body = json!({ "schedule": { "type": "Manual" },
        "parameters": { "audit_retention_hour": 1, "include_event_types": types } });
    let admin = registry.admin();
    admin.post(&format!("{API}/system/purgeaudit/schedule")).json(&body).await.expect_status(201);
    assert_eq!(registry.harbor.run_due_jobs().await.unwrap(), 1);
    seal(registry).await;
}

async fn a_base_stands_for_what_was_purged(stores: BackEnd) {
    let registry = with_lines(stores).await;
    let old = verify(&registry, "").await["head"].clone();
    let old = format!("?head={}:{}", old["seq"], old["hash"].as_str().unwrap());
    // What is left of a chain is as long as what is left of its log, however often it is purged.
    for round in 0..3 {
        registry.clock.advance(Duration::from_secs(3 * 3600));
        label(&registry, &format!("young-{round}")).await;
        seal(&registry).await;
        purge(&registry, "create_project,other").await;
        let report = verify(&registry, &old).await;
        assert_eq!((&report["intact"], keys(&registry).await.len()), (&json!(true), 1), "{report}");
        let (base, head) = (&report["base"]["seq"], &report["head"]["seq"]);
        assert_eq!(&report["purged"], base, "none behind the base: {report}");
        let links = head.as_i64().unwrap() - base.as_i64().unwrap();
        assert!(links <= 4 && report["lines"] == links, "{report}");
        let lines = read(&registry.admin(), format!("{API}/auditlog-exts?q=operation=purge")).await;
        assert_eq!(lines.as_array().unwrap().len(), 1, "those of earlier purges went with the beginning");
    }
    let report = verify(&registry, "").await;
    let base = format!("?head={}:{}", report["base"]["seq"], report["base"]["hash"].as_str().unwrap());
    assert_eq!(found(&registry, &base).await, [""; 0]);
    // What is put in ahead of it is found, and what goes with its links.
    let columns = "happened_at, actor, operation, project_id, resource, username, resource_type, description";
    let insert = format!(
        "INSERT INTO audit_log (id, {columns}) SELECT 2, {columns} FROM audit_log WHERE id = {}",
        keys(&registry).await[0]
    );
    registry.sql(&insert).await;
    assert_eq!(found(&registry, "").await, ["inserted line 2"]);
    registry.sql("DELETE FROM audit_log WHERE id = 2").await;
    let first = report["base"]["seq"].as_i64().unwrap() + 1;
    registry
        .sql(&format!(
            "DELETE FROM audit_log WHERE id IN (SELECT line_id FROM audit_chain WHERE seq = {first})"
        ))
        .await;
    registry.sql(&format!("DELETE FROM audit_chain WHERE seq = {first}")).await;
    let told = found(&registry, "").await;
    assert_eq!(told[0], format!("missing link {first}"), "{told:?}");
    // As if the base had stood for it.
    let moved = format!(
        "UPDATE settings SET content = REPLACE(content, '\"seq\":{}', '\"seq\":{first}') WHERE name = 'audit.base'",
        first - 1
    );
    registry.sql(&moved).await;
    assert_eq!(found(&registry, "").await[0], "base link 0");
    registry.sql("DELETE FROM settings WHERE name = 'audit.base'").await;
    assert_eq!(found(&registry, "").await[0], "missing link 1");
    registry.close().await;
}

async fn a_purge_beside_it_is_no_finding(stores: BackEnd) {
    let registry = with_lines(stores).await;
    let columns = "happened_at, actor, operation, project_id, resource, username, resource_type, description";
    let double = format!("INSERT INTO audit_log ({columns}) SELECT {columns} FROM audit_log");
    for _ in 0..5 {
        registry.sql(&double).await;
    }
    seal(&registry).await;
    registry.clock.advance(Duration::from_secs(3 * 3600));
    // What stays holds the rest of the first purge; the second one takes all.
    for types in ["other", "create_project,other"] {
        tokio::join!(purge(&registry, types), async {
            for _ in 0..3 {
                assert_eq!(found(&registry, "").await, [""; 0], "{types}");
            }
        });
        registry.clock.advance(Duration::from_secs(3 * 3600));
    }
    let report = verify(&registry, "").await;
    assert!(report["base"]["seq"].as_i64().unwrap() > 600, "{report}");
    registry.close().await;
}

async fn what_was_not_forwarded_is_not_purged(stores: BackEnd) {
    let registry = with_lines(stores).await;
    registry.clock.advance(Duration::from_secs(3 * 3600));
    for (endpoint, left) in [("192.0.2.1:514", 20), ("", 0)] {
        let change = json!({ "audit_log_forward_endpoint": endpoint });
        registry.admin().put(&format!("{API}/configurations")).json(&change).await.expect_status(200);
        purge(&registry, "create_project,other").await;
        assert_eq!(keys(&registry).await.len(), left, "{endpoint:?}");
    }
    registry.close().await;
}

async fn a_purge_is_no_deletion(stores: BackEnd) {
    let registry = with_lines(stores).await;
    let admin = registry.admin();
    // The project's line stays, so nothing is cut off, and what was purged has links.
    registry.clock.advance(Duration::from_secs(3 * 3600));
    label(&registry, "young").await;
    seal(&registry).await;
    purge(&registry, "other").await;
    let report = verify(&registry, "").await;
    assert_eq!((&report["intact"], &report["purged"]), (&json!(true), &json!(20)), "{report}");
    assert_eq!(keys(&registry).await.len(), 1);
    let lines = read(&admin, format!("{API}/auditlog-exts?q=operation=purge")).await;
    assert!(lines[0]["operation_description"].as_str().unwrap().starts_with("purged 20 lines"), "{lines}");
    // One more that goes with them, by hand.
    let young = keys(&registry).await[0];
    registry.sql(&format!("DELETE FROM audit_log WHERE id = {young}")).await;
    let name = lines[0]["resource"].as_str().unwrap();
    registry.sql(&format!("UPDATE audit_chain SET purged = '{name}' WHERE line_id = {young}")).await;
    assert_eq!(found(&registry, "").await, [format!("purge line {}", lines[0]["id"])]);
    registry.close().await;
}

async fn who_may_not_read_the_log_may_not_verify_it(stores: BackEnd) {
    let registry = with_lines(stores).await;
    registry.add_user("grace").await;
    registry.user("grace").get(&format!("{API}/auditlog-exts/verify")).await.expect_status(403);
    registry.anon().get(&format!("{API}/auditlog-exts/verify")).await.expect_status(401);
    registry.close().await;
}

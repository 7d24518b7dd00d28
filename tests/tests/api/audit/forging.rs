//! Whoever can write rows, and knows how the chain is computed, cannot make what they did to the audit log look right.

use std::time::Duration;

use harbor_core::oci::{Algorithm, Digest};
use harbor_tests::{BackEnd, TestRegistry};
use serde_json::{Value, json};

use super::tampering::{found, keys, label, purge, seal, verify, with_lines_and_store};

harbor_tests::on_every_store! {
    an_end_that_was_computed_anew_is_not_signed(stores);
    a_deletion_is_no_purge(stores);
}

fn sha256(parts: &[&[u8]]) -> String {
    Digest::of(Algorithm::Sha256, &parts.concat()).hex().to_owned()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

async fn next_line(registry: &TestRegistry, name: &str) {
    label(registry, name).await;
    seal(registry).await;
}

async fn an_end_that_was_computed_anew_is_not_signed(stores: BackEnd) {
    let (registry, store) = with_lines_and_store(stores).await;
    let last = store.read().await.unwrap().audit_last_link().await.unwrap().unwrap();
    let before = store.read().await.unwrap().audit_links(last.seq - 2, 1).await.unwrap().remove(0);
    // The last line says something else, the hashes follow from that, and the head that contradicts them is gone.
    let content = "ab".repeat(32);
    let hash = sha256(&[b"harbor audit link v1\0", &unhex(&before.hash), &unhex(&content)]);
    let change =
        format!("UPDATE audit_chain SET content = '{content}', hash = '{hash}' WHERE seq = {}", last.seq);
    registry.sql(&change).await;
    registry.sql("DELETE FROM audit_heads").await;
    next_line(&registry, "next").await;
    let told = found(&registry, "").await;
    assert!(told.iter().any(|told| told.starts_with("unsigned")), "{told:?}");
    // A purge of all of it makes it no better: no base stands for what was not signed.
    registry.clock.advance(Duration::from_secs(3 * 3600));
    purge(&registry, "create_project,other").await;
    let report = verify(&registry, "").await;
    assert_eq!((&report["intact"], &report["base"]), (&json!(false), &Value::Null), "{report}");
    registry.close().await;
}

async fn a_deletion_is_no_purge(stores: BackEnd) {
    let (registry, store) = with_lines_and_store(stores).await;
    let (line, next) = (keys(&registry).await[5], keys(&registry).await[6]);
    let links = store.read().await.unwrap().audit_links(0, 500).await.unwrap();
    let link = links.into_iter().find(|link| link.line.get() == line).unwrap();
    let name = sha256(&[b"harbor audit purge v1\0", &link.seq.to_be_bytes(), link.content.as_bytes()]);
    registry.sql(&format!("DELETE FROM audit_log WHERE id = {line}")).await;
    registry.sql(&format!("UPDATE audit_chain SET purged = '{name}' WHERE seq = {}", link.seq)).await;
    // A line tells of a purge that never was, with all that one can compute.
    let columns = "happened_at, actor, username, project_id, operation, resource_type, resource, description";
    let values =
        format!("happened_at, actor, username, project_id, 'purge', 'audit_log', '{name}', 'purged 1 lines'");
    registry
        .sql(&format!("INSERT INTO audit_log ({columns}) SELECT {values} FROM audit_log WHERE id = {next}"))
        .await;
    let told = found(&registry, "").await;
    assert_eq!(told, [format!("unpurged link {}", link.seq)], "ahead of the seal");
    next_line(&registry, "next").await;
    let told = found(&registry, "").await;
    assert!(told.len() == 1 && told[0].starts_with("purge line"), "{told:?}");
    registry.close().await;
}

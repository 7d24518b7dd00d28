//! The audit log: what was done to it is found, whether a server runs or not, and not mended.

use harbor_tests::Database;
use serde_json::json;

use super::{check, found, nothing_is_wrong};
use crate::local::place::Place;
use crate::local::{PASSWORD, make};

/// Lines, all of them sealed.
async fn lines(place: &Place) {
    let server = place.calm_server().await;
    let admin = server.anon().basic("admin", PASSWORD);
    for number in 0..6 {
        make(&admin, "/labels", json!({ "name": format!("label-{number}"), "scope": "g" })).await;
    }
    let open = "SELECT COUNT(*) FROM audit_log a WHERE NOT EXISTS (SELECT 1 FROM audit_chain c WHERE c.line_id = a.id)";
    for _ in 0..1200 {
        let sealed = place.number("SELECT COUNT(*) FROM audit_chain").await.unwrap();
        if sealed >= 6 && place.number(open).await == Some(0) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(place.number(open).await, Some(0));
    let (code, findings, told) = check(place, &[]).await;
    assert_eq!((code, findings), (Some(0), Vec::new()), "a server runs: {told}");
    assert!(server.stop().await);
    place.no_nodes().await;
    nothing_is_wrong(place).await;
}

async fn an_audit_log_that_was_tampered_with_is_told(place: Place) {
    lines(&place).await;
    let line = place.number("SELECT MIN(id) + 2 FROM audit_log").await.unwrap();
    let last = place.number("SELECT MAX(seq) FROM audit_chain").await.unwrap();
    let hash = place.text(&format!("SELECT hash FROM audit_chain WHERE seq = {last}")).await;
    let signature = place.text(&format!("SELECT signature FROM audit_heads WHERE seq = {last}")).await;
    let other = "0".repeat(64);
    for (damage, undo, subject, what) in [
        (
            format!("UPDATE audit_log SET happened_at = happened_at + 1 WHERE id = {line}"),
            format!("UPDATE audit_log SET happened_at = happened_at - 1 WHERE id = {line}"),
            format!("line #{line}"),
            "was changed",
        ),
        (
            "INSERT INTO audit_log (id, happened_at, actor, operation, project_id, resource) VALUES (-5, 0, 'x', 'x', 0, 'x')"
                .to_owned(),
            "DELETE FROM audit_log WHERE id = -5".to_owned(),
            "line #-5".to_owned(),
            "was put in later",
        ),
        (
            format!("UPDATE audit_chain SET hash = '{other}' WHERE seq = {last}"),
            format!("UPDATE audit_chain SET hash = '{hash}' WHERE seq = {last}"),
            format!("link #{last}"),
            "does not follow",
        ),
        (
            format!("UPDATE audit_heads SET signature = 'x' WHERE seq = {last}"),
            format!("UPDATE audit_heads SET signature = '{signature}' WHERE seq = {last}"),
            format!("link #{last}"),
            "does not verify",
        ),
        (
            format!("UPDATE audit_chain SET seq = {last} + 10 WHERE seq = {last}"),
            format!("UPDATE audit_chain SET seq = {last} WHERE seq = {last} + 10"),
            format!("link #{last}"),
            "is gone",
        ),
    ] {
        place.sql(&damage).await;
        let findings = found(&place, "audit", what).await;
        assert!(findings.iter().any(|one| one["subject"] == subject), "{subject}: {findings:?}");
        let (code, findings, told) = check(&place, &["--repair"]).await;
        assert_eq!(code, Some(8), "{findings:?} {told}");
        assert!(findings.iter().all(|one| one["kind"] == "audit" && one["mended"].is_null()), "{findings:?}");
        place.sql(&undo).await;
        nothing_is_wrong(&place).await;
    }
    // Whoever has the keys of another registry, or none.
    place.sql("UPDATE settings SET content = '{}' WHERE name = 'audit.keys'").await;
    let findings = found(&place, "audit", "no signature is verified").await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    place.sql("DELETE FROM settings WHERE name = 'audit.keys'").await;
    let findings = found(&place, "audit", "no signature is verified").await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    // Its end, which nothing tells of without what was signed.
    place.sql("DELETE FROM audit_log").await;
    found(&place, "audit", "was deleted").await;
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn an_audit_log_that_was_tampered_with_is_told_in_sqlite() {
    an_audit_log_that_was_tampered_with_is_told(Place::folder()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL, the built harbor-server, and harborctl, built with the feature local"]
async fn an_audit_log_that_was_tampered_with_is_told_in_postgres() {
    an_audit_log_that_was_tampered_with_is_told(Place::with(Database::postgres())).await;
}

#[tokio::test]
#[ignore = "needs MariaDB, the built harbor-server, and harborctl, built with the feature local"]
async fn an_audit_log_that_was_tampered_with_is_told_in_mariadb() {
    an_audit_log_that_was_tampered_with_is_told(Place::with(Database::mariadb())).await;
}

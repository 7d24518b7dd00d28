//! Rows of content that say what is not so.

use harbor_tests::Database;
use serde_json::Value;

use super::{check, fill, found, is_mended, nothing_is_wrong};
use crate::local::PASSWORD;
use crate::local::place::{Place, content};

/// Rows that say what is not so.
async fn rows_are_mended(place: Place) {
    let set = fill(&place).await;
    let server = place.calm_server().await;
    let before = content(&server.anon().basic("admin", PASSWORD)).await;
    assert!(server.stop().await);
    place.no_nodes().await;
    nothing_is_wrong(&place).await;
    for (damage, kind, what) in [
        ("UPDATE project_content SET holders = holders + 1", "figure", "how many hold it"),
        ("DELETE FROM project_content WHERE size > 100", "figure", "how many hold it"),
        (
            "INSERT INTO project_content (project_id, digest, size, holders) VALUES (1, 'sha256:0', 5, 1)",
            "figure",
            "does not",
        ),
        ("UPDATE project_usage SET used = used + 17", "figure", "of its quota"),
        ("UPDATE artifact_counts SET number = number + 2", "figure", "how many artifacts"),
        ("UPDATE manifests SET hidden = 1 - hidden", "manifest", "lists show it"),
        ("UPDATE manifests SET project_id = 99", "manifest", "another project"),
        ("UPDATE manifests SET size = 1", "manifest", "size or subject"),
        ("UPDATE manifests SET subject = NULL", "manifest", "size or subject"),
        ("DELETE FROM quotas WHERE project_id = 1", "quota", "has none"),
        ("DELETE FROM manifest_blobs", "reference", "not noted"),
        ("DELETE FROM manifest_children", "reference", "not noted"),
        (
            "UPDATE tags SET repository_id = (SELECT MAX(id) FROM repositories) WHERE name = 'index'",
            "tag",
            "names no manifest",
        ),
        ("DELETE FROM link_reviews", "garbage", "garbage collection does not know"),
        ("UPDATE blobs SET size = size + 1", "blob", "it is noted to have another size"),
        ("UPDATE blobs SET size = -1", "blob", "it is noted to have another size"),
        (
            "INSERT INTO blob_links (repository_id, blob_id, created_at, maker) \
             SELECT MAX(id), 99999, 0, 0 FROM repositories",
            "link",
            "it leads to no blob",
        ),
        (
            "INSERT INTO manifest_blobs (manifest_id, link_id) SELECT 99999, MAX(id) FROM blob_links",
            "reference",
            "leads nowhere",
        ),
        (
            "INSERT INTO manifest_blobs (manifest_id, link_id) SELECT MAX(id), 99999 FROM manifests",
            "reference",
            "leads nowhere",
        ),
        (
            "INSERT INTO manifest_missing (manifest_id, repository_id, digest) VALUES (99999, 1, 'sha256:0')",
            "reference",
            "missing from a manifest that is not there",
        ),
        (
            "INSERT INTO manifest_children (manifest_id, repository_id, digest) VALUES (99999, 1, 'sha256:0')",
            "reference",
            "listed by an index that is not there",
        ),
        (
            "INSERT INTO tags (repository_id, name, manifest_id, pushed_at) VALUES (1, 'lost', 99999, 0)",
            "tag",
            "names no manifest",
        ),
        (
            "INSERT INTO artifact_labels (manifest_id, label_id) SELECT MAX(id), 99999 FROM manifests",
            "label",
            "or is a label, that is not there",
        ),
        (
            "INSERT INTO uploads (id, repository_id, principal, received, hash_state, driver_state, touched_at, lease_until) \
             SELECT '0a1b2c3d-1111-4222-8333-777777777777', 99999, principal, received, hash_state, driver_state, 0, 0 FROM uploads",
            "upload",
            "its repository",
        ),
        (
            "INSERT INTO trash (repository_id, digest, media_type, payload, tags, pushed_at, deleted_at, deleted_by, until) \
             SELECT 99999, digest, media_type, payload, '[]', 0, 0, 'x', 0 FROM manifests WHERE subject IS NOT NULL",
            "trash",
            "its repository is not there",
        ),
        (
            "INSERT INTO artifact_counts (repository_id, stripe, number) VALUES (99999, 0, 1)",
            "figure",
            "how many artifacts a repository has",
        ),
        (
            "INSERT INTO project_usage (project_id, stripe, used) VALUES (99999, 0, 1)",
            "figure",
            "what a project uses",
        ),
        (
            "INSERT INTO garbage (location, size, due, attempts) VALUES ('nowhere', 1, 0, 0)",
            "garbage",
            "no place in a",
        ),
        (
            "INSERT INTO garbage (location, size, due, attempts) SELECT MIN(location), 1, 0, 0 FROM blobs",
            "garbage",
            "are a blob's",
        ),
        (
            "DELETE FROM link_reviews; \
             DELETE FROM blob_links WHERE NOT EXISTS (SELECT 1 FROM manifest_blobs m WHERE m.link_id = blob_links.id)",
            "garbage",
            "nobody links to the blob",
        ),
    ] {
        place.sql(damage).await;
        is_mended(&place, kind, what).await;
    }
    // Names that are lost: only a backup has them.
    for (damage, undo, kind, what) in [
        (
            "INSERT INTO repositories (project_id, name, created_at, updated_at) VALUES (99999, 'gone/app', 0, 0)",
            "DELETE FROM repositories WHERE name = 'gone/app'",
            "repository",
            "it is of no project",
        ),
        (
            "INSERT INTO manifests (repository_id, digest, media_type, size, annotations, payload, pushed_at) \
             SELECT 99999, digest, media_type, size, annotations, payload, 0 FROM manifests WHERE subject IS NOT NULL",
            "DELETE FROM manifest_missing WHERE repository_id = 99999; DELETE FROM manifests WHERE repository_id = 99999",
            "manifest",
            "it is of no repository",
        ),
        (
            "INSERT INTO blob_links (repository_id, blob_id, created_at, maker) SELECT 99999, MIN(id), 0, 0 FROM blobs",
            "DELETE FROM blob_links WHERE repository_id = 99999",
            "link",
            "it is of no repository",
        ),
    ] {
        place.sql(damage).await;
        found(&place, kind, what).await;
        let (code, findings, told) = check(&place, &["--repair"]).await;
        assert_eq!(code, Some(8), "{what}: {findings:?} {told}");
        let is = |one: &Value| one["kind"] == kind && one["what"].as_str().unwrap().contains(what);
        assert!(findings.iter().any(|one| is(one) && one["mended"].is_null()), "{what}: {findings:?}");
        place.sql(undo).await;
        check(&place, &["--repair"]).await;
        nothing_is_wrong(&place).await;
    }
    // What does not read stops nobody from looking at all else.
    let digest = place.text("SELECT MIN(digest) FROM blobs").await;
    for (table, column, kind, value, what) in [
        ("blobs", "digest", "blob", digest.as_str(), "its digest is none"),
        ("repositories", "name", "repository", "team/app", "its name is none"),
        ("projects", "name", "project", "team", "its name is none"),
        ("tags", "name", "tag", "y", "its name is none"),
    ] {
        place.sql(&format!("UPDATE {table} SET {column} = '?' WHERE {column} = '{value}'")).await;
        found(&place, kind, what).await;
        place.sql(&format!("UPDATE {table} SET {column} = '{value}' WHERE {column} = '?'")).await;
        nothing_is_wrong(&place).await;
    }
    // A manifest that is not what was pushed: only who pushed it can mend it.
    let digest = set.top().digest;
    place.sql(&format!("UPDATE manifests SET media_type = 'text/plain' WHERE digest = '{digest}'")).await;
    found(&place, "manifest", "does not read").await;
    let (code, findings, _) = check(&place, &["--repair"]).await;
    assert_eq!(code, Some(8), "{findings:?}");
    place
        .sql(&format!(
            "UPDATE manifests SET media_type = '{}' WHERE digest = '{digest}'",
            set.top().media_type
        ))
        .await;
    nothing_is_wrong(&place).await;
    let server = place.calm_server().await;
    let admin = server.anon().basic("admin", PASSWORD);
    let after = content(&admin).await;
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert!(server.stop().await);
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn rows_are_mended_in_sqlite() {
    rows_are_mended(Place::folder()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL, S3, the built harbor-server, and harborctl, built with the feature local"]
async fn rows_are_mended_in_postgres() {
    rows_are_mended(Place::with(Database::postgres()).in_a_bucket()).await;
}

#[tokio::test]
#[ignore = "needs MariaDB, the built harbor-server, and harborctl, built with the feature local"]
async fn rows_are_mended_in_mariadb() {
    rows_are_mended(Place::with(Database::mariadb())).await;
}

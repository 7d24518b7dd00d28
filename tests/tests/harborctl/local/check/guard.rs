//! What is not mended unless that is forced.

use serde_json::Value;

use super::{REPAIR, check, everything, fill, is_mended, is_refused, nothing_is_wrong, rows};
use crate::local::backup;
use crate::local::place::{Place, files, local};

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn what_is_not_of_one_registry_is_not_mended() {
    let (place, other) = (Place::folder(), Place::folder());
    fill(&place).await;
    fill(&other).await;
    let (blobs, away) = (place.data().join("blobs"), place.data().join("away"));
    std::fs::rename(&blobs, &away).unwrap();
    // Not mounted: nothing is there, or an empty folder.
    is_refused(&place, &REPAIR, 3, "there is no blob store").await;
    assert!(!blobs.exists());
    std::fs::create_dir(&blobs).unwrap();
    for command in ["check", "gc"] {
        is_refused(&place, &[command], 3, "there is no blob store").await;
    }
    let (_folder, backup) = backup::folder();
    is_refused(&place, &["backup", &backup], 3, "there is no blob store").await;
    assert_eq!(files(&blobs), Vec::<String>::new());
    assert!(!blobs.join("blobs").exists());
    // A store that is empty, and another registry's.
    std::fs::create_dir(blobs.join("blobs")).unwrap();
    is_refused(&place, &REPAIR, 5, "has none of the").await;
    std::fs::remove_dir_all(&blobs).unwrap();
    let its = format!("file:{}", other.data().join("blobs").display());
    let (before, rows_before) = (everything(&other), rows(&other).await);
    is_refused(&place, &[&REPAIR[..], &["--blobs", &its]].concat(), 5, "has none of the").await;
    assert!(everything(&other) == before && rows(&other).await == rows_before);
    nothing_is_wrong(&other).await;
    // A registry that was just made, and blobs.
    let new = Place::folder();
    assert!(new.calm_server().await.stop().await);
    new.no_nodes().await;
    is_refused(&new, &[&REPAIR[..], &["--blobs", &its]].concat(), 5, "names none of the").await;
    assert!(everything(&other) == before);

    // Who means it gets it.
    std::fs::rename(&away, &blobs).unwrap();
    nothing_is_wrong(&place).await;
    std::fs::remove_dir_all(blobs.join("blobs")).unwrap();
    std::fs::create_dir(blobs.join("blobs")).unwrap();
    let (code, findings, told) = check(&place, &["--repair", "--force"]).await;
    assert_eq!(code, Some(0), "{findings:?} {told}");
    let blobs: Vec<_> = findings.iter().filter(|one| one["kind"] == "blob").collect();
    assert!(!blobs.is_empty());
    for one in blobs {
        let mended = one["mended"].as_str().unwrap();
        assert!(mended.ends_with("to be pushed again"), "nothing is in quarantine: {one}");
    }
    nothing_is_wrong(&place).await;
}

/// Where the rows are lost that many others name, those others are not what is wrong.
#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn what_names_a_table_that_is_lost_stays() {
    let place = Place::folder();
    fill(&place).await;
    for user in 100..111 {
        let member = format!(
            "INSERT INTO project_members (project_id, user_id, role_id, created_at, updated_at) VALUES (1, {user}, 1, 0, 0)"
        );
        place.sql(&member).await;
    }
    let members = place.number("SELECT COUNT(*) FROM project_members").await.unwrap();
    is_refused(&place, &REPAIR, 5, &format!("11 of {members} rows would go from project_members")).await;
    assert_eq!(place.number("SELECT COUNT(*) FROM project_members").await, Some(members));
    let (code, findings, told) = check(&place, &["--repair", "--force"]).await;
    assert_eq!(code, Some(0), "{findings:?} {told}");
    let keys = findings.iter().find(|one| one["kind"] == "database").unwrap();
    assert_eq!(
        (&keys["subject"], &keys["mended"]),
        (&"project_members".into(), &"with those rows".into()),
        "{findings:?}"
    );
    assert_eq!(place.number("SELECT COUNT(*) FROM project_members").await, Some(members - 11));
    nothing_is_wrong(&place).await;
}

/// An index of SQLite says something else than its table.
#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn damaged_indexes_are_made_again() {
    let place = Place::folder();
    fill(&place).await;
    // Made of another column, and called what it was.
    let of = |column: &str| {
        format!(
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE INDEX tags_manifest ON tags ({column})' \
             WHERE name = 'tags_manifest'; PRAGMA writable_schema = RESET;"
        )
    };
    place.sql(&format!("{} REINDEX tags_manifest; {}", of("pushed_at"), of("manifest_id"))).await;
    let ran = local(&["check"], &place.arguments()).await;
    assert_eq!(ran.code, Some(8), "{} {}", ran.out, ran.told);
    assert!(ran.told.contains("nothing else was looked at"), "{}", ran.told);
    is_mended(&place, "database", "tags_manifest").await;
}

/// A page of SQLite's file is overwritten: it is told, and left as it is.
#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn a_damaged_table_is_told() {
    use std::os::unix::fs::FileExt as _;

    let place = Place::folder();
    fill(&place).await;
    let page = place.number("SELECT rootpage FROM sqlite_master WHERE name = 'tags'").await.unwrap();
    let size = place.number("PRAGMA page_size").await.unwrap();
    place.sql("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let path = place.data().join("registry.db");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let damage = vec![0xa5; usize::try_from(size).unwrap()];
    file.write_all_at(&damage, u64::try_from((page - 1) * size).unwrap()).unwrap();
    let blobs = everything(&place);
    for options in [&["--content"][..], &["--repair"], &["--repair", "--force"]] {
        let (code, findings, told) = check(&place, options).await;
        assert_eq!(code, Some(8), "{findings:?} {told}");
        assert!(told.contains("nothing else was looked at"), "{told}");
        let is = |one: &Value| {
            one["kind"] == "database" && one["what"].as_str().unwrap().contains("restore a backup")
        };
        assert!(findings.iter().all(|one| is(one) && one["mended"].is_null()), "{findings:?}");
    }
    assert!(everything(&place) == blobs);
}

//! Backups and restores that are killed in their midst.

use std::time::Instant;

use harbor_tests::Database;

use super::PASSWORD;
use super::backup::{folder, many, many_in};
use super::place::{Place, content, done, files, killed, local, snapshots};
use crate::moments::Moments;

/// At how many moments each is killed.
const COUNT: u32 = 16;

/// While a server runs.
async fn a_backup_that_is_killed(from: Place) {
    let place = many_in(from).await;
    let server = place.calm_server().await;
    let (_folder, whole) = folder();
    let began = Instant::now();
    let expected = done(&["backup", &whole], &place.arguments()).await;
    let took = began.elapsed();
    let (_folder, backup) = folder();
    let (mut broken_off, mut complete) = (0, 0);
    let mut moments = Moments::of(took, COUNT);
    while let Some(after) = moments.next() {
        match killed(&["backup", &backup], &place.arguments(), after).await {
            Some(done) => {
                assert!(done);
                moments.ended(after);
                complete += 1;
            }
            None => broken_off += 1,
        }
        if std::path::Path::new(&backup).join("snapshots").is_dir() {
            let seen = snapshots(&backup).await.len();
            // One that was killed may just have been over.
            assert!(seen >= complete && seen <= complete + broken_off, "{seen}");
            complete = seen;
            let ran = local(&["backup", "verify", &backup], &[]).await;
            assert_eq!(ran.code, Some(0), "{} {}", ran.out, ran.told);
        }
    }
    assert!(broken_off > 0, "it was never broken off");
    let taken = done(&["backup", &backup], &place.arguments()).await;
    assert_eq!((&taken["blobs"], &taken["rows"]), (&expected["blobs"], &expected["rows"]));
    let left = files(std::path::Path::new(&backup));
    assert!(!left.iter().any(|path| path.contains(".new") || path.contains(".old")), "{left:?}");
    assert_eq!(left.iter().filter(|path| path.starts_with("blobs/")).count() as u64, taken["blobs"]);
    let ran = local(&["backup", "verify", &backup], &[]).await;
    assert_eq!(ran.code, Some(0), "{} {}", ran.out, ran.told);
    assert!(server.stop().await);
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn a_backup_that_is_killed_is_not_seen_and_completes() {
    a_backup_that_is_killed(Place::folder()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL, S3, the built harbor-server, and harborctl, built with the feature local"]
async fn a_backup_of_postgres_and_s3_that_is_killed_is_not_seen_and_completes() {
    a_backup_that_is_killed(Place::with(Database::postgres()).in_a_bucket()).await;
}

/// At so many moments.
async fn a_restore_that_is_killed(to: impl Fn() -> Place, count: u32) {
    let place = many().await;
    let (_folder, backup) = folder();
    done(&["backup", &backup], &place.arguments()).await;
    let server = place.calm_server().await;
    let expected = content(&server.anon().basic("admin", PASSWORD)).await;
    assert!(server.stop().await);
    let (first, began) = (to(), Instant::now());
    done(&["restore", &backup], &first.arguments()).await;
    let took = began.elapsed();
    let (mut place, mut broken_off, mut refused) = (to(), 0, 0);
    let mut moments = Moments::of(took, count);
    while let Some(after) = moments.next() {
        let ended = killed(&["restore", &backup], &place.arguments(), after).await;
        if ended.is_some() {
            moments.ended(after);
        }
        let again = local(&["backup", "list", &backup], &[]).await;
        assert_eq!(again.code, Some(0));
        match ended {
            Some(false) => {
                // The one before was killed when all was there.
                compare(&place, &expected).await;
                place = to();
            }
            Some(true) => {
                compare(&place, &expected).await;
                place = to();
            }
            None => {
                broken_off += 1;
                if place.is_begun().await {
                    refused += 1;
                    assert!(place.refusal().await.contains("is being restored"));
                }
            }
        }
    }
    assert!(broken_off > 0 && refused > 0, "it was never broken off: {broken_off}, {refused}");
    // Late in its midst; earlier, where the machine is quicker now.
    let (mut place, mut after) = (to(), took * 2 / 3);
    while killed(&["restore", &backup], &place.arguments(), after).await.is_some() {
        (place, after) = (to(), after * 2 / 3);
    }
    let ran = local(&["restore", &backup], &place.arguments()).await;
    // Unless it was just over.
    assert!(ran.code == Some(0) || ran.told.contains("a registry in the database already"), "{}", ran.told);
    compare(&place, &expected).await;
    let blobs = files(&place.data().join("blobs")).len();
    let named = files(&std::path::Path::new(&backup).join("blobs")).len();
    assert!(blobs == 0 || blobs == named, "nothing is left of the first try: {blobs}, {named}");
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn a_restore_goes_on_with_the_store_it_was_begun_with() {
    let place = many().await;
    let (_folder, backup) = folder();
    done(&["backup", &backup], &place.arguments()).await;
    let root = std::path::Path::new(&backup);
    let blob = root.join(files(root).into_iter().find(|path| path.starts_with("blobs/sha")).unwrap());
    let aside = root.join("../aside");
    std::fs::rename(&blob, &aside).unwrap();
    let to = Place::folder();
    let ran = local(&["restore", &backup], &to.arguments()).await;
    assert_eq!(ran.code, Some(8), "{}", ran.told);
    std::fs::rename(&aside, &blob).unwrap();
    // Another registry's, one that is not there, one of another kind.
    let there = files(place.data());
    let absent = to.data().join("absent");
    for blobs in [
        format!("file:{}", place.data().join("blobs").display()),
        format!("file:{}", absent.display()),
        "s3://bucket?endpoint=http%3A%2F%2F127.0.0.1%3A1&region=x".to_owned(),
    ] {
        let ran = local(&["restore", &backup, "--blobs", &blobs], &to.arguments()).await;
        assert_eq!(ran.code, Some(5), "{blobs}: {}", ran.told);
        assert!(ran.told.contains("another blob store (of the kind folder)"), "{}", ran.told);
    }
    assert_eq!(files(place.data()), there);
    assert!(!absent.exists());
    // The same by another name.
    std::os::unix::fs::symlink(to.data(), to.data().join("link")).unwrap();
    let same = format!("file:{}", to.data().join("link/blobs").display());
    done(&["restore", &backup, "--blobs", &same], &to.arguments()).await;
    let server = place.calm_server().await;
    let expected = content(&server.anon().basic("admin", PASSWORD)).await;
    assert!(server.stop().await);
    compare(&to, &expected).await;
}

async fn compare(place: &Place, expected: &std::collections::BTreeMap<String, Vec<String>>) {
    let server = place.calm_server().await;
    assert_eq!(content(&server.anon().basic("admin", PASSWORD)).await, *expected);
    assert!(server.stop().await);
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn a_restore_that_is_killed_is_no_registry_and_completes() {
    a_restore_that_is_killed(Place::folder, COUNT).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL, the built harbor-server, and harborctl, built with the feature local"]
async fn a_restore_that_is_killed_is_no_registry_in_postgres_and_completes() {
    a_restore_that_is_killed(|| Place::with(Database::postgres()), COUNT).await;
}

#[tokio::test]
#[ignore = "needs MariaDB, S3, the built harbor-server, and harborctl, built with the feature local"]
async fn a_restore_that_is_killed_is_no_registry_in_mariadb_and_s3_and_completes() {
    // Each registry that is made there takes a second or two.
    a_restore_that_is_killed(|| Place::with(Database::mariadb()).in_a_bucket(), COUNT / 2).await;
}

//! Checks: what is whole has nothing wrong; each kind of damage is found, and mended where it can be.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use harbor_core::oci::Algorithm;
use harbor_tests::content::{DataSet, Maker, index};
use harbor_tests::{Client, Database};
use serde_json::{Value, json};

use super::place::{Place, content, files, local};
use super::{API, PASSWORD, make};

/// What a check finds.
async fn check(place: &Place, options: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let more = place.arguments().into_iter().chain(["-o".to_owned(), "json".to_owned()]).collect::<Vec<_>>();
    let arguments: Vec<&str> = ["check"].into_iter().chain(options.iter().copied()).collect();
    let ran = local(&arguments, &more).await;
    let findings = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{} {}", ran.out, ran.told));
    (ran.code, findings, ran.told)
}

async fn nothing_is_wrong(place: &Place) {
    let (code, findings, told) = check(place, &["--content", "--orphans-after", "0"]).await;
    assert_eq!((code, findings), (Some(0), Vec::new()), "{told}");
}

/// A registry with images of which some layers are shared, an index, a referrer; and the last image.
async fn fill(place: &Place) -> DataSet {
    let server = place.calm_server().await;
    let admin = server.anon().basic("admin", PASSWORD);
    make(&admin, "/projects", json!({ "project_name": "team", "storage_limit": 1 << 30 })).await;
    let set = Maker::image(Algorithm::Sha256).layers(3).done();
    admin.push("team/app", Some("x"), &set).await;
    admin.push("team/other", Some("x"), &set).await;
    admin.push("team/app", Some("index"), &index(Algorithm::Sha512)).await;
    let signature = Maker::artifact(Algorithm::Sha256, "application/vnd.x").subject(set.top());
    admin.push("team/app", None, &signature.done()).await;
    admin.push("library/app", Some("y"), &Maker::image(Algorithm::Sha256).layers(2).done()).await;
    let gone = Maker::image(Algorithm::Sha256).layers(1).done();
    admin.push("library/app", Some("z"), &gone).await;
    admin.delete(&format!("/v2/library/app/manifests/{}", gone.top().digest)).await.expect_status(202);
    // In the midst of an upload.
    let upload = admin.begin("team/app").await;
    admin.patch(&upload).body("something").await.expect_status(202);
    assert!(server.stop().await);
    place.no_nodes().await;
    set
}

/// Damages the registry, and looks: it is found as this kind, found only once it is mended, and then nothing is wrong.
async fn found(place: &Place, kind: &str, what: &str) -> Vec<Value> {
    let (code, findings, told) = check(place, &["--content", "--orphans-after", "0"]).await;
    assert_eq!(code, Some(8), "{what}: {findings:?} {told}");
    let is = |one: &Value| one["kind"] == kind && one["what"].as_str().unwrap().contains(what);
    assert!(findings.iter().any(is), "{what}: {findings:?}");
    assert!(findings.iter().all(|one| one["mended"].is_null()));
    findings
}

async fn is_mended(place: &Place, kind: &str, what: &str) {
    found(place, kind, what).await;
    let (code, findings, told) = check(place, &["--content", "--repair", "--orphans-after", "0"]).await;
    assert_eq!(code, Some(0), "{what}: {findings:?} {told}");
    assert!(findings.iter().all(|one| one["mended"].is_string()), "{findings:?}");
    nothing_is_wrong(place).await;
}

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
        ("DELETE FROM gc_reviews", "garbage", "garbage collection does not know"),
        (
            "INSERT INTO blobs (digest, size, location, state, created_at) VALUES \
             ('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 0, 'nowhere', 1, 0)",
            "blob",
            "no place in a",
        ),
    ] {
        place.sql(damage).await;
        if what == "no place in a" {
            found(&place, kind, what).await;
            place.sql("DELETE FROM blobs WHERE location = 'nowhere'").await;
            check(&place, &["--repair"]).await;
            nothing_is_wrong(&place).await;
        } else {
            is_mended(&place, kind, what).await;
        }
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

/// The file of a blob.
async fn file_of(place: &Place, set: &DataSet, layer: usize) -> PathBuf {
    let size = set.blobs[layer].bytes.len() as u64;
    let root = place.data().join("blobs");
    let same = |path: &PathBuf| std::fs::read(path).unwrap() == set.blobs[layer].bytes;
    let paths = files(&root).into_iter().map(|path| root.join(path));
    paths.filter(|path| path.metadata().unwrap().len() == size).find(same).unwrap()
}

/// The blob cannot be pulled; who pushes it again has mended all.
async fn comes_again(place: &Place, set: &DataSet, layer: usize) {
    let server = place.calm_server().await;
    let admin: Client = server.anon().basic("admin", PASSWORD);
    let blob = &set.blobs[layer];
    admin.get(&format!("/v2/team/app/manifests/{}", set.top().digest)).await.expect_status(200);
    admin.head(&format!("/v2/team/app/blobs/{}", blob.digest)).await.expect_status(404);
    let used = async || {
        let quotas = admin.get(&format!("{API}/quotas")).await.expect_status(200).json();
        quotas.as_array().unwrap().iter().map(|one| one["used"]["storage"].as_i64().unwrap()).sum::<i64>()
    };
    let before = used().await;
    admin.push("team/app", None, set).await;
    admin.push("team/other", None, set).await;
    assert_eq!(used().await - before, i64::try_from(blob.bytes.len()).unwrap());
    content(&admin).await;
    assert!(server.stop().await);
    nothing_is_wrong(place).await;
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn lost_and_damaged_blobs_can_be_pushed_again() {
    let place = Place::folder();
    let set = fill(&place).await;

    std::fs::remove_file(file_of(&place, &set, 1).await).unwrap();
    is_mended(&place, "blob", "not in the store").await;
    comes_again(&place, &set, 1).await;

    let file = file_of(&place, &set, 2).await;
    let cut = std::fs::read(&file).unwrap();
    std::fs::write(&file, &cut[1..]).unwrap();
    is_mended(&place, "blob", "should have").await;
    comes_again(&place, &set, 2).await;

    let file = file_of(&place, &set, 1).await;
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let (code, findings, _) = check(&place, &["--orphans-after", "0"]).await;
    assert_eq!((code, findings), (Some(0), Vec::new()), "without reading it nobody sees it");
    is_mended(&place, "blob", "its digest is").await;
    let aside = place.data().join("blobs/quarantine").join(file.file_name().unwrap());
    assert_eq!(std::fs::read(aside).unwrap(), bytes);
    comes_again(&place, &set, 1).await;
}

/// Every file of the blob store, and what is in it.
fn everything(place: &Place) -> Vec<(String, Vec<u8>)> {
    let ours = |path: &String| path.starts_with("blobs");
    let all = files(place.data()).into_iter().filter(ours);
    all.map(|path| (path.clone(), std::fs::read(place.data().join(path)).unwrap())).collect()
}

/// It is refused with this code and this text, and nothing is another.
async fn is_refused(place: &Place, options: &[&str], code: i32, text: &str) {
    let (before, rows) = (everything(place), rows(place).await);
    let ran = local(options, &place.arguments()).await;
    assert_eq!(ran.code, Some(code), "{} {}", ran.out, ran.told);
    assert!(ran.told.contains(text), "{}", ran.told);
    assert!(everything(place) == before, "files are others");
    assert_eq!(rows, self::rows(place).await);
}

async fn rows(place: &Place) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in ["blobs", "blob_links", "manifest_blobs", "manifest_missing"] {
        counts.push(place.number(&format!("SELECT COUNT(*) FROM {table}")).await.unwrap());
    }
    counts
}

const REPAIR: [&str; 5] = ["check", "--repair", "--content", "--orphans-after", "0"];

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn what_cannot_be_read_is_not_lost() {
    let place = Place::folder();
    let set = fill(&place).await;
    let file = file_of(&place, &set, 1).await;
    let bytes = std::fs::read(&file).unwrap();
    // A fault of the file system that also meets who may read everything.
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(file.file_name().unwrap(), &file).unwrap();
    let length = i64::try_from(file.symlink_metadata().unwrap().len()).unwrap();
    place.sql(&format!("UPDATE blobs SET size = {length} WHERE digest = '{}'", set.blobs[1].digest)).await;
    let before = rows(&place).await;
    let ran = local(&REPAIR, &place.arguments()).await;
    assert_eq!(ran.code, Some(1), "{} {}", ran.out, ran.told);
    assert!(ran.told.contains(file.file_name().unwrap().to_str().unwrap()), "{}", ran.told);
    assert_eq!(rows(&place).await, before);
    assert!(!place.data().join("blobs/quarantine").exists());
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, &bytes).unwrap();
    place
        .sql(&format!("UPDATE blobs SET size = {} WHERE digest = '{}'", bytes.len(), set.blobs[1].digest))
        .await;
    nothing_is_wrong(&place).await;
}

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
    let (_folder, backup) = super::backup::folder();
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

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn what_is_no_place_of_the_store_is_not_in_it() {
    let place = Place::folder();
    let set = fill(&place).await;
    let digest = set.blobs[1].digest;
    // As a bucket has it.
    place
        .sql(&format!(
            "UPDATE blobs SET location = 'blobs/' || substr(location, 10) WHERE digest = '{digest}'"
        ))
        .await;
    let (code, findings, told) = check(&place, &[]).await;
    assert_eq!((code, findings.len()), (Some(8), 1), "{findings:?} {told}");
    assert!(findings[0]["what"].as_str().unwrap().contains("no place in a folder store"), "{findings:?}");
    // Its file has no row that names it: it goes aside, and comes again.
    is_mended(&place, "blob", "no place in a folder store").await;
    assert_eq!(files(&place.data().join("blobs/quarantine")).len(), 1);
    comes_again(&place, &set, 1).await;
    place.sql("UPDATE blobs SET location = 'blobs/' || substr(location, 10)").await;
    let all = place.number("SELECT COUNT(*) FROM blobs WHERE state = 0").await.unwrap();
    let (code, findings, told) = check(&place, &[]).await;
    assert_eq!(code, Some(8), "{told}");
    let missing = findings.iter().filter(|one| one["kind"] == "blob").count();
    assert_eq!(i64::try_from(missing).unwrap(), all, "{findings:?}");
    is_refused(&place, &REPAIR, 5, "has none of the").await;
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn what_cannot_be_put_aside_is_told_with_all_else() {
    let place = Place::folder();
    let set = fill(&place).await;
    let (cut, lost) = (file_of(&place, &set, 1).await, file_of(&place, &set, 2).await);
    std::fs::write(&cut, "").unwrap();
    std::fs::remove_file(&lost).unwrap();
    // Something else has its name there.
    let taken = place.data().join("blobs/quarantine").join(cut.file_name().unwrap());
    std::fs::create_dir_all(taken.join("x")).unwrap();
    let (code, findings, told) = check(&place, &["--repair"]).await;
    assert_eq!((code, findings.len()), (Some(8), 2), "{findings:?} {told}");
    let of = |layer: usize| {
        let digest = set.blobs[layer].digest.to_string();
        findings.iter().find(|one| one["subject"] == digest.as_str()).unwrap()
    };
    assert!(of(1)["mended"].is_null());
    assert!(of(1)["what"].as_str().unwrap().contains("but not put aside"), "{findings:?}");
    assert_eq!(of(2)["mended"], "taken from its repositories, to be pushed again");
    std::fs::remove_dir_all(&taken).unwrap();
    is_mended(&place, "file", "no row names it").await;
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn what_no_row_names_is_put_aside() {
    let place = Place::folder();
    fill(&place).await;
    let blobs = place.data().join("blobs/blobs");
    let old = SystemTime::now() - Duration::from_secs(30 * 60 * 60);
    let put = |name: &str| {
        let path = blobs.join(&name[..2]).join(name);
        std::fs::write(&path, "bytes").unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        path
    };
    let orphan = put("0a1b2c3d-1111-4222-8333-444444444444");
    let part = put("0a1b2c3d-1111-4222-8333-555555555555.part");
    let young = blobs.join("0a/0a1b2c3d-1111-4222-8333-666666666666");
    std::fs::write(&young, "bytes").unwrap();
    let (code, findings, told) = check(&place, &["--repair"]).await;
    assert_eq!((code, findings.len()), (Some(0), 2), "{findings:?} {told}");
    assert!(told.contains("1 young files"), "{told}");
    assert!(!orphan.exists() && !part.exists() && young.exists());
    assert!(place.data().join("blobs/quarantine/0a1b2c3d-1111-4222-8333-444444444444").exists());
    is_mended(&place, "file", "no row names it").await;
    assert!(!young.exists());
}

/// A server may run while it looks, and must not while it mends.
async fn a_server_may_run(place: Place) {
    fill(&place).await;
    let server = place.busy_server().await;
    let admin = server.anon().basic("admin", PASSWORD);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let work: Vec<_> = (0..3)
        .map(|number| tokio::spawn(super::backup::busy(admin.clone(), number, std::sync::Arc::clone(&stop))))
        .collect();
    for _ in 0..5 {
        let (code, findings, told) = check(&place, &["--content"]).await;
        assert_eq!((code, findings), (Some(0), Vec::new()), "{told}");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for one in work {
        assert!(one.await.unwrap() > 0);
    }
    let busy = local(&["check", "--repair"], &place.arguments()).await;
    assert!(matches!(busy.code, Some(5 | 6)), "{:?} {}", busy.code, busy.told);
    assert!(server.stop().await);
    nothing_is_wrong(&place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn a_server_may_run_in_sqlite() {
    a_server_may_run(Place::folder()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, S3, the built harbor-server, and harborctl, built with the feature local"]
async fn a_server_may_run_in_postgres() {
    a_server_may_run(Place::with(Database::postgres()).in_a_bucket()).await;
}

#[tokio::test]
#[ignore = "needs harborctl, built with the feature local"]
async fn where_nothing_is_nothing_is_made() {
    let place = Place::folder();
    let ran = local(&["check"], &place.arguments()).await;
    assert_eq!(ran.code, Some(3), "{}", ran.told);
    assert_eq!(files(place.data()), Vec::<String>::new());
    assert!(!Path::new(&place.data().join("blobs")).exists());
}

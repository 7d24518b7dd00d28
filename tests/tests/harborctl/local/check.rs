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
            "no place in a store",
        ),
    ] {
        place.sql(damage).await;
        if what == "no place in a store" {
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
    let server = place.server().await;
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

//! Checks: what is whole has nothing wrong; each kind of damage is found, and mended where it can be.

mod audit;
mod blobs;
mod guard;
mod people;
mod rows;

use std::path::Path;

use harbor_core::oci::Algorithm;
use harbor_tests::Database;
use harbor_tests::content::{DataSet, Maker, index};
use serde_json::{Value, json};

use super::place::{Place, files, local};
use super::{PASSWORD, make};

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

/// A server may run while it looks, and must not while it mends.
async fn a_server_may_run(place: Place) {
    fill(&place).await;
    let server = place.busy_server().await;
    let admin = server.anon().basic("admin", PASSWORD);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut work: Vec<_> = (0..3)
        .map(|number| tokio::spawn(super::backup::busy(admin.clone(), number, std::sync::Arc::clone(&stop))))
        .collect();
    work.push(tokio::spawn(people::busy(admin.clone(), std::sync::Arc::clone(&stop))));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MariaDB, the built harbor-server, and harborctl, built with the feature local"]
async fn a_server_may_run_in_mariadb() {
    a_server_may_run(Place::with(Database::mariadb())).await;
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

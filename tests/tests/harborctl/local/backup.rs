//! Backups while a server runs, and registries that are made of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harbor_core::oci::Algorithm;
use harbor_tests::content::{DataSet, Maker, Piece, image, index};
use harbor_tests::{Client, Database};
use serde_json::json;

use super::place::{Place, content, done, files, killed, local, snapshots};
use super::{API, PASSWORD, make, seen};

/// A folder for a backup, and its path.
pub(super) fn folder() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup").to_str().unwrap().to_owned();
    (folder, path)
}

/// Puts things into a registry of which [`seen`] and [`content`] tell.
async fn fill(admin: &Client) {
    make(admin, "/projects", json!({ "project_name": "team", "storage_limit": 1 << 30 })).await;
    // Of what was deleted, the key is not given again.
    make(admin, "/projects", json!({ "project_name": "gone" })).await;
    admin.delete(&format!("{API}/projects/gone")).await.expect_status(200);
    make(admin, "/users", json!({ "username": "grace", "password": PASSWORD, "realname": "Grüße 🙂\n\"" }))
        .await;
    let member = json!({ "role_id": 2, "member_user": { "username": "grace" } });
    make(admin, "/projects/team/members", member).await;
    let permission = json!([{ "kind": "project", "namespace": "team",
        "access": [{ "resource": "repository", "action": "pull" }] }]);
    let robot = json!({ "name": "ci", "level": "project", "duration": -1, "permissions": permission });
    make(admin, "/robots", robot).await;
    make(admin, "/labels", json!({ "name": "tested", "scope": "g" })).await;
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let set = image(algorithm);
        admin.push("team/app", Some(algorithm.as_str()), &set).await;
        admin
            .push(
                "team/app",
                None,
                &Maker::artifact(algorithm, "application/vnd.x").subject(set.top()).done(),
            )
            .await;
        admin.push("team/deep/er", Some("index"), &index(algorithm)).await;
    }
    let large = Maker::image(Algorithm::Sha256).layer(Piece::blob(Algorithm::Sha256, 20 << 20));
    admin
        .push("team/app", Some("large"), &large.layer(Piece::new(Algorithm::Sha256, "text/plain", "")).done())
        .await;
}

async fn a_registry_comes_back(from: Place, to: Place) {
    let (_folder, backup) = folder();
    let server = from.calm_server().await;
    let admin = server.anon().basic("admin", PASSWORD);
    fill(&admin).await;
    let (first, first_content) = (seen(&admin).await, content(&admin).await);

    let taken = done(&["backup", &backup], &from.arguments()).await;
    let id = taken["id"].as_str().unwrap().to_owned();
    let blobs = taken["blobs"].as_u64().unwrap();
    assert!(blobs > 8, "{taken}");
    // What is new alone is copied.
    let set = Maker::image(Algorithm::Sha256).layers(2).done();
    admin.push("team/later", Some("new"), &set).await;
    let ran = local(&["backup", &backup], &from.arguments()).await;
    assert_eq!(ran.code, Some(0), "{}", ran.told);
    assert!(ran.told.contains(&format!("3 of {} blobs were copied", blobs + 3)), "{}", ran.told);
    let ids = snapshots(&backup).await;
    assert_eq!((ids.len(), &ids[0]), (2, &id));
    let (last, last_content) = (seen(&admin).await, content(&admin).await);
    // Later than both.
    admin.push("team/later", Some("newer"), &image(Algorithm::Sha256)).await;
    assert_eq!(local(&["backup", "verify", &backup], &[]).await.code, Some(0));
    assert!(server.stop().await);

    for (snapshot, seen_then, content_then) in [(Some(&id), first, first_content), (None, last, last_content)]
    {
        let to = match snapshot {
            None => &to,
            Some(_) => &Place::folder(),
        };
        let mut arguments = vec!["restore", &backup];
        arguments.extend(snapshot.iter().flat_map(|id| ["--snapshot", id.as_str()]));
        let restored = done(&arguments, &to.arguments()).await;
        assert_eq!(restored["id"], *snapshot.unwrap_or(&ids[1]));
        let again = local(&arguments, &to.arguments()).await;
        assert_eq!(again.code, Some(5), "there is a registry now: {}", again.told);
        assert!(again.told.contains("empty place"), "{}", again.told);
        let server = to.calm_server().await;
        let admin = server.anon().basic("admin", PASSWORD);
        assert_eq!(seen(&admin).await, seen_then);
        assert_eq!(content(&admin).await, content_then);
        server.anon().basic("grace", PASSWORD).get("/v2/team/app/manifests/large").await.expect_status(200);
        admin.push("team/app", Some("after"), &image(Algorithm::Sha256)).await;
        make(&admin, "/projects", json!({ "project_name": "next" })).await;
        let key = async |name: &str| {
            admin.get(&format!("{API}/projects/{name}")).await.json()["project_id"].as_i64().unwrap()
        };
        assert_eq!(
            key("next").await,
            key("team").await + 2,
            "the key of what was deleted is not given again"
        );
        assert!(server.stop().await);
        let (_folder, another) = folder();
        let ran = local(&["backup", &another], &to.arguments()).await;
        assert_eq!(ran.code, Some(0), "of what was restored a backup can be taken: {}", ran.told);
    }
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn a_registry_comes_back_from_a_folder() {
    a_registry_comes_back(Place::folder(), Place::folder()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL, S3, the built harbor-server, and harborctl, built with the feature local"]
async fn a_registry_comes_back_from_postgres_and_a_bucket() {
    let place = || Place::with(Database::postgres()).in_a_bucket();
    a_registry_comes_back(place(), place()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL, S3, the built harbor-server, and harborctl, built with the feature local"]
async fn a_registry_comes_back_in_postgres_and_a_bucket() {
    a_registry_comes_back(Place::folder(), Place::with(Database::postgres()).in_a_bucket()).await;
}

#[tokio::test]
#[ignore = "needs MariaDB, PostgreSQL, the built harbor-server, and harborctl, built with the feature local"]
async fn a_registry_comes_back_from_postgres_in_mariadb() {
    a_registry_comes_back(Place::with(Database::postgres()), Place::with(Database::mariadb())).await;
}

#[tokio::test]
#[ignore = "needs MariaDB, the built harbor-server, and harborctl, built with the feature local"]
async fn a_registry_comes_back_from_mariadb_in_a_folder() {
    a_registry_comes_back(Place::with(Database::mariadb()), Place::folder()).await;
}

/// Pushes and deletes images until it is told to stop; yields how many were pushed.
pub(super) async fn busy(admin: Client, number: usize, stop: Arc<AtomicBool>) -> usize {
    let repository = format!("team/busy{number}");
    let (mut pushed, mut there) = (0, Vec::<DataSet>::new());
    while !stop.load(Ordering::Relaxed) {
        let set = Maker::image(Algorithm::Sha256).layers(2).done();
        admin.push(&repository, Some(&format!("t{}", pushed % 5)), &set).await;
        there.push(set);
        pushed += 1;
        if there.len() > 3 {
            let gone = there.remove(0);
            let path = format!("/v2/{repository}/manifests/{}", gone.top().digest);
            admin.delete(&path).await.expect_status(202);
            // What nobody refers to goes soon, and this does at once.
            let blob = &gone.blobs[1];
            admin.push_blob(&repository, blob).await;
            admin.delete(&format!("/v2/{repository}/blobs/{}", blob.digest)).await.expect_status(202);
        }
    }
    pushed
}

async fn what_is_busy_is_whole(from: Place, to: impl Fn() -> Place) {
    let (_folder, backup) = folder();
    let server = from.busy_server().await;
    let admin = server.anon().basic("admin", PASSWORD);
    make(&admin, "/projects", json!({ "project_name": "team" })).await;
    let stays = Maker::image(Algorithm::Sha256).layers(3).done();
    admin.push("team/stays", Some("x"), &stays).await;
    let stop = Arc::new(AtomicBool::new(false));
    let work: Vec<_> =
        (0..4).map(|number| tokio::spawn(busy(admin.clone(), number, Arc::clone(&stop)))).collect();
    let mut ids = Vec::new();
    for _ in 0..5 {
        // Long enough that some of it is collected meanwhile.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let taken = done(&["backup", &backup], &from.arguments()).await;
        ids.push(taken["id"].as_str().unwrap().to_owned());
    }
    stop.store(true, Ordering::Relaxed);
    let mut pushed = 0;
    for one in work {
        pushed += one.await.unwrap();
    }
    assert!(pushed > 20, "{pushed}");
    assert!(server.stop().await);
    assert_eq!(local(&["backup", "verify", &backup], &[]).await.code, Some(0));
    for id in &ids {
        let to = to();
        done(&["restore", &backup, "--snapshot", id], &to.arguments()).await;
        let server = to.calm_server().await;
        let admin = server.anon().basic("admin", PASSWORD);
        let found = content(&admin).await;
        assert!(found.contains_key(&format!("team/stays@{}", stays.top().digest)), "{found:?}");
        assert!(found.len() > 4, "{found:?}");
        assert!(server.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn what_is_busy_is_whole_in_a_folder() {
    what_is_busy_is_whole(Place::folder(), Place::folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, S3, the built harbor-server, and harborctl, built with the feature local"]
async fn what_is_busy_is_whole_in_postgres_and_a_bucket() {
    what_is_busy_is_whole(Place::with(Database::postgres()).in_a_bucket(), Place::folder).await;
}

/// A registry with a few hundred blobs, stopped.
pub(super) async fn many() -> Place {
    many_in(Place::folder()).await
}

/// The same, somewhere.
pub(super) async fn many_in(place: Place) -> Place {
    let server = place.calm_server().await;
    let admin = server.anon().basic("admin", PASSWORD);
    make(&admin, "/projects", json!({ "project_name": "team" })).await;
    for number in 0..40 {
        let set = Maker::image(Algorithm::Sha256).layers(8).done();
        admin.push(&format!("team/r{}", number % 3), Some(&format!("t{number}")), &set).await;
    }
    assert!(server.stop().await);
    place
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn what_is_damaged_is_found_and_not_restored() {
    let place = many().await;
    let damage = async |pattern: &str, change: &dyn Fn(&std::path::Path)| {
        let (_folder, backup) = folder();
        done(&["backup", &backup], &place.arguments()).await;
        let root = std::path::Path::new(&backup);
        let path = files(root).into_iter().find(|path| path.contains(pattern)).unwrap();
        change(&root.join(&path));
        let ran = local(&["backup", "verify", &backup], &[]).await;
        assert_eq!(ran.code, Some(8), "{pattern}: {} {}", ran.out, ran.told);
        assert!(ran.out.contains(path.rsplit('/').next().unwrap()), "{path}: {}", ran.out);
        let to = Place::folder();
        let ran = local(&["restore", &backup], &to.arguments()).await;
        assert_eq!(ran.code, Some(8), "{pattern}: {} {}", ran.out, ran.told);
        if pattern.starts_with("blobs/sha") {
            assert!(to.refusal().await.contains("is being restored"));
        } else {
            assert_eq!(files(to.data()), Vec::<String>::new(), "nothing was begun");
        }
    };
    let flip = |path: &std::path::Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    damage("blobs/sha256", &flip).await;
    damage("blobs/sha256", &|path| std::fs::remove_file(path).unwrap()).await;
    damage("tables/manifests.", &flip).await;
    damage("tables/tags.", &|path| std::fs::write(path, "").unwrap()).await;
    damage("blobs.jsonl", &flip).await;
    damage("manifest.json", &flip).await;

    // An earlier one that is whole is there.
    let (_folder, backup) = folder();
    let first = done(&["backup", &backup], &place.arguments()).await;
    let newest = done(&["backup", &backup], &place.arguments()).await;
    let newest = newest["id"].as_str().unwrap();
    flip(&std::path::Path::new(&backup).join("snapshots").join(newest).join("manifest.json"));
    let to = Place::folder();
    let ran = local(&["restore", &backup], &to.arguments()).await;
    assert_eq!(ran.code, Some(0), "{}", ran.told);
    assert!(ran.told.contains(&format!("{newest} does not read, and is passed over")), "{}", ran.told);
    let first = first["id"].as_str().unwrap();
    assert!(ran.out.contains(first), "{}", ran.out);
    let listed = local(&["backup", "list", &backup, "-o", "name"], &[]).await;
    assert_eq!((listed.code, listed.out.trim()), (Some(0), first), "{}", listed.told);
    assert!(listed.told.contains(&format!("{newest} does not read")), "{}", listed.told);
    // Nobody knows which blobs it names, until it is given up.
    let kept = files(std::path::Path::new(&backup));
    let prune = ["backup", "prune", &backup, "--keep", "1"];
    let ran = local(&prune, &[]).await;
    assert_eq!(ran.code, Some(8), "{}", ran.told);
    assert_eq!(files(std::path::Path::new(&backup)), kept);
    let lost = std::path::Path::new(&backup).join("snapshots").join(newest);
    assert!(ran.told.contains(lost.to_str().unwrap()), "{}", ran.told);
    std::fs::remove_dir_all(lost).unwrap();
    let ran = local(&prune, &[]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.told);
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn a_registry_that_lost_something_has_no_backup() {
    let place = many().await;
    let (_folder, backup) = folder();
    let file = files(&place.data().join("blobs")).remove(0);
    std::fs::remove_file(place.data().join("blobs").join(file)).unwrap();
    let ran = local(&["backup", &backup], &place.arguments()).await;
    assert_eq!(ran.code, Some(8), "{}", ran.told);
    assert!(ran.told.contains("1 blobs are lost") && ran.told.contains("local check"), "{}", ran.told);
    assert_eq!(snapshots(&backup).await, Vec::<String>::new());
    let absent = local(&["backup", &backup], &Place::folder().arguments()).await;
    assert_eq!(absent.code, Some(3), "{}", absent.told);
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("letter.txt"), "").unwrap();
    let wrong = local(&["backup", other.path().to_str().unwrap()], &place.arguments()).await;
    assert_eq!(wrong.code, Some(5), "{}", wrong.told);
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn old_snapshots_go_with_what_is_theirs_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = Place::folder();
    let (_folder, backup) = folder();
    let server = place.server().await;
    let admin = server.anon().basic("admin", PASSWORD);
    make(&admin, "/projects", json!({ "project_name": "team" })).await;
    let (stays, goes) =
        (Maker::image(Algorithm::Sha256).layers(2).done(), Maker::image(Algorithm::Sha256).layers(3).done());
    admin.push("team/app", Some("stays"), &stays).await;
    admin.push("team/app", Some("goes"), &goes).await;
    done(&["backup", &backup], &place.arguments()).await;
    admin.delete(&format!("/v2/team/app/manifests/{}", goes.top().digest)).await.expect_status(202);
    // A question would put the review off.
    let (until, blobs) = (Instant::now() + Duration::from_secs(30), place.data().join("blobs"));
    while files(&blobs).len() > stays.blobs.len() {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    done(&["backup", &backup], &place.arguments()).await;
    assert!(server.stop().await);
    for path in files(std::path::Path::new(&backup)) {
        let mode = std::path::Path::new(&backup).join(&path).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
    let pruned = done(&["backup", "prune", &backup, "--keep", "1"], &[]).await;
    assert_eq!((&pruned["blobs"], pruned["snapshots"].as_array().unwrap().len()), (&json!(4), 1), "{pruned}");
    assert_eq!(snapshots(&backup).await.len(), 1);
    assert_eq!(local(&["backup", "verify", &backup], &[]).await.code, Some(0));
    let to = Place::folder();
    let early = local(&["restore", &backup, "--at", "2020-01-01T00:00:00Z"], &to.arguments()).await;
    assert_eq!(early.code, Some(3), "{}", early.told);
    done(&["restore", &backup, "--at", "2099-01-01T00:00:00Z"], &to.arguments()).await;
    let server = to.calm_server().await;
    let found = content(&server.anon().basic("admin", PASSWORD)).await;
    assert_eq!(found.into_values().collect::<Vec<_>>(), [["stays"]]);
    assert!(server.stop().await);
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn what_stays_is_whole_when_the_rest_was_about_to_go() {
    let place = many().await;
    let (_folder, backup) = folder();
    done(&["backup", &backup], &place.arguments()).await;
    let server = place.server().await;
    let admin = server.anon().basic("admin", PASSWORD);
    for number in 0..3 {
        admin.delete(&format!("{API}/projects/team/repositories/r{number}")).await.expect_status(200);
    }
    admin.push("team/new", Some("x"), &image(Algorithm::Sha256)).await;
    let (until, blobs) = (Instant::now() + Duration::from_secs(30), place.data().join("blobs"));
    while files(&blobs).len() > image(Algorithm::Sha256).blobs.len() {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(server.stop().await);
    let last = done(&["backup", &backup], &place.arguments()).await;
    let named = last["blobs"].as_u64().unwrap();
    let folder = std::path::Path::new(&backup).join("blobs");
    // A command that does nothing takes as long as this one takes to begin.
    let began = Instant::now();
    snapshots(&backup).await;
    let start = began.elapsed();
    let (mut after, mut left) = (start / 2, files(&folder).len());
    while left as u64 > named {
        // Sooner or later it gets through.
        killed(&["backup", "prune", &backup, "--keep", "1"], &[], after).await;
        after += start / 20;
        left = files(&folder).len();
        let seen = snapshots(&backup).await;
        assert!(seen.contains(&last["id"].as_str().unwrap().to_owned()), "{seen:?}");
        let ran = local(&["backup", "verify", &backup], &[]).await;
        assert_eq!(ran.code, Some(0), "{} {}", ran.out, ran.told);
        assert!(left as u64 >= named);
    }
}

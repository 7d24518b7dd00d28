//! Garbage collection without a server.

use std::time::Duration;

use harbor_core::oci::Algorithm;
use harbor_tests::Database;
use harbor_tests::content::Maker;
use serde_json::{Value, json};

use super::place::{Place, content, done, files, local};
use super::{PASSWORD, make};

async fn collected(place: &Place, options: &[&str]) -> Value {
    // As the server has it: what nothing refers to stays for a second.
    let file = place.data().join("settings.toml").to_str().unwrap().to_owned();
    let more = place.arguments().into_iter().chain(["--config".to_owned(), file]).collect::<Vec<_>>();
    let arguments: Vec<&str> = ["gc"].into_iter().chain(options.iter().copied()).collect();
    done(&arguments, &more).await
}

async fn a_trial_tells_what_a_run_does(place: Place) {
    let server = place.server_that_does_not_collect().await;
    let admin = server.anon().basic("admin", PASSWORD);
    make(&admin, "/projects", json!({ "project_name": "team" })).await;
    let (stays, untagged, gone) = (
        Maker::image(Algorithm::Sha256).layers(2).done(),
        Maker::image(Algorithm::Sha256).layers(2).done(),
        Maker::image(Algorithm::Sha256).layers(2).done(),
    );
    admin.push("team/app", Some("stays"), &stays).await;
    admin.push("team/app", None, &untagged).await;
    admin.push("team/app", Some("gone"), &gone).await;
    admin.delete(&format!("/v2/team/app/manifests/{}", gone.top().digest)).await.expect_status(202);
    tokio::time::sleep(Duration::from_secs(2)).await;
    if place.database.is_none() {
        let busy = local(&["gc", "--dry-run"], &place.arguments()).await;
        assert_eq!(busy.code, Some(6), "{}", busy.told);
    }
    assert!(server.stop().await);
    let there = files(&place.data().join("blobs")).len();

    let bytes: u64 = gone.blobs.iter().map(|blob| blob.bytes.len() as u64).sum();
    let would = collected(&place, &["--dry-run"]).await;
    assert_eq!(would, json!({ "purged_blobs": 3, "purged_manifests": 0, "freed_space": bytes }));
    let would = collected(&place, &["--dry-run", "--delete-untagged"]).await;
    let bytes = bytes + untagged.top().bytes.len() as u64;
    assert_eq!(would, json!({ "purged_blobs": 3, "purged_manifests": 1, "freed_space": bytes }));
    assert_eq!(files(&place.data().join("blobs")).len(), there, "nothing goes in a trial");
    assert_eq!(collected(&place, &["--delete-untagged"]).await, would);
    tokio::time::sleep(Duration::from_secs(2)).await;
    // What the untagged one referred to.
    assert_eq!(collected(&place, &[]).await["purged_blobs"], 3);
    assert_eq!(collected(&place, &[]).await["purged_blobs"], 0);
    assert_eq!(files(&place.data().join("blobs")).len(), 3);
    let checked = local(&["check", "--content"], &place.arguments()).await;
    assert_eq!(checked.code, Some(0), "{} {}", checked.out, checked.told);

    let server = place.calm_server().await;
    let found = content(&server.anon().basic("admin", PASSWORD)).await;
    assert_eq!(found.into_values().collect::<Vec<_>>(), [["stays"]]);
    assert!(server.stop().await);
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn a_trial_tells_what_a_run_does_in_sqlite() {
    a_trial_tells_what_a_run_does(Place::folder()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL, the built harbor-server, and harborctl, built with the feature local"]
async fn a_trial_tells_what_a_run_does_in_postgres() {
    a_trial_tells_what_a_run_does(Place::with(Database::postgres())).await;
}

//! Restoring to a point of time.

use std::time::Duration;

use harbor_core::oci::Algorithm;
use harbor_tests::Database;
use harbor_tests::content::Maker;
use serde_json::{Value, json};

use super::backup::folder;
use super::place::{Place, content, done, files, local};
use super::{PASSWORD, make};

/// The time of a snapshot, as the backup has it, and so many microseconds later.
fn at(snapshot: &Value, later: i64) -> String {
    let time = chrono(snapshot["created_at"].as_str().unwrap());
    serde_json::to_value(harbor_core::Timestamp::from_micros(time + later))
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

fn chrono(text: &str) -> i64 {
    serde_json::from_value::<harbor_core::Timestamp>(text.into()).unwrap().micros()
}

/// The newest snapshot that was taken at a time or before is what comes back; ahead of the first there was nothing.
async fn a_point_of_time_comes_back(place: impl Fn() -> Place) {
    let from = place();
    let (_folder, backup) = folder();
    let server = from.calm_server().await;
    let admin = server.anon().basic("admin", PASSWORD);
    make(&admin, "/projects", json!({ "project_name": "team" })).await;
    let mut taken = Vec::new();
    for tag in ["one", "two", "three"] {
        admin.push("team/app", Some(tag), &Maker::image(Algorithm::Sha256).layers(2).done()).await;
        let snapshot = done(&["backup", &backup], &from.arguments()).await;
        taken.push((snapshot, content(&admin).await));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(server.stop().await);
    let [(first, one), (second, two), (last, three)] = taken.try_into().unwrap();
    let middle = |a: &Value, b: &Value| {
        let (a, b) = (chrono(a["created_at"].as_str().unwrap()), chrono(b["created_at"].as_str().unwrap()));
        assert!(a + 2 < b, "{a} {b}");
        (b - a) / 2
    };
    let to = place();
    for early in [at(&first, -1), at(&first, -3_600_000_000)] {
        let ran = local(&["restore", &backup, "--at", &early], &to.arguments()).await;
        assert_eq!(ran.code, Some(3), "{} {}", ran.out, ran.told);
        assert_eq!(files(to.data()), Vec::<String>::new(), "nothing was begun");
        assert!(to.number("SELECT COUNT(*) FROM projects").await.is_none());
    }
    for (time, snapshot, expected) in [
        (at(&first, 0), &first, &one),
        (at(&first, middle(&first, &second)), &first, &one),
        (at(&second, -1), &first, &one),
        (at(&second, 0), &second, &two),
        (at(&second, middle(&second, &last)), &second, &two),
        (at(&last, -1), &second, &two),
        (at(&last, 0), &last, &three),
        (at(&last, 3_600_000_000), &last, &three),
    ] {
        let to = place();
        let restored = done(&["restore", &backup, "--at", &time], &to.arguments()).await;
        assert_eq!(restored["id"], snapshot["id"], "{time}");
        let checked = local(&["check", "--content"], &to.arguments()).await;
        assert_eq!(checked.code, Some(0), "{} {}", checked.out, checked.told);
        let server = to.calm_server().await;
        assert_eq!(&content(&server.anon().basic("admin", PASSWORD)).await, expected, "{time}");
        assert!(server.stop().await);
    }
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn a_point_of_time_comes_back_in_a_folder() {
    a_point_of_time_comes_back(Place::folder).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL, S3, the built harbor-server, and harborctl, built with the feature local"]
async fn a_point_of_time_comes_back_in_postgres_and_a_bucket() {
    a_point_of_time_comes_back(|| Place::with(Database::postgres()).in_a_bucket()).await;
}

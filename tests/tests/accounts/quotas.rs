//! Quotas over the API, and what a client hears that goes beyond one.

use harbor_core::oci::Algorithm;
use harbor_tests::TestRegistry;
use harbor_tests::content::{self, Piece};
use serde_json::json;

use super::{API, private, read};

harbor_tests::on_every_store! {
    a_quota_is_read_set_and_kept_to;
    a_project_is_made_with_a_limit;
}

async fn a_quota_is_read_set_and_kept_to(registry: &TestRegistry) {
    let admin = registry.admin();
    let project = private(registry, "team").await;
    let list = read(&admin, &format!("/quotas?reference=project&reference_id={project}")).await;
    let quota = &list[0];
    assert_eq!(
        (&quota["ref"]["name"], &quota["hard"], &quota["used"]),
        (&json!("team"), &json!({ "storage": -1 }), &json!({ "storage": 0 }))
    );
    let set = content::image(Algorithm::Sha256);
    admin.push("team/app", Some("latest"), &set).await;
    let size: usize = set.blobs.iter().map(|blob| blob.bytes.len()).sum::<usize>() + set.top().bytes.len();
    let path = format!("{API}/quotas/{}", quota["id"]);
    let used = read(&admin, &format!("/quotas/{}", quota["id"])).await["used"]["storage"].clone();
    assert_eq!(used, json!(size));
    for wrong in [
        json!({ "hard": { "storage": 0 } }),
        json!({ "hard": { "storage": -2 } }),
        json!({}),
        json!({ "hard": { "count": 1 } }),
    ] {
        admin.put(&path).json(&wrong).await.expect_error(400, "BAD_REQUEST");
    }
    admin.put(&path).json(&json!({ "hard": { "storage": size + 100 } })).await.expect_status(200);
    let summary = read(&admin, "/projects/team/summary").await;
    assert_eq!(summary["quota"], json!({ "hard": { "storage": size + 100 }, "used": { "storage": size } }));
    let piece = Piece::new(Algorithm::Sha256, "application/octet-stream", vec![7; 101]);
    let target = format!("/v2/team/app/blobs/uploads/?digest={}", piece.digest);
    let refused = admin.post(&target).body(piece.bytes.clone()).await.expect_error(403, "DENIED");
    let text = String::from_utf8_lossy(&refused.body).to_string();
    assert!(text.contains("will exceed the configured upper limit of"), "{text}");
    // What the project has already is no more than it has.
    admin.push("team/again", Some("latest"), &set).await;
    let fits = Piece::new(Algorithm::Sha256, "application/octet-stream", vec![7; 100]);
    admin.push_blob("team/app", &fits).await;
    registry.add_user("grace").await;
    registry.user("grace").get(&path).await.expect_error(403, "FORBIDDEN");
}

async fn a_project_is_made_with_a_limit(registry: &TestRegistry) {
    let body = json!({ "project_name": "small", "storage_limit": 50 });
    registry.admin().post(&format!("{API}/projects")).json(&body).await.expect_status(201);
    let summary = read(&registry.admin(), "/projects/small/summary").await;
    assert_eq!(summary["quota"]["hard"], json!({ "storage": 50 }));
    let piece = Piece::new(Algorithm::Sha256, "application/octet-stream", vec![7; 51]);
    let target = format!("/v2/small/app/blobs/uploads/?digest={}", piece.digest);
    registry.admin().post(&target).body(piece.bytes.clone()).await.expect_error(403, "DENIED");
}

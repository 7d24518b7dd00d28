//! The server as a whole: health, configuration, audit log, search, events.

use harbor_tests::TestRegistry;

use crate::{Transcript, images, logged_in};

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn system() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "health
         health -o json
         system info
         system ping
         system statistics
         system search lib
         system search lib -o name
         system rotate-keys
         system volumes
         system certificate",
    )
    .await;
    told.check("system");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn config() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "config list
         config get read_only
         config get nope
         config set banner_message='back at noon' token_expiration=10
         config get banner_message
         config get token_expiration
         config set nope=1
         config set read_only=perhaps
         config set read_only
         config set token_expiration=-5",
    )
    .await;
    told.line("config apply --file -", "banner_message: from a file\n").await;
    told.line("config apply --file -", r#"{"banner_message": "from JSON"}"#).await;
    told.type_in("config apply --file nowhere.yaml\nconfig get banner_message").await;
    told.check("config");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn audit() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "project create team -q
         project delete team --yes -q
         audit list
         audit list --query operation=delete -o wide
         audit list --older --limit 1
         audit export --format csv
         audit export --query operation=create
         audit events -o name
         audit purge run --dry-run --wait -o json
         audit purge list -o name
         audit purge schedule get
         audit purge schedule --keep-hours 48 set weekly
         audit purge schedule get
         audit purge schedule delete",
    )
    .await;
    // A worker does it within about a second.
    registry.harbor.seal_audit().await.unwrap();
    told.type_in(&format!("audit verify\naudit verify --head 1:{}", "0".repeat(64))).await;
    told.check("audit");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn events_are_printed_as_they_happen() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    registry.admin().push("library/web", Some("1"), &images::image("amd64", &[])).await;
    let mut told = Transcript::with_digests(&harborctl).but(r#"("occur_at":)\d+"#, "$1[seconds]");
    let ran = told.line("system events --project library --after 0 --seconds 3", "").await;
    assert!(ran.out.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    told.type_in("system events --project nope --seconds 1\nsystem events --kind nonsense --seconds 1").await;
    told.check("events");
}

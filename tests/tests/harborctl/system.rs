//! The server as a whole: health, configuration, audit log, search, events.

use harbor_core::oci::Algorithm;
use harbor_tests::TestRegistry;
use harbor_tests::content::image;

use crate::{Transcript, logged_in};

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
         system certificate",
    )
    .await;
    harborctl.ok(&["system", "volumes"]).await;
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
    told.check("audit");
    assert!(harborctl.ok(&["audit", "verify"]).await.starts_with("INTACT     true"));
    let other = format!("1:{}", "0".repeat(64));
    assert_eq!(harborctl.run(&["audit", "verify", "--head", &other]).await.code, Some(8));
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn events_are_printed_as_they_happen() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    registry.admin().push("library/web", Some("1"), &image(Algorithm::Sha256)).await;
    let listen = ["system", "events", "--project", "library", "--after", "0", "--seconds", "3"];
    let lines = harborctl.ok(&listen).await;
    let events: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!events.is_empty());
}

//! Repositories, artifacts, tags.

use harbor_core::oci::{Algorithm, MediaType};
use harbor_tests::TestRegistry;
use harbor_tests::content::{Maker, Piece, image};

use crate::{Transcript, logged_in};

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn content() {
    let registry = TestRegistry::in_memory().await;
    // Of the same size each time.
    let config =
        Piece::new(Algorithm::Sha256, "application/vnd.oci.image.config.v1+json", r#"{"os":"linux"}"#);
    let layer = Piece::new(Algorithm::Sha256, "application/vnd.oci.image.layer.v1.tar", vec![0; 20480]);
    let set = Maker::image_with(Algorithm::Sha256, MediaType::OCI_MANIFEST, config).layer(layer).done();
    registry.admin().push("library/web/shop", Some("1.0"), &set).await;
    let harborctl = logged_in(&registry).await;
    let digest = set.top().digest.to_string();
    let mut told = Transcript::of(&harborctl);
    told.type_in(&format!(
        "repository list
         repository list library -o wide
         repository get library/web/shop
         repository get library/nope
         repository get library
         repository update library/web/shop --description 'The shop'
         repository get library/web/shop -o name
         artifact list library/web/shop
         artifact list library --latest -o wide
         artifact get library/web/shop:1.0
         artifact get library/web/shop@{digest} -o name
         artifact get library/web/shop:nope
         artifact get library/web/shop
         tag list library/web/shop:1.0
         tag create library/web/shop:1.0 stable
         tag create library/web/shop:1.0 stable
         tag list library/web/shop:1.0 -o name
         label create tested -q
         artifact label library/web/shop:1.0 tested
         artifact label library/web/shop:1.0 nope
         artifact list library/web/shop -o wide
         artifact label library/web/shop:1.0 tested --remove
         artifact copy library/web/shop:1.0 library/copy
         repository list library -o name
         artifact addition library/web/shop:1.0 build_history
         artifact accessories library/web/shop:1.0
         tag delete library/web/shop:stable
         tag delete library/web/shop@{digest}
         artifact delete library/web/shop:1.0 --yes
         artifact deleted library/web/shop
         artifact restore library/web/shop@{digest}
         artifact list library/web/shop
         repository delete library/copy --yes
         repository list -o name",
    ))
    .await;
    told.check("content");
}

/// More than one page comes as one list, and `--limit` ends it.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn lists_go_over_pages() {
    let registry = TestRegistry::in_memory().await;
    let set = image(Algorithm::Sha256);
    for number in 0..230 {
        registry.admin().push("library/many", Some(&format!("t{number}")), &set).await;
    }
    let harborctl = logged_in(&registry).await;
    let all = harborctl.ok(&["tag", "list", "library/many:t0", "-o", "name"]).await;
    assert_eq!(all.lines().count(), 230);
    let some = harborctl.ok(&["tag", "list", "library/many:t0", "-o", "name", "--limit", "130"]).await;
    assert_eq!(some.lines().collect::<Vec<_>>(), all.lines().take(130).collect::<Vec<_>>());
    let few = harborctl.ok(&["tag", "list", "library/many:t0", "-o", "json", "--limit", "7"]).await;
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&few).unwrap().len(), 7);
    let table = harborctl.ok(&["tag", "list", "library/many:t0"]).await;
    assert_eq!(table.lines().count(), 231);
    let yaml = harborctl.ok(&["tag", "list", "library/many:t0", "-o", "yaml"]).await;
    assert_eq!(yaml.lines().filter(|line| line.starts_with("- ")).count(), 230);
}

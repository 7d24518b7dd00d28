//! What is refused ahead of being done, where content moves.

use harbor_core::oci::Algorithm;
use harbor_tests::{Harborctl, TestRegistry, content};

use crate::{fails, logged_in};

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn what_cannot_be_there_is_refused_first() {
    let registry = TestRegistry::in_memory().await;
    let (one, other) = (content::image(Algorithm::Sha256), content::image(Algorithm::Sha256));
    registry.admin().push("library/web", Some("1.0"), &one).await;
    registry.admin().push("library/shop", Some("1.0"), &other).await;
    let harborctl = logged_in(&registry).await;
    let host = registry.address();
    let is_there = |name: &str| harborctl.home().join(name).exists();
    // Archives that are compressed are for reading.
    for name in ["foo.tar.gz", "foo.tgz", "./foo.tar.zst"] {
        let ran = fails(&harborctl, &["copy", "library/web:1.0", name], 8).await;
        assert!(ran.told.contains("ends with .tar") && !is_there(name), "{}", ran.told);
    }
    // An archive of docker's stays one, and keeps what is in it.
    harborctl.ok(&["copy", "library/web:1.0", "docker-archive:dk.tar"]).await;
    harborctl.ok(&["copy", "library/shop:1.0", "dk.tar"]).await;
    let ran = fails(&harborctl, &["copy", "library/shop:1.0", "oci-archive:dk.tar:1.0"], 2).await;
    assert!(ran.told.contains("a repository and a tag"), "{}", ran.told);
    for (name, set) in [("web", &one), ("shop", &other)] {
        let place = format!("docker-archive:dk.tar:{host}/library/{name}:1.0");
        let told = harborctl.ok(&["inspect", &place, "-o", "name"]).await;
        assert_eq!(told.trim(), set.top().digest.to_string());
    }
    // Of several with one tag, the whole names are told.
    let ran = fails(&harborctl, &["inspect", "dk.tar"], 8).await;
    assert!(ran.told.contains(&format!("{host}/library/shop:1.0")), "{}", ran.told);
    // A digest names what has it.
    let zeros = format!("library/z@sha256:{}", "0".repeat(64));
    let ran = fails(&harborctl, &["copy", "library/web:1.0", &zeros], 2).await;
    assert!(ran.told.contains("another digest"), "{}", ran.told);
    fails(&harborctl, &["repository", "get", "library/z"], 3).await;
    harborctl.ok(&["copy", "library/web:1.0", &format!("library/z@{}", one.top().digest)]).await;
    for chunk in ["0", "-1"] {
        fails(&harborctl, &["copy", "library/web:1.0", "library/z:1", "--chunk", chunk], 2).await;
    }
    std::fs::write(harborctl.home().join("a.pem.pub"), "another's").unwrap();
    fails(&harborctl, &["key", "create", "a.pem"], 5).await;
    assert!(!is_there("a.pem"));
    registry.close().await;
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn what_is_exported_with_several_keys_and_labels() {
    let registry = TestRegistry::in_memory().await;
    let (one, other) = (content::image(Algorithm::Sha256), content::image(Algorithm::Sha256));
    let harborctl = logged_in(&registry).await;
    for project in ["aaa", "zzz"] {
        harborctl.ok(&["project", "create", project]).await;
        registry.admin().push(&format!("{project}/app"), Some("1.0"), &other).await;
    }
    registry.admin().push("library/app", Some("1.0"), &one).await;
    for key in ["a.pem", "b.pem"] {
        harborctl.ok(&["key", "create", key]).await;
    }
    // Projects that have no such label have nothing that is meant.
    harborctl.ok(&["label", "create", "tested", "-p", "library"]).await;
    harborctl.ok(&["artifact", "label", "library/app:1.0", "tested"]).await;
    let labelled = ["export", "labelled.tar", "**", "--label", "tested", "--key", "a.pem", "-o", "json"];
    let told = harborctl.ok(&labelled).await;
    assert!(told.contains("\"images\": 1"), "{told}");
    // Nothing is left of an export of nothing.
    fails(&harborctl, &["export", "none.tar", "**", "--label", "nope", "--key", "a.pem"], 3).await;
    assert!(!harborctl.home().join("none.tar.partial").exists());
    harborctl.ok(&["export", "one.tar", "library/app", "--key", "a.pem"]).await;
    let two = ["export", "two.tar", "library/app", "aaa/app", "--key", "b.pem", "--since", "one.tar"];
    fails(&harborctl, &two, 8).await;
    harborctl.ok(&[&two[..], &["--since-key", "a.pem.pub"]].concat()).await;
    let there = TestRegistry::in_memory().await;
    let at_there = logged_in(&there).await;
    for project in ["mirror", "aaa"] {
        at_there.ok(&["project", "create", project]).await;
    }
    let path = |name: &str| harborctl.home().join(name).to_str().unwrap().to_owned();
    let (one, two, a, b) = (path("one.tar"), path("two.tar"), path("a.pem.pub"), path("b.pem.pub"));
    let import = ["import", &two, "--verify-key", &b, "--base", &one];
    fails(&at_there, &import, 8).await;
    // The key of the earlier one is for that alone.
    fails(&at_there, &["import", &one, "--verify-key", &b, "--base", &one, "--base-key", &a], 8).await;
    let merged = [&import[..], &["--base-key", &a, "--project", "mirror"]].concat();
    let ran = fails(&at_there, &merged, 2).await;
    assert!(ran.told.contains("would both become mirror/app"), "{}", ran.told);
    harborctl_has_no_such_option(&at_there, &two, &b).await;
    at_there.ok(&[&import[..], &["--base-key", &a]].concat()).await;
    there.close().await;
    registry.close().await;
}

/// What would do nothing is no option.
async fn harborctl_has_no_such_option(harborctl: &Harborctl, file: &str, key: &str) {
    for more in [&["--referrers"][..], &["--platform", "linux/amd64"]] {
        let ran = fails(harborctl, &[&["import", file, "--verify-key", key], more].concat(), 2).await;
        assert!(ran.told.contains("unexpected argument"), "{}", ran.told);
    }
}

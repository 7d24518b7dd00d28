//! Help, completions, manual pages, exit codes, and what is served against what there are commands for.

use std::collections::BTreeSet;
use std::path::Path;

use harbor_core::operation;
use harbor_tests::Harborctl;

use crate::Transcript;

#[tokio::test]
#[ignore = "needs harborctl, built with the feature local"]
async fn help() {
    let harborctl = Harborctl::new();
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "--help\nproject create --help\nnonsense\nproject nonsense\nproject\nproject list --limit x",
    )
    .await;
    told.check("help");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn completions_are_for_four_shells() {
    let harborctl = Harborctl::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let text = harborctl.ok(&["completion", shell]).await;
        assert!(text.contains("harborctl") && text.contains("immutable"), "{shell}");
    }
    let bash = harborctl.home().join("harborctl.bash");
    std::fs::write(&bash, harborctl.ok(&["completion", "bash"]).await).unwrap();
    let parsed = tokio::process::Command::new("bash").arg("-n").arg(&bash).output().await.unwrap();
    assert_eq!((parsed.status.success(), &*String::from_utf8_lossy(&parsed.stderr)), (true, ""));
    let script = "source ./harborctl.bash; COMP_WORDS=(harborctl proj); COMP_CWORD=1; \
        _harborctl harborctl proj harborctl; echo ${COMPREPLY[@]}";
    let mut command = tokio::process::Command::new("bash");
    let output = command.arg("-c").arg(script).current_dir(harborctl.home()).output().await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "project");
}

/// What formats manual pages finds nothing wrong with any.
#[tokio::test]
#[ignore = "needs the built harborctl, and groff"]
async fn manual_pages_are_formatted_without_a_warning() {
    let harborctl = Harborctl::new();
    harborctl.ok(&["man", "man1"]).await;
    let mut pages = 0;
    for page in std::fs::read_dir(harborctl.home().join("man1")).unwrap() {
        let page = page.unwrap().path();
        let mut groff = tokio::process::Command::new("groff");
        groff.args(["-man", "-Tutf8", "-Kutf8", "-ww", "-z"]).arg(&page).kill_on_drop(true);
        let output = groff.output().await.unwrap();
        assert_eq!(
            (output.status.success(), &*String::from_utf8_lossy(&output.stderr)),
            (true, ""),
            "{page:?}"
        );
        pages += 1;
    }
    assert!(pages > 100, "{pages}");
}

/// Operations that `harborctl api` alone can call. This list may only become shorter.
const WITHOUT_A_VERB: &[&str] = &[
    // The older forms of what has a verb.
    "ListRobotV1",
    "CreateRobotV1",
    "GetRobotByIDV1",
    "UpdateRobotV1",
    "DeleteRobotV1",
    "ListWebhookJobs",
    "getInternalconfig",
];

/// What is served has a verb.
#[test]
fn every_operation_has_a_verb() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let not_served = std::fs::read_to_string(root.join("tests/operations/not_yet_served.txt")).unwrap();
    let not_served: BTreeSet<&str> = not_served.lines().collect();
    let mut text = String::new();
    read(&root.join("../harborctl/src"), &mut text);
    let without: Vec<&str> = operation::all()
        .map(|operation| operation.id)
        .filter(|id| !not_served.contains(id) && !text.contains(&format!("\"{id}\"")))
        .collect();
    let mut known = WITHOUT_A_VERB.to_vec();
    known.sort_unstable();
    let mut found = without;
    found.sort_unstable();
    assert_eq!(found, known);
}

fn read(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, text);
        } else {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

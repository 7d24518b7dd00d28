//! docker's credential helpers and `config.json`, as programs and files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use harbor_core::oci::Algorithm;
use harbor_replicate::client::docker::{CredentialHelper, DockerConfig};
use harbor_replicate::client::{Credential, Error, Registry};
use harbor_tests::{TestRegistry, content};
use tempfile::TempDir;

use super::{REPO, push, quick};

/// A helper that keeps what it is told in files of its folder, by docker's protocol.
const HELPER: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
input=$(cat)
case $1 in
  store) printf '%s' "$input" >"$(printf '%s' "$input" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/' | tr -c 'a-z0-9.' _)" ;;
  get)
    file=$(printf '%s' "$input" | tr -c 'a-z0-9.' _)
    [ -e "$file" ] || { echo "credentials not found in native keychain"; exit 1; }
    cat "$file" ;;
  erase) rm -f "$(printf '%s' "$input" | tr -c 'a-z0-9.' _)" ;;
esac
"#;

fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Of tests that write programs and run them, one at a time: a program that is open for writing, also in the child of another
/// test that is about to begin, cannot be run.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn a_helper_keeps_and_tells_and_forgets() {
    let _alone = ALONE.lock().await;
    let folder = folder();
    let helper = CredentialHelper::at(script(folder.path(), "docker-credential-test", HELPER));
    for (server, other) in
        [("registry.example:5000", "registry.example:5001"), ("https://index.docker.io/v1/", "x")]
    {
        assert_eq!(helper.get(server).await.unwrap(), None);
        helper.store(server, "grace", &"hunter \"2\"".into()).await.unwrap();
        assert_eq!(helper.get(server).await.unwrap(), Some(Credential::password("grace", "hunter \"2\"")));
        assert_eq!(helper.get(other).await.unwrap(), None);
        helper.store(server, "<token>", &"an identity".into()).await.unwrap();
        assert_eq!(helper.get(server).await.unwrap(), Some(Credential::Identity("an identity".into())));
        helper.erase(server).await.unwrap();
        assert_eq!(helper.get(server).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_a_helper_prints_is_never_told() {
    let _alone = ALONE.lock().await;
    let folder = folder();
    for (name, text) in [
        ("fails", "echo hunter2; echo hunter2 >&2; exit 3"),
        ("garbage", "echo '{\"Username\":\"hunter2\"'"),
        ("silent", "exit 0"),
        ("other", "echo '[\"hunter2\"]'"),
    ] {
        let helper = CredentialHelper::at(script(folder.path(), name, &format!("#!/bin/sh\n{text}\n")));
        let error = helper.get("registry").await.unwrap_err();
        assert!(matches!(error, Error::Helper { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        let stored = helper.store("registry", "grace", &"hunter2".into()).await;
        assert!(!format!("{stored:?}").contains("hunter2"), "{stored:?}");
    }
    let none = CredentialHelper::at(folder.path().join("none")).get("x").await.unwrap_err();
    assert!(none.to_string().contains("cannot be run"), "{none}");
}

/// By the file alone: the environment is everybody's, and tests run beside each other.
#[tokio::test]
async fn what_docker_login_wrote_opens_the_registry() {
    use base64::Engine as _;
    let registry = TestRegistry::in_memory().await;
    let folder = folder();
    let pair = format!("admin:{}", registry.password("admin"));
    let auth = base64::engine::general_purpose::STANDARD.encode(pair);
    let config = serde_json::json!({"auths": {registry.address().to_string(): {"auth": auth}}});
    let path = folder.path().join("config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    let builder = Registry::builder(format!("http://{}", registry.address()));
    let builder =
        builder.connection(quick().build().unwrap()).credentials(DockerConfig::load(&path).unwrap());
    let app = builder.build().unwrap().repository(REPO.parse().unwrap());
    push(&app, "a", &content::image(Algorithm::Sha256)).await;
    registry.close().await;
}

#[tokio::test]
async fn the_helper_of_a_host_comes_before_that_of_all_and_both_before_the_file() {
    let _alone = ALONE.lock().await;
    let folder = folder();
    let says =
        |name: &str| format!("#!/bin/sh\necho '{{\"Username\":\"{name}\",\"Secret\":\"'\"$(cat)\"'\"}}'\n");
    script(folder.path(), "docker-credential-one", &says("one"));
    script(folder.path(), "docker-credential-all", HELPER);
    let config = serde_json::json!({
        "auths": {"a": {"auth": "ZmlsZTpw"}, "b": {"auth": "ZmlsZTpw"}, "https://index.docker.io/v1/": {}},
        "credHelpers": {"b": "one", "docker.io": "one"},
        "credsStore": "all",
    });
    let path = folder.path().join("config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    let config = DockerConfig::load(&path).unwrap().helpers_in(folder.path());
    assert_eq!(config.find("b").await.unwrap(), Credential::password("one", "b"));
    // By the name that docker has for it.
    let hub = config.find("registry-1.docker.io").await.unwrap();
    assert_eq!(hub, Credential::password("one", "https://index.docker.io/v1/"));
    assert_eq!(config.find("a").await.unwrap(), Credential::password("file", "p"), "the store has nothing");
    let store = CredentialHelper::at(folder.path().join("docker-credential-all"));
    store.store("a", "all", &"q".into()).await.unwrap();
    assert_eq!(config.find("a").await.unwrap(), Credential::password("all", "q"));
    assert_eq!(config.find("c").await.unwrap(), Credential::Anonymous);
}

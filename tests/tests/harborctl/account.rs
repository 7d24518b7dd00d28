//! Logging in, contexts, and where secrets are kept.

use std::os::unix::fs::PermissionsExt as _;

use harbor_tests::{Harborctl, TestRegistry};

use crate::{Transcript, logged_in};

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn context() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "whoami
         whoami -o json
         context list -o wide
         context set staging https://staging.example
         context set wrong 'not an address'
         context list
         context use staging
         context use nope
         context current -o name
         --context test whoami -o name
         --context nope whoami
         context rename test production
         context rename staging production
         context use production -q
         context delete staging
         context list -o json
         logout
         logout
         whoami
         project list -o name
         user list
         context delete production
         project list
         context current",
    )
    .await;
    told.check("context");
}

#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn login() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = Harborctl::new();
    let mut told = Transcript::of(&harborctl);
    let server = format!("http://{}", registry.address());
    let password = registry.password("admin");
    told.type_in("project list\nwhoami\nlogout\nlogout nowhere.example").await;
    told.line(&format!("login {server} -u admin --password-stdin --store file"), "wrong").await;
    told.line(&format!("login {server} -u admin --password-stdin --store file"), "").await;
    told.line(&format!("login {server} -u admin --password-stdin --store nonsense"), &password).await;
    told.line(&format!("login {server} -u admin --store file"), &password).await;
    told.line("login http://127.0.0.1:1 -u admin --password-stdin --store file", &password).await;
    told.line("login ftp://127.0.0.1 -u admin --password-stdin --store file", &password).await;
    told.line("login http://me:secret@127.0.0.1 -u admin --password-stdin --store file", &password).await;
    // There is no keyring where there is no session.
    told.line(&format!("login {server} -u admin --password-stdin --store keyring"), &password).await;
    told.line(&format!("login {server} -u admin --password-stdin"), &password).await;
    told.type_in("whoami -o name").await;
    told.check("login");
}

/// A secret is in one file, which is nobody else's, and in nothing that is printed.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn secrets_are_in_one_file_alone() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let folder = harborctl.home().join(".config/harborctl");
    let password = registry.password("admin");
    for entry in std::fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        let text = std::fs::read_to_string(entry.path()).unwrap();
        assert_eq!(text.contains(&password), entry.file_name() == "credentials.toml", "{entry:?}");
    }
    for command in
        [&["whoami"][..], &["context", "list", "-o", "json"], &["user", "get", "nobody"], &["logout"]]
    {
        let ran = harborctl.run(command).await;
        assert!(!ran.out.contains(&password) && !ran.told.contains(&password), "{command:?}");
    }
    let text = std::fs::read_to_string(folder.join("credentials.toml")).unwrap();
    assert!(!text.contains(&password), "a logout forgets");
}

/// A session of a desktop, whose keyring a login finds by itself, and in which the secret is that no file has.
#[tokio::test]
#[ignore = "needs the built harborctl, and a keyring"]
async fn the_keyring_of_the_system_keeps_the_secret() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = Harborctl::new();
    let program = harborctl.command(&[]).as_std().get_program().to_str().unwrap().to_owned();
    let (server, password) = (format!("http://{}", registry.address()), registry.password("admin"));
    std::fs::write(harborctl.home().join("password"), &password).unwrap();
    // Unlocked as at a login, with a password of its own.
    let script = format!(
        "set -e
         printf keyring | gnome-keyring-daemon --unlock --components=secrets >/dev/null
         {program} login {server} -u admin --password-stdin <password
         {program} context list -o json
         {program} whoami -o name
         ! grep -rqF -f password .config
         {program} logout
         ! {program} whoami"
    );
    let mut command = tokio::process::Command::new("dbus-run-session");
    command.args(["--", "sh", "-c", &script]).current_dir(harborctl.home()).kill_on_drop(true);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", harborctl.home());
    command.env("XDG_RUNTIME_DIR", harborctl.home());
    let ran =
        tokio::time::timeout(std::time::Duration::from_secs(60), command.output()).await.unwrap().unwrap();
    let (out, told) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}{told}");
    assert!(out.contains(r#""store": "keyring""#) && out.contains("\nadmin\n"), "{out}");
    registry.close().await;
}

/// What several commands remember at a time is all remembered.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn logins_at_the_same_time_lose_nothing() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let (server, password) = (format!("http://{}", registry.address()), registry.password("admin"));
    let names: Vec<String> = (0..8).map(|number| format!("c{number}")).collect();
    let logins = names.iter().map(async |name| {
        let login = ["login", &server, "-u", "admin", "--password-stdin", "--store", "file", "--name", name];
        harborctl.told(&login, &password).await
    });
    for ran in futures_util::future::join_all(logins).await {
        assert_eq!(ran.code, Some(0), "{}", ran.told);
    }
    let known = harborctl.ok(&["context", "list", "-o", "name"]).await;
    for name in &names {
        assert!(known.lines().any(|line| line == name), "{known}");
        harborctl.ok(&["--context", name, "whoami"]).await;
    }
    registry.close().await;
}

/// A number is a name like others: whose key it is has nothing to do with it.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_name_that_is_a_number_is_no_key() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let create = async |name: &str| {
        let create = ["user", "create", name, "--email", &format!("u{name}@example.org"), "--password-stdin"];
        let ran = harborctl.told(&create, "Correct horse 1").await;
        assert_eq!(ran.code, Some(0), "{}", ran.told);
    };
    // The keys are 2, 3 and 4.
    for name in ["first", "4", "other"] {
        create(name).await;
    }
    harborctl.ok(&["user", "delete", "4", "--yes"]).await;
    let ran = harborctl.run(&["user", "delete", "2", "--yes"]).await;
    assert_eq!(ran.code, Some(3));
    assert!(ran.told.contains("id:2"), "{}", ran.told);
    let users = harborctl.ok(&["user", "list", "-o", "name"]).await;
    assert!(
        users.contains("other") && users.contains("first") && !users.lines().any(|line| line == "4"),
        "{users}"
    );
    harborctl.ok(&["user", "delete", "id:2", "--yes"]).await;
    let users = harborctl.ok(&["user", "list", "-o", "name"]).await;
    assert!(users.contains("other") && !users.contains("first"), "{users}");
    registry.close().await;
}

/// Ctrl-C ends it, also while nothing comes from where a password is to come from.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn who_waits_for_a_password_can_be_ended() {
    let harborctl = Harborctl::new();
    let mut command = harborctl.command(&["login", "http://127.0.0.1:1", "-u", "grace", "--password-stdin"]);
    command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let _stays_open = child.stdin.take();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status =
        tokio::time::timeout(std::time::Duration::from_secs(20), child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(130));
}

/// What names no registry goes to the one that is chosen, and nowhere without.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn content_goes_nowhere_that_nobody_named() {
    let harborctl = Harborctl::new();
    for arguments in [&["inspect", "team/web:1"][..], &["--context", "tyop", "delete", "team/web:1", "--yes"]]
    {
        let ran = harborctl.run(arguments).await;
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.told);
        assert!(ran.told.contains("try: "), "{}", ran.told);
    }
}

/// A file that was damaged is told by its line, and never by what is in it.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_damaged_file_is_told_without_its_secrets() {
    let registry = TestRegistry::in_memory().await;
    let harborctl = logged_in(&registry).await;
    let file = harborctl.home().join(".config/harborctl/credentials.toml");
    std::fs::write(&file, "[\"x\"]\nadmin = canary-secret").unwrap();
    let ran = harborctl.run(&["whoami"]).await;
    assert_eq!(ran.code, Some(2), "{}", ran.told);
    assert!(ran.told.contains("credentials.toml") && ran.told.contains("line 2"), "{}", ran.told);
    assert!(!ran.told.contains("canary"), "{}", ran.told);
}

/// The environment goes ahead of what is remembered: that is how CI is told.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn the_environment_is_enough() {
    let registry = TestRegistry::builder(harbor_tests::BackEnd::Memory).user("grace", &[]).start().await;
    let server = format!("http://{}", registry.address());
    let harborctl = Harborctl::new()
        .env("HARBOR_URL", &server)
        .env("HARBOR_USERNAME", "grace")
        .env("HARBOR_PASSWORD", &registry.password("grace"));
    assert_eq!(harborctl.ok(&["whoami", "-o", "name"]).await.trim(), "grace");
    let half = Harborctl::new().env("HARBOR_URL", &server).env("HARBOR_USERNAME", "grace");
    let ran = half.run(&["whoami"]).await;
    assert_eq!(ran.code, Some(2), "{}", ran.told);
    let nobody = Harborctl::new().env("HARBOR_URL", &server);
    assert_eq!(nobody.run(&["whoami"]).await.code, Some(4));
    nobody.ok(&["project", "list"]).await;
}

/// A helper of docker's keeps the secret, and forgets it.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn a_helper_of_dockers_keeps_the_secret() {
    const HELPER: &str = r#"#!/bin/sh
store="$HOME/kept"
case "$1" in
store) cat > "$store" ;;
get) if [ -s "$store" ]; then cat "$store"; else echo "credentials not found in native keychain"; exit 1; fi ;;
erase) rm -f "$store" ;;
esac
"#;
    let registry = TestRegistry::in_memory().await;
    let tools = tempfile::tempdir().unwrap();
    let helper = tools.path().join("docker-credential-double");
    std::fs::write(&helper, HELPER).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
    let harborctl = Harborctl::new().env("PATH", &path);
    let server = format!("http://{}", registry.address());
    let login = ["login", &server, "-u", "admin", "--password-stdin", "--store", "helper:double"];
    let ran = harborctl.told(&login, &registry.password("admin")).await;
    assert_eq!(ran.code, Some(0), "{}", ran.told);
    assert!(harborctl.home().join("kept").exists());
    assert!(!harborctl.home().join(".config/harborctl/credentials.toml").exists());
    assert_eq!(harborctl.ok(&["whoami", "-o", "name"]).await.trim(), "admin");
    harborctl.ok(&["logout"]).await;
    assert!(!harborctl.home().join("kept").exists());
    assert_eq!(harborctl.run(&["whoami"]).await.code, Some(4));
}

/// What docker knows is used, where nobody logged in here.
#[tokio::test]
#[ignore = "needs the built harborctl"]
async fn what_docker_knows_is_used() {
    use base64::Engine as _;
    let registry = TestRegistry::in_memory().await;
    let harborctl = Harborctl::new().env("HARBOR_URL", &format!("http://{}", registry.address()));
    let pair = format!("admin:{}", registry.password("admin"));
    let auth = base64::engine::general_purpose::STANDARD.encode(pair);
    let config = serde_json::json!({"auths": {registry.address().to_string(): {"auth": auth}}});
    std::fs::create_dir(harborctl.home().join(".docker")).unwrap();
    std::fs::write(harborctl.home().join(".docker/config.json"), config.to_string()).unwrap();
    assert_eq!(harborctl.ok(&["whoami", "-o", "name"]).await.trim(), "admin");
}

//! What needs no server: a registry for the life of a command, a database that is moved, backups, checks.

mod backup;
mod broken_off;
mod check;
mod gc;
mod objects;
mod place;
mod restore;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::Duration;

use harbor_core::oci::Algorithm;
use harbor_tests::content::image;
use harbor_tests::{Build, Client, Database, Harborctl, Process};
use serde_json::{Value, json};

const API: &str = "/api/v2.0";
const PASSWORD: &str = "Correct horse 1";

/// What `run` leaves in the folder for what passes.
fn left_in(folder: &std::path::Path) -> Vec<std::ffi::OsString> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[tokio::test]
#[ignore = "needs harborctl, built with the feature local"]
async fn a_command_has_a_registry_of_its_own() {
    let passing = tempfile::tempdir().unwrap();
    let harborctl = Harborctl::new().env("TMPDIR", passing.path().to_str().unwrap());
    let program = harborctl.command(&[]).as_std().get_program().to_str().unwrap().to_owned();
    let script = format!(
        "{program} whoami -o name && {program} project create team -q && {program} project list -o name && \
         test -s $DOCKER_CONFIG/config.json && test -s $REGISTRY_AUTH_FILE && echo $HARBOR_REGISTRY && exit 7"
    );
    let ran = harborctl.run(&["run", "--", "sh", "-c", &script]).await;
    assert_eq!(ran.code, Some(7), "{}", ran.told);
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines[..3], ["admin", "library", "team"]);
    assert!(lines[3].starts_with("127.0.0.1:"), "{lines:?}");
    assert_eq!(left_in(passing.path()), Vec::<std::ffi::OsString>::new(), "it leaves nothing behind");
    let modes = "stat -c %a $DOCKER_CONFIG/.. $DOCKER_CONFIG/config.json";
    let modes = harborctl.ok(&["run", "--", "sh", "-c", modes]).await;
    assert_eq!(modes.lines().collect::<Vec<_>>(), ["700", "600"], "nobody else reads the password");
    let absent = harborctl.run(&["run", "--", "/no/such/program"]).await;
    assert_eq!(absent.code, Some(1), "{}", absent.told);
    assert_eq!(left_in(passing.path()), Vec::<std::ffi::OsString>::new());
}

#[tokio::test]
#[ignore = "needs harborctl, built with the feature local"]
async fn what_is_kept_is_there_the_next_time() {
    let harborctl = Harborctl::new();
    let program = harborctl.command(&[]).as_std().get_program().to_str().unwrap().to_owned();
    harborctl.ok(&["run", "--data", "kept", "--", &program, "project", "create", "team", "-q"]).await;
    let names =
        harborctl.ok(&["run", "--data", "kept", "--", &program, "project", "list", "-o", "name"]).await;
    assert_eq!(names.lines().collect::<Vec<_>>(), ["library", "team"]);
}

/// A folder that a server has is left as it is: its administrator keeps the password.
#[tokio::test]
#[ignore = "needs harborctl, built with the feature local"]
async fn the_folder_of_a_server_is_not_taken() {
    let harborctl = Harborctl::new();
    let data = harborctl.home().join("served");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("registry.db"), "").unwrap();
    let ran = harborctl.run(&["run", "--data", "served", "--", "true"]).await;
    assert_eq!(ran.code, Some(5), "{}", ran.told);
    assert!(ran.told.contains("another password") && ran.told.contains("try: "), "{}", ran.told);
    assert_eq!(left_in(&data), ["registry.db"]);
    // A password that somebody has thought of, or that others read, is none of its own.
    for (password, mode) in [("secret", 0o600), (&*format!("Aa1{}", "0f".repeat(24)), 0o644)] {
        std::fs::write(data.join("run.password"), password).unwrap();
        std::fs::set_permissions(data.join("run.password"), PermissionsExt::from_mode(mode)).unwrap();
        let ran = harborctl.run(&["run", "--data", "served", "--", "true"]).await;
        assert_eq!(ran.code, Some(5), "{}", ran.told);
        assert!(!ran.told.contains(password), "{}", ran.told);
    }
}

/// Whenever it is ended, nothing is left.
#[tokio::test]
#[ignore = "needs harborctl, built with the feature local"]
async fn it_can_be_ended_at_any_time() {
    use rustix::process::{Pid, Signal, kill_process};
    let passing = tempfile::tempdir().unwrap();
    let harborctl = Harborctl::new().env("TMPDIR", passing.path().to_str().unwrap());
    for (turn, signal) in [Signal::INT, Signal::TERM, Signal::HUP].into_iter().cycle().take(30).enumerate() {
        let mut command = harborctl.command(&["run", "--", "sleep", "60"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // Until it hears signals it has made nothing.
        while left_in(passing.path()).is_empty() && turn % 2 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(20 * (turn as u64 % 7))).await;
        // A terminal sends Ctrl-C to both: where the command runs already, it is ended by the second signal here.
        let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
        if signal == Signal::INT
            && tokio::time::timeout(Duration::from_millis(300), child.wait()).await.is_err()
        {
            kill_process(pid, Signal::TERM).unwrap();
        }
        tokio::time::timeout(Duration::from_secs(20), child.wait()).await.unwrap().unwrap();
        assert_eq!(left_in(passing.path()), Vec::<std::ffi::OsString>::new(), "{signal:?} in turn {turn}");
    }
}

/// Who ends it ends the command, in good order; and nothing is left.
#[tokio::test]
#[ignore = "needs harborctl, built with the feature local"]
async fn a_command_ends_with_it() {
    let passing = tempfile::tempdir().unwrap();
    let harborctl = Harborctl::new().env("TMPDIR", passing.path().to_str().unwrap());
    let script = "echo ready; sleep 60";
    let mut command = harborctl.command(&["run", "--", "sh", "-c", &format!("exec sh -c '{script}'")]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = tokio::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    tokio::io::AsyncBufReadExt::read_line(&mut out, &mut line).await.unwrap();
    assert_eq!(line, "ready\n");
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = tokio::time::timeout(Duration::from_secs(20), child.wait()).await.unwrap().unwrap();
    assert_eq!(status.signal(), None);
    assert_eq!(status.code(), Some(128 + 15));
    assert_eq!(left_in(passing.path()), Vec::<std::ffi::OsString>::new());
}

async fn server(data: &std::path::Path, database: Option<&str>) -> Process {
    let mut command = Build::Last.over(data);
    command.env("HARBOR_ADMIN_PASSWORD", PASSWORD);
    if let Some(database) = database {
        command.env("HARBOR_DATABASE_URL", database);
    }
    Process::launch(command, &data.join("server.log")).await
}

async fn make(admin: &Client, path: &str, body: Value) -> Value {
    let made = admin.post(&format!("{API}{path}")).json(&body).await.expect_status(201);
    if made.body.is_empty() { Value::Null } else { made.json() }
}

/// What somebody sees of a registry: all of this is the same behind the move.
async fn seen(admin: &Client) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in [
        "/projects",
        "/users",
        "/quotas",
        "/projects/team/members",
        "/projects/team/robots",
        "/projects/team/repositories",
        "/projects/team/repositories/app/artifacts?with_tag=true&with_label=true",
        "/projects/team/immutabletagrules",
        "/projects/team/webhook/policies",
        "/auditlog-exts?q=operation=create&page_size=100",
        "/labels?scope=g",
        "/configurations",
        "/statistics",
    ] {
        seen.push(admin.get(&format!("{API}{path}")).await.expect_status(200).json());
    }
    seen
}

async fn a_registry_moves(to: Database) {
    let data = tempfile::tempdir().unwrap();
    let harborctl = Harborctl::new();
    let before = server(data.path(), None).await;
    let admin = before.anon().basic("admin", PASSWORD);
    make(&admin, "/projects", json!({ "project_name": "team", "storage_limit": 1 << 30 })).await;
    // Of what was deleted, the key is not given again.
    make(&admin, "/projects", json!({ "project_name": "gone" })).await;
    admin.delete(&format!("{API}/projects/gone")).await.expect_status(200);
    make(&admin, "/users", json!({ "username": "grace", "password": PASSWORD, "realname": "Grüße 🙂" }))
        .await;
    let member = json!({ "role_id": 2, "member_user": { "username": "grace" }, "repositories": ["app"] });
    make(&admin, "/projects/team/members", member).await;
    let permission = json!([{ "kind": "project", "namespace": "team",
        "access": [{ "resource": "repository", "action": "pull" }] }]);
    let robot = json!({ "name": "ci", "level": "project", "duration": -1, "permissions": permission });
    let robot = make(&admin, "/robots", robot).await;
    make(&admin, "/labels", json!({ "name": "tested", "scope": "g" })).await;
    let hook = json!({ "name": "w", "enabled": true, "event_types": ["PUSH_ARTIFACT"],
        "targets": [{ "type": "http", "address": "https://example.org/hook" }] });
    make(&admin, "/projects/team/webhook/policies", hook).await;
    let set = image(Algorithm::Sha256);
    for tag in 0..40 {
        admin.push("team/app", Some(&format!("t{tag}")), &set).await;
    }
    let there = seen(&admin).await;
    let token = "/service/token?service=harbor-registry&scope=repository:team/app:pull";
    let token = admin.get(token).await.expect_status(200).json()["token"].as_str().unwrap().to_owned();

    let folder = data.path().to_str().unwrap().to_owned();
    let migrate = ["local", "migrate-database", "--data", &folder, "--to", to.url(), "-o", "json"];
    let busy = harborctl.run(&migrate).await;
    assert_eq!(busy.code, Some(6), "a server that runs has it: {}", busy.told);
    assert!(before.stop().await);
    let ran = harborctl.run(&migrate).await;
    assert_eq!(ran.code, Some(0), "{}", ran.told);
    let tables: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert!(tables.iter().any(|table| table["table"] == "tags" && table["rows"] == 40), "{tables:?}");

    let after = server(data.path(), Some(to.url())).await;
    let admin = after.anon().basic("admin", PASSWORD);
    assert_eq!(seen(&admin).await, there);
    let bearer = after.anon().bearer(&token);
    for client in [&bearer, &after.anon().basic("robot$team+ci", robot["secret"].as_str().unwrap())] {
        client.get("/v2/team/app/manifests/t7").await.expect_status(200);
    }
    let projects: Vec<i64> =
        there[0].as_array().unwrap().iter().map(|one| one["project_id"].as_i64().unwrap()).collect();
    make(&admin, "/projects", json!({ "project_name": "next" })).await;
    let next = admin.get(&format!("{API}/projects/next")).await.json()["project_id"].as_i64().unwrap();
    assert!(
        next > projects.iter().max().unwrap() + 1,
        "the key of the project that was deleted is not given again"
    );
    assert!(after.stop().await);

    let again = harborctl.run(&migrate).await;
    assert_eq!(again.code, Some(5), "{}", again.told);
    let password = to.url().split(['/', ':', '@']).nth(4).unwrap();
    assert!(!again.told.contains(&format!(":{password}@")), "{}", again.told);
}

#[tokio::test]
#[ignore = "needs PostgreSQL, the built harbor-server, and harborctl, built with the feature local"]
async fn a_registry_moves_to_postgres() {
    a_registry_moves(Database::postgres()).await;
}

#[tokio::test]
#[ignore = "needs MariaDB, the built harbor-server, and harborctl, built with the feature local"]
async fn a_registry_moves_to_mariadb() {
    a_registry_moves(Database::mariadb()).await;
}

#[tokio::test]
#[ignore = "needs harborctl, built with the feature local"]
async fn what_cannot_be_moved_is_told() {
    let harborctl = Harborctl::new();
    let absent =
        harborctl.run(&["local", "migrate-database", "--data", "nowhere", "--to", "postgres://x"]).await;
    assert_eq!(absent.code, Some(3), "{}", absent.told);
    harborctl.ok(&["run", "--data", "kept", "--", "true"]).await;
    let same =
        harborctl.run(&["local", "migrate-database", "--data", "kept", "--to", "sqlite:other.db"]).await;
    assert_eq!(same.code, Some(2), "{}", same.told);
    assert!(same.told.contains("PostgreSQL or MySQL/MariaDB"), "{}", same.told);
}

//! The built program as an operator meets it: flags, environment, file, first password, and what it says when it cannot start.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harbor_core::Clock;
use harbor_core::oci::Algorithm;
use harbor_tests::{Build, Client, Process, code_at, content, outcome};
use serde_json::{Value, json};
use tokio::process::Command;

/// A password that must not turn up anywhere.
const CANARY: &str = "canary-4711-Hunter2";

/// Runs a program that cannot start, and yields what it says.
async fn refusal(command: Command) -> String {
    let output = outcome(command).await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{told}");
    assert!(!told.contains("panicked"), "{told}");
    told
}

/// The program without settings of its own, in the folder `at`.
fn bare(at: &Path) -> Command {
    let mut command = Build::Last.command();
    command.current_dir(at);
    command
}

/// The password in the line that shows it.
fn password_in(line: &str) -> &str {
    line.split_once("the password ").and_then(|(_, rest)| rest.split(' ').next()).unwrap()
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn help_names_every_setting() {
    let mut command = Build::Last.command();
    command.arg("--help");
    let output = outcome(command).await;
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for (flag, variable) in [
        ("--listen", "HARBOR_LISTEN"),
        ("--data", "HARBOR_DATA"),
        ("--database", "HARBOR_DATABASE_URL"),
        ("--blobs", "HARBOR_BLOBS_URL"),
        ("--config", "HARBOR_CONFIG"),
        ("--log", "HARBOR_LOG"),
        ("--log-format", "HARBOR_LOG_FORMAT"),
        ("--external-url", "HARBOR_EXTERNAL_URL"),
        ("--trusted-proxies", "HARBOR_TRUSTED_PROXIES"),
        ("--proxy-header", "HARBOR_PROXY_HEADER"),
        ("--pulls-per-principal", "HARBOR_PULLS_PER_PRINCIPAL"),
        ("--pulls-per-address", "HARBOR_PULLS_PER_ADDRESS"),
        ("--pushes-per-principal", "HARBOR_PUSHES_PER_PRINCIPAL"),
        ("--pushes-per-address", "HARBOR_PUSHES_PER_ADDRESS"),
        ("--login-failures-of-name", "HARBOR_LOGIN_FAILURES_OF_NAME"),
        ("--login-failures-of-address", "HARBOR_LOGIN_FAILURES_OF_ADDRESS"),
        ("--tls-certificate", "HARBOR_TLS_CERTIFICATE"),
        ("--tls-key", "HARBOR_TLS_KEY"),
        ("--version", "HARBOR_ADMIN_PASSWORD"),
    ] {
        assert!(help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n")), "{flag}: {help}");
        assert!(help.contains(variable), "{variable}: {help}");
    }
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn help_shows_no_secret_of_the_environment() {
    let mut command = Build::Last.command();
    command.arg("--help").env("HARBOR_ADMIN_PASSWORD", CANARY);
    command.env("HARBOR_DATABASE_URL", format!("postgres://harbor:{CANARY}@db/harbor"));
    command.env("HARBOR_BLOBS_URL", format!("s3://{CANARY}"));
    let output = outcome(command).await;
    assert!(!String::from_utf8(output.stdout).unwrap().contains(CANARY));
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("harbor.toml");
    for (text, needed) in [
        ("lisen = '127.0.0.1:0'\n", ["lisen", "\"listen\""]),
        ("[settings]\nblob_limits = 1\n", ["settings.blob_limits", "\"settings.blob_limit\""]),
        ("[tls]\ncertficate = 'x'\n", ["tls.certficate", "\"tls.certificate\""]),
        ("listen = 80\n", ["listen = 80", "string"]),
        ("listen = \n", ["line 1", "harbor.toml"]),
        ("log_format = 'xml'\n", ["log_format", "xml"]),
        ("listen = 'here'\n", ["here", "127.0.0.1:8080"]),
        ("[tls]\ncertificate = 'x'\n", ["certificate", "key"]),
        ("[server]\ntrusted_proxies = ['10.0.0.0/8', '10.1.2.3/8']\n", ["10.1.2.3/8", "10.0.0.0/8"]),
        ("[server]\ntrusted_proxies = ['localhost']\n", ["localhost", "2001:db8::/32"]),
        ("[server]\nproxy_header = 'x-real-ip'\n", ["x-real-ip", "x-forwarded-for"]),
        ("[limits]\npulls_per_address = 'often'\n", ["pulls_per_address", "600/minute"]),
    ] {
        std::fs::write(&file, text).unwrap();
        let mut command = bare(folder.path());
        command.arg("--config").arg(&file);
        let told = refusal(command).await;
        assert!(needed.iter().all(|needed| told.contains(needed)), "{text}: {told}");
    }
    let mut command = bare(folder.path());
    command.args(["--config", "nowhere.toml"]);
    let told = refusal(command).await;
    assert!(told.contains("nowhere.toml"), "{told}");
    assert!(!folder.path().join("harbor-data").exists(), "nothing was made by a server that did not start");
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn the_log_says_where_a_request_comes_from() {
    for (trusted, client) in [("", "127.0.0.1"), ("10.0.0.0/8, 127.0.0.1", "192.0.2.7")] {
        let data = tempfile::tempdir().unwrap();
        let log = data.path().join("server.log");
        let mut command = Build::Last.over(data.path());
        command.env("HARBOR_TRUSTED_PROXIES", trusted).env("HARBOR_LOG_FORMAT", "json");
        let server = Process::launch(command, &log).await;
        let push = server.anon().post("/v2/library/x/blobs/uploads/");
        push.header("X-Forwarded-For", "203.0.113.9, 192.0.2.7, 10.0.0.5").await.expect_status(401);
        assert!(server.stop().await);
        let log = std::fs::read_to_string(&log).unwrap();
        let line = log.lines().find(|line| line.contains("blobs/uploads")).unwrap();
        assert!(line.contains(&format!("\"client\":\"{client}\"")), "{line}");
        let told = log.contains("trusted_proxies");
        assert_eq!(
            told,
            trusted.is_empty(),
            "whoever stands behind a proxy and does not say so is told: {log}"
        );
    }
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn a_flag_beats_the_environment_beats_the_file() {
    // What is left of the three says where the settings come from.
    for (by_environment, by_flag, expected) in [
        (false, false, ("127.0.0.4", "file")),
        (true, false, ("127.0.0.3", "env")),
        (true, true, ("127.0.0.2", "flag")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let data = |name: &str| folder.path().join("deep").join(name);
        let file = folder.path().join("harbor.toml");
        let text = format!("listen = '127.0.0.4:0'\ndata = '{}'\n", data("file").display());
        std::fs::write(&file, text).unwrap();
        let mut command = bare(folder.path());
        command.env("HARBOR_CONFIG", &file);
        if by_environment {
            command.env("HARBOR_LISTEN", "127.0.0.3:0").env("HARBOR_DATA", data("env"));
        }
        if by_flag {
            command.args(["--listen", "127.0.0.2:0", "--data"]).arg(data("flag"));
        }
        let server = Process::launch(command, &folder.path().join("log")).await;
        assert_eq!(server.address().ip().to_string(), expected.0);
        let made: Vec<_> = ["file", "env", "flag"].into_iter().filter(|name| data(name).exists()).collect();
        assert_eq!(made, [expected.1], "the data folder, and no other, was made");
        assert!(data(expected.1).join("registry.db").exists());
        assert!(data(expected.1).join("blobs").is_dir());
        assert!(server.stop().await);
    }
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn a_port_in_use_is_told_and_the_password_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = folder.path().join("data");
    let start = |listen: &str| {
        let mut command = bare(folder.path());
        command.args(["--listen", listen, "--data"]).arg(&data);
        command
    };
    let output = outcome(start(&address)).await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&address) && told.contains("in use"), "{told}");
    let shown = String::from_utf8(output.stdout).unwrap();
    let server = Process::launch(start("127.0.0.1:0"), &folder.path().join("log")).await;
    let lines: Vec<&str> = shown.lines().chain(server.said().iter().map(String::as_str)).collect();
    let [line] = lines[..] else { panic!("the password is shown once: {lines:?}") };
    let client = server.anon().basic("admin", password_in(line));
    client.get("/v2/").await.expect_status(200);
    assert!(server.stop().await);
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn a_second_server_on_the_same_folder_is_told_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let server = Process::start(data.path()).await;
    let told = refusal(Build::Last.over(data.path())).await;
    for needed in [&*data.path().to_string_lossy(), "in use by another process", "stop it", "another folder"]
    {
        assert!(told.contains(needed), "{needed}: {told}");
    }
    let set = content::image(Algorithm::Sha256);
    server.admin().push("library/app", Some("latest"), &set).await;
    assert!(server.stop().await);
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn the_first_password_is_shown_once_and_works() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let mut command = bare(folder.path());
        command.args(["--listen", "127.0.0.1:0", "--log", "debug"]);
        Process::launch(command, &folder.path().join("log")).await
    };
    let server = start().await;
    let [line] = server.said() else { panic!("one line: {:?}", server.said()) };
    let password = password_in(line).to_owned();
    assert!(password.len() >= 16, "{line}");
    server.anon().basic("admin", &password).get("/v2/").await.expect_status(200);
    server.anon().basic("admin", "Harbor12345").get("/v2/").await.expect_error(401, "UNAUTHORIZED");
    assert!(server.stop().await);

    let server = start().await;
    assert_eq!(server.said(), [""; 0], "shown at the second start too");
    server.anon().basic("admin", &password).get("/v2/").await.expect_status(200);
    assert!(server.stop().await);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains(&password), "the log has the password");
    assert!(folder.path().join("harbor-data/registry.db").exists(), "the default data folder");

    // Forgotten: another one is set.
    let mut command = bare(folder.path());
    command.args(["--listen", "127.0.0.1:0"]).env("HARBOR_ADMIN_PASSWORD", CANARY);
    let server = Process::launch(command, &folder.path().join("log")).await;
    server.anon().basic("admin", CANARY).get("/v2/").await.expect_status(200);
    server.anon().basic("admin", &password).get("/v2/").await.expect_error(401, "UNAUTHORIZED");
    assert!(server.stop().await);
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn the_log_has_no_secret() {
    for (format, level) in [("text", "debug"), ("json", "trace")] {
        let data = tempfile::tempdir().unwrap();
        let log = data.path().join("server.log");
        let mut command = Build::Last.over(data.path());
        command.env("HARBOR_ADMIN_PASSWORD", CANARY).env("HARBOR_LOG", level);
        command.env("HARBOR_LOG_FORMAT", format);
        let server = Process::launch(command, &log).await;
        let admin = server.anon().basic("admin", CANARY);
        let set = content::index(Algorithm::Sha256);
        admin.push("library/app", Some("latest"), &set).await;
        let scope = "/service/token?service=harbor-registry&scope=repository:library/app:pull,push";
        let token = admin.get(scope).await.expect_status(200).json()["token"].as_str().unwrap().to_owned();
        server.anon().bearer(&token).http2().get("/v2/library/app/tags/list").await.expect_status(200);
        let secrets = shown_once(&server, &admin).await;
        let wrong = format!("{CANARY}-wrong");
        server.anon().basic("admin", &wrong).get("/v2/").await.expect_error(401, "UNAUTHORIZED");
        assert!(server.stop().await);
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(log.contains("/v2/library/app/tags/list"), "reads are logged at debug: {log}");
        let encoded = STANDARD.encode(format!("admin:{CANARY}"));
        for secret in [CANARY, &encoded, &token].into_iter().chain(secrets.iter().map(String::as_str)) {
            assert!(!log.contains(secret), "the log has {secret}: {log}");
        }
    }
}

/// Makes and uses one of each kind of secret that a server shows once.
async fn shown_once(server: &Process, admin: &Client) -> Vec<String> {
    let post = async |path: &str, body: Value| {
        let body = admin.post(&format!("/api/v2.0{path}")).json(&body).await.expect_status(201).body;
        serde_json::from_slice::<Value>(&body).unwrap_or_default()
    };
    post("/users", json!({ "username": "grace", "password": CANARY })).await;
    let access = json!([{ "kind": "project", "namespace": "library",
        "access": [{ "resource": "repository", "action": "pull" }] }]);
    let robot = json!({ "name": "ci", "level": "project", "duration": 1, "permissions": access });
    let robot = post("/robots", robot).await["secret"].as_str().unwrap().to_owned();
    server.anon().basic("robot$library+ci", &robot).get("/v2/").await.expect_status(200);
    let renewed = admin.get("/api/v2.0/robots?q=Level=project,ProjectID=1").await.expect_status(200).json()
        [0]["id"]
        .clone();
    let renew = json!({ "secret": "", "overlap": 60 });
    let renewed =
        admin.patch(&format!("/api/v2.0/robots/{renewed}")).json(&renew).await.expect_status(200).json();
    let renewed = renewed["secret"].as_str().unwrap().to_owned();
    server.anon().basic("robot$library+ci", &renewed).get("/v2/").await.expect_status(200);
    let personal = post("/users/current/tokens", json!({ "name": "ci", "duration": 1 })).await;
    let personal = personal["token"].as_str().unwrap().to_owned();
    server.anon().bearer(&personal).get("/v2/").await.expect_status(200);
    let form = format!("principal=grace&password={CANARY}");
    let session = server.anon().post("/c/login").body(form).await.expect_status(200);
    let cookie = session.need("Set-Cookie").split(';').next().unwrap().split_once('=').unwrap().1.to_owned();
    let csrf = session.need("X-Harbor-CSRF-Token").to_owned();
    let grace = server.anon().basic("grace", CANARY);
    let factor = grace.post("/api/v2.0/users/current/totp").json(&json!({ "password": CANARY })).await;
    let factor = factor.expect_status(201).json()["secret"].as_str().unwrap().to_owned();
    let code = code_at(&factor, Clock::System.now(), 0);
    let on = grace
        .put("/api/v2.0/users/current/totp")
        .json(&json!({ "code": code }))
        .await
        .expect_status(200)
        .json();
    let recovery = on["recovery_codes"][0].as_str().unwrap().to_owned();
    let form = format!("principal=grace&password={CANARY}&totp={recovery}");
    server.anon().post("/c/login").body(form).await.expect_status(200);
    for wrong in [&robot, &personal, &cookie, &recovery] {
        server.anon().basic(wrong, wrong).get("/v2/").await.expect_status(401);
        server
            .anon()
            .get("/api/v2.0/users")
            .header("Cookie", format!("sid={wrong}x"))
            .await
            .expect_status(401);
    }
    vec![robot, renewed, personal, cookie, csrf, factor, recovery]
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn a_database_that_cannot_be_used_is_told_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (format!("postgres://harbor:{CANARY}@127.0.0.1:1/harbor"), "refused"),
        (format!("mysql://harbor:{CANARY}@127.0.0.1:1/harbor"), "refused"),
        (format!("postgres://harbor:{CANARY}@[bad/harbor"), "PostgreSQL"),
        (format!("mysql://harbor:{CANARY}@[bad/harbor"), "MySQL"),
        (format!("postgres://harbor:{CANARY}@127.0.0.1:port/harbor"), "PostgreSQL"),
        (format!("oracle://harbor:{CANARY}@127.0.0.1/harbor"), "sqlite:, postgres: or mysql:"),
        (format!("harbor:{CANARY}@127.0.0.1/harbor"), "sqlite:, postgres: or mysql:"),
    ];
    for (address, needed) in cases {
        let mut command = Build::Last.over(folder.path());
        command.env("HARBOR_DATABASE_URL", &address).env("HARBOR_LOG", "debug");
        let told = refusal(command).await;
        assert!(!told.contains(CANARY), "{told}");
        assert!(told.contains(needed), "{address}: {told}");
    }
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn a_blob_store_that_cannot_be_used_is_told_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "no folder").unwrap();
    let cases = [
        (format!("ftp://harbor:{CANARY}@127.0.0.1/x"), "file, memory, s3"),
        (format!("s3://harbor:{CANARY}@bucket/x?unknown=1"), ""),
        (format!("file:{}", folder.path().join("file/blobs").display()), "file/blobs"),
    ];
    for (address, needed) in cases {
        let mut command = Build::Last.over(folder.path());
        command.env("HARBOR_BLOBS_URL", &address);
        let told = refusal(command).await;
        assert!(!told.contains(CANARY) && told.contains(needed), "{told}");
    }
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn a_data_folder_that_cannot_be_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "no folder").unwrap();
    let data = folder.path().join("file/data");
    let told = refusal(Build::Last.over(&data)).await;
    assert!(told.contains(&*data.to_string_lossy()), "{told}");
}

#[tokio::test]
#[ignore = "needs the built harbor-server"]
async fn the_usual_limit_of_open_files_is_no_limit_of_connections() {
    let data = tempfile::tempdir().unwrap();
    let program = Build::Last.over(data.path());
    let (program, arguments) = (program.as_std().get_program(), program.as_std().get_args());
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -Sn 100 && exec "$0" "$@""#]).arg(program).args(arguments);
    command.kill_on_drop(true);
    let server = Process::launch(command, &data.path().join("server.log")).await;
    let mut connections = Vec::new();
    for _ in 0..300 {
        connections.push(server.raw().await);
    }
    for connection in &mut connections {
        assert_eq!(connection.ask("GET /api/v2.0/ping", &[]).await.unwrap().status, 200);
    }
    assert!(server.stop().await);
}

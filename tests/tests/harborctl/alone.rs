//! Transcripts of what needs no server: `local` over the stores of one that was stopped, `run`, `completion`, `man`.

use harbor_tests::{Build, Database, Harborctl, Process};

use crate::{Transcript, images};

/// How many rows each table has, line by line; nothing stands in the place of that.
const NOTES: (&str, &str) = (r"(?m)^\w+: \d+ rows\n", "");

/// The stores of a server with two images, where the command line looks for them by itself; and the server, which runs.
async fn served(harborctl: &Harborctl) -> Process {
    let data = harborctl.home().join("harbor-data");
    std::fs::create_dir(&data).unwrap();
    let server = Process::launch(Build::Last.over(&data), &harborctl.home().join("server.log")).await;
    for (tag, architecture) in [("1.0", "amd64"), ("1.1", "arm64")] {
        let set = images::image(architecture, &[&[("etc/os", architecture)]]);
        server.admin().push("library/web", Some(tag), &set).await;
    }
    server
}

#[tokio::test]
#[ignore = "needs the built harbor-server, and harborctl, built with the feature local"]
async fn stores_without_a_server() {
    let harborctl = Harborctl::new();
    let mut told = Transcript::with_digests(&harborctl)
        // Snapshots are called by when they were taken, and something random.
        .but(r"\b\d{8}T\d{6}Z-[0-9a-f]{8}\b", "[snapshot]")
        // How many rows the server writes by itself, and how large files with times are, is nobody's business here.
        .but(NOTES.0, NOTES.1)
        .but(r"(ROWS +|rows.: )\d+", "$1[rows]")
        .but(r"\d+ +4 +4\.1 KiB +sqlite +folder +\d+", "[rows]   4   4.1 KiB   sqlite   folder   [schema]")
        .but(r"(SCHEMA +|schema.: )\d+", "$1[schema]")
        .but(r"\d+ files and blobs, \S+ KiB", "[files] files and blobs, [size]");
    let server = served(&harborctl).await;
    told.type_in("local gc --dry-run\nlocal check --repair").await;
    assert!(server.stop().await);
    told.type_in(
        "local check
         local check --content
         local check --data nowhere
         local gc --dry-run
         local gc --delete-untagged -o json
         local backup backup
         local backup backup -o json -q
         local backup list backup -o wide
         local backup list nowhere
         local backup verify backup
         local backup verify backup nope
         local backup prune backup --keep 1
         local backup prune backup --keep 0
         local backup
         local backup harbor-data
         local restore backup --data restored
         local restore backup --data restored
         local restore backup --data other --snapshot nope
         local restore backup --data other --at yesterday
         local restore nowhere --data other
         local check --data restored --content
         local migrate-database --data nowhere --to postgres://localhost/harbor
         local migrate-database --to sqlite:other.db
         local check --database nonsense",
    )
    .await;
    told.check("local");
}

#[tokio::test]
#[ignore = "needs PostgreSQL, the built harbor-server, and harborctl, built with the feature local"]
async fn a_database_is_moved() {
    let to = Database::postgres();
    let harborctl = Harborctl::new();
    assert!(served(&harborctl).await.stop().await);
    let mut told =
        Transcript::of(&harborctl).but(NOTES.0, NOTES.1).but(r"postgres://\S+", "postgres://[database]");
    let migrate = format!("local migrate-database --to {}", to.url());
    told.head_of(&format!("{migrate} -q"), 4).await;
    told.type_in(&migrate).await;
    told.check("migrate_database");
}

#[tokio::test]
#[ignore = "needs harborctl, built with the feature local"]
async fn a_registry_for_a_command() {
    let harborctl = Harborctl::new();
    std::fs::create_dir(harborctl.home().join("served")).unwrap();
    std::fs::write(harborctl.home().join("served/registry.db"), "").unwrap();
    let mut told = Transcript::of(&harborctl);
    told.type_in(
        "run -- sh -c 'echo $HARBOR_URL $HARBOR_USERNAME'
         run --data kept -- true
         run -- sh -c 'echo fails >&2; exit 7'
         run -- /no/such/program
         run --data served -- true
         run",
    )
    .await;
    told.check("run");
}

#[tokio::test]
#[ignore = "needs harborctl, built with the feature local"]
async fn what_shells_and_man_read() {
    let harborctl = Harborctl::new();
    let mut told = Transcript::of(&harborctl);
    for shell in ["bash", "zsh", "fish", "powershell"] {
        told.head_of(&format!("completion {shell}"), 3).await;
    }
    std::fs::write(harborctl.home().join("file"), "").unwrap();
    told.type_in("completion csh\nman man1\nman file/man1\nman").await;
    told.check("manual");
}

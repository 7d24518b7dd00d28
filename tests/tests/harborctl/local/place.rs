//! A registry in a place of its own: a data folder, perhaps a database on a server, perhaps a bucket.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use harbor_core::blob::UploadId;
use harbor_core::oci::Digest;
use harbor_tests::{Build, Client, Database, Harborctl, Process, Ran};
use serde_json::Value;
use sqlx::mysql::MySqlRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, FromRow, MySqlConnection, PgConnection};
use tempfile::TempDir;

use super::objects::Bucket;
use super::{API, PASSWORD};
use crate::moments;

/// How long content is kept that nothing refers to, in seconds, where it is to go soon.
const GRACE: u64 = 1;

/// The same where it is to go while work goes on: longer than a push takes on a slow machine.
const SLOW_GRACE: u64 = 5;

/// Where a registry is.
pub(super) struct Place {
    pub(super) data: TempDir,
    pub(super) database: Option<Database>,
    blobs: Option<String>,
    /// The bucket that these are in.
    pub(super) bucket: Option<Bucket>,
}

impl Place {
    /// SQLite and a folder.
    pub(super) fn folder() -> Self {
        Self { data: tempfile::tempdir().unwrap(), database: None, blobs: None, bucket: None }
    }

    /// Another database.
    pub(super) fn with(database: Database) -> Self {
        Self { database: Some(database), ..Self::folder() }
    }

    /// A prefix of its own in the bucket of the tests.
    pub(super) fn in_a_bucket(mut self) -> Self {
        let setting = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let (server, bucket) = (setting("HARBOR_TEST_S3_ENDPOINT"), setting("HARBOR_TEST_S3_BUCKET"));
        let (endpoint, prefix) = (server.replace(':', "%3A").replace('/', "%2F"), UploadId::random());
        let region = setting("HARBOR_TEST_S3_REGION");
        self.blobs = Some(format!("s3://{bucket}/{prefix}?endpoint={endpoint}&region={region}"));
        self.bucket = Some(Bucket::new(&server, &bucket, prefix.to_string()));
        self
    }

    pub(super) fn data(&self) -> &Path {
        self.data.path()
    }

    /// How the command line is told where it is.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--data".to_owned(), self.data().to_str().unwrap().to_owned()];
        if let Some(database) = &self.database {
            arguments.extend(["--database".to_owned(), database.url().to_owned()]);
        }
        if let Some(blobs) = &self.blobs {
            arguments.extend(["--blobs".to_owned(), blobs.clone()]);
        }
        arguments
    }

    /// A server on which content that nothing refers to goes soon.
    pub(super) async fn server(&self) -> Process {
        self.server_with(GRACE, "gc_interval = 1\n").await
    }

    /// The same, where pushes may be slow.
    pub(super) async fn busy_server(&self) -> Process {
        self.server_with(SLOW_GRACE, "gc_interval = 1\n").await
    }

    /// A server on which it is due soon, and nobody collects.
    pub(super) async fn server_that_does_not_collect(&self) -> Process {
        self.server_with(GRACE, "gc_interval = 3600\n").await
    }

    async fn server_with(&self, grace: u64, settings: &str) -> Process {
        let file = self.data().join("settings.toml");
        let settings = format!("[settings]\ngc_grace = {grace}\njob_lease = 3\n{settings}");
        std::fs::write(&file, settings).unwrap();
        Process::launch(self.command(Some(&file)), &self.data().join("server.log")).await
    }

    /// A server on which content is kept for as long as usual, and nobody collects.
    pub(super) async fn calm_server(&self) -> Process {
        Process::launch(self.command(None), &self.data().join("server.log")).await
    }

    /// What a server says that cannot start here.
    pub(super) async fn refusal(&self) -> String {
        let output = harbor_tests::outcome(self.command(None)).await;
        assert!(!output.status.success(), "a server started");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Whether somebody noted that it is being restored.
    pub(super) async fn is_begun(&self) -> bool {
        let statement = "SELECT COUNT(*) FROM _sqlx_migrations WHERE version > 1000000";
        self.number(statement).await.unwrap_or(0) > 0
    }

    /// The number that a statement yields; nothing where it fails.
    pub(super) async fn number(&self, statement: &str) -> Option<i64> {
        self.scalar(statement).await
    }

    /// The text that a statement yields.
    pub(super) async fn text(&self, statement: &str) -> String {
        self.scalar(statement).await.unwrap_or_else(|| panic!("{statement}"))
    }

    async fn scalar<T>(&self, statement: &str) -> Option<T>
    where
        T: Send + Unpin,
        (T,): for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, MySqlRow>,
    {
        let statement = AssertSqlSafe(statement.to_owned());
        let row: (T,) = match &self.database {
            None => {
                let options = SqliteConnectOptions::new().filename(self.data().join("registry.db"));
                let mut connection = options.connect().await.ok()?;
                sqlx::query_as(statement).fetch_one(&mut connection).await.ok()?
            }
            Some(database) if database.url().starts_with("postgres") => {
                let mut connection = PgConnection::connect(database.url()).await.ok()?;
                sqlx::query_as(statement).fetch_one(&mut connection).await.ok()?
            }
            Some(database) => {
                let mut connection = MySqlConnection::connect(database.url()).await.ok()?;
                sqlx::query_as(statement).fetch_one(&mut connection).await.ok()?
            }
        };
        Some(row.0)
    }

    /// Runs statements behind everybody's back. No database looks whether rows refer to others.
    pub(super) async fn sql(&self, statements: &str) {
        match &self.database {
            None => {
                let path = self.data().join("registry.db");
                let options = SqliteConnectOptions::new().filename(path).foreign_keys(false);
                let mut connection = options.connect().await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Some(database) if database.url().starts_with("postgres") => {
                let statements =
                    AssertSqlSafe(format!("SET session_replication_role = replica; {statements}"));
                let mut connection = PgConnection::connect(database.url()).await.unwrap();
                sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Some(database) => {
                let statements = AssertSqlSafe(format!("SET FOREIGN_KEY_CHECKS = 0; {statements}"));
                let mut connection = MySqlConnection::connect(database.url()).await.unwrap();
                sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    /// The nodes that ended just now are taken to be gone.
    pub(super) async fn no_nodes(&self) {
        self.sql("DELETE FROM worker_pools").await;
    }

    fn command(&self, file: Option<&Path>) -> tokio::process::Command {
        let mut command = Build::Last.over(self.data());
        command.env("HARBOR_ADMIN_PASSWORD", PASSWORD);
        if let Some(database) = &self.database {
            command.env("HARBOR_DATABASE_URL", database.url());
        }
        if let Some(blobs) = &self.blobs {
            command.env("HARBOR_BLOBS_URL", blobs);
        }
        if let Some(file) = file {
            command.arg("--config").arg(file);
        }
        command
    }
}

/// The command line, with the credentials of the bucket.
pub(super) fn harborctl() -> Harborctl {
    let ours = std::env::vars().filter(|(name, _)| name.starts_with("AWS_"));
    ours.fold(Harborctl::new(), |harborctl, (name, value)| harborctl.env(&name, &value))
}

/// Runs `local` with these arguments.
pub(super) async fn local(arguments: &[&str], more: &[String]) -> Ran {
    let arguments: Vec<&str> = ["local"]
        .into_iter()
        .chain(arguments.iter().copied())
        .chain(more.iter().map(String::as_str))
        .collect();
    harborctl().run(&arguments).await
}

/// Runs `local` with these arguments, which does what it should and prints JSON.
pub(super) async fn done(arguments: &[&str], more: &[String]) -> Value {
    let more: Vec<String> = more.iter().cloned().chain(["-o".to_owned(), "json".to_owned()]).collect();
    let ran = local(arguments, &more).await;
    assert_eq!(ran.code, Some(0), "{arguments:?}: {} {}", ran.out, ran.told);
    serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.out))
}

/// Everything that can be pulled: manifests by repository and digest, with their tags; each is there with all that it refers to, byte
/// for byte.
pub(super) async fn content(admin: &Client) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for project in pages(admin, &format!("{API}/projects")).await {
        let project = project["name"].as_str().unwrap().to_owned();
        for repository in pages(admin, &format!("{API}/projects/{project}/repositories")).await {
            let name = repository["name"].as_str().unwrap().to_owned();
            let short = name.split_once('/').unwrap().1.replace('/', "%252F");
            let path = format!("{API}/projects/{project}/repositories/{short}/artifacts");
            for artifact in pages(admin, &path).await {
                let digest = artifact["digest"].as_str().unwrap();
                let tags = artifact["tags"].as_array().cloned().unwrap_or_default();
                let mut tags: Vec<_> =
                    tags.iter().map(|tag| tag["name"].as_str().unwrap().to_owned()).collect();
                tags.sort();
                for tag in &tags {
                    let named = admin.get(&format!("/v2/{name}/manifests/{tag}")).await.expect_status(200);
                    assert_eq!(named.digest().to_string(), digest, "{name}:{tag}");
                }
                whole(admin, &name, digest).await;
                found.insert(format!("{name}@{digest}"), tags);
            }
        }
    }
    found
}

/// A manifest is there with all that it refers to.
async fn whole(admin: &Client, repository: &str, digest: &str) {
    let manifest = bytes(admin, &format!("/v2/{repository}/manifests/{digest}"), digest).await;
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    for entry in manifest["manifests"].as_array().into_iter().flatten() {
        Box::pin(whole(admin, repository, entry["digest"].as_str().unwrap())).await;
    }
    for blob in manifest["layers"].as_array().into_iter().flatten().chain([&manifest["config"]]) {
        if let Some(digest) = blob["digest"].as_str() {
            bytes(admin, &format!("/v2/{repository}/blobs/{digest}"), digest).await;
        }
    }
}

async fn bytes(admin: &Client, path: &str, digest: &str) -> bytes::Bytes {
    let body = admin.get(path).await.expect_status(200).body;
    let expected: Digest = digest.parse().unwrap();
    assert_eq!(Digest::of(expected.algorithm(), &body), expected, "{path}");
    body
}

async fn pages(admin: &Client, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = Some(format!("{path}?page_size=100"));
    while let Some(path) = next {
        let answer = admin.get(&path).await.expect_status(200);
        all.extend(answer.json().as_array().cloned().unwrap_or_default());
        next = answer.next();
    }
    all
}

/// Files in a folder and below, by their paths there.
pub(super) fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(below) = folders.pop() {
        for entry in std::fs::read_dir(&below).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The snapshots that are to be seen.
pub(super) async fn snapshots(backup: &str) -> Vec<String> {
    let list = done(&["backup", "list", backup], &[]).await;
    list.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// Starts a command and kills it after a while; whether it had ended by then, and how.
pub(super) async fn killed(arguments: &[&str], more: &[String], after: Duration) -> Option<bool> {
    let more = more.iter().map(String::as_str);
    let arguments: Vec<&str> = ["local"].into_iter().chain(arguments.iter().copied()).chain(more).collect();
    moments::killed(&harborctl(), &arguments, after).await
}

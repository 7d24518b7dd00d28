//! A registry with many blobs of which some are garbage, made without HTTP as `fill` does; and collecting it.

use std::io::Write as _;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use harbor_core::access::permission::GarbageCollectionCreate;
use harbor_core::access::{Actor, AllowAll};
use harbor_core::blob::UploadId;
use harbor_core::meta::MetadataStore as _;
use harbor_core::{Harbor, Settings};
use harbor_storage::blobs::FolderBlobs;
use harbor_storage::sql::SqlMetadata;
use sqlx::{Connection, Executor};

use crate::client::Failure;

/// How many rows are written in one statement.
const AT_ONCE: u64 = 500;

/// Of so many blobs the first are garbage, which falls due in so many parts, so many seconds apart from each other and from now.
pub(crate) struct Scale {
    pub(crate) blobs: u64,
    pub(crate) garbage: u64,
    pub(crate) waves: u64,
    pub(crate) apart: u64,
}

/// Writes the rows of all blobs, and the files of those that are garbage. Prints when the first are due: seconds since 1970.
pub(crate) async fn run(database: &str, folder: &Path, scale: &Scale) -> Result<(), Failure> {
    // It makes the tables.
    let store = SqlMetadata::connect(database).await?;
    store.close().await;
    let blobs = FolderBlobs::open(folder).await?;
    drop(blobs);
    if let Some(path) = database.strip_prefix("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(path).await?;
        connection.execute("PRAGMA synchronous = OFF").await?;
        write(&mut connection, folder, scale, "x'7b7d'").await?;
        connection.close().await?;
    } else {
        let mut connection = sqlx::PgConnection::connect(database).await?;
        write(&mut connection, folder, scale, "'\\x7b7d'").await?;
        connection.execute("ANALYZE").await?;
        connection.close().await?;
    }
    Ok(())
}

async fn write<C>(connection: &mut C, folder: &Path, scale: &Scale, braces: &str) -> Result<(), Failure>
where
    for<'c> &'c mut C: Executor<'c>,
{
    let mut say = async |statement: String| -> Result<(), Failure> {
        (&mut *connection).execute(sqlx::raw_sql(sqlx::AssertSqlSafe(statement))).await?;
        Ok(())
    };
    say("BEGIN".to_owned()).await?;
    say("INSERT INTO projects (name, is_public, created_at) VALUES ('garbage', 0, 1)".to_owned()).await?;
    say("INSERT INTO repositories (project_id, name, created_at, updated_at) \
         SELECT id, 'garbage/app', 1, 1 FROM projects WHERE name = 'garbage'"
        .to_owned())
    .await?;
    let mut number = 0;
    while number < scale.blobs {
        let upto = (number + AT_ONCE).min(scale.blobs);
        let rows: Vec<String> =
            (number..upto).map(|number| row(folder, scale, number)).collect::<Result<_, _>>()?;
        say(format!("INSERT INTO blobs (digest, size, location, created_at) VALUES {}", rows.join(", ")))
            .await?;
        number = upto;
    }
    let mut first = 0;
    for statement in AFTER {
        // The last of them are the entries of the queue: seconds may have gone by until then.
        first = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + scale.apart;
        let due = format!("({first} + b.id % {} * {}) * 1000000", scale.waves, scale.apart);
        let statement = statement.replace("GARBAGE", &scale.garbage.to_string()).replace("DUE", &due);
        say(statement.replace("BRACES", braces)).await?;
    }
    say("COMMIT".to_owned()).await?;
    writeln!(std::io::stdout().lock(), "{first}")?;
    Ok(())
}

/// What follows from the rows of blobs; BRACES is a payload as the database writes bytes. Those that are no garbage belong to a manifest.
const AFTER: [&str; 6] = [
    "INSERT INTO blob_links (repository_id, blob_id, created_at, maker) \
     SELECT r.id, b.id, 1, 0 FROM blobs b CROSS JOIN repositories r WHERE r.name = 'garbage/app' ORDER BY b.id",
    "INSERT INTO manifests (repository_id, digest, media_type, size, annotations, payload, pushed_at, project_id, kind) \
     SELECT r.id, 'sha256:m', 'application/vnd.oci.image.manifest.v1+json', 2, '{}', BRACES, 1, r.project_id, 'IMAGE' \
     FROM repositories r WHERE r.name = 'garbage/app'",
    "INSERT INTO manifest_blobs (manifest_id, link_id) SELECT m.id, l.id FROM blob_links l \
     JOIN blobs b ON b.id = l.blob_id JOIN manifests m ON m.repository_id = l.repository_id WHERE b.created_at > GARBAGE",
    "INSERT INTO project_content (project_id, digest, size, holders) SELECT r.project_id, b.digest, b.size, 1 \
     FROM blob_links l JOIN blobs b ON b.id = l.blob_id JOIN repositories r ON r.id = l.repository_id",
    "INSERT INTO project_usage (project_id, stripe, used) SELECT project_id, 0, SUM(size) FROM project_content \
     GROUP BY project_id",
    "INSERT INTO link_reviews (link_id, due, attempts, reason) SELECT l.id, DUE, 0, 'blob pushed' \
     FROM blob_links l JOIN blobs b ON b.id = l.blob_id WHERE b.created_at <= GARBAGE",
];

/// A blob's row; of garbage, with its file. What it is made at is its number.
fn row(folder: &Path, scale: &Scale, number: u64) -> Result<String, Failure> {
    let id = UploadId::random().to_string();
    let place = format!("{}/{id}", &id[..2]);
    if number < scale.garbage {
        let file = folder.join("blobs").join(&place);
        std::fs::create_dir_all(file.parent().unwrap_or(folder))?;
        std::fs::write(file, b"garbage")?;
    }
    Ok(format!("('sha256:{number:064x}', 7, 'blobs/{place}', {})", number + 1))
}

/// Collects all that is due, and prints how fast that was, and how much memory it took.
pub(crate) async fn collect(database: &str, folder: &Path, workers: u32) -> Result<(), Failure> {
    let mut settings = Settings::default();
    settings.job_workers = 0;
    let harbor = Harbor::builder()
        .metadata(SqlMetadata::connect(database).await?)
        .blobs(FolderBlobs::open(folder).await?)
        .authorizer(AllowAll)
        .settings(settings)
        .build()?;
    let before = resident()?;
    let proof = harbor.authorize::<GarbageCollectionCreate>(&Actor::administrator("admin"), ()).await?;
    let begun = Instant::now();
    let report = harbor.collect_garbage_with(proof, workers).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let rate = report.blobs as f64 / seconds;
    let after = resident()?;
    writeln!(
        std::io::stdout().lock(),
        "{} blobs in {seconds:.1} s with {workers} workers: {rate:.0}/s; memory {before} to {after} MiB",
        report.blobs
    )?;
    Ok(())
}

/// How much memory this process has, in MiB.
fn resident() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib =
        line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    Ok(kib.unwrap_or_default() / 1024)
}

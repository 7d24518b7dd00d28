//! What is on disk, beside what the database knows of.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Row, SqliteConnection};

/// How long everything that is due may take to be collected: grace and expiry are 3 seconds, waits after a failure 10.
const PATIENCE: Duration = Duration::from_secs(40);

/// Waits until nothing is left but the bytes of blobs that manifests refer to.
pub(crate) async fn assert_reclaimed(folder: &Path) {
    let begin = Instant::now();
    loop {
        let (orphans, rows, files) = (orphans(folder).await, rows(folder).await, files(folder));
        if orphans == 0 && rows == files && !rows.is_empty() {
            println!("{} blobs on disk, all referred to, after {:?}", files.len(), begin.elapsed());
            return;
        }
        if begin.elapsed() > PATIENCE {
            let unknown: Vec<_> = files.difference(&rows).collect();
            let missing: Vec<_> = rows.difference(&files).collect();
            panic!(
                "{orphans} orphans in the database; files without a row {unknown:?}; rows without a file {missing:?}"
            );
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn connect(folder: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.join("data/registry.db")).read_only(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// Uploads, garbage, and links and blobs that nothing refers to.
async fn orphans(folder: &Path) -> i64 {
    let count = "SELECT (SELECT count(*) FROM uploads) + (SELECT count(*) FROM garbage) \
                 + (SELECT count(*) FROM blob_links WHERE id NOT IN (SELECT link_id FROM manifest_blobs)) \
                 + (SELECT count(*) FROM blobs WHERE id NOT IN (SELECT blob_id FROM blob_links))";
    let mut connection = connect(folder).await;
    sqlx::query(count).fetch_one(&mut connection).await.unwrap().get(0)
}

async fn rows(folder: &Path) -> BTreeSet<String> {
    let mut connection = connect(folder).await;
    let rows = sqlx::query("SELECT location FROM blobs").fetch_all(&mut connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Names below the folder of the driver, as locations are written.
fn files(folder: &Path) -> BTreeSet<String> {
    let root = folder.join("data/blobs");
    let mut files = BTreeSet::new();
    for group in std::fs::read_dir(root.join("blobs")).unwrap() {
        for file in std::fs::read_dir(group.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            files.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
        }
    }
    files
}

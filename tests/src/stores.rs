//! Stores of a test's own: made for it and gone after it.

use std::sync::Arc;

use harbor_core::blob::BlobStore;
use harbor_core::meta::MetadataStore;
use harbor_storage::blobs;
use harbor_storage::sql::SqlMetadata;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use url::Url;

/// Which stores a registry is tested over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackEnd {
    /// SQLite in memory, blobs in memory.
    Memory,
    /// SQLite in a file, blobs in a folder: the default of the server.
    Folder,
    /// PostgreSQL and S3: `HARBOR_TEST_POSTGRES_URL`, `HARBOR_TEST_S3_…`, `AWS_…`.
    PostgresS3,
    /// MariaDB and a folder: `HARBOR_TEST_MYSQL_URL`.
    MariaDbFolder,
}

/// Opened stores of a test's own, and how to remove them.
pub struct Stores {
    /// The metadata store.
    pub metadata: Arc<dyn MetadataStore>,
    /// The blob store.
    pub blobs: Arc<dyn BlobStore>,
    pub(crate) rest: Rest,
}

impl Stores {
    /// Closes and removes them.
    pub async fn close(self) {
        self.metadata.close().await;
        drop((self.metadata, self.blobs));
        self.rest.remove().await;
    }
}

/// What is to be removed once the stores are closed.
#[derive(Default)]
pub(crate) struct Rest {
    folder: Option<TempDir>,
    database: Option<(Server, Url, String)>,
    /// Where the database is; empty where only the process that opened it can reach it.
    url: String,
}

#[derive(Clone, Copy)]
enum Server {
    Postgres,
    MySql,
}

/// A value that the one who started the services must have set. Failing is right: a test that skips itself says "ok".
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: `tests/run --services` prints it"))
}

fn folder() -> TempDir {
    TempDir::with_prefix("harbor-test-").expect("a temporary folder")
}

impl BackEnd {
    /// Opens stores of a test's own.
    pub async fn open(self) -> Stores {
        match self {
            Self::Memory => Self::assemble("sqlite::memory:", "memory:", Rest::default()).await,
            Self::Folder => {
                let folder = folder();
                let database = format!("sqlite:{}", folder.path().join("registry.db").display());
                let blobs = format!("file:{}", folder.path().join("blobs").display());
                Self::assemble(&database, &blobs, Rest { folder: Some(folder), ..Rest::default() }).await
            }
            Self::PostgresS3 => {
                let (url, rest) = database_of_its_own(Server::Postgres, "HARBOR_TEST_POSTGRES_URL").await;
                Self::assemble(&url, &bucket(), rest).await
            }
            Self::MariaDbFolder => {
                let (url, mut rest) = database_of_its_own(Server::MySql, "HARBOR_TEST_MYSQL_URL").await;
                let folder = folder();
                let blobs = format!("file:{}", folder.path().display());
                rest.folder = Some(folder);
                Self::assemble(&url, &blobs, rest).await
            }
        }
    }

    async fn assemble(database: &str, blobs: &str, rest: Rest) -> Stores {
        let metadata = SqlMetadata::connect(database).await.expect("the database");
        let blobs = blobs::open(blobs).await.expect("the blob store");
        let rest = Rest { url: database.to_owned(), ..rest };
        Stores { metadata: Arc::new(metadata), blobs, rest }
    }
}

/// A prefix of its own in the bucket of the tests, whose server forgets everything when it stops.
fn bucket() -> String {
    let prefix = uuid::Uuid::new_v4();
    let mut url = Url::parse(&format!("s3://{}/{prefix}", setting("HARBOR_TEST_S3_BUCKET"))).expect("a URL");
    url.query_pairs_mut()
        .append_pair("endpoint", &setting("HARBOR_TEST_S3_ENDPOINT"))
        .append_pair("region", &setting("HARBOR_TEST_S3_REGION"));
    url.into()
}

async fn database_of_its_own(server: Server, variable: &str) -> (String, Rest) {
    let admin = Url::parse(&setting(variable)).expect("the address of a database");
    let from = match server {
        Server::Postgres => format!("TEMPLATE {} STRATEGY FILE_COPY", template(&admin).await),
        Server::MySql => String::new(),
    };
    let (name, url) = create(server, &admin, &from).await;
    (url, Rest { database: Some((server, admin, name)), ..Rest::default() })
}

/// A database on PostgreSQL that has its tables: a copy of it takes a tenth of the time that they take. The server forgets it when it
/// stops.
async fn template(admin: &Url) -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let made = TEMPLATE.get_or_init(async || {
        let (name, url) = create(Server::Postgres, admin, "").await;
        SqlMetadata::connect(&url).await.expect("the database").close().await;
        name
    });
    made.await
}

/// Makes an empty database, or one from another: its name, and where it is.
async fn create(server: Server, admin: &Url, from: &str) -> (String, String) {
    let name = format!("harbor_test_{}", uuid::Uuid::new_v4().simple());
    run(server, admin, format!("CREATE DATABASE {name} {from}")).await;
    let mut url = admin.clone();
    url.set_path(&name);
    (name, url.into())
}

async fn run(server: Server, url: &Url, statement: String) {
    match server {
        Server::Postgres => {
            let mut connection = sqlx::PgConnection::connect(url.as_str()).await.expect("PostgreSQL");
            connection.execute(AssertSqlSafe(statement)).await.expect("an answer of PostgreSQL");
            connection.close().await.expect("a farewell");
        }
        Server::MySql => {
            let mut connection = sqlx::MySqlConnection::connect(url.as_str()).await.expect("MariaDB");
            connection.execute(AssertSqlSafe(statement)).await.expect("an answer of MariaDB");
            connection.close().await.expect("a farewell");
        }
    }
}

impl Rest {
    /// Runs a statement behind the engine's back.
    pub(crate) async fn sql(&self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        match &self.database {
            Some((server, admin, name)) => {
                let mut url = admin.clone();
                url.set_path(name);
                run(*server, &url, statement.0).await;
            }
            None => {
                let mut connection =
                    sqlx::SqliteConnection::connect(&self.url).await.expect("SQLite in a file");
                connection.execute(statement).await.expect("an answer of SQLite");
                connection.close().await.expect("a farewell");
            }
        }
    }

    /// The number that a statement yields. Over SQLite in a file alone.
    pub(crate) async fn number(&self, statement: &str) -> i64 {
        let mut connection = sqlx::SqliteConnection::connect(&self.url).await.expect("SQLite in a file");
        let statement = AssertSqlSafe(statement.to_owned());
        let number = sqlx::query_scalar(statement).fetch_one(&mut connection).await;
        connection.close().await.expect("a farewell");
        number.expect("an answer of SQLite")
    }

    /// Removes what is left. After a test that failed nobody calls this, and the database can be looked at.
    pub(crate) async fn remove(self) {
        match self.database {
            Some((server @ Server::Postgres, admin, name)) => {
                run(server, &admin, format!("DROP DATABASE {name} WITH (FORCE)")).await;
            }
            Some((server @ Server::MySql, admin, name)) => {
                run(server, &admin, format!("DROP DATABASE {name}")).await;
            }
            None => {}
        }
        drop(self.folder);
    }
}

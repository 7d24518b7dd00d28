//! The conformance suite of the metadata store, run by every database; and what belongs to one of them.

// Fixtures are helpers outside of `#[test]`, where the lint does not know that this is a test.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use harbor_core::meta::MetadataStore;
use harbor_core::meta::conformance::MetadataFixture;
use harbor_core::{StoreError, StoreErrorKind};
use harbor_storage::sql::SqlMetadata;

/// Writes something and reads it back.
async fn assert_works(store: &SqlMetadata) {
    let mut rows = store.begin().await.unwrap();
    rows.setting_put("works", "yes").await.unwrap();
    rows.commit().await.unwrap();
    assert!(setting_is(store, "works", "yes").await);
}

async fn setting_is(store: &SqlMetadata, key: &str, value: &str) -> bool {
    store.read().await.unwrap().setting(key).await.unwrap().as_deref() == Some(value)
}

fn assert_too_new(outcome: Result<SqlMetadata, StoreError>) {
    let error = outcome.expect_err("a database of a newer version is refused");
    assert_eq!(error.kind(), StoreErrorKind::TooNew, "{error}");
    assert!(error.to_string().contains("999"), "{error}");
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::path::PathBuf;

    use tokio::sync::OnceCell;

    use super::*;

    /// The handle of an exclusive store: there is one.
    #[derive(Default)]
    struct Memory(OnceCell<Arc<SqlMetadata>>);

    #[async_trait]
    impl MetadataFixture for Memory {
        async fn open(&self) -> Arc<dyn MetadataStore> {
            let made = self.0.get_or_init(async || Arc::new(SqlMetadata::in_memory().await.unwrap()));
            Arc::<SqlMetadata>::clone(made.await)
        }
    }

    struct Folder {
        folder: tempfile::TempDir,
        store: OnceCell<Arc<SqlMetadata>>,
    }

    impl Folder {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), store: OnceCell::new() }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("below").join("registry.db")
        }
    }

    #[async_trait]
    impl MetadataFixture for Folder {
        async fn open(&self) -> Arc<dyn MetadataStore> {
            let made =
                self.store.get_or_init(async || Arc::new(SqlMetadata::sqlite(&self.path()).await.unwrap()));
            Arc::<SqlMetadata>::clone(made.await)
        }
    }

    mod memory {
        harbor_core::metadata_store_conformance!(super::Memory::default());
    }

    mod file {
        harbor_core::metadata_store_conformance!(super::Folder::new());
    }

    #[tokio::test]
    async fn a_second_handle_is_refused() {
        let folder = Folder::new();
        let first = SqlMetadata::sqlite(&folder.path()).await.unwrap();
        let refused = SqlMetadata::sqlite(&folder.path()).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
        assert!(refused.to_string().contains("in use by another process"), "{refused}");
        assert!(refused.to_string().contains("registry.db"), "{refused}");
        assert_works(&first).await;
    }

    #[tokio::test]
    async fn reopened_after_it_was_closed() {
        let folder = Folder::new();
        for _ in 0..3 {
            let store = SqlMetadata::sqlite(&folder.path()).await.unwrap();
            assert_works(&store).await;
            store.close().await;
            let late = store.begin().await.err().expect("a closed store opens no transaction");
            assert_eq!(late.kind(), StoreErrorKind::Unavailable, "{late}");
            // The handle may live on: what was closed is free for the next.
            let next = SqlMetadata::sqlite(&folder.path()).await.unwrap();
            assert!(setting_is(&next, "works", "yes").await);
            next.close().await;
        }
    }

    #[tokio::test]
    async fn reopened_after_it_was_dropped() {
        let folder = Folder::new();
        for _ in 0..3 {
            let store = SqlMetadata::connect(&format!("sqlite:{}", folder.path().display())).await.unwrap();
            assert_works(&store).await;
        }
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused() {
        let folder = Folder::new();
        let store = SqlMetadata::sqlite(&folder.path()).await.unwrap();
        store.close().await;
        drop(store);
        let url = format!("sqlite:{}", folder.path().display());
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        sqlx::query(NEWER).execute(&pool).await.unwrap();
        pool.close().await;
        assert_too_new(SqlMetadata::sqlite(&folder.path()).await);
    }

    #[tokio::test]
    async fn two_stores_in_memory_are_two() {
        let (one, other) = (SqlMetadata::in_memory().await.unwrap(), SqlMetadata::in_memory().await.unwrap());
        assert_works(&one).await;
        assert!(!setting_is(&other, "works", "yes").await);
    }
}

/// The trace of a migration that a later version of this program made.
const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     SELECT 999, 'later', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";

/// A database of its own on a server: made by the fixture, dropped with it.
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod servers {
    use std::sync::atomic::{AtomicU32, Ordering};

    use harbor_core::blob::UploadId;
    use sqlx::{AssertSqlSafe, Connection, Executor};

    use super::*;

    /// A value that the one who started the server must have set. Failing is right: a test that skips itself says "ok".
    fn setting(name: &str) -> String {
        std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; this test runs against a server"))
    }

    static COUNT: AtomicU32 = AtomicU32::new(0);

    fn fresh_name() -> String {
        let id = UploadId::random().to_string();
        format!("test_{}_{}", COUNT.fetch_add(1, Ordering::Relaxed), id.replace('-', ""))
    }

    /// Runs one statement on the server, from wherever.
    fn administrate<C: Connection>(url: String, statement: String)
    where
        for<'c> &'c mut C: Executor<'c, Database = C::Database>,
    {
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = C::connect(&url).await.unwrap();
                connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.unwrap();
                connection.close().await.unwrap();
            });
        };
        std::thread::spawn(work).join().unwrap();
    }

    macro_rules! server {
        ($module:ident, $connection:ty, $setting:literal, $drop:literal, $reason:literal) => {
            mod $module {
                use super::*;

                struct Fresh {
                    name: String,
                    url: String,
                }

                impl Fresh {
                    fn new() -> Self {
                        let (name, base) = (fresh_name(), setting($setting));
                        administrate::<$connection>(base.clone(), format!("CREATE DATABASE {name}"));
                        let (server, _) = base.rsplit_once('/').unwrap();
                        Self { url: format!("{server}/{name}"), name }
                    }

                    async fn connect(&self) -> Result<SqlMetadata, StoreError> {
                        SqlMetadata::connect(&self.url).await
                    }
                }

                impl Drop for Fresh {
                    fn drop(&mut self) {
                        administrate::<$connection>(setting($setting), format!($drop, self.name));
                    }
                }

                #[async_trait]
                impl MetadataFixture for Fresh {
                    async fn open(&self) -> Arc<dyn MetadataStore> {
                        Arc::new(self.connect().await.unwrap())
                    }
                }

                mod contract {
                    harbor_core::metadata_store_conformance!(super::Fresh::new(), #[ignore = $reason]);
                }

                #[tokio::test]
                #[ignore = $reason]
                async fn many_connect_at_once_to_an_empty_database() {
                    for _ in 0..3 {
                        let fresh = Fresh::new();
                        let (a, b, c, d) =
                            tokio::join!(fresh.connect(), fresh.connect(), fresh.connect(), fresh.connect());
                        for store in [a, b, c, d] {
                            assert_works(&store.unwrap()).await;
                        }
                    }
                }

                #[tokio::test]
                #[ignore = $reason]
                async fn a_newer_schema_is_refused() {
                    let fresh = Fresh::new();
                    fresh.connect().await.unwrap().close().await;
                    administrate::<$connection>(fresh.url.clone(), NEWER.to_owned());
                    assert_too_new(fresh.connect().await);
                }

                #[tokio::test]
                #[ignore = $reason]
                async fn a_closed_store_is_unavailable() {
                    let fresh = Fresh::new();
                    let store = fresh.connect().await.unwrap();
                    store.close().await;
                    let late = store.begin().await.err().expect("a closed store opens no transaction");
                    assert_eq!(late.kind(), StoreErrorKind::Unavailable, "{late}");
                }

                #[tokio::test]
                #[ignore = $reason]
                async fn an_address_that_leads_nowhere_is_not_told() {
                    let url = setting($setting).replace("harbor:harbor", "harbor:a-secret");
                    let refused = SqlMetadata::connect(&url).await.unwrap_err();
                    assert!(!format!("{refused} {refused:?}").contains("a-secret"), "{refused}");
                }
            }
        };
    }

    #[cfg(feature = "postgres")]
    server!(
        postgres,
        sqlx::PgConnection,
        "HARBOR_TEST_POSTGRES_URL",
        "DROP DATABASE {} WITH (FORCE)",
        "needs PostgreSQL"
    );

    #[cfg(feature = "mysql")]
    server!(
        mysql,
        sqlx::MySqlConnection,
        "HARBOR_TEST_MYSQL_URL",
        // Killing the others one by one is what `FORCE` is here: else this waits for whoever is within a transaction, which
        // nothing goes on with meanwhile.
        "BEGIN NOT ATOMIC
            FOR other IN (SELECT id FROM information_schema.processlist WHERE db = '{0}') DO
                BEGIN
                    DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;
                    KILL other.id;
                END;
            END FOR;
            DROP DATABASE {0};
        END",
        "needs MariaDB"
    );
}

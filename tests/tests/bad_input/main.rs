//! What a registry must stand: malformed requests, broken connections, strangers, and stores that fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

/// Makes tests of a function that takes a pair of stores, one for each pair.
macro_rules! on_stores {
    ($test:ident) => {
        mod $test {
            use harbor_tests::BackEnd;

            #[tokio::test]
            async fn memory() {
                super::$test(BackEnd::Memory).await;
            }

            #[tokio::test]
            async fn folder() {
                super::$test(BackEnd::Folder).await;
            }

            #[tokio::test]
            #[ignore = "needs PostgreSQL and S3"]
            async fn postgres_s3() {
                super::$test(BackEnd::PostgresS3).await;
            }

            #[tokio::test]
            #[ignore = "needs MariaDB"]
            async fn mariadb_folder() {
                super::$test(BackEnd::MariaDbFolder).await;
            }
        }
    };
}

mod bodies;
mod connections;
mod faults;
mod manifests;
mod paths;
mod queries;
mod sessions;
mod strangers;

/// A repository of the public project that every registry has.
const REPO: &str = "library/app";
/// The digest of nothing.
const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

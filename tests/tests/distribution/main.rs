//! Conformance with the OCI Distribution Specification 1.1, and with what its main branch adds to it, on every pair of
//! stores. One file a noun; a test's name is the clause that it is about.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

/// Makes tests of functions that take a registry, one for each function and pair of stores. After `with` comes what
/// changes the registry before it starts.
macro_rules! on_every_store {
    ($($tests:tt)+) => {
        crate::on_store!(memory, Memory, cfg(test), $($tests)+);
        crate::on_store!(folder, Folder, cfg(test), $($tests)+);
        crate::on_store!(postgres_s3, PostgresS3, ignore = "needs PostgreSQL and S3", $($tests)+);
        crate::on_store!(mariadb_folder, MariaDbFolder, ignore = "needs MariaDB", $($tests)+);
    };
}
macro_rules! on_store {
    ($module:ident, $stores:ident, $when:meta, $($test:ident $(with $change:ident)?;)+) => {
        mod $module {
            $(
                #[$when]
                #[tokio::test]
                async fn $test() {
                    let builder = harbor_tests::TestRegistry::builder(harbor_tests::BackEnd::$stores);
                    $(let builder = super::$change(builder);)?
                    let registry = builder.start().await;
                    super::$test(&registry).await;
                    registry.close().await;
                }
            )+
        }
    };
}
use {on_every_store, on_store};

mod auth;
mod base;
mod blobs;
mod catalog;
mod data_sets;
mod deletes;
mod errors;
mod manifests;
mod mounts;
mod ranges;
mod referrers;
mod tags;
mod uploads;

/// A repository of the public project that every registry has.
const REPO: &str = "library/conformance/repo1";
/// Another one.
const REPO2: &str = "library/conformance/repo2";

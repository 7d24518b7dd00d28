//! Tests that run on every pair of stores.

/// Makes tests of functions that take a registry: of each function one on SQLite and memory, one on PostgreSQL and S3, and one on
/// MariaDB and a folder. Failed logins lock nobody there. `with f;` ahead of them has a function change the registry before it
/// starts.
#[macro_export]
macro_rules! on_every_store {
    (with $parts:path; $($test:ident;)+) => {
        $crate::on_store!(memory, Memory, cfg(test), $parts; $($test;)+);
        $crate::on_store!(postgres, PostgresS3, ignore = "needs PostgreSQL and S3", $parts; $($test;)+);
        $crate::on_store!(mariadb, MariaDbFolder, ignore = "needs MariaDB", $parts; $($test;)+);
    };
    ($($test:ident;)+) => {
        $crate::on_every_store!(with ::std::convert::identity; $($test;)+);
    };
}

/// The tests of one pair of stores.
#[doc(hidden)]
#[macro_export]
macro_rules! on_store {
    ($module:ident, $stores:ident, $when:meta, $parts:path; $($test:ident;)+) => {
        mod $module {
            $(
                #[$when]
                #[tokio::test]
                async fn $test() {
                    let builder = $crate::TestRegistry::builder($crate::BackEnd::$stores);
                    let registry = $parts(builder.patient_with_logins()).start().await;
                    super::$test(&registry).await;
                    registry.close().await;
                }
            )+
        }
    };
}

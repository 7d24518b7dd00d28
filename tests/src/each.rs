//! Tests that run on every pair of stores.

/// Makes tests of functions: of each one on SQLite and memory, one on PostgreSQL and S3, and one on MariaDB and a folder.
///
/// A function takes the registry, in which failed logins lock nobody; or, with `(stores)` after its name, the [`BackEnd`]
/// that it is to start one of its own on, which it closes.
///
/// [`BackEnd`]: crate::BackEnd
#[macro_export]
macro_rules! on_every_store {
    ($($test:ident $(($stores:ident))?;)+) => {
        $crate::on_store!(memory, Memory, cfg(test), $($test $(($stores))?;)+);
        $crate::on_store!(postgres, PostgresS3, ignore = "needs PostgreSQL and S3", $($test $(($stores))?;)+);
        $crate::on_store!(mariadb, MariaDbFolder, ignore = "needs MariaDB", $($test $(($stores))?;)+);
    };
}

/// The tests of one pair of stores.
#[doc(hidden)]
#[macro_export]
macro_rules! on_store {
    ($module:ident, $pair:ident, $when:meta, $($test:ident $(($stores:ident))?;)+) => {
        mod $module {
            $(
                #[$when]
                #[tokio::test]
                async fn $test() {
                    $crate::test_on_store!($pair, super::$test $(, $stores)?);
                }
            )+
        }
    };
}

/// One test of one pair of stores.
#[doc(hidden)]
#[macro_export]
macro_rules! test_on_store {
    ($pair:ident, $test:path) => {
        let builder = $crate::TestRegistry::builder($crate::BackEnd::$pair);
        let registry = builder.patient_with_logins().start().await;
        $test(&registry).await;
        registry.close().await;
    };
    ($pair:ident, $test:path, stores) => {
        $test($crate::BackEnd::$pair).await;
    };
}

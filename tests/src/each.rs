//! Tests that run on every pair of stores.

/// Makes tests of functions: of each one on SQLite and memory, one on PostgreSQL and S3, and one on MariaDB and a folder.
///
/// A function takes the registry, in which failed logins lock nobody, and which the function behind `with`, where that stands
/// ahead of all, has changed before it started; or, with `(stores)` after its name, the [`BackEnd`] that it is to start one of
/// its own on, which it closes.
///
/// [`BackEnd`]: crate::BackEnd
#[macro_export]
macro_rules! on_every_store {
    (with $parts:path; $($test:ident $(($stores:ident))?;)+) => {
        $crate::on_store!(memory, Memory, cfg(test), $parts; $($test $(($stores))?;)+);
        $crate::on_store!(
            postgres, PostgresS3, ignore = "needs PostgreSQL and S3", $parts; $($test $(($stores))?;)+
        );
        $crate::on_store!(mariadb, MariaDbFolder, ignore = "needs MariaDB", $parts; $($test $(($stores))?;)+);
    };
    ($($test:ident $(($stores:ident))?;)+) => {
        $crate::on_every_store!(with ::std::convert::identity; $($test $(($stores))?;)+);
    };
}

/// The tests of one pair of stores.
#[doc(hidden)]
#[macro_export]
macro_rules! on_store {
    ($module:ident, $pair:ident, $when:meta, $parts:path; $($test:ident $(($stores:ident))?;)+) => {
        mod $module {
            $(
                #[$when]
                #[tokio::test]
                async fn $test() {
                    $crate::test_on_store!($pair, $parts, super::$test $(, $stores)?);
                }
            )+
        }
    };
}

/// One test of one pair of stores.
#[doc(hidden)]
#[macro_export]
macro_rules! test_on_store {
    ($pair:ident, $parts:path, $test:path) => {
        let builder = $crate::TestRegistry::builder($crate::BackEnd::$pair);
        let registry = $parts(builder.patient_with_logins()).start().await;
        $test(&registry).await;
        registry.close().await;
    };
    ($pair:ident, $parts:path, $test:path, stores) => {
        $test($crate::BackEnd::$pair).await;
    };
}

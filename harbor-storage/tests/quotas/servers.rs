//! The same on database servers, where nodes share a store and nobody waits for somebody who is far from the limit.

use std::sync::Arc;

use futures_util::future::join_all;
use harbor_core::access::Actor;
use harbor_core::blob::UploadId;
use harbor_core::{Error, Result};
use harbor_storage::sql::SqlMetadata;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::counting::{at_once, deed, limit, runtime};
use super::kit::Registry;

/// A database of its own, which is left to the server's end.
async fn fresh<C: Connection>(setting: &str) -> String
where
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
{
    let base = std::env::var(setting)
        .unwrap_or_else(|_| panic!("{setting} is not set; this test runs against a server"));
    let name = format!("quotas_{}", UploadId::random().to_string().replace('-', ""));
    let mut connection = C::connect(&base).await.unwrap();
    connection.execute(sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))).await.unwrap();
    connection.close().await.unwrap();
    format!("{}/{name}", base.rsplit_once('/').unwrap().0)
}

async fn node(url: &str) -> Arc<SqlMetadata> {
    Arc::new(SqlMetadata::connect(url).await.unwrap())
}

/// Random histories, several deeds at a time.
async fn histories(url: impl AsyncFn() -> String) {
    let mut runner = TestRunner::deterministic();
    let strategy = (prop::collection::vec(deed(), 16..48), prop::option::of(limit()));
    for _ in 0..6 {
        let (deeds, limit) = strategy.new_tree(&mut runner).unwrap().current();
        at_once(node(&url().await).await, limit, &deeds).await;
    }
}

/// Pushes by two nodes, small ones and larger ones, until the project is full: it is filled, and never above its limit.
async fn filled_to_the_brim(url: &str) {
    const LIMIT: u64 = 100_000;
    let nodes = [Registry::new(node(url).await, |_| {}), Registry::new(node(url).await, |_| {})];
    nodes[0].create(&Actor::administrator("admin"), "one", Some(LIMIT as i64)).await.unwrap();
    let nodes = Arc::new(nodes);
    let workers = (0..16_usize).map(|worker| {
        let nodes = Arc::clone(&nodes);
        tokio::spawn(async move {
            let (mut taken, mut refused) = (0, 0);
            for number in 0..60_u32 {
                // Some are small enough to be taken beside others.
                let size = if number % 3 == 0 { 900 } else { 200 };
                let content = format!("{worker} {number} ").repeat(size).into_bytes()[..size].to_vec();
                match push(&nodes[worker % 2], &format!("one/r{worker}"), &content).await {
                    Ok(()) => taken += size as u64,
                    Err(Error::QuotaExceeded { .. }) => refused += 1,
                    Err(error) => panic!("{error}"),
                }
                let usage = nodes[0].quota("one").await.unwrap();
                assert!(usage.used <= LIMIT, "{}", usage.used);
            }
            (taken, refused)
        })
    });
    let done = join_all(workers.collect::<Vec<_>>()).await;
    let (taken, refused) =
        done.into_iter().map(Result::unwrap).fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    let used = nodes[1].quota("one").await.unwrap().used;
    assert_eq!(used, taken);
    assert!(refused > 0 && used > LIMIT - 900, "{used} and {refused} refused");
}

/// Tries again while concurrent changes get in the way, as a client does.
async fn push(registry: &Registry, repository: &str, content: &[u8]) -> Result<()> {
    loop {
        match registry.push(repository, content).await {
            Err(Error::Contended) => {}
            done => return done,
        }
    }
}

macro_rules! server {
    ($module:ident, $connection:ty, $setting:literal, $reason:literal) => {
        mod $module {
            use super::*;

            #[test]
            #[ignore = $reason]
            fn counted() {
                runtime().block_on(histories(async || fresh::<$connection>($setting).await));
            }

            #[test]
            #[ignore = $reason]
            fn full() {
                runtime().block_on(async { filled_to_the_brim(&fresh::<$connection>($setting).await).await });
            }
        }
    };
}

#[cfg(feature = "postgres")]
server!(postgres, sqlx::PgConnection, "HARBOR_TEST_POSTGRES_URL", "needs PostgreSQL");
#[cfg(feature = "mysql")]
server!(mysql, sqlx::MySqlConnection, "HARBOR_TEST_MYSQL_URL", "needs MariaDB");

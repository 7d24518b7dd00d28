//! The statements, one noun a file.

mod accessory;
mod artifact;
mod audit;
mod audit_chain;
mod blob;
mod candidates;
#[cfg(feature = "backup")]
pub(crate) mod check;
mod collect;
mod counted;
mod event;
mod execution;
mod filter;
mod garbage;
mod group;
mod holding;
mod immutable;
mod label;
mod manifest;
mod many;
mod member;
mod personal_token;
mod project;
mod publish;
mod quota;
mod repository;
mod retention;
mod review;
mod revision;
mod robot;
mod role;
mod schedule;
mod session;
mod setting;
pub(super) mod stripes;
mod tag;
mod task;
mod trash;
mod upload;
mod user;
mod webhook;
#[cfg(feature = "backup")]
pub(crate) mod whole;
mod worker_pool;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use harbor_core::meta::{Listed, Publish, Published, Transaction};
use harbor_core::oci::Digest;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};

use self::holding::Change;
use self::stripes::{Stripes, Turn};
use super::guarded::Guarded;
use super::listing::Listing;
use super::session::{Row, Session};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use super::statement::Statement;
use super::statement::Value;

/// Shows whether the database answers, and has been migrated.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) static LOOK: Statement = Statement::new("SELECT id FROM projects LIMIT 1");

/// Tells who listens on a channel of PostgreSQL. Its answer is of a type that no row has here, so it is counted.
#[cfg(feature = "postgres")]
pub(super) static NOTIFY: Statement = Statement::new("SELECT COUNT(pg_notify(?, ?))");

/// The rows, on one session.
#[derive(Debug)]
pub(super) struct Rows {
    session: Guarded,
    /// What this transaction changes of what projects hold, by their keys.
    changes: BTreeMap<i64, Change>,
    /// `None` where one transaction at a time writes.
    stripes: Option<Arc<Stripes>>,
    turn: Option<Turn>,
}

impl Rows {
    pub(super) fn new(session: Box<dyn Session>, stripes: Option<Arc<Stripes>>) -> Self {
        let session = Guarded { session, failed: false };
        Self { session, changes: BTreeMap::new(), stripes, turn: None }
    }
}

impl Rows {
    /// A page of a list.
    async fn list<T>(
        &mut self,
        listing: Listing,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Listed<T>, StoreError> {
        let (rows, total) = listing.read(&mut self.session).await?;
        Ok(Listed { entries: rows.iter().map(read).collect::<Result<_, _>>()?, total })
    }
}

#[async_trait]
impl Transaction for Rows {
    async fn publish(&mut self, publish: &Publish<'_>) -> Result<Published, StoreError> {
        self.publish_at_once(publish).await
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.write_usage().await?;
        let Self { session, turn, .. } = *self;
        let committed = session.commit().await;
        // Not before: the next who has it would wait for this one.
        drop(turn);
        committed
    }
}

/// How many digests or keys one statement takes: lists are cut into pieces of this length, the last filled up by repeating its
/// last entry, so that each statement has one text and the database knows it already.
const PIECE: usize = 16;

/// `PIECE` parameters.
macro_rules! piece {
    () => {
        "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
    };
}
use piece;

/// `PIECE` rows of so many parameters.
macro_rules! piece_of {
    ($row:literal) => {
        concat!(
            $row, ", ", $row, ", ", $row, ", ", $row, ", ", $row, ", ", $row, ", ", $row, ", ", $row, ", ",
            $row, ", ", $row, ", ", $row, ", ", $row, ", ", $row, ", ", $row, ", ", $row, ", ", $row
        )
    };
}
use piece_of;

/// The parameters of each piece of a list of digests.
fn pieces(digests: &[Digest]) -> impl Iterator<Item = Vec<Value>> {
    rows_of(digests, |digest| [Value::Text(digest.to_string())])
}

/// The parameters of each piece of a list whose entries have several.
fn rows_of<T, const N: usize>(
    list: &[T],
    row: impl Fn(&T) -> [Value; N],
) -> impl Iterator<Item = Vec<Value>> {
    list.chunks(PIECE).map(move |chunk| {
        let filler = chunk.last().into_iter().cycle();
        chunk.iter().chain(filler).take(PIECE).flat_map(&row).collect()
    })
}

/// Where a list goes on that is ordered by names. PostgreSQL takes no NUL in a text; no name has one either, and what comes
/// after a text with a NUL comes after the part before it.
fn beginning(after: Option<&str>) -> &str {
    after.map_or("", |after| after.split_once('\0').map_or(after, |(before, _)| before))
}

/// The one row that a statement found, if it found one.
fn first(rows: Vec<Row>) -> Option<Row> {
    rows.into_iter().next()
}

/// The names that a list found.
fn entries<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    rows: &[Row],
) -> Result<Vec<T>, StoreError> {
    let mut entries = Vec::new();
    for row in rows {
        entries.extend(row.entries()?);
    }
    Ok(entries)
}

/// A list as JSON, to be stored in a column of text.
fn json_of<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| {
        StoreError::new(StoreErrorKind::Other, "a value cannot be stored").with_source(error)
    })
}

/// What a column of text holds as JSON.
fn of_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| {
        StoreError::new(StoreErrorKind::Corrupt, "JSON was stored that does not read").with_source(error)
    })
}

/// A time that may never come, as the databases keep it: 0 is never.
fn at_or_never(at: Option<Timestamp>) -> i64 {
    at.map_or(0, Timestamp::micros)
}

fn never_or_at(micros: i64) -> Option<Timestamp> {
    (micros != 0).then(|| Timestamp::from_micros(micros))
}

//! Statements over lists that may be long: what one costs beside its rows, a way to SQLite's thread or to another machine and back, is
//! paid once for many of them.

use harbor_core::StoreError;

use super::{PIECE, Rows};
use crate::sql::session::Row;
use crate::sql::statement::{Statement, Value};

/// How many keys one statement of a long list takes.
pub(super) const MANY: usize = 128;

/// `MANY` parameters, or rows of parameters.
macro_rules! many_of {
    ($row:literal) => {
        concat!(
            piece_of!($row),
            ", ",
            piece_of!($row),
            ", ",
            piece_of!($row),
            ", ",
            piece_of!($row),
            ", ",
            piece_of!($row),
            ", ",
            piece_of!($row),
            ", ",
            piece_of!($row),
            ", ",
            piece_of!($row)
        )
    };
}
pub(super) use many_of;

/// A statement whose list of parameters stands between these two texts.
macro_rules! over_list {
    ($before:literal, $after:literal) => {
        OverList {
            few: sql!(concat!($before, piece!(), $after)),
            many: sql!(concat!($before, many_of!("?"), $after)),
        }
    };
}
pub(super) use over_list;

/// A statement over a list, as a text for short ones and one for long ones. Lists are filled up to either length by repeating their last
/// entry, so the database knows each statement already.
#[derive(Clone, Copy, Debug)]
pub(super) struct OverList {
    pub(super) few: &'static Statement,
    pub(super) many: &'static Statement,
}

impl OverList {
    /// The statements over a whole list, each with what it takes: `before`, and then a part of the list.
    fn each<'a>(
        self,
        before: &'a [Value],
        list: &'a [Value],
    ) -> impl Iterator<Item = (&'static Statement, Vec<Value>)> + 'a {
        list.chunks(MANY).map(move |chunk| {
            let (statement, length) =
                if chunk.len() <= PIECE { (self.few, PIECE) } else { (self.many, MANY) };
            let filler = chunk.last().into_iter().cycle();
            let listed = chunk.iter().chain(filler).take(length);
            (statement, before.iter().chain(listed).cloned().collect())
        })
    }
}

impl Rows {
    /// The rows that a statement finds of a list.
    pub(super) async fn fetch_over(
        &mut self,
        find: OverList,
        before: &[Value],
        list: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::with_capacity(list.len());
        for (statement, parameters) in find.each(before, list) {
            rows.extend(self.session.fetch(statement, parameters).await?);
        }
        Ok(rows)
    }

    /// Changes what a list has, no later than the next statement whose outcome is asked for.
    pub(super) async fn defer_over(
        &mut self,
        change: OverList,
        before: &[Value],
        list: &[Value],
    ) -> Result<(), StoreError> {
        for (statement, parameters) in change.each(before, list) {
            self.session.defer(statement, parameters).await?;
        }
        Ok(())
    }
}

//! What can be wrong with the parameters of a list.

use super::{pages, raw};
use crate::Error;

/// Why the parameters of a list cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// `q` is too long.
    #[error("q has at most {} bytes; ask for less at a time", raw::LONGEST)]
    TooLong,
    /// `q` has too many terms.
    #[error("q has at most {} filters; ask for less at a time", raw::FILTERS)]
    TooManyFilters,
    /// A list in `q` has too many values.
    #[error("a list in q has at most {} values; ask for less at a time", raw::VALUES)]
    TooManyValues,
    /// A term of `q` is no `key=value`.
    #[error("q must be key=value terms separated by commas; neither the key nor the value can be empty")]
    Term,
    /// Nothing follows a `~`.
    #[error(
        "a value of q that begins with ~ must have the text to look for after it; write \\~ for a plain ~"
    )]
    Like,
    /// A range is none.
    #[error(
        "a range in q must be [min~max], with exactly one ~ and at least one of the two; write \\[ for a plain ["
    )]
    Range,
    /// A list does not end.
    #[error("a list in q must be {{a b}} or (a b); write \\{{ or \\( for the plain character")]
    List,
    /// The number of the page is none.
    #[error("page must be a number from 1")]
    Page,
    /// The number of entries of a page is none.
    #[error("page_size must be a number from 1 to {}", pages::LARGEST_PAGE)]
    PageSize,
    /// More entries than a page may have.
    #[error("page_size must be at most {}; ask for the following pages one by one", pages::LARGEST_PAGE)]
    PageSizeTooLarge,
}

impl QueryError {
    /// The HTTP status of an answer that tells this error: 400 for what is wrong in `q`, 422 for what is wrong in a number.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLong
            | Self::TooManyFilters
            | Self::TooManyValues
            | Self::Term
            | Self::Like
            | Self::Range
            | Self::List => 400,
            Self::Page | Self::PageSize | Self::PageSizeTooLarge => 422,
        }
    }
}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        match error.status() {
            422 => Self::Unprocessable(error.to_string()),
            _ => Self::BadRequest(error.to_string()),
        }
    }
}

//! Content as it moves between places, and what it is: `push`, `pull`, `copy`, `inspect`, `tree`, `diff`, `delete`.

mod delete;
mod diff;
mod inspect;
mod place;
mod progress;
mod transfer;
mod tree;

pub(crate) use delete::Delete;
pub(crate) use diff::Diff;
pub(crate) use inspect::Inspect;
pub(crate) use place::put_tags;
pub(crate) use transfer::{Copy, Pull, Push};
pub(crate) use tree::Tree;

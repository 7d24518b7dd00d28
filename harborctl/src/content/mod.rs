//! Content as it moves between places, and what it is: `push`, `pull`, `copy`, `inspect`, `tree`, `diff`, `delete`; and across an
//! air gap: `export`, `import`, `key`.

mod airgap;
mod delete;
mod diff;
mod inspect;
mod key;
mod place;
mod progress;
mod select;
mod transfer;
mod tree;

pub(crate) use airgap::{Export, Import};
pub(crate) use delete::Delete;
pub(crate) use diff::Diff;
pub(crate) use inspect::Inspect;
pub(crate) use key::Key;
pub(crate) use place::put_tags;
pub(crate) use transfer::{Copy, Pull, Push};
pub(crate) use tree::Tree;

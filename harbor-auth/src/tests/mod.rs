//! Accounts as several nodes have them, and with time that passes when a test says so.

mod delay;
mod keys;
mod nodes;

pub(crate) use nodes::Nodes;

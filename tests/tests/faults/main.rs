//! Every write use case, with every call of the ports failing in its turn.
//!
//! For n = 1, 2, … the n-th call of a port fails, until a run has no n-th call. After each run the stores are looked at: by
//! the registry that lived through the fault, and by a fresh one over the same stores.

// Helpers outside of `#[test]`, where the lint does not know that this is a test.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod blobs;
mod cancelled;
mod cases;
mod faults;
mod logs;
mod rows;
mod sessions;
mod sweep;
mod world;

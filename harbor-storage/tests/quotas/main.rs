//! Quotas through the engine: what is counted is what is there, and no project gets above its limit.

// Helpers outside of `#[test]`, where the lint does not know that this is a test.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod artifacts;
mod counting;
mod kit;
mod limits;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod servers;

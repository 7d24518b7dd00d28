//! Everything that talks to another registry: replication, proxy cache, the distribution client.
//!
//! What is here is [`client`] (feature `client`); this crate is the home of the port `RemoteRegistry` to come. The client builds
//! requests from [`Route`](harbor_core::oci::Route), the type that the server parses them into, so both sides of the wire agree by
//! construction. It depends on `harbor-core` alone and meets the other domain crates only in traits.
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")
)]

#[cfg(feature = "client")]
pub mod client;

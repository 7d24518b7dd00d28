//! Everything that talks to another registry: replication, proxy cache, the distribution client.
//!
//! Nothing of it is here yet. This crate is the home of the port `RemoteRegistry`. Its client will build requests from
//! [`Route`](harbor_core::oci::Route), the type that the server parses them into, so both sides of the wire agree by
//! construction. It depends on `harbor-core` alone and meets the other domain crates only in traits.

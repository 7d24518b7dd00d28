//! Harbor in Rust: server.

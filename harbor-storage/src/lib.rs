//! Harbor in Rust: storage.

pub mod blobs;

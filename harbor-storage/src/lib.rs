//! Harbor in Rust: storage.

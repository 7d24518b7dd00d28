//! Harbor in Rust: core.

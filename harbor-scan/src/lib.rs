//! Harbor in Rust: scan.

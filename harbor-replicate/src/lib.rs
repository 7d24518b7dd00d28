//! Harbor in Rust: replicate.

//! Harbor in Rust: auth.

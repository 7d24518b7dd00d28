//! The engine of Harbor in Rust.

pub mod blob;
mod error;
pub mod oci;
mod time;

pub use error::{Error, Result, StoreError, StoreErrorKind};
pub use time::{Clock, Timestamp};

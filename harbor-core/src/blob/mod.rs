//! The port of the blob store, and what stands beside it: bytes at a location, nothing more.

mod body;
mod buffer;
#[cfg(feature = "conformance")]
pub mod conformance;
mod hasher;
mod store;

pub use body::{Backing, BlobBody};
pub use buffer::{Buffer, LARGE_BUFFER};
pub use hasher::Hasher;
pub use store::{BlobStore, BlobWriter, DriverState, Location, SignOptions, Space, UploadId, UploadIdError};

//! Drivers of the two storage ports: blobs and metadata.

#[cfg(feature = "backup")]
pub mod backup;
pub mod blobs;
#[cfg(feature = "backup")]
pub mod check;
#[cfg(feature = "sqlite")]
mod in_memory;
pub mod sql;

#[cfg(feature = "sqlite")]
pub use in_memory::InMemory;

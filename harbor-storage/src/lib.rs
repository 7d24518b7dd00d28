//! Drivers of the two storage ports: blobs and metadata.

pub mod blobs;
pub mod sql;

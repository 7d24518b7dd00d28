//! The port of the metadata store: rows, in transactions. The database is the truth.
//!
//! One noun, one file: a row type, a trait that reads and a trait that changes. All of them stand on the transaction; the
//! reading ones stand on a plain connection too.

mod audit;
mod blob;
#[cfg(feature = "conformance")]
pub mod conformance;
mod event;
mod id;
mod manifest;
mod project;
mod repository;
mod review;
mod setting;
mod store;
mod tag;
mod upload;

pub use audit::{AuditRow, AuditRows, AuditRowsMut};
pub use blob::{Blob, BlobRows, BlobRowsMut, BlobState, LinkedBlob, Publish, Published};
pub use event::{EventRow, EventRows, EventRowsMut};
pub use id::{BlobId, LinkId, ManifestId, ProjectId, RepositoryId};
pub use manifest::{Manifest, ManifestRows, ManifestRowsMut, NewManifest, Referrer};
pub use project::{Project, ProjectRows, ProjectRowsMut};
pub use repository::{Repository, RepositoryRows, RepositoryRowsMut};
pub use review::{Review, ReviewRows, ReviewRowsMut, ReviewSubject};
pub use setting::{SettingRows, SettingRowsMut};
pub use store::{MetadataStore, PUSHED, Reads, Sharing, Transaction};
pub use tag::{TagRows, TagRowsMut};
pub use upload::{Upload, UploadRows, UploadRowsMut};

/// The result of a row method.
pub type RowResult<T> = Result<T, crate::StoreError>;

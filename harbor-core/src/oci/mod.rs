//! The vocabulary of the OCI specifications: validated newtypes that cannot hold a wrong value.
//!
//! Everything here is pure: no input or output, no clock. The server parses requests into these types and the
//! client builds requests from them, so both sides of the wire agree by construction.

mod descriptor;
mod digest;
mod error_code;
mod manifest;
mod media_type;
mod name;
mod range;
mod reference;
mod route;
mod tag;

pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, DigestError};
pub use error_code::ErrorCode;
pub use manifest::{MANIFEST_LIMIT, ManifestError, ManifestKind, ManifestView};
pub use media_type::{MediaType, MediaTypeError};
pub use name::{NameError, ProjectName, RepositoryName};
pub use range::{ByteRange, ChunkRange, RangeError};
pub use reference::{Reference, ReferenceError};
pub use route::{Route, RouteError};
pub use tag::{Tag, TagError};

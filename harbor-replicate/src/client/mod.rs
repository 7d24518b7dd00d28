//! The distribution client: pulls from, and pushes to, any registry that speaks the OCI Distribution Specification.
//!
//! [`Connection`] is how registries are reached (trust, proxies, patience, [`Retry`]); [`Registry`] is one of them as somebody
//! ([`Credential`], or [`docker`]'s); [`Repository`] has the verbs: manifests, blobs, tags, referrers. All three are cheap to clone
//! and shared between tasks. Every byte that is pulled is checked against its digest, and what breaks is taken up
//! where it broke. Credentials go to the registry that they are for, and to the token service that it names, and nowhere
//! else; no error has one in it.
//!
//! [`place`] has the other places that content lives in, layouts and archives, and [`copy()`] copies between any two.
//! [`bundle`] carries many of them across an air gap. [`api`] is the client of Harbor's API beside it, over the same connections.
//!
//! An example of each verb runs with `cargo run --bin distribution`, and of each noun of Harbor's API with `cargo run --bin api`.
//!
//! ```no_run
//! use harbor_replicate::client::{ImageName, Registry, docker::DockerConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let name: ImageName = "registry.example/library/app:1.0".parse()?;
//! let registry = Registry::builder(name.registry()).credentials(DockerConfig::from_environment()?).build()?;
//! let app = registry.repository(name.repository().clone());
//! let manifest = app.manifest(&"1.0".parse().unwrap()).await?;
//! for layer in manifest.view()?.layers {
//!     let mut blob = app.blob(&layer.digest, Some(layer.size)).await?;
//!     while let Some(piece) = blob.next().await {
//!         println!("{} bytes of {}", piece?.len(), layer.digest);
//!     }
//! }
//! # Ok(()) }
//! ```

mod answer;
pub mod api;
pub mod bundle;
mod challenge;
mod connection;
mod contents;
mod copy;
mod credential;
pub mod docker;
mod error;
mod guard;
mod image;
mod page;
pub mod place;
mod platform;
mod registry;
mod request;
mod retry;
mod scope;
mod tokens;
mod transport;
mod trust;

pub use connection::{Connection, ConnectionBuilder, Proxy};
pub use contents::{Contents, FileChange, FileKind, ImageFile};
pub use copy::{Copied, CopyOptions, CopyProgress, copy, cosign_tags};
pub use credential::{Credential, CredentialSource};
pub use error::{Error, Refusal, RefusalError, Result};
pub use image::{ImageName, ImageNameError};
pub use platform::{Platform, PlatformError};
pub use registry::{
    BlobHead, BlobSource, BlobStream, FileSource, Listing, Manifest, ManifestHead, ManifestPut, PushOptions,
    Pushed, Registry, RegistryBuilder, RemoteSource, Repository, Upload,
};
pub use request::ByteStream;
pub use retry::Retry;

//! Places that content lives in: registries, OCI image layouts, archives of docker's.
//!
//! [`Source`] is one that is read, [`Destination`] one that is written; [`copy`](super::copy()) copies between any two. [`Repository`]
//! is both. [`Layout`] reads OCI layouts, [`LayoutFolder`] and [`LayoutArchive`] write them; [`DockerArchive`] reads what `docker save`
//! writes, and [`LayoutArchive::docker`] writes what `docker load` reads. [`PlaceName`] is what people write to name any of them.
//!
//! Content is never whole in memory, and never at a path that somebody else has chosen: what is written is named by its digest. Every
//! byte that is read or written is checked against that. What is written gets its name when it is whole.

mod archive;
mod claim;
mod docker;
mod files;
mod folder;
pub(crate) mod index;
mod layout;
mod name;
mod pour;
mod registry;
mod slots;
pub(crate) mod tar;

use std::fmt;

use async_trait::async_trait;
use harbor_core::oci::{Algorithm, Descriptor, Digest, Tag};

use super::{BlobSource, Error, Listing, Manifest, PushOptions, Pushed, Repository, Result};

pub use archive::LayoutArchive;
pub use docker::DockerArchive;
pub(crate) use files::Files;
pub use folder::LayoutFolder;
pub use layout::Layout;
pub use name::{PlaceName, PlaceNameError};

/// A place that is read.
#[async_trait]
pub trait Source: fmt::Debug + Send + Sync {
    /// The manifest that another one lists, checked against digest and size.
    ///
    /// # Errors
    /// [`Error::is_absent`] when it is not there; [`Error::Digest`] or [`Error::Size`] when it is another.
    async fn read_manifest(&self, entry: &Descriptor) -> Result<Manifest>;

    /// The manifest that a tag names; nothing when there is none.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn read_tag(&self, tag: &Tag) -> Result<Option<Manifest>>;

    /// What refers to a manifest.
    fn list_referrers(&self, subject: &Digest) -> Listing<Descriptor>;

    /// A blob of so many bytes. Where it is read from its beginning, its digest is checked before the last piece is yielded.
    ///
    /// # Errors
    /// When it is not there, or of another size; what cannot be found out without reading it is told then.
    async fn read_blob(&self, digest: &Digest, size: u64) -> Result<Box<dyn BlobSource>>;

    /// The repository that it is, from which another of its registry may mount.
    fn repository(&self) -> Option<&Repository> {
        None
    }

    /// By which name it is told to people.
    fn told(&self) -> String;
}

/// A place that is written.
#[async_trait]
pub trait Destination: fmt::Debug + Send + Sync {
    /// Whether a manifest can get a name here, as far as that is known before anything is written.
    ///
    /// # Errors
    /// [`Error::Configuration`] for what cannot be a name there, or of that manifest.
    fn accepts(&self, manifest: &Manifest, name: Option<&str>) -> Result<()> {
        let _ = (manifest, name);
        Ok(())
    }

    /// Stores a blob, unless it is there.
    ///
    /// # Errors
    /// [`Error::Digest`] or [`Error::Size`] when the source has another; [`Error::Source`] when it cannot be read.
    async fn write_blob(
        &self,
        digest: &Digest,
        source: &dyn BlobSource,
        options: &PushOptions,
    ) -> Result<Pushed>;

    /// Stores a manifest by its digest. All that it lists was stored before.
    ///
    /// # Errors
    /// When the place refuses it or cannot be written.
    async fn write_manifest(&self, manifest: &Manifest) -> Result<()>;

    /// Gives a manifest that was stored a name. Without one, where only what is listed is ever found, lists it.
    ///
    /// # Errors
    /// As [`Destination::write_manifest`]; [`Error::Configuration`] for what cannot be a name there.
    async fn write_name(&self, manifest: &Manifest, name: Option<&str>) -> Result<()>;

    /// Makes visible what was written. A registry shows it as it comes; a layout shows nothing before. Nothing is done with it
    /// afterwards.
    ///
    /// # Errors
    /// When it cannot be written.
    async fn commit(&self) -> Result<()>;

    /// The repository that it is.
    fn repository(&self) -> Option<&Repository> {
        None
    }

    /// By which name it is told to people.
    fn told(&self) -> String;
}

/// Whether bytes are what a descriptor says.
fn check(digest: &Digest, size: Option<u64>, bytes: &[u8]) -> Result<()> {
    let actual = bytes.len() as u64;
    if let Some(expected) = size.filter(|size| *size != actual) {
        return Err(Error::Size { expected, actual });
    }
    let actual = Digest::of(digest.algorithm(), bytes);
    if actual == *digest {
        return Ok(());
    }
    Err(Error::Digest { expected: Box::new(*digest), actual: Box::new(actual) })
}

/// Whether a digest is that of nothing, for nothing is ever read of it.
fn is_of_nothing(digest: &Digest) -> bool {
    *digest == Digest::of(digest.algorithm(), b"")
}

/// The algorithm that everybody reads.
const COMMON: Algorithm = Algorithm::Sha256;

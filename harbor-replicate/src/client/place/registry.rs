//! A repository of a registry, as a place.

use async_trait::async_trait;
use harbor_core::oci::{Descriptor, Digest, Reference, Tag};

use super::{Destination, Source};
use crate::client::{BlobSource, Error, Listing, Manifest, PushOptions, Pushed, Repository, Result};

#[async_trait]
impl Source for Repository {
    async fn read_manifest(&self, entry: &Descriptor) -> Result<Manifest> {
        let manifest = self.manifest(&Reference::Digest(entry.digest)).await?;
        let actual = manifest.bytes.len() as u64;
        if actual == entry.size { Ok(manifest) } else { Err(Error::Size { expected: entry.size, actual }) }
    }

    async fn read_tag(&self, tag: &Tag) -> Result<Option<Manifest>> {
        match self.manifest(&Reference::Tag(tag.clone())).await {
            Err(error) if error.is_absent() => Ok(None),
            manifest => manifest.map(Some),
        }
    }

    fn list_referrers(&self, subject: &Digest) -> Listing<Descriptor> {
        self.referrers(subject, None)
    }

    async fn read_blob(&self, digest: &Digest, size: u64) -> Result<Box<dyn BlobSource>> {
        Ok(Box::new(self.blob_source(digest, size)))
    }

    fn repository(&self) -> Option<&Repository> {
        Some(self)
    }

    fn told(&self) -> String {
        format!("{}/{}", self.registry().host(), self.name())
    }
}

#[async_trait]
impl Destination for Repository {
    fn accepts(&self, _manifest: &Manifest, name: Option<&str>) -> Result<()> {
        name.map_or(Ok(()), |name| tag(name).map(|_| ()))
    }

    async fn write_blob(
        &self,
        digest: &Digest,
        source: &dyn BlobSource,
        options: &PushOptions,
    ) -> Result<Pushed> {
        self.blob_push(digest, source, options).await
    }

    async fn write_manifest(&self, manifest: &Manifest) -> Result<()> {
        let reference = Reference::Digest(manifest.digest);
        self.manifest_put(&reference, &manifest.media_type, manifest.bytes.clone()).await.map(|_| ())
    }

    async fn write_name(&self, manifest: &Manifest, name: Option<&str>) -> Result<()> {
        let Some(name) = name else { return Ok(()) };
        let tag = tag(name)?;
        let reference = Reference::Tag(tag);
        self.manifest_put(&reference, &manifest.media_type, manifest.bytes.clone()).await.map(|_| ())
    }

    async fn commit(&self) -> Result<()> {
        Ok(())
    }

    fn repository(&self) -> Option<&Repository> {
        Some(self)
    }

    fn told(&self) -> String {
        Source::told(self)
    }
}

fn tag(name: &str) -> Result<Tag> {
    name.parse().map_err(|error| Error::Configuration(format!("{name:?} is no tag: {error}")))
}

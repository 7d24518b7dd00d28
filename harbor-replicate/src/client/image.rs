//! What people write to name an image.

use std::fmt;
use std::str::FromStr;

use harbor_core::oci::{Digest, Reference, RepositoryName, Tag};

/// The name of an image as docker reads it: `debian`, `registry.example:5000/library/app:1.2@sha256:…`.
///
/// ```
/// use harbor_replicate::client::ImageName;
///
/// let name: ImageName = "debian".parse().unwrap();
/// assert_eq!(name.to_string(), "docker.io/library/debian:latest");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageName {
    registry: String,
    repository: RepositoryName,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// Why a text is no name of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of an image: write registry/repository:tag")]
pub struct ImageNameError(String);

impl ImageName {
    /// The registry, for [`Registry::builder`](super::Registry::builder).
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository.
    #[must_use]
    pub const fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// The tag, where one is named.
    #[must_use]
    pub const fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, when it has one.
    #[must_use]
    pub const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What names the manifest: the digest, where there is one, or else the tag.
    #[must_use]
    pub fn reference(&self) -> Option<Reference> {
        self.digest.map(Reference::Digest).or_else(|| self.tag.clone().map(Reference::Tag))
    }
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        let wrong = || ImageNameError(text.chars().take(300).collect());
        let read: oci_distribution::Reference = text.parse().map_err(|_| wrong())?;
        let tag = read.tag().map(|tag| tag.parse().map_err(|_| wrong())).transpose()?;
        let digest = read.digest().map(|digest| digest.parse().map_err(|_| wrong())).transpose()?;
        let repository = read.repository().parse().map_err(|_| wrong())?;
        Ok(Self { registry: read.registry().to_owned(), repository, tag, digest })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_as_docker_reads_them() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (text, whole) in [
            ("debian", "docker.io/library/debian:latest".to_owned()),
            ("grace/app:1", "docker.io/grace/app:1".to_owned()),
            ("localhost:5000/app", "localhost:5000/app:latest".to_owned()),
            (&format!("registry.example/a/b/c@{digest}"), format!("registry.example/a/b/c@{digest}")),
            (&format!("registry.example/a:t@{digest}"), format!("registry.example/a:t@{digest}")),
        ] {
            let name: ImageName = text.parse().unwrap();
            assert_eq!(name.to_string(), whole);
        }
        let both: ImageName = format!("registry.example/a:t@{digest}").parse().unwrap();
        assert_eq!(both.reference().unwrap().to_string(), digest);
        for bad in ["", "UPPER/case", "a:b:c", "a@sha256:short", "http://a/b", "a//b", "a b"] {
            assert!(bad.parse::<ImageName>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_reads_reads_again(text in "[a-zA-Z0-9:/@._-]{0,60}") {
            if let Ok(name) = text.parse::<ImageName>() {
                prop_assert_eq!(name.to_string().parse(), Ok(name));
            }
        }
    }
}

//! What people write to name a place.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::client::{ImageName, ImageNameError};

/// A place and an image of it, as skopeo's users know them:
///
/// | written | what it is |
/// |---|---|
/// | `docker://host/repository:tag`, `host/repository@sha256:…` | an image of a registry |
/// | `oci:folder[:name]` | an image of an OCI layout that is a folder |
/// | `oci-archive:file.tar[:name]` | an image of an OCI layout that is a tar |
/// | `docker-archive:file.tar[:repository:tag]` | an image of what `docker save` has written |
/// | `docker-dir:folder[:repository:tag]` | the same, unpacked; it can be read only |
///
/// ```
/// use harbor_replicate::client::place::PlaceName;
///
/// let place: PlaceName = "oci:images/debian:12".parse().unwrap();
/// assert!(matches!(place, PlaceName::Layout { name: Some(name), .. } if name == "12"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlaceName {
    /// An image of a registry.
    Registry(ImageName),
    /// An image of a layout that is a folder.
    Layout {
        /// The folder.
        path: PathBuf,
        /// The image, where one is named.
        name: Option<String>,
    },
    /// An image of a layout that is a tar.
    LayoutArchive {
        /// The file.
        path: PathBuf,
        /// The image, where one is named.
        name: Option<String>,
    },
    /// An image of an archive of docker's.
    DockerArchive {
        /// The file, or the folder.
        path: PathBuf,
        /// The image, where one is named.
        name: Option<String>,
    },
}

/// Why a text names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceNameError {
    /// It is none of an image of a registry.
    #[error(transparent)]
    Image(#[from] ImageNameError),
    /// It says what it is, and nothing else.
    #[error(
        "{0:?} names no file: write oci:folder[:name], oci-archive:file.tar[:name] or docker-archive:file.tar[:repository:tag]"
    )]
    Path(String),
}

impl FromStr for PlaceName {
    type Err = PlaceNameError;

    fn from_str(text: &str) -> Result<Self, PlaceNameError> {
        let kinds = ["oci:", "oci-archive:", "docker-archive:", "docker-dir:"];
        let Some(kind) = kinds.into_iter().find(|kind| text.starts_with(kind)) else {
            return Ok(Self::Registry(text.strip_prefix("docker://").unwrap_or(text).parse()?));
        };
        let (path, name) = split(&text[kind.len()..]);
        if path.is_empty() {
            return Err(PlaceNameError::Path(text.chars().take(300).collect()));
        }
        let (path, name) = (PathBuf::from(path), name.map(ToOwned::to_owned));
        Ok(match kind {
            "oci:" => Self::Layout { path, name },
            "oci-archive:" => Self::LayoutArchive { path, name },
            _ => Self::DockerArchive { path, name },
        })
    }
}

/// A path, and what stands behind it. A drive's letter is part of the path.
fn split(text: &str) -> (&str, Option<&str>) {
    let drive = text.as_bytes();
    let is_drive =
        drive.len() > 2 && drive[0].is_ascii_alphabetic() && drive[1] == b':' && b"/\\".contains(&drive[2]);
    let from = if is_drive { 2 } else { 0 };
    match text[from..].find(':') {
        None => (text, None),
        Some(at) => (&text[..from + at], Some(&text[from + at + 1..]).filter(|name| !name.is_empty())),
    }
}

impl fmt::Display for PlaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, path, name) = match self {
            Self::Registry(image) => return write!(f, "docker://{image}"),
            Self::Layout { path, name } => ("oci", path, name),
            Self::LayoutArchive { path, name } => ("oci-archive", path, name),
            Self::DockerArchive { path, name } => ("docker-archive", path, name),
        };
        write!(f, "{kind}:{}", path.display())?;
        name.iter().try_for_each(|name| write!(f, ":{name}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_as_skopeo_names_them() {
        let told = |text: &str| text.parse::<PlaceName>().map(|place| place.to_string());
        for (text, whole) in [
            ("docker://registry.example/a/b:1", "docker://registry.example/a/b:1"),
            ("localhost:5000/a", "docker://localhost:5000/a:latest"),
            ("oci:folder", "oci:folder"),
            ("oci:/a/b:1.0", "oci:/a/b:1.0"),
            ("oci:C:\\images:1", "oci:C:\\images:1"),
            ("oci:folder:docker.io/library/debian:12", "oci:folder:docker.io/library/debian:12"),
            ("oci-archive:a.tar:", "oci-archive:a.tar"),
            ("docker-archive:a.tar:debian:12", "docker-archive:a.tar:debian:12"),
            ("docker-dir:a", "docker-archive:a"),
        ] {
            assert_eq!(told(text).unwrap(), whole, "{text}");
        }
        for wrong in ["", "oci:", "oci-archive::1", "dir:a:b:c", "docker://UPPER/a"] {
            assert!(told(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn whatever_reads_reads_again(text in "(oci:|docker-archive:|docker://)?[a-z:/\\\\.]{0,40}") {
            if let Ok(place) = text.parse::<PlaceName>() {
                prop_assert_eq!(place.to_string().parse(), Ok(place));
            }
        }
    }
}

//! Media types: RFC 6838, section 4.2, as the OCI Image Specification asks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is not a media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a media type reads type/subtype, of letters, digits and !#$&-^_.+ (RFC 6838)")]
pub struct MediaTypeError;

/// A validated `type/subtype`, without parameters, at most 255 characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaType(Arc<str>);

impl MediaType {
    /// An OCI image manifest.
    pub const OCI_MANIFEST: &'static str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI image index.
    pub const OCI_INDEX: &'static str = "application/vnd.oci.image.index.v1+json";
    /// The withdrawn OCI artifact manifest of 1.1.0-rc2, which old clients still push.
    pub const OCI_ARTIFACT: &'static str = "application/vnd.oci.artifact.manifest.v1+json";
    /// A Docker manifest, version 2, schema 2.
    pub const DOCKER_MANIFEST: &'static str = "application/vnd.docker.distribution.manifest.v2+json";
    /// A Docker manifest list.
    pub const DOCKER_LIST: &'static str = "application/vnd.docker.distribution.manifest.list.v2+json";

    /// The media type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses the value of a `Content-Type` header: parameters are dropped, letters lowered.
    ///
    /// # Errors
    /// [`MediaTypeError`] when what stands before the first `;` is no media type.
    pub fn from_header(value: &str) -> Result<Self, MediaTypeError> {
        let essence = value.split_once(';').map_or(value, |(essence, _)| essence).trim();
        if essence.bytes().any(|byte| byte.is_ascii_uppercase()) {
            essence.to_ascii_lowercase().parse()
        } else {
            essence.parse()
        }
    }
}

fn restricted_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    first && text.len() <= 127 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
}

impl FromStr for MediaType {
    type Err = MediaTypeError;

    fn from_str(text: &str) -> Result<Self, MediaTypeError> {
        match text.split_once('/') {
            Some((kind, subtype)) if restricted_name(kind) && restricted_name(subtype) => {
                Ok(Self(text.into()))
            }
            _ => Err(MediaTypeError),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn header_values() {
        let manifest =
            MediaType::from_header("Application/VND.oci.image.manifest.v1+json; charset=utf-8").unwrap();
        assert_eq!(manifest.as_str(), MediaType::OCI_MANIFEST);
        for bad in ["", "text", "/", "a/", "/b", "a/b/c", "a b/c", "text/\r\nx"] {
            assert!(MediaType::from_header(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn accepted_text_is_one_header_word(text in "[ -~]{0,60}") {
            if let Ok(media_type) = text.parse::<MediaType>() {
                prop_assert_eq!(media_type.as_str(), &text);
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
                let lowered = MediaType::from_header(&text).unwrap();
                prop_assert_eq!(lowered.as_str(), text.to_ascii_lowercase());
            }
        }
    }
}

//! What names a manifest in a request: a tag or a digest.

use std::fmt;

use super::{Digest, DigestError, Tag, TagError};

/// `<reference>` of the OCI Distribution Specification.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// By tag, which may move.
    Tag(Tag),
    /// By digest, which never does.
    Digest(Digest),
}

/// Why a text is neither a tag nor a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It has a colon, so a digest was meant.
    #[error(transparent)]
    Digest(DigestError),
    /// It has none, so a tag was meant.
    #[error(transparent)]
    Tag(TagError),
}

impl Reference {
    /// Parses a tag, or, when there is a colon, a digest.
    pub(crate) fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') {
            text.parse().map(Self::Digest).map_err(ReferenceError::Digest)
        } else {
            text.parse().map(Self::Tag).map_err(ReferenceError::Tag)
        }
    }
}

impl std::str::FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => fmt::Display::fmt(tag, f),
            Self::Digest(digest) => fmt::Display::fmt(digest, f),
        }
    }
}

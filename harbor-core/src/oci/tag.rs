//! Tags: OCI Distribution Specification 1.1, "Pulling manifests".

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::Digest;

/// Why a text is not a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tag is 1 to 128 of letters, digits, '_', '.' and '-', and starts with a letter, a digit or '_'")]
pub struct TagError;

/// A name for a manifest within its repository: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

impl Tag {
    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag under which clients of registries without the referrers API keep the index of referrers of
    /// `subject`: the algorithm cut to 32 characters, a dash, and the hexadecimal part cut to 64
    /// (OCI Distribution Specification, "Referrers Tag Schema").
    #[must_use]
    pub fn of_referrers(subject: &Digest) -> Self {
        let mut text = subject.to_string().replacen(':', "-", 1);
        text.truncate(subject.algorithm().as_str().len() + 1 + 64);
        Self(text.into())
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        match text.as_bytes() {
            [first, rest @ ..]
                if rest.len() < 128
                    && word(*first)
                    && rest.iter().all(|byte| word(*byte) || matches!(byte, b'.' | b'-')) =>
            {
                Ok(Self(text.into()))
            }
            _ => Err(TagError),
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oci::Algorithm;

    #[test]
    fn grammar() {
        for good in ["latest", "v1.2.3", "_x", "A-B", "0"] {
            assert!(good.parse::<Tag>().is_ok(), "{good}");
        }
        for bad in ["", ".a", "-a", "a b", "a/b", "a:b", "ä"] {
            assert!(bad.parse::<Tag>().is_err(), "{bad}");
        }
        assert!("a".repeat(128).parse::<Tag>().is_ok());
        assert!("a".repeat(129).parse::<Tag>().is_err());
    }

    #[test]
    fn referrers_tag_is_truncated() {
        let long = Tag::of_referrers(&Digest::of(Algorithm::Sha512, b""));
        assert_eq!(long.as_str().len(), "sha512-".len() + 64);
        assert!(
            Tag::of_referrers(&Digest::of(Algorithm::Sha256, b"")).as_str().starts_with("sha256-e3b0c442")
        );
    }

    proptest! {
        #[test]
        fn generated_tags_parse(text in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
            let parsed: Tag = text.parse().unwrap();
            prop_assert_eq!(parsed.as_str(), text);
        }

        #[test]
        fn a_tag_is_never_a_digest(text in "[ -~]{0,90}") {
            prop_assert!(!(text.parse::<Tag>().is_ok() && text.parse::<Digest>().is_ok()));
        }
    }
}

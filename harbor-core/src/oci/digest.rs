//! Content digests: OCI Image Specification 1.1, `descriptor.md`, "Digests".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// A registered digest algorithm that this registry stores content under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Algorithm {
    /// SHA-256, the algorithm that every client speaks.
    #[default]
    Sha256,
    /// SHA-512, optional in the specification and served here alike.
    Sha512,
}

impl Algorithm {
    /// The name as it stands before the colon of a digest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The length of a digest of this algorithm, in bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            _ => Err(DigestError::Algorithm),
        }
    }
}

/// Why a text is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// No colon between algorithm and hexadecimal part.
    #[error("a digest reads algorithm:hex")]
    Shape,
    /// Neither `sha256` nor `sha512`.
    #[error("the digest algorithm must be sha256 or sha512")]
    Algorithm,
    /// The hexadecimal part has the wrong length for its algorithm.
    #[error("the hexadecimal part of the digest has the wrong length")]
    Length,
    /// A character that is not one of `0-9a-f`.
    #[error("the hexadecimal part of the digest must be lower-case 0-9a-f")]
    Hex,
}

/// The digest of some content, in the algorithm that the client chose.
///
/// Parsed once and carried as bytes: it is `Copy`, compares fast, and can hold no path or query tricks.
///
/// ```
/// use harbor_core::oci::{Algorithm, Digest};
/// let digest = Digest::of(Algorithm::Sha256, b"");
/// assert_eq!(digest.to_string().parse(), Ok(digest));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: [u8; 64],
}

impl Digest {
    /// Hashes `content`, which is whole in memory.
    #[must_use]
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::from_parts(algorithm, &sha2::Sha256::digest(content)),
            Algorithm::Sha512 => Self::from_parts(algorithm, &sha2::Sha512::digest(content)),
        }
    }

    /// A digest from the raw output of its algorithm. A wrong length is padded or cut, so only hashers call this.
    pub(crate) fn from_parts(algorithm: Algorithm, raw: &[u8]) -> Self {
        let mut bytes = [0; 64];
        for (to, from) in bytes.iter_mut().zip(raw.iter().take(algorithm.size())) {
            *to = *from;
        }
        Self { algorithm, bytes }
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw digest, as long as [`Algorithm::size`].
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.split_at(self.algorithm.size()).0
    }

    /// The hexadecimal part alone.
    #[must_use]
    pub fn hex(&self) -> String {
        let mut text = String::with_capacity(self.algorithm.size() * 2);
        push_hex(self.as_bytes(), &mut text);
        text
    }
}

fn push_hex(bytes: &[u8], text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn nibble(byte: u8) -> Result<u8, DigestError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(DigestError::Hex),
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = text.split_once(':').ok_or(DigestError::Shape)?;
        let algorithm: Algorithm = algorithm.parse()?;
        if hex.len() != algorithm.size() * 2 {
            return Err(DigestError::Length);
        }
        let mut bytes = [0; 64];
        for (to, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *to = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self { algorithm, bytes })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(7 + self.algorithm.size() * 2);
        text.push_str(self.algorithm.as_str());
        text.push(':');
        push_hex(self.as_bytes(), &mut text);
        f.pad(&text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_digest_of_nothing() {
        let empty = Digest::of(Algorithm::Sha256, b"");
        assert_eq!(
            empty.to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn refusals_name_their_reason() {
        for (text, reason) in [
            ("", DigestError::Shape),
            ("sha256", DigestError::Shape),
            ("md5:d41d8cd98f00b204e9800998ecf8427e", DigestError::Algorithm),
            ("sha256:", DigestError::Length),
            ("sha256:../../etc/passwd", DigestError::Length),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(reason), "{text}");
        }
        let upper = Digest::of(Algorithm::Sha256, b"").to_string().replace('e', "E");
        assert_eq!(upper.parse::<Digest>(), Err(DigestError::Hex));
    }

    proptest! {
        #[test]
        fn text_round_trips(content: Vec<u8>, long: bool) {
            let algorithm = if long { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let digest = Digest::of(algorithm, &content);
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
            prop_assert_eq!(digest.hex().len(), algorithm.size() * 2);
        }

        #[test]
        fn whatever_parses_prints_the_same(text in "(sha256|sha512|md5)?:?[0-9a-fA-F]{60,130}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }
}

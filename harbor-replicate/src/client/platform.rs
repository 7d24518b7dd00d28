//! Platforms: what the manifests of an index are for.

use std::fmt;
use std::str::FromStr;

use harbor_core::oci::Descriptor;

/// An operating system and an architecture, as `linux/arm64` or `linux/arm/v7`: OCI Image Specification 1.1, `image-index.md`.
///
/// ```
/// use harbor_replicate::client::Platform;
///
/// let platform: Platform = "linux/arm/v7".parse().unwrap();
/// assert_eq!(platform.to_string(), "linux/arm/v7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// Why a text is no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no platform: write os/architecture or os/architecture/variant, such as linux/arm64")]
pub struct PlatformError(String);

impl Platform {
    /// Whether what an index says of a manifest is this one. Where no variant was asked for, any will do.
    #[must_use]
    pub fn is_of(&self, entry: &Descriptor) -> bool {
        let Some(platform) = &entry.platform else { return false };
        let says = |key: &str| platform[key].as_str().unwrap_or_default();
        // Every arm64 is its eighth version, which few write.
        let same = |variant: &String| {
            says("variant") == variant
                || self.architecture == "arm64" && says("variant").is_empty() && variant == "v8"
        };
        says("os") == self.os && says("architecture") == self.architecture && self.variant.iter().all(same)
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let wrong = || PlatformError(text.chars().take(100).collect());
        let parts: Vec<&str> = text.split('/').collect();
        let is_word = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(wrong()),
        };
        if !parts.iter().all(is_word) {
            return Err(wrong());
        }
        Ok(Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(ToOwned::to_owned),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use harbor_core::oci::{Algorithm, Digest};
    use serde_json::json;

    use super::*;

    #[test]
    fn platforms_are_found() {
        let entry = |platform: serde_json::Value| {
            let digest = Digest::of(Algorithm::Sha256, b"");
            let entry = json!({"mediaType": "a/b", "digest": digest, "size": 0, "platform": platform});
            serde_json::from_value::<Descriptor>(entry).unwrap()
        };
        let v7 = entry(json!({"os": "linux", "architecture": "arm", "variant": "v7"}));
        let arm64 = entry(json!({"os": "linux", "architecture": "arm64"}));
        let is = |text: &str, entry: &Descriptor| text.parse::<Platform>().unwrap().is_of(entry);
        assert!(is("linux/arm", &v7) && is("linux/arm/v7", &v7) && is("linux/arm64/v8", &arm64));
        assert!(!is("linux/arm/v6", &v7) && !is("windows/arm64", &arm64) && !is("linux/arm/v8", &v7));
        assert!(!is("linux/amd64", &entry(serde_json::Value::Null)));
        for wrong in ["", "linux", "linux/", "linux/a/b/c", "linux/a b"] {
            assert!(wrong.parse::<Platform>().is_err(), "{wrong}");
        }
    }
}

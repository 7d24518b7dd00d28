//! What repositories and artifacts are called on the command line.

use std::fmt;
use std::str::FromStr;

/// A repository: `project/repository`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RepositoryArg {
    pub(crate) project: String,
    /// Within the project; it may have slashes.
    pub(crate) name: String,
}

/// An artifact: `project/repository:tag` or `project/repository@digest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArtifactArg {
    pub(crate) repository: RepositoryArg,
    /// A tag or a digest.
    pub(crate) reference: String,
}

/// What does not name what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WrongName {
    #[error("write PROJECT/REPOSITORY, such as library/web")]
    Repository,
    #[error("write PROJECT/REPOSITORY:TAG or PROJECT/REPOSITORY@DIGEST, such as library/web:1.0")]
    Artifact,
    #[error("write bytes, or a number with KiB, MiB, GiB, TiB; -1 for no limit")]
    Bytes,
}

impl FromStr for RepositoryArg {
    type Err = WrongName;

    fn from_str(text: &str) -> Result<Self, WrongName> {
        let (project, name) = text.split_once('/').ok_or(WrongName::Repository)?;
        if project.is_empty() || name.is_empty() || text.contains([':', '@']) {
            return Err(WrongName::Repository);
        }
        Ok(Self { project: project.to_owned(), name: name.to_owned() })
    }
}

impl FromStr for ArtifactArg {
    type Err = WrongName;

    fn from_str(text: &str) -> Result<Self, WrongName> {
        let (repository, reference) = match text.split_once('@') {
            Some((repository, digest)) => (repository, digest),
            None => text.rsplit_once(':').ok_or(WrongName::Artifact)?,
        };
        // `name:tag@digest` names the digest, as with docker.
        let repository = repository.split_once(':').map_or(repository, |(name, _)| name);
        if reference.is_empty() {
            return Err(WrongName::Artifact);
        }
        let repository = repository.parse().map_err(|_| WrongName::Artifact)?;
        Ok(Self { repository, reference: reference.to_owned() })
    }
}

impl fmt::Display for RepositoryArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project, self.name)
    }
}

impl fmt::Display for ArtifactArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.reference.contains(':') { '@' } else { ':' };
        write!(f, "{}{mark}{}", self.repository, self.reference)
    }
}

/// An amount of bytes: `500`, `10GiB`, `-1` for no limit.
pub(crate) fn bytes(text: &str) -> Result<i64, WrongName> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic() || char == ' ');
    let factor: i64 = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "ki" | "kib" => 1 << 10,
        "m" | "mi" | "mib" => 1 << 20,
        "g" | "gi" | "gib" => 1 << 30,
        "t" | "ti" | "tib" => 1 << 40,
        _ => return Err(WrongName::Bytes),
    };
    match digits.parse::<i64>() {
        Ok(-1) if factor == 1 => Ok(-1),
        Ok(amount) if amount >= 0 => amount.checked_mul(factor).ok_or(WrongName::Bytes),
        _ => Err(WrongName::Bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_are_named_by_tag_or_by_digest() {
        let read = |text: &str| text.parse::<ArtifactArg>().map(|name| name.to_string());
        assert_eq!(read("library/a/b:1.0").as_deref(), Ok("library/a/b:1.0"));
        assert_eq!(read("library/web@sha256:ab").as_deref(), Ok("library/web@sha256:ab"));
        assert_eq!(read("library/web:1@sha256:ab").as_deref(), Ok("library/web@sha256:ab"));
        for wrong in ["library/web", "web:1", "library/web:", "/web:1", "library/:1", ""] {
            assert_eq!(read(wrong), Err(WrongName::Artifact), "{wrong}");
        }
        assert_eq!("library/web:1".parse::<RepositoryArg>(), Err(WrongName::Repository));
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!(bytes("10GiB"), Ok(10 << 30));
        assert_eq!(bytes("500"), Ok(500));
        assert_eq!(bytes("1 k"), Ok(1024));
        assert_eq!(bytes("-1"), Ok(-1));
        for wrong in ["-2", "x", "10XB", "", "99999999999TiB", "-1GiB", "1.5GiB"] {
            assert_eq!(bytes(wrong), Err(WrongName::Bytes), "{wrong}");
        }
    }
}

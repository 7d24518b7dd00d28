//! Names of projects and repositories: OCI Distribution Specification 1.1, "Pulling manifests".

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("the name is empty")]
    Empty,
    /// Longer than 255 characters, the length that clients and hosts agree on.
    #[error("the name is longer than 255 characters")]
    Long,
    /// A path component that the specification's grammar does not allow.
    #[error(
        "each part of the name must be lower-case letters and digits, separated by one of '.', '_', '__' or dashes"
    )]
    Component,
    /// A single component where a project and a repository are needed.
    #[error("the name needs a project and a repository: project/repository")]
    NoProject,
}

const LONGEST: usize = 255;

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn component(text: &str) -> Result<(), NameError> {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = text.as_bytes();
    loop {
        let word = rest.iter().take_while(|byte| alphanumeric(byte)).count();
        if word == 0 {
            return Err(NameError::Component);
        }
        rest = &rest[word..];
        let separator = rest.iter().take_while(|byte| !alphanumeric(byte)).count();
        match &rest[..separator] {
            [] => return Ok(()),
            b"." | b"_" | b"__" => {}
            dashes if dashes.iter().all(|byte| *byte == b'-') => {}
            _ => return Err(NameError::Component),
        }
        rest = &rest[separator..];
    }
}

/// The full name of a repository, `project/repository`, as it stands in `/v2/<name>/`.
///
/// A single component is grammatical, and foreign registries have such names; [`RepositoryName::project`]
/// tells whether there is a project part, which everything stored here needs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Arc<str>);

impl RepositoryName {
    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first component, when there is a second one.
    ///
    /// # Errors
    /// [`NameError::NoProject`] for a name of one component.
    pub fn project(&self) -> Result<&str, NameError> {
        self.0.split_once('/').map(|(project, _)| project).ok_or(NameError::NoProject)
    }

    /// What comes after the first component: the name within its project. Empty for a name of one component.
    #[must_use]
    pub fn within_project(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, within)| within)
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > LONGEST {
            return Err(NameError::Long);
        }
        text.split('/').try_for_each(component)?;
        Ok(Self(text.into()))
    }
}

/// The name of a project: one component, at most 255 characters, as Harbor has it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectName(Arc<str>);

impl ProjectName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProjectName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > LONGEST {
            return Err(NameError::Long);
        }
        component(text)?;
        Ok(Self(text.into()))
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}
text!(RepositoryName, ProjectName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn grammar() {
        for good in ["a", "library/alpine", "a/b/c", "a.b", "a_b", "a__b", "a---b", "0/1"] {
            assert!(good.parse::<RepositoryName>().is_ok(), "{good}");
        }
        for bad in [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "a.-b", "-a", "a-", "a/../b", "a b", "a%2fb",
            "ä", "a\0b", "a:b",
        ] {
            assert!(bad.parse::<RepositoryName>().is_err(), "{bad}");
        }
        assert_eq!("a".repeat(256).parse::<RepositoryName>(), Err(NameError::Long));
        assert!("a".repeat(255).parse::<RepositoryName>().is_ok());
        assert!("a/b".parse::<ProjectName>().is_err());
    }

    #[test]
    fn project_is_the_first_component() {
        let name: RepositoryName = "library/tools/git".parse().unwrap();
        assert_eq!(name.project(), Ok("library"));
        assert_eq!(name.within_project(), "tools/git");
        assert_eq!("alpine".parse::<RepositoryName>().unwrap().within_project(), "");
        assert_eq!("alpine".parse::<RepositoryName>().unwrap().project(), Err(NameError::NoProject));
    }

    proptest! {
        #[test]
        fn generated_names_parse(text in "[a-z0-9]{1,8}((\\.|_|__|-{1,3})[a-z0-9]{1,8}){0,3}(/[a-z0-9]{1,8}){0,3}") {
            let parsed: RepositoryName = text.parse().unwrap();
            prop_assert_eq!(parsed.as_str(), text);
        }

        #[test]
        fn anything_accepted_is_safe_in_a_path(text in "[a-zA-Z0-9._/%\\\\-]{0,40}") {
            if text.parse::<RepositoryName>().is_ok() {
                prop_assert!(!text.contains("..") && !text.contains("//") && !text.starts_with('/'));
                prop_assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b)));
            }
        }
    }
}

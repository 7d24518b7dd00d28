//! Patterns for the names of repositories and tags, as Harbor's selectors have them (retention, immutable tags, replication):
//! the meaning of `Match` of Go's `doublestar`.
//!
//! | in a pattern | matches |
//! |---|---|
//! | `*` | any characters but `/`, or none |
//! | `**` as a whole component | any components, or none ahead of a slash: `a/**` matches `a/b` and `a/b/c`, and not `a`; `**/a` matches `a` |
//! | `?` | one character but `/` |
//! | `[a-z_]` | one character of the class; never `/` |
//! | `[^a-z]` | one character that is not of the class; never `/` |
//! | `{v*,latest}` | each of the alternatives, which may be empty, hold slashes and be nested |
//! | `\*` | the character after the backslash, whatever it is |
//!
//! A `**` that is not a whole component means `*`; so does one at the beginning of an alternative, unless a slash is ahead of it there. An empty pattern matches everything. Several patterns in one selector are
//! the alternatives of one pattern.
//!
//! This is version 1 of `doublestar`, which Harbor has; `doublestar.tsv` has what that says, row by row. What it calls a bad pattern only
//! when a text gets that far is refused here from the beginning. Its code differs in corners: `{a,a/b}` does not match `a` there, and what
//! may be empty (`*{,x}`) is not always so at a text's end. A dash at the end of a class is itself, as in version 4.
//!
//! ```
//! use harbor_core::pattern::Pattern;
//!
//! let pattern = Pattern::parse("{library/**,apps/*/v[0-9]}")?;
//! assert!(pattern.matches("library/a/b"));
//! assert!(pattern.matches("apps/web/v7"));
//! assert!(!pattern.matches("apps/v7"));
//! # Ok::<(), harbor_core::pattern::PatternError>(())
//! ```

mod parse;
mod program;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use program::Program;

/// How many bytes a pattern has at most.
pub const LONGEST: usize = 1024;

/// How many bytes all patterns have together at most that one name is matched with: those of a project's rules of immutable tags,
/// of a member, of a robot, of a personal access token.
pub const LONGEST_TOGETHER: usize = 4096;

/// How long patterns are together, in bytes.
#[must_use]
pub fn length<'a>(patterns: impl IntoIterator<Item = &'a Pattern>) -> usize {
    patterns.into_iter().map(|pattern| pattern.as_str().len()).sum()
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is too long.
    #[error("a pattern has at most {LONGEST} bytes")]
    TooLong,
    /// It ends with a backslash.
    #[error("nothing follows the backslash at the pattern's end; write \\\\ for a backslash")]
    Escape,
    /// A class does not end.
    #[error("a [ in the pattern has no ]; write \\[ for the character itself")]
    OpenClass,
    /// A class has nothing in it.
    #[error("a [] in the pattern has no characters in it")]
    EmptyClass,
    /// Alternatives do not end.
    #[error("a {{ in the pattern has no }}; write \\{{ for the character itself")]
    OpenAlternatives,
    /// Alternatives end that do not begin.
    #[error("a }} in the pattern has no {{; write \\}} for the character itself")]
    StrayBrace,
}

/// A pattern, ready to match. Its time is bounded by the length of the pattern times that of the text.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    program: Arc<Program>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is longer than [`LONGEST`], or something in it does not end.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST {
            return Err(PatternError::TooLong);
        }
        let pieces = parse::pieces(text)?;
        let program = if text.is_empty() { Program::everything() } else { Program::of(pieces) };
        Ok(Self { text: text.into(), program: Arc::new(program) })
    }

    /// Whether the whole text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.program.matches(text)
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Default for Pattern {
    /// The empty pattern, which matches everything.
    fn default() -> Self {
        Self { text: "".into(), program: Arc::new(Program::everything()) }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;

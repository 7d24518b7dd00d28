//! The terms of `q`, before anything is known of the keys: conventions, section 6.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::QueryError;

/// How many bytes `q` has at most.
pub(super) const LONGEST: usize = 4096;

/// How many terms it has at most.
pub(super) const FILTERS: usize = 32;

/// How many values a list in it has at most.
pub(super) const VALUES: usize = 256;

/// A term of `q`. Nouns with keys that are no columns (an artifact's `tags`, `labels` and `base`) pick them out of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFilter {
    /// The key as given, perhaps with an operator: `name`, `size__gte`.
    pub name: String,
    /// What must hold of it.
    pub test: RawTest,
}

impl RawFilter {
    /// The key without an operator, and the operator.
    #[must_use]
    pub fn parts(&self) -> (&str, Option<&str>) {
        parts(&self.name)
    }
}

pub(super) fn parts(name: &str) -> (&str, Option<&str>) {
    match name.split_once("__") {
        Some((key, operator)) => (key, Some(operator)),
        None => (name, None),
    }
}

/// What must hold of a key, in texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawTest {
    /// `k=v`: it is that.
    Is(String),
    /// `k=~v`: it has that in it.
    Like(String),
    /// `k=[min~max]`: it lies between them, inclusively. At least one of them is there.
    Between(Option<String>, Option<String>),
    /// `k={a b}`: it is one of these, which may be none at all.
    AnyOf(Vec<String>),
    /// `k=(a b)`: it has all of these.
    AllOf(Vec<String>),
}

/// Reads the terms of `q`, which was decoded once already. Of two terms with the same name, the later holds.
///
/// # Errors
/// When `q` is no list of terms, or too much; all of them 400.
pub fn parse_raw(q: Option<&str>) -> Result<Vec<RawFilter>, QueryError> {
    let q = q.unwrap_or_default();
    if q.len() > LONGEST {
        return Err(QueryError::TooLong);
    }
    if q.is_empty() {
        return Ok(Vec::new());
    }
    let text = unescaped(q);
    let mut filters: Vec<RawFilter> = Vec::new();
    for (index, term) in text.split(',').enumerate() {
        if index == FILTERS {
            return Err(QueryError::TooManyFilters);
        }
        let filter = term_of(term)?;
        match filters.iter_mut().find(|known| known.name == filter.name) {
            Some(known) => *known = filter,
            None => filters.push(filter),
        }
    }
    Ok(filters)
}

/// Harbor decodes the value once more, as a form's; one that cannot be decoded stays as it is.
fn unescaped(q: &str) -> Cow<'_, str> {
    let bytes = q.as_bytes();
    let escape = |(index, _)| {
        let digits = bytes.get(index + 1..index + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !q.match_indices('%').all(escape) {
        return Cow::Borrowed(q);
    }
    let spaced = q.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

fn term_of(term: &str) -> Result<RawFilter, QueryError> {
    match term.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok(RawFilter { name: name.to_owned(), test: test_of(value)? })
        }
        _ => Err(QueryError::Term),
    }
}

fn test_of(value: &str) -> Result<RawTest, QueryError> {
    let rest = value.get(1..).unwrap_or_default();
    match value.as_bytes().first() {
        Some(b'~') if rest.is_empty() => Err(QueryError::Like),
        Some(b'~') => Ok(RawTest::Like(rest.to_owned())),
        Some(b'[') => range(rest),
        Some(b'{') => list(rest, '}').map(RawTest::AnyOf),
        Some(b'(') => list(rest, ')').map(RawTest::AllOf),
        Some(b'\\') => Ok(RawTest::Is(rest.to_owned())),
        _ => Ok(RawTest::Is(value.to_owned())),
    }
}

fn range(rest: &str) -> Result<RawTest, QueryError> {
    let sides = rest.strip_suffix(']').and_then(|rest| rest.split_once('~'));
    let Some((min, max)) = sides.filter(|(_, max)| !max.contains('~')) else {
        return Err(QueryError::Range);
    };
    let side = |text: &str| (!text.trim().is_empty()).then(|| unquoted(text));
    match (side(min), side(max)) {
        (None, None) => Err(QueryError::Range),
        (min, max) => Ok(RawTest::Between(min, max)),
    }
}

fn list(rest: &str, end: char) -> Result<Vec<String>, QueryError> {
    let values = rest.strip_suffix(end).ok_or(QueryError::List)?;
    let values: Vec<String> = values.split(' ').map(unquoted).filter(|value| !value.is_empty()).collect();
    if values.len() > VALUES { Err(QueryError::TooManyValues) } else { Ok(values) }
}

/// A value of a range or a list, without the blanks and then the quotes around it.
fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['"', '\'']).to_owned()
}

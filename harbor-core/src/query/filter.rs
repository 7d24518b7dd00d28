//! Tests of keys, typed.

use super::raw::parts;
use super::value::storable;
use super::{Key, Kind, RawFilter, RawTest, Value};

/// What must hold of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter<K> {
    key: K,
    test: Test,
}

/// What must hold of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It is that.
    Is(Value),
    /// It has that text in it, in whatever case. Only of texts.
    Like(String),
    /// It lies between them, inclusively.
    Between(Option<Value>, Option<Value>),
    /// It is above that.
    Above(Value),
    /// It is below that.
    Below(Value),
    /// It is one of these.
    AnyOf(Vec<Value>),
    /// It has all of these. Of a key with one value only, Harbor ignores it, and so does a driver.
    AllOf(Vec<Value>),
    /// Nothing can match: what was asked for cannot be a value of that key.
    Nothing,
}

impl<K: Key> Filter<K> {
    /// A filter; its test is of [`Test::Nothing`] when its values are of another kind than the key's.
    pub(super) fn new(key: K, test: Test) -> Self {
        let fits = key.entry().is_some_and(|entry| test.fits(entry.kind));
        Self { key, test: if fits { test } else { Test::Nothing } }
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> K {
        self.key
    }

    /// What must hold of it.
    #[must_use]
    pub const fn test(&self) -> &Test {
        &self.test
    }

    /// The filter that a term of `q` means; `None` where Harbor ignores it.
    pub(super) fn read(RawFilter { name, test }: RawFilter) -> Option<Self> {
        let (name, operator) = parts(&name);
        let named = K::named(name).filter(|named| named.filter)?;
        let test = match operator {
            None => plain(named.kind, test),
            Some(operator) => operated(operator, named.kind, test)?,
        };
        Some(Self::new(named.key, test))
    }
}

impl Test {
    /// Whether its values are of a kind and can be stored.
    fn fits(&self, kind: Kind) -> bool {
        let fits =
            |value: &Value| value.kind() == kind && !matches!(value, Value::Text(text) if !storable(text));
        match self {
            Self::Is(value) | Self::Above(value) | Self::Below(value) => fits(value),
            Self::Like(text) => kind == Kind::Text && storable(text),
            Self::Between(min, max) => min.iter().chain(max).all(fits),
            Self::AnyOf(values) => !values.is_empty() && values.iter().all(fits),
            Self::AllOf(values) => values.iter().all(fits),
            Self::Nothing => true,
        }
    }
}

/// The test that a term without an operator means.
fn plain(kind: Kind, test: RawTest) -> Test {
    match test {
        RawTest::Is(text) => one(kind, &text, Test::Is),
        RawTest::Like(text) => Test::Like(text),
        RawTest::Between(min, max) => between(kind, min.as_deref(), max.as_deref()),
        // What cannot be a value of the key is none of its values.
        RawTest::AnyOf(texts) => {
            Test::AnyOf(texts.iter().filter_map(|text| Value::read(kind, text)).collect())
        }
        RawTest::AllOf(texts) => {
            let values = texts.iter().map(|text| Value::read(kind, text)).collect();
            Option::map_or(values, Test::Nothing, Test::AllOf)
        }
    }
}

/// The test that a term with an operator means; `None` where there is no such operator, or not of such a value.
fn operated(operator: &str, kind: Kind, test: RawTest) -> Option<Test> {
    let text = match (operator, test) {
        ("exact", test) => return Some(plain(kind, test)),
        ("in", test @ RawTest::AnyOf(_)) | ("icontains", test @ RawTest::Like(_)) => {
            return Some(plain(kind, test));
        }
        (_, RawTest::Is(text)) => text,
        _ => return None,
    };
    match operator {
        "in" => Some(plain(kind, RawTest::AnyOf(vec![text]))),
        "icontains" => Some(Test::Like(text)),
        "gte" => Some(between(kind, Some(&text), None)),
        "lte" => Some(between(kind, None, Some(&text))),
        "gt" => Some(one(kind, &text, Test::Above)),
        "lt" => Some(one(kind, &text, Test::Below)),
        _ => None,
    }
}

fn one(kind: Kind, text: &str, test: fn(Value) -> Test) -> Test {
    Value::read(kind, text).map_or(Test::Nothing, test)
}

fn between(kind: Kind, min: Option<&str>, max: Option<&str>) -> Test {
    // A side that is there but cannot be read is no missing side.
    let read = |side: Option<&str>| side.map(|text| Value::read(kind, text).ok_or(())).transpose();
    match (read(min), read(max)) {
        (Ok(min), Ok(max)) => Test::Between(min, max),
        _ => Test::Nothing,
    }
}

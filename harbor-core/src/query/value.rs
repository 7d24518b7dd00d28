//! What keys are compared with.

use chrono::NaiveDateTime;

use super::Kind;
use crate::Timestamp;

/// A value, of one of the kinds that keys have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A point in time.
    Time(Timestamp),
    /// Yes or no.
    Bool(bool),
}

/// The forms of a time: the one that Harbor reads, and the one that its documentation has. Both are UTC.
const TIMES: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];

impl Value {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Int(_) => Kind::Int,
            Self::Time(_) => Kind::Time,
            Self::Bool(_) => Kind::Bool,
        }
    }

    /// Reads a value of a kind; `None` when the text cannot be one.
    #[must_use]
    pub fn read(kind: Kind, text: &str) -> Option<Self> {
        match kind {
            Kind::Text => storable(text).then(|| Self::Text(text.to_owned())),
            Kind::Int => text.trim().parse().ok().map(Self::Int),
            Kind::Time => time(text.trim()).map(Self::Time),
            Kind::Bool => truth(text.trim()).map(Self::Bool),
        }
    }
}

/// Whether a text can be stored anywhere: PostgreSQL takes no NUL, so nothing that is stored has one.
pub(super) fn storable(text: &str) -> bool {
    !text.contains('\0')
}

fn time(text: &str) -> Option<Timestamp> {
    let time = TIMES.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())?;
    Some(Timestamp::from_micros(time.and_utc().timestamp_micros()))
}

/// The words that Go's `strconv.ParseBool` knows, in whatever case.
fn truth(text: &str) -> Option<bool> {
    let one_of = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match text {
        _ if one_of(["true", "t", "1"]) => Some(true),
        _ if one_of(["false", "f", "0"]) => Some(false),
        _ => None,
    }
}

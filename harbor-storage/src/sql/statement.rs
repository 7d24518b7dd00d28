//! Statements of the common text, rendered once per database; and what they take.

use std::sync::OnceLock;

use super::dialect::Dialect;

/// A statement of the common text.
#[derive(Debug)]
pub(super) struct Statement {
    text: &'static str,
    rendered: [OnceLock<String>; 3],
}

impl Statement {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, rendered: [OnceLock::new(), OnceLock::new(), OnceLock::new()] }
    }

    /// The text for a database: the same each time, so that the driver finds its prepared statement again.
    pub(super) fn rendered(&'static self, dialect: Dialect) -> &'static str {
        let [sqlite, postgres, mysql] = &self.rendered;
        let slot = match dialect {
            Dialect::Sqlite => sqlite,
            Dialect::Postgres => postgres,
            Dialect::MySql => mysql,
        };
        slot.get_or_init(|| dialect.render(self.text))
    }
}

/// Declares a statement where it is used.
macro_rules! sql {
    ($text:expr) => {{
        static STATEMENT: $crate::sql::statement::Statement = $crate::sql::statement::Statement::new($text);
        &STATEMENT
    }};
}
pub(super) use sql;

/// What a parameter of a statement can be.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Int(i64),
    OptionalInt(Option<i64>),
    Text(String),
    OptionalText(Option<String>),
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::OptionalInt(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::OptionalText(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

/// Collects the parameters of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::sql::statement::Value::from($value)),*]
    };
}
pub(super) use values;

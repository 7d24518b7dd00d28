//! What the columns of a table hold, where all of them are copied, whichever they are.

use harbor_core::{StoreError, StoreErrorKind};
use serde::{Deserialize, Serialize};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A number, or nothing.
    Int,
    /// Text, or nothing.
    Text,
    /// Bytes; in JSON as Base64.
    Bytes,
}

impl Kind {
    /// What the column `name` holds, of a type as SQLite calls it.
    pub(super) fn of_sqlite(name: &str, kind: &str) -> Result<Self, StoreError> {
        match kind {
            "INTEGER" => Ok(Self::Int),
            "TEXT" => Ok(Self::Text),
            "BLOB" => Ok(Self::Bytes),
            other => {
                let what = format!("the column {name} is of a type that is not known: {other}");
                Err(StoreError::new(StoreErrorKind::Corrupt, what))
            }
        }
    }
}

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of every refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Errors)]
pub struct ErrorBody {
    /// What went wrong.
    pub errors: Vec<ErrorEntry>,
}

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorEntry {
    /// A word for programs: `NOT_FOUND`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

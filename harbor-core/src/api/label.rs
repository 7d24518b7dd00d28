use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// A label; in the body of a request, only what shall be set of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Label {
    /// Its key.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The colour that it is shown in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub color: String,
    /// `g`: all may use it. `p`: a project may.
    pub scope: String,
    /// The project that may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<i64>,
    /// When it was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<Timestamp>,
    /// When it was changed.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_time: Option<Timestamp>,
}

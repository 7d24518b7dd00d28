//! The operations of Harbor's API v2.0: the one table that the router and the tests read.
//!
//! ```
//! use harbor_core::operation::{Lookup, Method, find};
//!
//! let Lookup::Found(matched) = find(Method::Get, "/projects/library/repositories/a%252Fb/artifacts/latest") else {
//!     panic!("an operation");
//! };
//! assert_eq!(matched.operation.id, "getArtifact");
//! assert_eq!(matched.parameter("repository_name"), Some("a/b"));
//! assert_eq!(matched.parameter("reference"), Some("latest"));
//! ```

mod lookup;
mod table;

pub use lookup::{Lookup, Match, find};
pub use table::OPERATIONS;

/// Where the paths of the table begin.
pub const BASE: &str = "/api/v2.0";

/// One operation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name, as Harbor's clients are generated from: `getArtifact`.
    pub id: &'static str,
    /// What it is about.
    pub tag: &'static str,
    /// Its method.
    pub method: Method,
    /// Its path below [`BASE`], with parameters in braces.
    pub path: &'static str,
}

/// A method of HTTP that an operation has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
}

impl Method {
    /// The method of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete]
            .into_iter()
            .find(|method| method.as_str() == name)
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

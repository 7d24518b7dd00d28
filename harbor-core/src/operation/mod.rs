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
pub use table::{EXTENSIONS, OPERATIONS};

use crate::access::Permission;

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
    /// What it needs.
    pub need: Need,
}

impl Operation {
    /// Whether it may change something: its method is not safe (RFC 9110, section 9.2.1).
    #[must_use]
    pub const fn changes(&self) -> bool {
        !matches!(self.method, Method::Get | Method::Head)
    }
}

/// Every operation: Harbor's, and those that this registry has beside them.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().chain(&EXTENSIONS)
}

/// What an operation needs of who calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: everybody may call it, and sees what everybody may see. The tests have a list of these, which may only become
    /// shorter.
    Nothing,
    /// To have said who one is. What is shown is what the caller may see.
    Login,
    /// A permission, on the whole registry or in the project that the path names.
    Permission(Permission),
    /// To be the user that the path names, or to have a permission.
    Own(Permission),
    /// A permission, unless people may register themselves.
    Registers(Permission),
    /// One of these permissions, in the place that the query, the body or the stored thing names.
    Any(&'static [Permission]),
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

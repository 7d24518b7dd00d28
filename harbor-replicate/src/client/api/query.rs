//! What lists are asked for, and what projects are called by.

use std::fmt;

/// Parameters of a query: filters, order, and what else an operation has.
///
/// ```
/// use harbor_replicate::client::api::Query;
///
/// let latest = Query::new().q("tags=~v1").sort("-push_time").with("with_label", true).page_size(100);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Of everything, in the server's order.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Harbor's language of filters: `name=~x,public=true`.
    pub fn q(self, filter: impl fmt::Display) -> Self {
        self.with("q", filter)
    }

    /// The order: `name`, `-creation_time`, several with commas.
    pub fn sort(self, keys: impl fmt::Display) -> Self {
        self.with("sort", keys)
    }

    /// How many entries are asked for at a time: 1 to 100. Default: 100.
    pub fn page_size(self, entries: u32) -> Self {
        self.with("page_size", entries)
    }

    /// Any other parameter of the operation.
    pub fn with(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

/// A project, by its name or by its key. A name that is a number is one all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectRef<'a> {
    /// By name.
    Name(&'a str),
    /// By key.
    Id(i64),
}

impl<'a> From<&'a str> for ProjectRef<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl<'a> From<&'a String> for ProjectRef<'a> {
    fn from(name: &'a String) -> Self {
        Self::Name(name)
    }
}

impl From<i64> for ProjectRef<'_> {
    fn from(id: i64) -> Self {
        Self::Id(id)
    }
}

//! Harbor's language of lists: `q`, `sort`, `page` and `page_size` (conventions, sections 5 and 6).
//!
//! A noun declares by which [`Key`]s it may be asked for; [`Query::parse`] reads what a client sent into tests of those keys,
//! typed, so that a driver need not look at texts again.
//!
//! | in `q` | asks for |
//! |---|---|
//! | `name=a` | what is `a`; a leading `\` makes a special character plain |
//! | `name=~a` | what has `a` in it, in whatever case |
//! | `size=[1~9]` | what is from 1 to 9; one side may be missing |
//! | `size={1 2}` | what is one of these |
//! | `label=(1 2)` | what has all of these |
//!
//! Terms are separated by commas, so no value has one. A key may end with an operator of Harbor's object mapper: `__exact`,
//! `__icontains`, `__in`, `__gt`, `__gte`, `__lt`, `__lte`.
//!
//! ```
//! use harbor_core::query::{Order, Query, Test, Value, keys};
//!
//! keys! {
//!     /// What projects are asked for by.
//!     pub enum ProjectKey {
//!         /// Its id.
//!         Id: Int, "project_id", "ProjectID", filter;
//!         /// Its name.
//!         Name: Text, "name", "Name", filter, sort;
//!     }
//! }
//!
//! let query = Query::<ProjectKey>::parse(Some("name=~Lib,ProjectID=7"), Some("-name"), None, Some("50"))?;
//! assert_eq!(query.filters()[0].test(), &Test::Like("Lib".to_owned()));
//! assert_eq!(query.filters()[1].test(), &Test::Is(Value::Int(7)));
//! assert_eq!(query.order(), [(ProjectKey::Name, Order::Descending)]);
//!
//! let own = Query::default().filter(ProjectKey::Id, Test::Is(Value::Int(7))).page(2, 100);
//! assert_eq!(own.offset(), 100);
//! # Ok::<(), harbor_core::query::QueryError>(())
//! ```

mod error;
mod filter;
mod key;
mod links;
mod pages;
mod raw;
mod value;

pub use error::QueryError;
pub use filter::{Filter, Test};
pub use key::{Key, Kind, Named, keys};
pub use links::links;
pub use pages::{LARGEST_PAGE, PAGE_SIZE};
pub use raw::{RawFilter, RawTest, parse_raw};
pub use value::Value;

/// In which direction a list is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// From the least.
    Ascending,
    /// From the greatest.
    Descending,
}

/// What a list is asked for: all of the filters, in an order, one page of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<K> {
    filters: Vec<Filter<K>>,
    order: Vec<(K, Order)>,
    page: u64,
    size: u32,
}

impl<K> Default for Query<K> {
    /// The first page of everything, in the noun's own order.
    fn default() -> Self {
        Self { filters: Vec::new(), order: Vec::new(), page: 1, size: PAGE_SIZE }
    }
}

impl<K: Key> Query<K> {
    /// Reads the parameters of a request, each already decoded once as every parameter is.
    ///
    /// Keys that the noun does not have, or not for this use, are ignored, as are operators that there are not. A value that
    /// cannot be the key's gives [`Test::Nothing`].
    ///
    /// # Errors
    /// When `q` is no list of terms or too much, or a number of the page is none: [`QueryError::status`] tells them apart.
    pub fn parse(
        q: Option<&str>,
        sort: Option<&str>,
        page: Option<&str>,
        page_size: Option<&str>,
    ) -> Result<Self, QueryError> {
        Ok(Self {
            filters: parse_raw(q)?.into_iter().filter_map(Filter::read).collect(),
            order: pages::order(sort.unwrap_or_default()),
            page: pages::page(page)?,
            size: pages::size(page_size)?,
        })
    }

    /// Adds a filter. A test of values of another kind than the key's matches nothing.
    #[must_use]
    pub fn filter(mut self, key: K, test: Test) -> Self {
        self.filters.push(Filter::new(key, test));
        self
    }

    /// The same, with what must hold of a key as `change` makes it of what had to hold.
    #[must_use]
    pub fn change(mut self, key: K, change: impl Fn(&Test) -> Test) -> Self {
        for filter in self.filters.iter_mut().filter(|filter| filter.key() == key) {
            *filter = Filter::new(key, change(filter.test()));
        }
        self
    }

    /// Orders by a key too, after those that it is ordered by already.
    #[must_use]
    pub fn sort(mut self, key: K, order: Order) -> Self {
        pages::add(&mut self.order, key, order);
        self
    }

    /// Asks for a page, counted from 1, of so many entries, at least one.
    #[must_use]
    pub fn page(mut self, number: u64, size: u32) -> Self {
        self.page = number.max(1);
        self.size = size.max(1);
        self
    }

    /// What must hold of each entry, all of it.
    #[must_use]
    pub fn filters(&self) -> &[Filter<K>] {
        &self.filters
    }

    /// What the list is ordered by; empty for the noun's own order. No key comes twice.
    #[must_use]
    pub fn order(&self) -> &[(K, Order)] {
        &self.order
    }

    /// Which page, counted from 1.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.page
    }

    /// How many entries a page has at most.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// How many entries are on the pages before.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        (self.page - 1).saturating_mul(self.size as u64)
    }

    /// The value of the header `Link` of this page: [`links`].
    #[must_use]
    pub fn links(&self, path_and_query: &str, total: u64) -> Option<String> {
        links(path_and_query, self.page, self.size, total)
    }
}

#[cfg(test)]
mod tests;

//! `sort`, `page` and `page_size`: conventions, section 5.

use super::{Key, Order, QueryError};

/// How many entries a page has where nobody says.
pub const PAGE_SIZE: u32 = 10;

/// How many entries a page has at most.
pub const LARGEST_PAGE: u32 = 100;

/// The number of a page; the first where it is missing or empty.
pub(super) fn page(text: Option<&str>) -> Result<u64, QueryError> {
    number(text, 1).and_then(|number| u64::try_from(number).ok()).ok_or(QueryError::Page)
}

/// How many entries a page shall have.
pub(super) fn size(text: Option<&str>) -> Result<u32, QueryError> {
    match number(text, PAGE_SIZE.into()) {
        None => Err(QueryError::PageSize),
        Some(number) => {
            let size = u32::try_from(number).ok().filter(|size| *size <= LARGEST_PAGE);
            size.ok_or(QueryError::PageSizeTooLarge)
        }
    }
}

/// A number above 0. Harbor's parameters have 64 bits with a sign.
fn number(text: Option<&str>, missing: i64) -> Option<i64> {
    match text {
        None | Some("") => Some(missing),
        Some(text) => text.parse().ok().filter(|number| *number > 0),
    }
}

/// The keys of `sort`, each once; what cannot be sorted by is ignored.
pub(super) fn order<K: Key>(sort: &str) -> Vec<(K, Order)> {
    let mut keys = Vec::new();
    for word in sort.split(',') {
        let (name, order) = match word.strip_prefix('-') {
            Some(name) => (name, Order::Descending),
            None => (word, Order::Ascending),
        };
        if let Some(named) = K::named(name).filter(|named| named.sort) {
            add(&mut keys, named.key, order);
        }
    }
    keys
}

/// Adds a key unless it is there: a list that is ordered by it cannot be ordered by it again.
pub(super) fn add<K: Key>(keys: &mut Vec<(K, Order)>, key: K, order: Order) {
    if !keys.iter().any(|(known, _)| *known == key) {
        keys.push((key, order));
    }
}

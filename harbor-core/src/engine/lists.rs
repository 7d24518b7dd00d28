//! Pages of lists that were read and may be read again.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::page::Page;

/// Pages of lists, by the thing listed (`S`) and by what was asked of it (`K`). All pages of one thing are forgotten at
/// once: they are kept under a version of the thing, and the version is what is forgotten.
pub(super) struct Lists<S, K, T> {
    versions: Cache<S, u64>,
    pages: Cache<(S, u64, K), Arc<Page<T>>, PageWeight>,
    next: AtomicU64,
}

#[derive(Clone)]
struct PageWeight;

/// About what an entry takes, in bytes: a pointer, a count, and a short name.
const ENTRY: u64 = 64;

impl<S, K, T> Weighter<(S, u64, K), Arc<Page<T>>> for PageWeight {
    fn weight(&self, _: &(S, u64, K), page: &Arc<Page<T>>) -> u64 {
        // With a key of a few hundred bytes.
        768 + page.entries.len() as u64 * ENTRY
    }
}

impl<S: Clone + Eq + Hash, K: Clone + Eq + Hash, T> Lists<S, K, T> {
    /// Keeps pages of up to `bytes` in all.
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            versions: Cache::new(1024),
            pages: Cache::with_weighter(256, bytes, PageWeight),
            next: AtomicU64::new(0),
        }
    }

    pub(super) fn get(&self, thing: &S, asked: &K) -> Option<Arc<Page<T>>> {
        let version = self.versions.get(thing)?;
        self.pages.get(&(thing.clone(), version, asked.clone()))
    }

    /// The caller makes sure that the page is still true.
    pub(super) fn keep(&self, thing: S, asked: K, page: Arc<Page<T>>) {
        let version = self.versions.get(&thing).unwrap_or_else(|| {
            let version = self.next.fetch_add(1, Ordering::Relaxed);
            self.versions.insert(thing.clone(), version);
            version
        });
        self.pages.insert((thing, version, asked), page);
    }

    pub(super) fn forget(&self, thing: &S) {
        self.versions.remove(thing);
    }
}

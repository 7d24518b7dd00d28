//! What caches forget when something was changed.

use super::Harbor;
use super::cache::Change;

/// Invalidates when it is dropped, so also when the commit panics.
pub(super) struct Invalidate {
    harbor: Harbor,
    changes: Vec<Change>,
    access: bool,
}

impl Invalidate {
    pub(super) const fn new(harbor: Harbor, changes: Vec<Change>, access: bool) -> Self {
        Self { harbor, changes, access }
    }

    /// Awaits a commit, and invalidates whatever comes of it.
    pub(super) async fn after<T>(self, commit: impl Future<Output = T>) -> T {
        commit.await
    }
}

impl Drop for Invalidate {
    fn drop(&mut self) {
        self.harbor.inner.caches.invalidate(&self.changes);
        if self.access {
            self.harbor.forget_access();
        }
    }
}

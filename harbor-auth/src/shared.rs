//! One verification for all who ask the same at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use harbor_core::StoreError;
use tokio::sync::OnceCell;

/// A password, as a digest keyed by a secret of this process.
pub(crate) type Keyed = [u8; 32];

/// The verifications under way. After a start, a client with many connections sends the same password on each before any was
/// verified: they wait for the first one, and not in the queue, which has an end.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<HashMap<Keyed, Weak<OnceCell<bool>>>>);

impl Shared {
    /// What `verify` yields, or what it yields for somebody who asked before. When that one leaves, the next takes over.
    pub(crate) async fn verdict<F: Future<Output = Result<bool, StoreError>>>(
        &self,
        keyed: Keyed,
        verify: impl FnOnce() -> F,
    ) -> Result<bool, StoreError> {
        let asked = Asked { shared: self, keyed, cell: self.join(keyed) };
        asked.cell.get_or_try_init(verify).await.copied()
    }

    fn join(&self, keyed: Keyed) -> Arc<OnceCell<bool>> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() == cells.capacity() {
            // Of two who leave in the same moment, neither sees itself as the last.
            cells.retain(|_, cell| cell.strong_count() > 0);
        }
        let entry = cells.entry(keyed).or_default();
        entry.upgrade().unwrap_or_else(|| {
            let cell = Arc::default();
            *entry = Arc::downgrade(&cell);
            cell
        })
    }
}

/// Somebody who waits for a verdict. The last one to leave takes it along: nothing is remembered here.
struct Asked<'a> {
    shared: &'a Shared,
    keyed: Keyed,
    cell: Arc<OnceCell<bool>>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut cells = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody can join while the table is locked.
        if Arc::strong_count(&self.cell) == 1 {
            cells.remove(&self.keyed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn many_who_ask_the_same_are_one() {
        let (shared, asked) = (Shared::default(), AtomicU32::new(0));
        let verify = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(true)
        };
        let verdicts = join_all((0..100).map(|number| shared.verdict([number % 2; 32], verify))).await;
        assert!(verdicts.into_iter().all(|verdict| verdict.unwrap()));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        assert!(shared.0.lock().unwrap().is_empty(), "nothing is remembered");
    }

    #[tokio::test]
    async fn whoever_leaves_is_replaced() {
        let shared = Shared::default();
        let mut first = Box::pin(shared.verdict([0; 32], std::future::pending));
        assert!(futures_util::poll!(&mut first).is_pending());
        let mut second = Box::pin(shared.verdict([0; 32], || async { Ok(false) }));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        assert!(!second.await.unwrap());
    }
}

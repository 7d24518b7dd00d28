//! Whether anybody else is at work: garbage collection makes room for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long somebody who asked counts as being at work: who asks once a second is to find as much room as who asks all the time.
const LATELY: Duration = Duration::from_secs(1);

/// A mark that whoever asks for a permission leaves. It is written only where it is not there yet, so that those who ask at the same
/// time do not take the memory that it is in from one another.
#[derive(Debug, Default)]
pub(in crate::engine) struct Asked {
    mark: AtomicBool,
    /// When the mark was seen the last time.
    seen: Mutex<Option<Instant>>,
}

impl Asked {
    /// Somebody asks.
    pub(in crate::engine) fn mark(&self) {
        if !self.mark.load(Ordering::Relaxed) {
            self.mark.store(true, Ordering::Relaxed);
        }
    }

    /// Whether somebody asked lately. It takes the mark.
    pub(super) fn lately(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if self.mark.swap(false, Ordering::Relaxed) {
            *seen = Some(Instant::now());
        }
        seen.is_some_and(|seen| seen.elapsed() < LATELY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_is_at_work_for_a_while() {
        let asked = Asked::default();
        assert!(!asked.lately());
        asked.mark();
        asked.mark();
        assert!(asked.lately() && asked.lately());
        *asked.seen.lock().unwrap() = Instant::now().checked_sub(LATELY);
        assert!(!asked.lately());
    }
}

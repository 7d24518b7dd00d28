//! Whether anybody else is at work: garbage collection makes room for them.

use std::sync::atomic::{AtomicBool, Ordering};

/// A mark that whoever asks for a permission leaves. It is written only where it is not there yet, so that those who ask at the same
/// time do not take the memory that it is in from one another.
#[derive(Debug, Default)]
pub(in crate::engine) struct Asked(AtomicBool);

impl Asked {
    /// Somebody asks.
    pub(in crate::engine) fn mark(&self) {
        if !self.0.load(Ordering::Relaxed) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Whether somebody asked since the mark was taken the last time.
    pub(super) fn is_marked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The same, and the mark is taken.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_seen_once() {
        let asked = Asked::default();
        assert!(!asked.take());
        asked.mark();
        asked.mark();
        assert!(asked.is_marked());
        assert!(asked.take());
        assert!(!asked.take());
    }
}

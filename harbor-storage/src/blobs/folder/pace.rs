//! How much to read at once, by how fast the reader takes it.

use std::time::{Duration, Instant};

use harbor_core::blob::LARGE_BUFFER;

/// The first piece, in bytes: nothing is known of the reader yet.
const FIRST: usize = 64 * 1024;

/// A piece for a slow reader, and for times when the large buffers are all in use.
pub(super) const SMALL: usize = 16 * 1024;

/// A reader that takes at least so many bytes per second gets large pieces.
const FAST: u64 = 32 * 1024 * 1024;

/// A reader that takes fewer than so many bytes per second gets small pieces.
const SLOW: u64 = 4 * 1024 * 1024;

/// Watches one reader.
#[derive(Debug)]
pub(super) struct Pace {
    size: usize,
    given: Option<(Instant, usize)>,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self { size: FIRST, given: None }
    }

    /// How many bytes the next piece should have.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// The reader comes for the next piece.
    pub(super) fn asked(&mut self, now: Instant) {
        if let Some((since, bytes)) = self.given.take() {
            self.judge(now.saturating_duration_since(since), bytes as u64);
        }
    }

    /// The reader got a piece.
    pub(super) fn gave(&mut self, now: Instant, bytes: usize) {
        self.given = Some((now, bytes));
    }

    fn judge(&mut self, taken: Duration, bytes: u64) {
        let time_at = |rate: u64| Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate);
        if taken <= time_at(FAST) {
            self.size = LARGE_BUFFER;
        } else if taken > time_at(SLOW) {
            self.size = SMALL;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_readers_get_more_and_slow_ones_less() {
        let start = Instant::now();
        let mut pace = Pace::new();
        pace.asked(start);
        assert_eq!(pace.size(), FIRST);
        pace.gave(start, FIRST);
        pace.asked(start + Duration::from_micros(100));
        assert_eq!(pace.size(), LARGE_BUFFER);
        pace.gave(start, LARGE_BUFFER);
        pace.asked(start + Duration::from_millis(30));
        assert_eq!(pace.size(), LARGE_BUFFER, "neither fast nor slow changes nothing");
        pace.gave(start, LARGE_BUFFER);
        pace.asked(start + Duration::from_secs(1));
        assert_eq!(pace.size(), SMALL);
        pace.gave(start, SMALL);
        pace.asked(start + Duration::from_micros(10));
        assert_eq!(pace.size(), LARGE_BUFFER);
    }
}

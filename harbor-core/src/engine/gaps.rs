//! Gaps in the numbers that a database gives out: transactions take theirs before they commit, so on a store with concurrent writers a
//! lower number can appear after a higher one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Timestamp;

/// For how long a gap may still be filled, from when it was seen: the stores give up a transaction that is open for 30 s, and the database
/// may just then be at its commit. The clock of whoever made it tells nothing, for it is another node's.
const OPEN: Duration = Duration::from_secs(35);

/// For how long it is known when a gap was seen.
const KNOWN: Duration = Duration::from_secs(10 * 60);

/// The numbers that stand behind gaps, and since when this node sees those.
#[derive(Debug, Default)]
pub(super) struct Gaps(Mutex<BTreeMap<i64, Timestamp>>);

impl Gaps {
    /// How many of these numbers, which follow on `last`, stand ahead of the first gap that may still be filled.
    pub(super) fn settled(&self, last: i64, next: impl IntoIterator<Item = i64>, now: Timestamp) -> usize {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, since| now.since(*since) <= KNOWN);
        let (mut before, mut count, mut settled) = (last, 0, None);
        for number in next {
            // All of them are seen now, also those behind the first: each of them waits no longer than it has to.
            let is_open =
                number > before.saturating_add(1) && now.since(*seen.entry(number).or_insert(now)) <= OPEN;
            if is_open {
                settled.get_or_insert(count);
            }
            (before, count) = (number, count + 1);
        }
        settled.unwrap_or(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_waited_for() {
        let gaps = Gaps::default();
        let settled = |last: i64, numbers: &[i64], now: i64| {
            gaps.settled(last, numbers.iter().copied(), Timestamp::from_micros(now * 1_000_000))
        };
        assert_eq!(settled(0, &[1, 2, 3], 0), 3);
        assert_eq!(settled(3, &[5, 6, 9], 0), 0);
        assert_eq!(settled(3, &[4, 5, 6, 9], 10), 3, "the gap was filled");
        assert_eq!(settled(6, &[9, 10, 12], 34), 0);
        assert_eq!(settled(6, &[9, 10, 12], 36), 2, "nobody fills it any more");
        assert_eq!(settled(10, &[12], 70), 1);
        assert_eq!(settled(3, &[5, 6, 9], 71), 3, "one who is behind does not wait again");
    }
}

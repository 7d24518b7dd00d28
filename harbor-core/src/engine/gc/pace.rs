//! How fast garbage is collected: nobody waits for it to be gone, so it makes room for those who pull and push.

use std::time::{Duration, Instant};

use super::Look;
use crate::Result;
use crate::engine::{ConfigKey, Harbor};
use crate::meta::Sharing;

/// How many links are looked at in one transaction: what one costs beside the transaction is little.
const ROWS: usize = 128;

/// How many, when others are at work: they wait for the transaction, where writers take turns.
const ROWS_BESIDE_OTHERS: usize = 64;

/// How many blobs whose bytes are deleted are forgotten in one transaction: that touches but the last pages of one table.
const FORGOTTEN: usize = 512;

/// How many, when others are at work: they wait for this transaction, too.
const FORGOTTEN_BESIDE_OTHERS: usize = 128;

/// How many blobs' bytes are deleted in one step of the blob store.
const BYTES: usize = 512;

/// How many, when others are at work: they wait for the same disk.
const BYTES_BESIDE_OTHERS: usize = 128;

/// How many times as long as a transaction it rests, when others are at work: less than one request of a hundred is to find it at work,
/// for those wait.
pub(super) const AFTER_ROWS: u32 = 8;

/// How many times as long as a step of the blob store, which few wait for.
pub(super) const AFTER_BYTES: u32 = 2;

/// The longest rest after a step.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// The steps of one collection and the rests between them. On a store that many nodes write to at a time it goes on without: there
/// nobody takes turns, and what it works with is another machine's.
#[derive(Debug)]
pub(super) struct Pace<'a> {
    harbor: &'a Harbor,
    /// What is looked at, and for whom.
    pub(super) look: Look<'a>,
    exclusive: bool,
    /// Whether others were at work during the last step.
    beside_others: bool,
    /// When the step began to work.
    began: Instant,
    /// How long the step worked.
    worked: Duration,
    /// Whether nothing more is to be done: the registry ends, has come to be read-only, or a run has begun.
    over: bool,
}

impl<'a> Pace<'a> {
    pub(super) fn new(harbor: &'a Harbor, look: Look<'a>) -> Self {
        let exclusive = harbor.inner.metadata.sharing() == Sharing::Exclusive;
        let beside_others = exclusive && harbor.inner.asked.lately();
        let (began, worked) = (Instant::now(), Duration::ZERO);
        Self { harbor, look, exclusive, beside_others, began, worked, over: false }
    }

    /// The next of these links, for one transaction; none when it is over.
    pub(super) fn rows<'s, T>(&self, left: &mut &'s [T]) -> Option<&'s [T]> {
        let at_most = if self.beside_others { ROWS_BESIDE_OTHERS } else { ROWS };
        if self.over { None } else { take(left, at_most) }
    }

    /// The next of this garbage, to be forgotten in one transaction; none when it is over.
    pub(super) fn forgotten<'s, T>(&self, left: &mut &'s [T]) -> Option<&'s [T]> {
        let at_most = if self.beside_others { FORGOTTEN_BESIDE_OTHERS } else { FORGOTTEN };
        if self.over { None } else { take(left, at_most) }
    }

    /// The next of this garbage, for one step of the blob store; none when it is over.
    pub(super) fn bytes<'s, T>(&self, left: &mut &'s [T]) -> Option<&'s [T]> {
        let at_most = if self.beside_others { BYTES_BESIDE_OTHERS } else { BYTES };
        if self.over { None } else { take(left, at_most) }
    }

    /// A step begins to work: what it waited for until now is no work.
    pub(super) fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// The step has worked: what it waits for from here on is no work.
    pub(super) fn end(&mut self) {
        self.worked = self.began.elapsed();
    }

    /// Rests so many times as long as the step worked, when somebody asked for something lately. Then it is seen whether it is over.
    ///
    /// # Errors
    /// As the metadata store fails.
    pub(super) async fn rest(&mut self, times: u32) -> Result<()> {
        if self.exclusive {
            self.beside_others = self.harbor.inner.asked.lately();
            if self.beside_others {
                let stopping = self.harbor.inner.workers.stopping();
                // Whoever shuts down does not wait for a rest.
                let _ = tokio::time::timeout(rest(self.worked, times), stopping.cancelled()).await;
            }
        }
        // What is a run's is in its figures, so a worker leaves it in the midst of a batch, too.
        let left_to_a_run = self.look.stands_aside && self.harbor.is_run().await?;
        self.over = left_to_a_run || self.harbor.collects_no_more().await?;
        Ok(())
    }
}

impl Harbor {
    /// Whether nothing is collected now: the registry ends; or it is read-only, and whoever copies it relies on everything staying as
    /// it is.
    pub(super) async fn collects_no_more(&self) -> Result<bool> {
        let stopping = self.inner.workers.stopping().is_cancelled();
        Ok(stopping || self.configuration().await?.flag(ConfigKey::ReadOnly))
    }
}

/// How long it rests behind a step that worked so long.
fn rest(worked: Duration, times: u32) -> Duration {
    worked.saturating_mul(times).min(LONGEST_REST)
}

fn take<'s, T>(left: &mut &'s [T], at_most: usize) -> Option<&'s [T]> {
    let (taken, others) = left.split_at_checked(at_most).unwrap_or((left, &[]));
    *left = others;
    (!taken.is_empty()).then_some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_beside_others_but_not_for_ever() {
        let worked = Duration::from_millis(7);
        assert_eq!(rest(worked, AFTER_ROWS), worked * AFTER_ROWS);
        assert_eq!(rest(Duration::from_secs(40), AFTER_ROWS), LONGEST_REST);
        assert_eq!(rest(Duration::MAX, AFTER_ROWS), LONGEST_REST);
    }

    #[test]
    fn steps_leave_out_nothing() {
        let mut left: &[i32] = &[1, 2, 3, 4, 5];
        let mut steps = Vec::new();
        while let Some(step) = take(&mut left, 2) {
            steps.push(step);
        }
        assert_eq!(steps, [&[1, 2][..], &[3, 4], &[5]]);
    }
}

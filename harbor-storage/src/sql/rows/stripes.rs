//! Which part of a project's sum a transaction adds to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use harbor_core::meta::CLAIMS;

/// How many parts a sum has. A transaction locks the row of one of them from its claim to its commit, which bounds how many
/// can be there at a time.
pub(crate) const STRIPES: u32 = u32::BITS;

// One bit each; and no more than the port allows.
const _: () = assert!(STRIPES as u64 <= CLAIMS);

/// The stripes that transactions of this process write to at the moment.
#[derive(Debug)]
pub(crate) struct Stripes {
    taken: AtomicU32,
    /// Other nodes begin elsewhere.
    offset: u32,
}

impl Stripes {
    #[cfg(any(feature = "postgres", feature = "mysql", test))]
    pub(crate) fn new() -> Arc<Self> {
        let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
        Arc::new(Self { taken: AtomicU32::new(0), offset: (random >> 32) as u32 % STRIPES })
    }

    /// A stripe that nobody else of this process writes to, while there is one: the first free one, so that few projects
    /// have many.
    pub(crate) fn take(self: &Arc<Self>) -> Turn {
        let free = |taken: u32| (taken != u32::MAX).then(|| taken | (taken + 1));
        let before = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free);
        let bit = before.map_or(0, u32::trailing_ones);
        Turn { of: Arc::clone(self), bit, own: before.is_ok() }
    }
}

/// A stripe, as long as it is held.
#[derive(Debug)]
pub(crate) struct Turn {
    of: Arc<Stripes>,
    bit: u32,
    own: bool,
}

impl Turn {
    pub(crate) fn stripe(&self) -> u32 {
        (self.of.offset + self.bit) % STRIPES
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.own {
            self.of.taken.fetch_and(!(1 << self.bit), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own() {
        let stripes = Stripes::new();
        let mut turns: Vec<Turn> = (0..STRIPES).map(|_| stripes.take()).collect();
        let mut taken: Vec<u32> = turns.iter().map(Turn::stripe).collect();
        taken.sort_unstable();
        assert_eq!(taken, (0..STRIPES).collect::<Vec<_>>());
        // One too many shares somebody's.
        drop(stripes.take());
        let freed = turns.swap_remove(7).stripe();
        assert_eq!(stripes.take().stripe(), freed);
        drop(turns);
        assert_eq!(stripes.take().stripe(), stripes.offset);
        assert_eq!(stripes.taken.load(Ordering::Relaxed), 0);
    }
}

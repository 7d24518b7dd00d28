//! How often somebody may do something.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use harbor_core::Timestamp;

use crate::recent::Recent;

/// How many keys are remembered: about 4 MiB, when somebody tries to fill it.
const REMEMBERED: usize = 128 * 1024;

/// Among how many locks they are spread, so that requests do not wait for each other.
const SHARDS: usize = 16;

const SECOND: i64 = 1_000_000_000;

/// How often, in the long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The time from one to the next, in nanoseconds.
    interval: i64,
}

impl Rate {
    /// So many times a second.
    #[must_use]
    pub const fn per_second(times: NonZeroU32) -> Self {
        Self { interval: SECOND / times.get() as i64 }
    }

    /// So many times an hour.
    #[must_use]
    pub const fn per_hour(times: NonZeroU32) -> Self {
        Self { interval: 60 * 60 * SECOND / times.get() as i64 }
    }

    /// So many times a minute.
    #[must_use]
    pub const fn per_minute(times: NonZeroU32) -> Self {
        Self { interval: 60 * SECOND / times.get() as i64 }
    }
}

/// What somebody has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How many there are when none was taken.
    pub burst: u32,
    /// How many are left.
    pub remaining: u32,
    /// How long it takes until all are there again after all were taken.
    pub window: Duration,
}

/// Limits how often each principal or address may do something: log in, pull, push.
///
/// The bucket of each key holds `burst` tokens, and is filled again at a rate. It is the generic cell rate algorithm (ITU-T
/// I.371), which needs one number a key. The crate `governor` has the same one, with five more crates, a clock of its own,
/// and a table that grows until somebody prunes it; this table is bounded: a key that was not seen for long is forgotten,
/// which is as if its bucket were full. Keys that are addresses are better passed through [`site`](crate::site()).
///
/// ```
/// use std::num::NonZeroU32;
/// use harbor_auth::{Rate, RateLimiter};
///
/// let clock = harbor_core::Clock::manual();
/// let limiter = RateLimiter::new(Rate::per_minute(NonZeroU32::MIN), NonZeroU32::MIN);
/// assert!(limiter.take("user:grace", clock.now()).is_ok());
/// let wait = limiter.take("user:grace", clock.now()).unwrap_err();
/// clock.advance(wait);
/// assert!(limiter.take("user:grace", clock.now()).is_ok());
/// ```
pub struct RateLimiter {
    interval: i64,
    /// How far the bucket's time may be ahead of the clock, in nanoseconds.
    tolerance: i64,
    hasher: RandomState,
    /// By key: when the bucket is full again, in nanoseconds since the epoch.
    shards: [Mutex<Recent<i64>>; SHARDS],
}

impl RateLimiter {
    /// Lets each key take `burst` at once, and go on at `rate`.
    #[must_use]
    pub fn new(rate: Rate, burst: NonZeroU32) -> Self {
        let tolerance = rate.interval.saturating_mul(i64::from(burst.get()) - 1);
        let shards = std::array::from_fn(|_| Mutex::new(Recent::new(REMEMBERED / SHARDS)));
        Self { interval: rate.interval, tolerance, hasher: RandomState::new(), shards }
    }

    /// Takes one of what a key may.
    ///
    /// # Errors
    /// How long to wait until there is one again; nothing was taken.
    pub fn take(&self, key: impl Hash, now: Timestamp) -> Result<(), Duration> {
        self.spend(key, now).map(drop)
    }

    /// Takes one of what a key may, and yields what is left.
    ///
    /// # Errors
    /// As [`RateLimiter::take`].
    pub fn spend(&self, key: impl Hash, now: Timestamp) -> Result<Allowance, Duration> {
        let key = self.hasher.hash_one(key);
        let now = now.micros().saturating_mul(1000);
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        let full = self.full(shard.get(key), now);
        let ahead = full.saturating_sub(now);
        if ahead > self.tolerance {
            let wait = ahead.saturating_sub(self.tolerance);
            // Rounded up to what the clock can tell, so that who waits for so long is let through.
            return Err(Duration::from_micros(wait.unsigned_abs().div_ceil(1000)));
        }
        shard.put(key, full.saturating_add(self.interval));
        Ok(self.allowance(ahead.saturating_add(self.interval)))
    }

    /// What a key has left; nothing is taken.
    pub fn look(&self, key: impl Hash, now: Timestamp) -> Allowance {
        let key = self.hasher.hash_one(key);
        let now = now.micros().saturating_mul(1000);
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        self.allowance(self.full(shard.get(key), now).saturating_sub(now))
    }

    /// When the bucket is full again.
    fn full(&self, known: Option<&mut i64>, now: i64) -> i64 {
        // Never fuller than a bucket can be, though the clock may have been set back.
        let fullest = now.saturating_add(self.tolerance).saturating_add(self.interval);
        known.map_or(now, |full| (*full).clamp(now, fullest))
    }

    /// What is left in a bucket whose time is so far ahead.
    fn allowance(&self, ahead: i64) -> Allowance {
        let whole = self.tolerance.saturating_add(self.interval);
        let interval = self.interval.max(1);
        let times = |time: i64| u32::try_from(time / interval).unwrap_or(if time < 0 { 0 } else { u32::MAX });
        let window = Duration::from_nanos(whole.unsigned_abs());
        Allowance { burst: times(whole), remaining: times(whole.saturating_sub(ahead)), window }
    }

    /// Gives back what a key took, as if it had not.
    pub fn give_back(&self, key: impl Hash) {
        let key = self.hasher.hash_one(key);
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full) = shard.get(key) {
            *full = full.saturating_sub(self.interval);
        }
    }

    fn shard(&self, key: u64) -> &Mutex<Recent<i64>> {
        &self.shards[(key % SHARDS as u64) as usize]
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { interval, tolerance, .. } = self;
        f.debug_struct("RateLimiter")
            .field("interval", interval)
            .field("tolerance", tolerance)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use harbor_core::Clock;

    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let (clock, limiter) = (Clock::manual(), RateLimiter::new(Rate::per_second(number(10)), number(5)));
        let take = |key: &str| limiter.take(key, clock.now());
        for _ in 0..5 {
            assert_eq!(take("a"), Ok(()));
        }
        let tenth = Duration::from_millis(100);
        assert_eq!(take("a"), Err(tenth));
        assert_eq!(take("a"), Err(tenth), "who asks in vain waits no longer");
        assert_eq!(take("b"), Ok(()), "each key has its own");
        clock.advance(tenth / 2);
        assert_eq!(take("a"), Err(tenth / 2));
        clock.advance(tenth / 2);
        assert_eq!((take("a"), take("a")), (Ok(()), Err(tenth)));
        clock.advance(Duration::from_secs(3600));
        assert_eq!((0..10).filter(|_| take("a").is_ok()).count(), 5, "never more than the burst");
    }

    #[test]
    fn what_is_left_is_told() {
        let (clock, limiter) = (Clock::manual(), RateLimiter::new(Rate::per_minute(number(60)), number(3)));
        let left = |remaining| Allowance { burst: 3, remaining, window: Duration::from_secs(3) };
        assert_eq!(limiter.look("a", clock.now()), left(3));
        for remaining in [2, 1, 0] {
            assert_eq!(limiter.spend("a", clock.now()), Ok(left(remaining)));
            assert_eq!(limiter.look("a", clock.now()), left(remaining), "looking takes nothing");
        }
        assert_eq!(limiter.spend("a", clock.now()), Err(Duration::from_secs(1)));
        clock.advance(Duration::from_millis(1500));
        assert_eq!(limiter.look("a", clock.now()), left(1));
        clock.advance(Duration::from_secs(60));
        assert_eq!(limiter.look("a", clock.now()), left(3));
    }

    #[test]
    fn whoever_waits_as_told_is_let_through() {
        for (rate, burst) in [
            (Rate::per_second(number(3)), 1),
            (Rate::per_second(number(7)), 4),
            (Rate::per_minute(number(7)), 1),
            (Rate::per_second(number(1_000_000)), 2),
        ] {
            let (clock, limiter) = (Clock::manual(), RateLimiter::new(rate, number(burst)));
            let begin = clock.now();
            for _ in 0..100 {
                if let Err(wait) = limiter.take("a", clock.now()) {
                    assert!(!wait.is_zero());
                    clock.advance(wait);
                    assert_eq!(limiter.take("a", clock.now()), Ok(()));
                }
            }
            let took = i64::try_from(clock.now().since(begin).as_nanos()).unwrap();
            assert!(took >= rate.interval * (i64::from(100 - burst)), "{rate:?} {took}");
        }
    }

    #[test]
    fn the_extremes_do_no_harm() {
        let limiter = RateLimiter::new(Rate::per_second(number(u32::MAX)), number(u32::MAX));
        assert_eq!(limiter.take(1, Timestamp::MAX), Ok(()));
        let limiter = RateLimiter::new(Rate::per_minute(number(1)), number(u32::MAX));
        assert_eq!(limiter.take(1, Timestamp::from_micros(i64::MIN)), Ok(()));
        assert_eq!(
            limiter.take(IpAddr::from([192, 0, 2, 1]), Clock::System.now()),
            Ok(()),
            "any key will do"
        );
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_waiting() {
        let limiter = RateLimiter::new(Rate::per_second(number(1)), number(2));
        let now = Clock::System.now();
        assert_eq!((limiter.take("a", now), limiter.take("a", now)), (Ok(()), Ok(())));
        let back = now.minus(Duration::from_secs(24 * 60 * 60));
        assert_eq!(limiter.take("a", back), Err(Duration::from_secs(1)));
    }

    #[test]
    fn a_million_keys_take_no_more_memory() {
        let (clock, limiter) = (Clock::manual(), RateLimiter::new(Rate::per_second(number(1)), number(1)));
        assert_eq!(limiter.take("a", clock.now()), Ok(()));
        for key in 0..1_000_000 {
            let _ = limiter.take(key, clock.now());
            if key % 10_000 == 0 {
                assert!(limiter.take("a", clock.now()).is_err(), "who asks again and again is not forgotten");
            }
        }
        let remembered: usize = limiter.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(remembered <= REMEMBERED, "{remembered}");
    }
}

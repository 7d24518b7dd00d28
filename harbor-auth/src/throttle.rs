//! What failed logins cost those who guess.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use harbor_core::{Clock, Timestamp};

use crate::recent::Recent;
use crate::site::site;

/// How many names and how many addresses are remembered: about 3 MiB each, when somebody tries to fill them.
const REMEMBERED: usize = 64 * 1024;

/// Of how many names is remembered where they logged in from, and how many places of each: about 5 MiB, when that many people try
/// to fill it. Only who logs in makes a place familiar.
const FAMILIAR: usize = 16 * 1024;
const PLACES: usize = 32;

/// When logins are refused. A password that was right before is let in all the same, while others get it wrong a few times a
/// minute only: whoever guesses does not lock out the programs of somebody else.
#[derive(Clone, Copy, Debug)]
pub struct LoginLimits {
    /// After how many failures in a row a name is locked.
    pub of_name: u32,
    /// After how many failures an address is locked. Many people may share one.
    pub of_address: u32,
    /// Within which time they count.
    pub window: Duration,
    /// How long a name or address is locked.
    pub locked_for: Duration,
    /// How long the answer to a failed login is put off.
    pub delay: Duration,
}

impl Default for LoginLimits {
    /// 10 failures of a name or 100 of an address in 15 minutes, 15 minutes, and the 1.5 seconds of Harbor.
    fn default() -> Self {
        let quarter = Duration::from_secs(15 * 60);
        let delay = Duration::from_millis(1500);
        Self { of_name: 10, of_address: 100, window: quarter, locked_for: quarter, delay }
    }
}

/// The name or the address is locked: no password is hashed for it. One that was right before may still be looked for among
/// those that are remembered: see `Accounts::right`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Locked {
    /// For how long it still is.
    pub(crate) retry_after: Duration,
    /// Whether the address is, be the name locked or not.
    pub(crate) address: bool,
}

/// Counts failed logins by name and by address, in the memory of this node.
///
/// It knows nothing of accounts: names that do not exist fare like those that do. Logins that are under way at the same time
/// are all let through by [`Throttle::before`]; how many those are is bounded by how many passwords may wait to be hashed.
pub(crate) struct Throttle {
    clock: Clock,
    limits: LoginLimits,
    /// Keyed with a secret of this process, so nobody finds names that are taken for each other.
    hasher: RandomState,
    names: Mutex<Recent<Failures>>,
    addresses: Mutex<Recent<Failures>>,
    /// From where names logged in, the last first.
    familiar: Mutex<Recent<Vec<u64>>>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    /// When the first of them was.
    since: Timestamp,
    locked_until: Option<Timestamp>,
}

impl Throttle {
    /// With the time of `clock`.
    pub(crate) fn new(clock: Clock, limits: LoginLimits) -> Self {
        let table = || Mutex::new(Recent::new(REMEMBERED));
        let familiar = Mutex::new(Recent::new(FAMILIAR));
        Self { clock, limits, hasher: RandomState::new(), names: table(), addresses: table(), familiar }
    }

    /// To be asked before a password is looked at.
    ///
    /// # Errors
    /// [`Locked`] when there were too many failures.
    pub(crate) fn before(&self, name: &str, address: Option<IpAddr>) -> Result<(), Locked> {
        let now = self.clock.now();
        let of_name = self.locked(&self.names, self.name(name), now);
        let of_address = address.and_then(|address| self.locked(&self.addresses, self.address(address), now));
        match of_name.max(of_address) {
            Some(retry_after) => Err(Locked { retry_after, address: of_address.is_some() }),
            None => Ok(()),
        }
    }

    /// To be told after a login failed, for whichever reason. Yields how long the caller puts off its answer, holding nothing
    /// that others wait for.
    pub(crate) fn failed(&self, name: &str, address: Option<IpAddr>) -> Duration {
        let now = self.clock.now();
        if self.count(&self.names, self.name(name), self.limits.of_name, now) {
            // Not which: people type their passwords into the wrong field.
            tracing::warn!(client = ?address, "too many logins failed: a name is locked");
        }
        if let Some(address) = address
            && self.count(&self.addresses, self.address(address), self.limits.of_address, now)
        {
            tracing::warn!(client = %address, "too many logins failed: an address is locked");
        }
        self.limits.delay
    }

    /// To be told after a login succeeded: the name's failures are forgotten, and where it came from is remembered. Failures of
    /// the address are not forgotten, for whoever guesses may have an account.
    pub(crate) fn succeeded(&self, name: &str, address: Option<IpAddr>) {
        let key = self.name(name);
        self.names.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.seen(name, address);
    }

    /// To be told when a password was right that was right before: where it came from is remembered. Failures are not forgotten,
    /// for programs show such passwords all the time, and whoever guesses beside them is to be locked.
    pub(crate) fn seen(&self, name: &str, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        let (key, place) = (self.name(name), self.address(address));
        let mut familiar = self.familiar.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(places) = familiar.get(key) else { return familiar.put(key, vec![place]) };
        match places.iter().position(|known| *known == place) {
            Some(0) => {}
            Some(index) => places[..=index].rotate_right(1),
            None => {
                places.truncate(PLACES - 1);
                places.insert(0, place);
            }
        }
    }

    /// Whether a name logged in from there before, as far as this node remembers.
    pub(crate) fn is_familiar(&self, name: &str, address: Option<IpAddr>) -> bool {
        let Some(address) = address else { return false };
        let (key, place) = (self.name(name), self.address(address));
        let mut familiar = self.familiar.lock().unwrap_or_else(PoisonError::into_inner);
        familiar.get(key).is_some_and(|places| places.contains(&place))
    }

    /// To be asked when somebody makes an account for themselves; it is counted for the address.
    ///
    /// # Errors
    /// [`Locked`] when there was too much from there.
    pub(crate) fn register(&self, address: Option<IpAddr>) -> Result<(), Locked> {
        let Some(address) = address else { return Ok(()) };
        let now = self.clock.now();
        if let Some(retry_after) = self.locked(&self.addresses, self.address(address), now) {
            return Err(Locked { retry_after, address: true });
        }
        self.count(&self.addresses, self.address(address), self.limits.of_address, now);
        Ok(())
    }

    /// To be told when an attempt was refused unseen: it counts for the address, that nobody goes on at no cost. Not from where
    /// the name logged in before: others who guess at it do not lock the address of its programs.
    pub(crate) fn refused(&self, name: &str, address: Option<IpAddr>) {
        if let Some(address) = address
            && !self.is_familiar(name, Some(address))
        {
            self.count(&self.addresses, self.address(address), self.limits.of_address, self.clock.now());
        }
    }

    fn locked(&self, table: &Mutex<Recent<Failures>>, key: u64, now: Timestamp) -> Option<Duration> {
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        let until = table.get(key)?.locked_until?;
        if until <= now {
            table.remove(key);
            return None;
        }
        // Never longer than a lock lasts, though the clock may have been set back.
        Some(until.since(now).min(self.limits.locked_for))
    }

    /// Counts a failure. True when it was the one that locks.
    fn count(&self, table: &Mutex<Recent<Failures>>, key: u64, limit: u32, now: Timestamp) -> bool {
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        let known = table.get(key).copied().filter(|known| self.counts(known, now));
        let mut failures = known.unwrap_or(Failures { count: 0, since: now, locked_until: None });
        failures.count = failures.count.saturating_add(1);
        let locks = failures.count >= limit && failures.locked_until.is_none();
        if locks {
            failures.locked_until = Some(now.plus(self.limits.locked_for));
        }
        table.put(key, failures);
        locks
    }

    /// Whether failures still count: those before a lock that has ended do not, nor those too long ago.
    fn counts(&self, failures: &Failures, now: Timestamp) -> bool {
        match failures.locked_until {
            Some(until) => now < until,
            None => now.since(failures.since) < self.limits.window,
        }
    }

    fn name(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }

    fn address(&self, address: IpAddr) -> u64 {
        self.hasher.hash_one(site(address))
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn throttle() -> (Throttle, Clock) {
        let clock = Clock::manual();
        (Throttle::new(clock.clone(), LoginLimits::default()), clock)
    }

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::from(number.to_be_bytes()))
    }

    fn fail(throttle: &Throttle, name: &str, times: u32) {
        for number in 0..times {
            assert_eq!(throttle.failed(name, address(number)), Duration::from_millis(1500));
        }
    }

    #[test]
    fn a_name_is_locked_for_a_time() {
        let (throttle, clock) = throttle();
        fail(&throttle, "grace", 9);
        assert_eq!(throttle.before("grace", address(7)), Ok(()));
        fail(&throttle, "grace", 1);
        let locked = |retry_after| Err(Locked { retry_after, address: false });
        assert_eq!(throttle.before("grace", address(7)), locked(15 * MINUTE));
        assert_eq!(throttle.before("GRACE", None), Ok(()), "another user's name");
        assert_eq!(throttle.before("ada", address(7)), Ok(()), "others are not locked");
        clock.advance(5 * MINUTE);
        fail(&throttle, "grace", 3);
        assert_eq!(
            throttle.before("grace", None),
            locked(10 * MINUTE),
            "what fails meanwhile makes it no longer"
        );
        clock.advance(10 * MINUTE);
        assert_eq!(throttle.before("grace", None), Ok(()));
        fail(&throttle, "grace", 9);
        assert_eq!(throttle.before("grace", None), Ok(()), "counting began anew");
    }

    #[test]
    fn success_clears_the_name() {
        let (throttle, _clock) = throttle();
        fail(&throttle, "grace", 9);
        throttle.succeeded("grace", None);
        fail(&throttle, "grace", 9);
        assert_eq!(throttle.before("grace", None), Ok(()));
        // Another user's success is none of hers.
        throttle.succeeded("Grace", None);
        fail(&throttle, "grace", 1);
        assert!(throttle.before("grace", None).is_err());
    }

    #[test]
    fn failures_count_within_a_window() {
        let (throttle, clock) = throttle();
        fail(&throttle, "grace", 9);
        clock.advance(15 * MINUTE);
        fail(&throttle, "grace", 9);
        assert_eq!(throttle.before("grace", None), Ok(()));
        clock.advance(14 * MINUTE);
        fail(&throttle, "grace", 1);
        assert!(throttle.before("grace", None).is_err());
    }

    #[test]
    fn an_address_is_locked_whatever_names_it_tries() {
        let (throttle, _clock) = throttle();
        for number in 0..100 {
            assert_eq!(throttle.before(&format!("user{number}"), address(1)), Ok(()));
            throttle.failed(&format!("user{number}"), address(1));
            throttle.succeeded("mallory", None);
        }
        assert!(throttle.before("grace", address(1)).is_err_and(|locked| locked.address));
        assert_eq!(throttle.before("grace", address(2)), Ok(()));
        assert_eq!(
            throttle.before("grace", Some("::ffff:0.0.0.1".parse().unwrap())).map_err(|_| ()),
            Err(())
        );
    }

    #[test]
    fn some_places_of_a_name_are_remembered() {
        let (throttle, _clock) = throttle();
        throttle.succeeded("grace", address(0));
        for number in 1..1000 {
            throttle.seen("grace", address(number));
            throttle.seen("grace", address(0));
            throttle.seen("grace", None);
            assert!(throttle.is_familiar("grace", address(number)));
        }
        assert!(throttle.is_familiar("grace", address(0)), "what is in use stays");
        assert!(!throttle.is_familiar("grace", address(1)) && !throttle.is_familiar("grace", None));
        assert!(!throttle.is_familiar("ada", address(0)));
        let known = (0..1000).filter(|number| throttle.is_familiar("grace", address(*number))).count();
        assert_eq!(known, PLACES);
        for number in 0..100_000 {
            throttle.seen(&number.to_string(), address(number));
        }
        assert!(throttle.familiar.lock().unwrap().len() <= FAMILIAR);
    }

    #[test]
    fn what_is_seen_again_forgets_no_failures() {
        let (throttle, _clock) = throttle();
        fail(&throttle, "grace", 9);
        throttle.seen("grace", address(1));
        fail(&throttle, "grace", 1);
        assert!(throttle.before("grace", address(1)).is_err());
    }

    #[test]
    fn refusals_count_where_the_name_is_strange() {
        let (throttle, _clock) = throttle();
        throttle.seen("grace", address(1));
        for _ in 0..100 {
            throttle.refused("grace", address(1));
            throttle.refused("grace", address(2));
        }
        assert_eq!(throttle.before("ada", address(1)), Ok(()));
        assert!(throttle.before("ada", address(2)).is_err());
    }

    #[test]
    fn a_million_names_take_no_more_memory() {
        let (throttle, _clock) = throttle();
        fail(&throttle, "grace", 10);
        for number in 0..1_000_000_u32 {
            throttle.failed(&number.to_string(), address(number));
            if number % 10_000 == 0 {
                assert!(throttle.before("grace", None).is_err(), "who is tried again and again stays locked");
            }
        }
        assert!(throttle.names.lock().unwrap().len() <= REMEMBERED);
        assert!(throttle.addresses.lock().unwrap().len() <= REMEMBERED);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_for_longer() {
        let (throttle, clock) = throttle();
        fail(&throttle, "grace", 10);
        let Clock::Manual(micros) = &clock else { panic!("a manual clock") };
        micros.fetch_sub(24 * 60 * 60 * 1_000_000, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(throttle.before("grace", None), Err(Locked { retry_after: 15 * MINUTE, address: false }));
    }
}

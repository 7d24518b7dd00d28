//! Tokens that were verified, so that looking at them again costs next to nothing.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use harbor_core::Timestamp;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::claims::Claims;

/// How much memory tokens may take, in bytes, and how many of the usual length that is.
const MEMORY: u64 = 16 * 1024 * 1024;
const TOKENS: usize = 8 * 1024;

/// Remembers what tokens say, by their exact text. For one audience: a token that was verified for one is not asked about
/// others again.
pub(crate) struct Verified {
    tokens: Cache<Box<str>, Arc<Claims>, Weight>,
    /// The revision of the keys at which all was forgotten last: what was being verified meanwhile is not remembered.
    revision: RwLock<i64>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<str>, Arc<Claims>> for Weight {
    /// Claims take less than the text that they were read from, or not much more.
    fn weight(&self, token: &Box<str>, claims: &Arc<Claims>) -> u64 {
        (2 * token.len() + 128 * claims.access.len() + 512) as u64
    }
}

impl Default for Verified {
    fn default() -> Self {
        Self { tokens: Cache::with_weighter(TOKENS, MEMORY, Weight), revision: RwLock::new(0) }
    }
}

impl Verified {
    /// What a token says: as remembered, if it has not ended `now`, or as `verify` finds.
    pub(crate) fn look(
        &self,
        token: &str,
        now: Timestamp,
        verify: impl FnOnce(&str) -> Option<Claims>,
    ) -> Option<Arc<Claims>> {
        if let Some(claims) = self.tokens.get(token) {
            if !claims.ended(now) {
                return Some(claims);
            }
            self.tokens.remove(token);
            return None;
        }
        let before = *self.revision.read().unwrap_or_else(PoisonError::into_inner);
        let claims = Arc::new(verify(token)?);
        let revision = self.revision.read().unwrap_or_else(PoisonError::into_inner);
        if *revision == before {
            self.tokens.insert(token.into(), Arc::clone(&claims));
        }
        Some(claims)
    }

    /// Forgets all that was verified with keys before those of a revision, as one of them may have been taken away: each token is
    /// verified again. Of many who tell the same revision, one has it forgotten.
    pub(crate) fn forget_before(&self, revision: i64) {
        let mut last = self.revision.write().unwrap_or_else(PoisonError::into_inner);
        if *last < revision {
            *last = revision;
            self.tokens.clear();
        }
    }
}

impl fmt::Debug for Verified {
    /// How many; tokens are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("tokens", &self.tokens.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use harbor_core::Clock;

    use super::*;
    use crate::claims::Holder;

    fn claims(now: Timestamp) -> Claims {
        Claims::new("s", Holder::Anonymous, "", Vec::new(), now, Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn a_token_is_verified_once_and_not_after_its_end() {
        let (verified, now) = (Verified::default(), Clock::System.now());
        let first = verified.look("a.b.c", now, |_| Some(claims(now))).unwrap();
        let again = verified.look("a.b.c", now, |_| panic!("it was verified"));
        assert_eq!(again, Some(first));
        assert_eq!(verified.look("a.b.d", now, |_| None), None, "another text");
        assert_eq!(verified.look("a.b.d", now, |_| None), None, "what is wrong is not remembered");
        assert_eq!(
            verified.look("a.b.c", now.plus(Duration::from_secs(60)), |_| panic!("it has ended")),
            None
        );
        assert_eq!(verified.tokens.len(), 0, "what has ended is forgotten");
        assert!(!format!("{verified:?}").contains("a.b"));
    }

    #[test]
    fn all_is_forgotten_once_a_revision() {
        let (verified, now) = (Verified::default(), Clock::System.now());
        verified.look("a", now, |_| Some(claims(now))).unwrap();
        verified.forget_before(7);
        assert_eq!(verified.look("a", now, |_| None), None);
        let meanwhile = |_: &str| {
            verified.forget_before(8);
            Some(claims(now))
        };
        assert!(verified.look("a", now, meanwhile).is_some());
        assert_eq!(verified.look("a", now, |_| None), None, "it was verified with what holds no longer");
        let first = verified.look("a", now, |_| Some(claims(now)));
        for revision in [8, 7, 8] {
            verified.forget_before(revision);
        }
        assert_eq!(
            verified.look("a", now, |_| None),
            first,
            "others who waited for the same keys come later"
        );
    }

    #[test]
    fn memory_is_bounded() {
        let (verified, now) = (Verified::default(), Clock::System.now());
        for number in 0..3000 {
            let token = format!("{number:016384}");
            assert!(verified.look(&token, now, |_| Some(claims(now))).is_some());
        }
        assert!(verified.tokens.weight() <= MEMORY && verified.tokens.len() < 600, "{verified:?}");
    }

    /// Prints what a second look costs; run it in release (`--ignored --nocapture`).
    #[test]
    #[ignore = "a measurement"]
    fn what_a_second_look_costs() {
        let (verified, now) = (Verified::default(), Clock::System.now());
        let token = "x".repeat(800);
        verified.look(&token, now, |_| Some(claims(now))).unwrap();
        let begin = Instant::now();
        for _ in 0..1_000_000 {
            std::hint::black_box(verified.look(std::hint::black_box(&token), now, |_| None));
        }
        println!("{:?} a look", begin.elapsed() / 1_000_000);
    }
}

//! When personal access tokens were last used.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use harbor_core::meta::{PersonalToken, TokenId};
use harbor_core::{StoreError, Timestamp};

use crate::Accounts;
use crate::recent::Recent;

/// How exactly it is told: a token that is used all the time is written of so rarely.
const EVERY: Duration = Duration::from_secs(5 * 60);

/// How many tokens are remembered, so that nothing is written of them too soon.
const REMEMBERED: usize = 16 * 1024;

/// What this node has written of late.
pub(crate) struct Uses(Mutex<Recent<Timestamp>>);

impl Default for Uses {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(REMEMBERED)))
    }
}

impl Uses {
    /// Whether a use is to be written, and takes the occasion. `known` is the last one that was read.
    fn is_due(&self, id: TokenId, known: Option<Timestamp>, now: Timestamp) -> bool {
        let recently = |written: Timestamp| now.since(written) < EVERY && written <= now;
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Keys of rows: nobody chooses them.
        let key = id.get().unsigned_abs();
        if known.is_some_and(recently) || written.get(key).copied().is_some_and(recently) {
            return false;
        }
        written.put(key, now);
        true
    }
}

impl Accounts {
    /// Notes that a token was used: beside the request, which does not wait for it, and does not fail with it.
    pub(crate) fn used(&self, token: &PersonalToken) {
        let (id, now) = (token.id, self.now());
        if !self.uses().is_due(id, token.used_at, now) {
            return;
        }
        let accounts = self.clone();
        tokio::spawn(async move {
            if let Err(error) = accounts.write_use(id, now).await {
                tracing::warn!(token = id.get(), %error, "the use of a token was not noted");
            }
        });
    }

    async fn write_use(&self, id: TokenId, now: Timestamp) -> Result<(), StoreError> {
        let mut rows = self.metadata().begin().await?;
        rows.personal_token_used(id, now).await?;
        rows.commit().await
    }
}

impl fmt::Debug for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uses").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use harbor_core::Clock;

    use super::*;

    #[test]
    fn a_token_that_is_used_all_the_time_is_written_of_rarely() {
        let (uses, clock) = (Uses::default(), Clock::manual());
        let (one, other) = (TokenId::new(1), TokenId::new(2));
        assert!(uses.is_due(one, None, clock.now()) && uses.is_due(other, None, clock.now()));
        let first = clock.now();
        let mut due = 0;
        for _ in 0..60 {
            clock.advance(Duration::from_secs(10));
            due += u32::from(uses.is_due(one, None, clock.now()));
        }
        assert_eq!(due, 2, "in ten minutes");
        assert!(!uses.is_due(other, Some(clock.now()), clock.now()), "another node has written");
        assert!(uses.is_due(other, Some(first), clock.now()));
        assert!(uses.is_due(other, None, first.minus(EVERY)), "the clock was set back");
    }
}

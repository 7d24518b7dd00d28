//! Tokens of a registry's token service, kept for as long as they are good.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use harbor_core::access::Secret;
use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::scope::Scopes;

/// How many sets of scopes are kept.
const KEPT: usize = 256;

/// How long a token is good whose service does not say: so the Distribution project has it.
const DEFAULT: u64 = 60;

/// How long one is good at most, whatever its service says.
const LONGEST: u64 = 24 * 60 * 60;

/// How long before its end a token is not used any more: a request takes its time.
const MARGIN: Duration = Duration::from_secs(10);

/// A token, and until when it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) value: Secret,
    until: Instant,
}

/// What a token service answers: `token` of the Distribution project, or `access_token` of OAuth 2.
#[derive(Deserialize)]
pub(crate) struct Issued {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<f64>,
}

impl Issued {
    /// The token, when there is one.
    pub(crate) fn into_token(self) -> Option<Token> {
        let value = self.token.into_iter().chain(self.access_token).find(|token| !token.is_empty())?;
        let told = self.expires_in.filter(|seconds| seconds.is_finite() && *seconds > 0.0);
        let good = Duration::from_secs_f64(told.map_or(DEFAULT as f64, |told| told.min(LONGEST as f64)));
        // A clock that differs, and the time that the answer took.
        let good = good.saturating_sub(MARGIN.min(good / 4));
        Some(Token { value: Secret::new(value), until: Instant::now() + good })
    }
}

impl Token {
    fn is_good(&self) -> bool {
        Instant::now() < self.until
    }
}

/// The token of one set of scopes; whoever locks it may get one, and the others wait for that.
pub(crate) type Slot = Arc<AsyncMutex<Option<Token>>>;

/// The tokens of one registry, by their scopes.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<Vec<(Scopes, Slot)>>);

impl Tokens {
    /// The slot for these scopes: their own, or one of more scopes that has a token at hand.
    pub(crate) fn slot(&self, scopes: &Scopes) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let exact = slots.iter().find(|(known, _)| known == scopes);
        let covering = || slots.iter().find(|(known, slot)| known.covers(scopes) && has_good(slot));
        if let Some((_, slot)) = exact.or_else(covering) {
            return Arc::clone(slot);
        }
        if slots.len() >= KEPT {
            slots.retain(|(_, slot)| has_good(slot));
            slots.truncate(KEPT / 2);
        }
        let slot = Slot::default();
        slots.push((scopes.clone(), Arc::clone(&slot)));
        slot
    }

    /// Shows a token no more.
    pub(crate) async fn forget(&self, value: &Secret) {
        let slots: Vec<Slot> = {
            let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            slots.iter().map(|(_, slot)| Arc::clone(slot)).collect()
        };
        for slot in slots {
            let mut held = slot.lock().await;
            if held.as_ref().is_some_and(|token| token.value == *value) {
                *held = None;
            }
        }
    }
}

/// The token of a slot, when it is good.
pub(crate) fn good(held: &Option<Token>) -> Option<&Token> {
    held.as_ref().filter(|token| token.is_good())
}

fn has_good(slot: &Slot) -> bool {
    slot.try_lock().is_ok_and(|held| good(&held).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(text: &str) -> Option<Token> {
        serde_json::from_str::<Issued>(text).ok()?.into_token()
    }

    #[test]
    fn tokens_end_before_their_time() {
        let seconds = |token: &Token| token.until.duration_since(Instant::now()).as_secs();
        let token = issued(r#"{"token":"t","access_token":"u","expires_in":300}"#).unwrap();
        assert!(token.value.expose() == "t" && (285..=290).contains(&seconds(&token)));
        let unsaid = issued(r#"{"access_token":"u","token":""}"#).unwrap();
        assert!(unsaid.value.expose() == "u" && (45..=50).contains(&seconds(&unsaid)));
        let short = issued(r#"{"token":"t","expires_in":4}"#).unwrap();
        assert!(short.is_good() && seconds(&short) <= 3);
        assert!(!Token { until: Instant::now(), ..short }.is_good());
    }

    #[test]
    fn odd_answers() {
        for odd in ["{}", r#"{"token":""}"#, r#"{"token":7}"#, "[]"] {
            assert!(issued(odd).is_none(), "{odd}");
        }
        for odd in [r#"{"token":"t","expires_in":-5}"#, r#"{"token":"t","expires_in":1e300}"#] {
            assert!(issued(odd).is_some(), "{odd}");
        }
    }

    #[tokio::test]
    async fn a_token_of_more_scopes_is_used_and_forgotten() {
        let (tokens, name) = (Tokens::default(), "a/b".parse().unwrap());
        let push = tokens.slot(&Scopes::push(&name));
        assert!(!Arc::ptr_eq(&push, &tokens.slot(&Scopes::delete(&name))));
        *push.lock().await = issued(r#"{"token":"t","expires_in":300}"#);
        assert!(Arc::ptr_eq(&push, &tokens.slot(&Scopes::pull(&name))));
        tokens.forget(&Secret::new("other")).await;
        assert!(good(&*push.lock().await).is_some());
        tokens.forget(&Secret::new("t")).await;
        assert!(push.lock().await.is_none());
        for number in 0..2 * KEPT {
            tokens.slot(&Scopes::pull(&format!("a/{number}").parse().unwrap()));
        }
        assert!(tokens.0.lock().unwrap().len() <= KEPT);
    }
}

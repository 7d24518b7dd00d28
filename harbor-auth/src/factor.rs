//! A user's second factor as the user's row has it.

use harbor_core::access::Secret;
use harbor_core::meta::User;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::opaque::hex;
use crate::totp::{self, Totp};
use crate::{opaque, password};

/// The version that is written.
const VERSION: u8 = 1;

/// How many recovery codes there are at first.
const CODES: usize = 10;

/// How many random bytes a recovery code has: so many that nobody finds it who has its digest.
const RANDOM: usize = 10;

/// What is stored. It holds the secret, as the keys of the token service are stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    v: u8,
    /// In base 32.
    secret: String,
    /// Whether it is asked for: its owner has shown a code.
    on: bool,
    /// The last step whose code was used.
    step: u64,
    /// SHA-256 of the recovery codes that are left, in hexadecimal digits.
    recovery: Vec<String>,
}

/// A second factor.
pub(crate) struct Factor {
    totp: Totp,
    on: bool,
    step: u64,
    recovery: Vec<String>,
}

impl Factor {
    /// A new one, which is not on before its owner has shown a code.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(crate) fn make() -> Result<Self, StoreError> {
        Ok(Self { totp: Totp::make()?, on: false, step: 0, recovery: Vec::new() })
    }

    /// The one that a user has.
    ///
    /// # Errors
    /// `Corrupt` and `TooNew` when what was stored does not read.
    pub(crate) fn of(user: &User) -> Result<Option<Self>, StoreError> {
        user.second_factor.as_ref().map(Self::read).transpose()
    }

    /// The one of a user for whom it is on.
    ///
    /// # Errors
    /// As [`Factor::of`].
    pub(crate) fn on(user: &User) -> Result<Option<Self>, StoreError> {
        Ok(Self::of(user)?.filter(|factor| factor.on))
    }

    fn read(stored: &Secret) -> Result<Self, StoreError> {
        // What is wrong with it is not told: the text around it is a secret.
        let corrupt = || StoreError::new(StoreErrorKind::Corrupt, "a second factor does not read");
        let value: serde_json::Value = serde_json::from_str(stored.expose()).map_err(|_| corrupt())?;
        if value["v"].as_u64().is_some_and(|version| version > u64::from(VERSION)) {
            return Err(StoreError::new(StoreErrorKind::TooNew, "a second factor of a newer version"));
        }
        let stored: Stored = serde_json::from_value(value).map_err(|_| corrupt())?;
        let totp = Totp::from_base32(&stored.secret).ok_or_else(corrupt)?;
        Ok(Self { totp, on: stored.on, step: stored.step, recovery: stored.recovery })
    }

    /// As it is stored.
    ///
    /// # Errors
    /// Never, in truth.
    pub(crate) fn write(&self) -> Result<Secret, StoreError> {
        let secret = self.totp.base32().expose().to_owned();
        let recovery = self.recovery.clone();
        let stored = Stored { v: VERSION, secret, on: self.on, step: self.step, recovery };
        let text = serde_json::to_string(&stored);
        text.map(Secret::new).map_err(|_| StoreError::new(StoreErrorKind::Other, "writing a second factor"))
    }

    /// The secret that is shared.
    pub(crate) const fn totp(&self) -> &Totp {
        &self.totp
    }

    /// Whether it is on.
    pub(crate) const fn is_on(&self) -> bool {
        self.on
    }

    /// How many recovery codes are left.
    pub(crate) fn recovery_codes(&self) -> usize {
        self.recovery.len()
    }

    /// What is left when a code is used, one that changes or a recovery code; nothing when it cannot be. A code works once. The
    /// time taken does not depend on the code.
    pub(crate) fn spend(&self, code: &Secret, now: Timestamp) -> Option<Self> {
        let step = self.totp.verify(code.expose().trim(), now).filter(|step| *step > self.step);
        let digest = digest(code.expose());
        let (mut found, mut place) = (subtle::Choice::from(0), 0);
        for (index, known) in self.recovery.iter().enumerate() {
            let same = known.as_bytes().ct_eq(digest.as_bytes());
            place.conditional_assign(&(index as u64), same);
            found |= same;
        }
        let mut recovery = self.recovery.clone();
        match step {
            Some(step) => Some(Self { totp: self.totp.clone(), on: self.on, step, recovery }),
            None if bool::from(found) => {
                recovery.remove(usize::try_from(place).ok()?);
                Some(Self { totp: self.totp.clone(), on: self.on, step: self.step, recovery })
            }
            None => None,
        }
    }

    /// Turns it on, with new recovery codes.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(crate) fn turn_on(self) -> Result<(Self, Vec<Secret>), StoreError> {
        let made = (0..CODES).map(|_| recovery_code()).collect::<Result<Vec<_>, _>>()?;
        let recovery = made.iter().map(|code| digest(code.expose())).collect();
        Ok((Self { on: true, recovery, ..self }, made))
    }
}

/// A new recovery code: `abcd-efgh-2345-6789`.
fn recovery_code() -> Result<Secret, StoreError> {
    let text = totp::encode(&password::random::<RANDOM>()?).to_ascii_lowercase();
    let groups: Vec<String> =
        text.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect();
    Ok(Secret::new(groups.join("-")))
}

/// What is stored of a recovery code, however it was typed.
fn digest(code: &str) -> String {
    let typed = code.chars().filter(|character| !character.is_whitespace() && *character != '-');
    hex(&opaque::digest(&typed.flat_map(char::to_lowercase).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use harbor_core::Clock;

    use super::*;

    fn again(factor: &Factor) -> Factor {
        Factor::read(&factor.write().unwrap()).unwrap()
    }

    #[test]
    fn a_code_works_once() {
        let (clock, factor) = (Clock::manual(), Factor::make().unwrap());
        assert!(!factor.is_on());
        let code = factor.totp().now(clock.now());
        let spent = again(&factor.spend(&code, clock.now()).unwrap());
        assert!(spent.spend(&code, clock.now()).is_none(), "again");
        clock.advance(Duration::from_secs(30));
        assert!(spent.spend(&code, clock.now()).is_none(), "within the time that clocks may differ");
        let next = spent.totp().now(clock.now());
        let spent = spent.spend(&next, clock.now()).unwrap();
        assert!(spent.spend(&code, clock.now()).is_none(), "an earlier one");
        clock.advance(Duration::from_secs(60));
        assert!(spent.spend(&Secret::new("000000x"), clock.now()).is_none());
    }

    #[test]
    fn a_recovery_code_works_once() {
        let clock = Clock::manual();
        let (factor, codes) = Factor::make().unwrap().turn_on().unwrap();
        assert!(factor.is_on() && codes.len() == CODES && factor.recovery_codes() == CODES);
        let stored = factor.write().unwrap();
        let mut left = again(&factor);
        for (index, code) in codes.iter().enumerate() {
            assert_eq!(code.expose().len(), 19);
            assert!(!stored.expose().contains(code.expose()), "only its digest is stored");
            let typed = Secret::new(format!(" {} ", code.expose().to_uppercase().replace('-', " ")));
            left = again(&left.spend(&typed, clock.now()).unwrap());
            assert_eq!(left.recovery_codes(), CODES - index - 1);
            assert!(left.spend(code, clock.now()).is_none());
        }
        assert!(left.spend(&Secret::new(""), clock.now()).is_none());
    }

    #[test]
    fn what_does_not_read_is_told_without_the_secret() {
        let secret = Factor::make().unwrap().write().unwrap().expose().to_owned();
        for (text, kind) in [
            ("", StoreErrorKind::Corrupt),
            ("{}", StoreErrorKind::Corrupt),
            (&secret[..secret.len() - 1], StoreErrorKind::Corrupt),
            (&secret.replace("\"step\"", "\"other\""), StoreErrorKind::Corrupt),
            (&secret.replace("\"v\":1", "\"v\":2"), StoreErrorKind::TooNew),
        ] {
            let error = Factor::read(&Secret::new(text)).err().unwrap();
            assert_eq!(error.kind(), kind, "{text}");
            assert!(!error.to_string().contains(&secret[16..30]));
        }
    }
}

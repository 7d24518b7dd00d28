//! How often content may be pulled and pushed.
//!
//! A pull is a `GET` of a manifest, as Docker Hub counts: what a client does not have costs one for each manifest of it, however
//! many layers there are. `HEAD`, by which clients look whether there is anything new, is free. A push is a `PUT` of a
//! manifest. Who may not do what it asks for is refused before it is counted.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;

use harbor_auth::{Allowance, Rate, RateLimiter, site};
use harbor_core::access::Actor;
use harbor_core::{Error, Result, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");

/// How often something may be done: `600/minute`, `10/second, burst 50`. The burst, without another one, is the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// In the long run.
    pub rate: Rate,
    /// At once.
    pub burst: NonZeroU32,
}

/// A text that is no [`Limit`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no limit: write it as 600/minute, or as 10/second, burst 50")]
pub struct LimitError(String);

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let read = || {
            let (rate, burst) = match text.split_once(',') {
                None => (text, None),
                Some((rate, burst)) => (rate, Some(burst.trim().strip_prefix("burst ")?)),
            };
            let (times, unit) = rate.trim().split_once('/')?;
            let times = times.parse().ok()?;
            let rate = match unit {
                "second" => Rate::per_second(times),
                "minute" => Rate::per_minute(times),
                _ => return None,
            };
            Some(Self { rate, burst: burst.map_or(Some(times), |burst| burst.trim().parse().ok())? })
        };
        read().ok_or_else(|| LimitError(text.to_owned()))
    }
}

/// How often content may be pulled and pushed: by each principal, and from each address. Without a limit as often as one likes.
/// Each node counts by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Pulls of each principal that has logged in.
    pub pulls_per_principal: Option<Limit>,
    /// Pulls from each address, whoever asks.
    pub pulls_per_address: Option<Limit>,
    /// Pushes of each principal.
    pub pushes_per_principal: Option<Limit>,
    /// Pushes from each address, whoever asks.
    pub pushes_per_address: Option<Limit>,
}

/// What was counted so far.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) pulls: Count,
    pub(crate) pushes: Count,
}

impl Counts {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            pulls: Count::new(limits.pulls_per_principal, limits.pulls_per_address),
            pushes: Count::new(limits.pushes_per_principal, limits.pushes_per_address),
        }
    }
}

/// What was counted of one thing.
pub(crate) struct Count {
    per_principal: Option<RateLimiter>,
    per_address: Option<RateLimiter>,
}

impl Count {
    fn new(per_principal: Option<Limit>, per_address: Option<Limit>) -> Self {
        let limiter = |limit: Limit| RateLimiter::new(limit.rate, limit.burst);
        Self { per_principal: per_principal.map(limiter), per_address: per_address.map(limiter) }
    }

    /// Counts one; yields what is left, where there is a limit. Who is nobody in particular is counted by address alone.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub(crate) fn take(&self, actor: &Actor, from: Option<IpAddr>, now: Timestamp) -> Result<Left> {
        let too_many = |retry_after| Error::TooManyRequests { retry_after };
        // The principal first: one that is over its limit takes nothing from those beside it.
        let of_principal = self.per_principal.as_ref().filter(|_| !actor.is_anonymous());
        let principal = of_principal.map(|limiter| limiter.spend(actor.principal(), now)).transpose();
        let principal = principal.map_err(too_many)?;
        let address = self.per_address.as_ref().zip(from);
        let address = address.map(|(limiter, from)| limiter.spend(site(from), now)).transpose();
        let address = address.map_err(|retry_after| {
            // Nor does one whose address is over its limit lose what is left to it elsewhere.
            if let Some(limiter) = of_principal {
                limiter.give_back(actor.principal());
            }
            too_many(retry_after)
        })?;
        Ok(Left::narrower(principal, address))
    }

    /// What is left; nothing is counted.
    pub(crate) fn look(&self, actor: &Actor, from: Option<IpAddr>, now: Timestamp) -> Left {
        let principal = self.per_principal.as_ref().filter(|_| !actor.is_anonymous());
        let address = self.per_address.as_ref().zip(from);
        Left::narrower(
            principal.map(|limiter| limiter.look(actor.principal(), now)),
            address.map(|(limiter, from)| limiter.look(site(from), now)),
        )
    }
}

/// What is left to somebody; nothing where there is no limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left(Option<Allowance>);

impl Left {
    fn narrower(one: Option<Allowance>, other: Option<Allowance>) -> Self {
        Self(one.into_iter().chain(other).min_by_key(|left| left.remaining))
    }

    /// Says so, in the headers that Docker Hub has for it: `100;w=60`, a number and the seconds of its window.
    pub(crate) fn show(&self, headers: &mut HeaderMap) {
        let Some(left) = self.0 else { return };
        let window = left.window.as_secs().max(1);
        for (name, number) in [(LIMIT, left.burst), (REMAINING, left.remaining)] {
            if let Ok(value) = HeaderValue::try_from(format!("{number};w={window}")) {
                headers.insert(name, value);
            }
        }
    }
}

impl fmt::Debug for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_principal, per_address } = self;
        f.debug_struct("Count")
            .field("per_principal", per_principal)
            .field("per_address", per_address)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let number = |number| NonZeroU32::new(number).unwrap();
        for (text, rate, burst) in [
            ("600/minute", Rate::per_minute(number(600)), 600),
            ("10/second, burst 50", Rate::per_second(number(10)), 50),
            (" 1/second,burst 1 ", Rate::per_second(number(1)), 1),
        ] {
            assert_eq!(text.parse(), Ok(Limit { rate, burst: number(burst) }), "{text}");
        }
        for text in [
            "",
            "600",
            "0/minute",
            "-1/second",
            "1/hour",
            "1/second, 5",
            "1/second, burst 0",
            "1/second burst 5",
        ] {
            let told = text.parse::<Limit>().unwrap_err().to_string();
            assert!(told.contains("600/minute"), "{told}");
        }
    }

    #[test]
    fn who_is_over_a_limit_takes_nothing_from_others() {
        let limit = |text: &str| Some(text.parse::<Limit>().unwrap());
        let count = Count::new(limit("2/minute"), limit("4/minute"));
        let (now, from) = (Timestamp::from_micros(0), Some(IpAddr::from([192, 0, 2, 1])));
        let (greedy, other, nobody) = (Actor::user("greedy"), Actor::user("other"), Actor::anonymous());
        let taken = (0..100).filter(|_| count.take(&greedy, from, now).is_ok()).count();
        assert_eq!(taken, 2);
        assert!(count.take(&other, from, now).is_ok() && count.take(&nobody, from, now).is_ok());
        assert!(count.take(&nobody, from, now).is_err(), "the address has none left");
        assert!(count.take(&other, None, now).is_ok(), "nobody knows where it is");
        assert!((0..100).all(|_| count.take(&nobody, None, now).is_ok()));
    }

    #[test]
    fn whose_address_is_over_its_limit_has_as_much_elsewhere() {
        let limit = |text: &str| Some(text.parse::<Limit>().unwrap());
        let count = Count::new(limit("3/minute"), limit("2/minute"));
        let from = |number: u8| Some(IpAddr::from([192, 0, 2, number]));
        let (now, here, grace) = (Timestamp::from_micros(0), from(1), Actor::user("grace"));
        assert!((0..2).all(|_| count.take(&Actor::anonymous(), here, now).is_ok()));
        assert!((0..100).all(|_| count.take(&grace, here, now).is_err()));
        assert_eq!((2..9).filter(|number| count.take(&grace, from(*number), now).is_ok()).count(), 3);
    }
}

//! When something is tried again, and how long is waited before.

use std::time::{Duration, SystemTime};

use super::{Error, Result};

/// How often a request is tried, and how long is waited in between.
///
/// Tried again is what could not be reached, what broke off, and what was answered with 429, 502, 503 or 504, as long as the
/// request may be sent twice; what was not answered in time, once more. The wait doubles each time, and a part of it is left to chance, so that many clients do not come
/// back at once. `Retry-After` is respected: nothing is sent earlier, and where it asks for more than [`Retry::longest`], the refusal
/// is told instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often a request is sent at most, the first time included.
    pub attempts: u32,
    /// How long is waited behind the first attempt.
    pub first: Duration,
    /// How long is waited at most.
    pub longest: Duration,
}

impl Default for Retry {
    /// Five attempts, and waits of 200 ms to 60 s.
    fn default() -> Self {
        Self { attempts: 5, first: Duration::from_millis(200), longest: Duration::from_secs(60) }
    }
}

impl Retry {
    /// Never again.
    #[must_use]
    pub const fn never() -> Self {
        Self { attempts: 1, first: Duration::ZERO, longest: Duration::ZERO }
    }

    /// How long to wait before the attempt behind `failed` ones; nothing when there is none.
    pub(crate) fn wait(&self, failed: u32, asked: Option<Duration>) -> Option<Duration> {
        if failed >= self.attempts || asked.is_some_and(|asked| asked > self.longest) {
            return None;
        }
        let doubled = self.first.saturating_mul(1 << failed.saturating_sub(1).min(16)).min(self.longest);
        let by_chance = doubled.mul_f64(0.5 + fastrand::f64() / 2.0);
        Some(asked.map_or(by_chance, |asked| asked.max(by_chance)))
    }

    /// How long to wait after what came about; nothing where it is to be told as it is.
    pub(crate) fn after<T: Retried>(&self, failed: u32, outcome: &Result<T>) -> Option<Duration> {
        match outcome {
            Err(Error::Unreachable { .. }) => self.wait(failed, None),
            Err(Error::Refused(refusal)) if is_passing(refusal.status) => {
                self.wait(failed, refusal.retry_after)
            }
            Ok(answer) if is_passing(answer.status()) => self.wait(failed, answer.retry_after()),
            _ => None,
        }
    }
}

/// What may be worth another attempt.
pub(crate) trait Retried {
    /// The status that came.
    fn status(&self) -> u16;
    /// When it may be asked again.
    fn retry_after(&self) -> Option<Duration>;
}

/// Whether a status tells of something that passes.
pub(crate) const fn is_passing(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// The value of `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). A date that is past means now.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than fits is for ever.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_and_end() {
        let retry = Retry { attempts: 4, first: Duration::from_secs(1), longest: Duration::from_secs(3) };
        for (failed, least, most) in [(1, 500, 1000), (2, 1000, 2000), (3, 1500, 3000)] {
            let wait = retry.wait(failed, None).unwrap().as_millis();
            assert!((least..=most).contains(&wait), "{failed}: {wait}");
        }
        assert_eq!(retry.wait(4, None), None);
        assert_eq!(Retry::never().wait(1, Some(Duration::ZERO)), None);
    }

    #[test]
    fn nothing_is_sent_before_it_was_allowed() {
        let retry = Retry { first: Duration::from_millis(1), ..Retry::default() };
        assert_eq!(retry.wait(1, Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(retry.wait(1, Some(Duration::from_secs(61))), None, "too long to wait for");
    }

    #[test]
    fn both_forms() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (value, seconds) in [
            ("0", 0),
            (" 120 ", 120),
            ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
            ("Sunday, 06-Nov-94 08:49:39 GMT", 2),
            ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
            ("99999999999999999999999", u64::MAX),
        ] {
            assert_eq!(retry_after(value, now), Some(Duration::from_secs(seconds)), "{value}");
        }
        for bad in ["", "-1", "1.5", "soon", "+3"] {
            assert_eq!(retry_after(bad, now), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(value in "\\PC*", failed: u32) {
            let asked = retry_after(&value, SystemTime::now());
            let retry = Retry::default();
            if let Some(wait) = retry.wait(failed, asked) {
                prop_assert!(wait <= retry.longest && failed < retry.attempts);
            }
        }
    }
}

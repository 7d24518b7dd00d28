//! The second factor: codes that change with time (RFC 6238), as authenticator applications show them.

use aws_lc_rs::hmac;
use harbor_core::access::Secret;
use harbor_core::{StoreError, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::claims::seconds;
use crate::password;

/// How long a code is shown, in seconds.
const STEP: u64 = 30;

/// How many digits a code has.
const DIGITS: usize = 6;

/// How long a secret is, in bytes: as long as what SHA-1 yields (RFC 4226, section 4).
const LENGTH: usize = 20;

/// The alphabet of base 32 (RFC 4648, section 6).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What stands for itself in an address (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The secret that a person's authenticator application and the registry share. SHA-1, 6 digits and 30 seconds: the one choice
/// that all applications understand.
#[derive(Clone)]
pub(crate) struct Totp {
    secret: [u8; LENGTH],
    key: hmac::Key,
}

impl Totp {
    /// A new secret.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(crate) fn make() -> Result<Self, StoreError> {
        Ok(Self::new(password::random()?))
    }

    /// The secret that [`Totp::base32`] wrote.
    pub(crate) fn from_base32(text: &str) -> Option<Self> {
        decode(text).map(Self::new)
    }

    /// The secret in base 32 (RFC 4648, section 6), for those who type it and for the store: 32 characters.
    pub(crate) fn base32(&self) -> Secret {
        Secret::new(encode(&self.secret))
    }

    /// The `otpauth://` address that applications read from a picture. It holds the secret.
    pub(crate) fn uri(&self, issuer: &str, account: &str) -> Secret {
        let issuer = utf8_percent_encode(issuer, RESERVED);
        let account = utf8_percent_encode(account, RESERVED);
        let secret = encode(&self.secret);
        Secret::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}"
        ))
    }

    /// The step whose code this is: the present one, or one before or after it, as clocks differ. The caller stores it, and
    /// refuses a code whose step is not later than the one stored: a code works once (RFC 6238, section 5.2). The time taken
    /// does not depend on the code.
    pub(crate) fn verify(&self, code: &str, now: Timestamp) -> Option<u64> {
        let present = u64::try_from(seconds(now)).ok()? / STEP;
        let (mut found, mut step) = (subtle::Choice::from(0), 0);
        // The latest that matches counts: a code that happens to be that of two steps works once as well.
        for candidate in present.saturating_sub(1)..=present.saturating_add(1) {
            let matches = self.code(candidate).as_bytes().ct_eq(code.as_bytes());
            step.conditional_assign(&candidate, matches);
            found |= matches;
        }
        bool::from(found).then_some(step)
    }

    /// The code that is shown at the moment.
    #[cfg(test)]
    pub(crate) fn now(&self, now: Timestamp) -> Secret {
        Secret::new(self.code(seconds(now).unsigned_abs() / STEP))
    }

    fn new(secret: [u8; LENGTH]) -> Self {
        Self { secret, key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret) }
    }

    /// The code of a step (RFC 4226, section 5.3).
    fn code(&self, step: u64) -> String {
        let tag = hmac::sign(&self.key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = tag.last().map_or(0, |last| usize::from(last & 15));
        let taken =
            tag.iter().skip(offset).take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        format!("{:0DIGITS$}", (taken & 0x7FFF_FFFF) % 1_000_000)
    }
}

/// Bytes in base 32, without padding: 5 at a time, so their number is a multiple of that.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5);
    for group in bytes.chunks(5) {
        let number = group.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        text.extend((0..8).rev().map(|place| char::from(BASE32[(number >> (place * 5) & 31) as usize])));
    }
    text
}

fn decode(text: &str) -> Option<[u8; LENGTH]> {
    let digits: Option<Vec<u64>> = text
        .bytes()
        .map(|byte| {
            BASE32.iter().position(|digit| *digit == byte.to_ascii_uppercase()).map(|digit| digit as u64)
        })
        .collect();
    let mut bytes = Vec::with_capacity(LENGTH);
    for group in digits?.chunks_exact(8) {
        let number = group.iter().fold(0_u64, |number, digit| number << 5 | digit);
        bytes.extend_from_slice(&number.to_be_bytes()[3..]);
    }
    (text.len() == LENGTH * 8 / 5).then_some(bytes)?.try_into().ok()
}

impl std::fmt::Debug for Totp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Totp(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc() -> Totp {
        Totp::new(*b"12345678901234567890")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// RFC 6238, appendix B: of its eight digits, the last six.
    #[test]
    fn the_vectors_of_rfc_6238() {
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = u64::try_from(time).unwrap() / 30;
            assert_eq!(rfc().code(step), code);
            assert_eq!(rfc().verify(code, at(time)), Some(step));
        }
    }

    /// RFC 4226, appendix D.
    #[test]
    fn the_vectors_of_rfc_4226() {
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (step, code) in codes.into_iter().enumerate() {
            assert_eq!(rfc().code(step as u64), code);
        }
    }

    #[test]
    fn clocks_may_differ_by_one_step() {
        let (totp, step) = (rfc(), 41_152_263);
        let code = totp.code(step);
        let verify = |seconds: u64| totp.verify(&code, at(i64::try_from(seconds).unwrap()));
        assert_eq!(verify(step * 30 - 30), Some(step));
        assert_eq!(verify(step * 30 - 31), None);
        assert_eq!(verify(step * 30 + 59), Some(step));
        assert_eq!(verify(step * 30 + 60), None);
        assert_eq!(totp.verify(&totp.code(0), at(0)), Some(0), "at the beginning of time");
        assert_eq!(totp.verify(&code, at(-1)), None);
    }

    #[test]
    fn what_is_no_code_matches_nothing() {
        let now = at(1_111_111_109);
        for code in ["", "81804", "0081804", "081804 ", "07081804", "O81804", "٠٨١٨٠٤", "+81804"] {
            assert_eq!(rfc().verify(code, now), None, "{code}");
        }
        assert_eq!(Totp::new([7; LENGTH]).verify("081804", now), None, "another secret");
    }

    #[test]
    fn a_secret_is_written_and_read() {
        let text = rfc().base32();
        assert_eq!(text.expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let lower = text.expose().to_lowercase();
        assert_eq!(Totp::from_base32(&lower).unwrap().secret, rfc().secret);
        let made = Totp::make().unwrap();
        assert_ne!(made.secret, Totp::make().unwrap().secret);
        assert_eq!(Totp::from_base32(made.base32().expose()).unwrap().secret, made.secret);
        for broken in [
            "",
            "GEZD",
            &lower[..31],
            &format!("{lower}a"),
            &lower.replace('g', "1"),
            &lower.replace('g', "é"),
        ] {
            assert!(Totp::from_base32(broken).is_none(), "{broken}");
        }
        assert_eq!(format!("{:?}", rfc()), "Totp(…)");
    }

    #[test]
    fn the_address_is_the_one_that_applications_read() {
        let uri = rfc().uri("Harbor & Co", "grace:x@navy");
        assert_eq!(
            uri.expose(),
            "otpauth://totp/Harbor%20%26%20Co:grace%3Ax%40navy?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Harbor%20%26%20Co&algorithm=SHA1&digits=6&period=30"
        );
    }
}

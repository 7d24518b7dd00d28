//! Random texts that mean nothing by themselves: session ids, personal access tokens, secrets, and what guards forms.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use harbor_core::StoreError;
use harbor_core::access::Secret;

use crate::password;

/// What personal access tokens begin with, so that people and scanners of source code know them.
pub(crate) use harbor_core::access::PERSONAL_TOKEN as PERSONAL;

/// What random texts are made of.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many characters are random: 256 bits.
const RANDOM: usize = 43;

/// How many characters the checksum has.
const CHECKSUM: usize = 6;

/// Letters and digits, each as likely as another: 5.95 bits a character.
///
/// # Errors
/// When the system has no random bytes.
pub(crate) fn characters(count: usize) -> Result<String, StoreError> {
    let mut text = String::with_capacity(count);
    while text.len() < count {
        // 248 is the largest multiple of 62 in a byte: no character is likelier than another.
        let fair = password::random::<64>()?.into_iter().filter(|byte| *byte < 248);
        text.extend(fair.take(count - text.len()).map(|byte| char::from(ALPHABET[usize::from(byte) % 62])));
    }
    Ok(text)
}

/// A new token: `prefix`, 43 random characters, and a checksum of 6 by which a scanner for lost secrets knows it from other
/// text without asking: CRC-32 (ISO-HDLC) of all before it, in base 62.
///
/// # Errors
/// When the system has no random bytes.
pub(crate) fn make(prefix: &str) -> Result<Secret, StoreError> {
    let body = format!("{prefix}{}", characters(RANDOM)?);
    let checksum = checksum(&body);
    Ok(Secret::new(body + &checksum))
}

/// Whether `text` has the form of a token that [`make`] made. It tells nothing about whether one exists.
pub(crate) fn is_well_formed(prefix: &str, text: &str) -> bool {
    let right_length = text.len() == prefix.len() + RANDOM + CHECKSUM;
    let right_characters = || text.bytes().skip(prefix.len()).all(|byte| byte.is_ascii_alphanumeric());
    if !right_length || !text.starts_with(prefix) || !right_characters() {
        return false;
    }
    let (body, end) = text.split_at(prefix.len() + RANDOM);
    checksum(body) == end
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What is stored of a token: SHA-256 of its text. Nobody guesses 256 random bits, so no slow hash is needed.
pub(crate) fn digest(text: &str) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    digest
}

fn checksum(body: &str) -> String {
    let mut rest = crc32(body.as_bytes());
    let mut digits = [0; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

/// CRC-32 (ISO-HDLC, as in gzip), bit by bit: the texts are short.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// Makes and checks the texts that a browser sends back with a change, to show that the page was ours: HMAC-SHA-256 of the
/// session's id. Whoever has no session's id can make none, and one of another session is of no use.
#[derive(Debug)]
pub(crate) struct Csrf(hmac::Key);

impl Csrf {
    /// With a secret key, which all nodes share.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The text for a session.
    pub(crate) fn token(&self, session: &str) -> String {
        BASE64.encode(hmac::sign(&self.0, &said(session)))
    }

    /// Whether `token` is the text for `session`; compared in constant time.
    pub(crate) fn verify(&self, session: &str, token: &str) -> bool {
        let tag = BASE64.decode(token);
        tag.is_ok_and(|tag| hmac::verify(&self.0, &said(session), &tag).is_ok())
    }
}

/// What is signed: the same key may sign other things, which say otherwise.
fn said(session: &str) -> Vec<u8> {
    [b"csrf:", session.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tokens_are_random_and_well_formed() {
        let made: HashSet<String> = (0..100).map(|_| make(PERSONAL).unwrap().expose().to_owned()).collect();
        assert_eq!(made.len(), 100);
        for token in &made {
            assert_eq!(token.len(), 5 + 43 + 6);
            assert!(is_well_formed(PERSONAL, token), "{token}");
            assert!(!is_well_formed("", token) && !is_well_formed("hses_", token));
        }
        let seen: HashSet<char> = made.iter().flat_map(|token| token.chars().skip(5)).collect();
        assert_eq!(seen.len(), 62, "all characters occur");
    }

    #[test]
    fn what_is_mistyped_is_not_well_formed() {
        let token = make(PERSONAL).unwrap().expose().to_owned();
        for at in 0..token.len() {
            let other = if token.as_bytes()[at] == b'x' { "y" } else { "x" };
            let mut mistyped = token.clone();
            mistyped.replace_range(at..=at, other);
            assert!(!is_well_formed(PERSONAL, &mistyped), "{at}");
        }
        for text in ["", "hpat_", &token[..53], &format!("{token}0"), &token.replace('_', "-")] {
            assert!(!is_well_formed(PERSONAL, text), "{text}");
        }
        let wide = format!("hpat_{}", "é".repeat(24)) + "0";
        assert!(wide.len() == token.len() && !is_well_formed(PERSONAL, &wide));
    }

    /// Known answers: the check value of CRC-32/ISO-HDLC, and a token whose checksum another program computed.
    #[test]
    fn the_checksum_is_the_one_that_scanners_know() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(checksum("123456789"), CHECK_VALUE);
    }

    const CHECK_VALUE: &str = "3jZRME";

    #[test]
    fn what_is_stored_is_sha_256() {
        let hex: String = digest("abc").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_form_belongs_to_its_session() {
        let csrf = Csrf::new(&[7; 32]);
        let token = csrf.token("one");
        assert!(csrf.verify("one", &token));
        assert!(!csrf.verify("two", &token) && !Csrf::new(&[8; 32]).verify("one", &token));
        for forged in ["", "=", "AAAA", &token[..token.len() - 2], &format!("{token}AA")] {
            assert!(!csrf.verify("one", forged), "{forged}");
        }
        assert!(!format!("{csrf:?}").contains('7'), "{csrf:?}");
    }
}

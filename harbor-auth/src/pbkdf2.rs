//! Hashes of passwords that came along from Harbor: PBKDF2 (RFC 8018, section 5.2).
//!
//! Harbor keeps `hex(PBKDF2(password, salt, 4096 iterations, 16 bytes))`, with HMAC-SHA-256 and before that with HMAC-SHA-1,
//! for people and for robots. That is weak by the measure of today: who logs in gets an argon2id hash instead.

use std::net::IpAddr;
use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use harbor_core::access::Secret;
use harbor_core::{StoreError, StoreErrorKind};

use crate::password::Passwords;

/// What the text of an imported hash begins with; the rest is `<sha1|sha256>$<salt>$<hex>`.
const PREFIX: &str = "$harbor$";

/// The cost that Harbor chose.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);

/// How long a hash is, in bytes.
const LENGTH: usize = 16;

/// The longest password taken, in bytes.
const LONGEST: usize = 1024;

/// A hash that Harbor made.
struct Imported {
    algorithm: pbkdf2::Algorithm,
    salt: String,
    hash: [u8; LENGTH],
}

/// The text by which a hash of Harbor's is kept here, from the columns `password_version`, `salt` and `password` (of robots:
/// `sha256`, `salt` and `secret`). Nothing when it is no hash of Harbor's: such an account has no password.
pub(crate) fn import(version: &str, salt: &str, hex: &str) -> Option<String> {
    let text = format!("{PREFIX}{version}${salt}${}", hex.to_ascii_lowercase());
    Imported::parse(&text).map(|_| text)
}

/// Whether a password that was just verified against `hash` ought to be hashed anew.
pub(crate) fn needs_rehash(hash: &str) -> bool {
    !hash.starts_with("$argon2id$")
}

impl Passwords {
    /// Whether a password has that hash: one of our own or one imported from Harbor. A wrong password takes as long for the
    /// one as for the other, and a right one as well when the caller hashes it anew as [`needs_rehash`] says.
    ///
    /// # Errors
    /// `Busy` when too many wait already. `Other` when `hash` is none.
    pub(crate) async fn verify(
        &self,
        password: &Secret,
        hash: &str,
        from: Option<IpAddr>,
    ) -> Result<bool, StoreError> {
        let turn = self.turn(from).await?;
        if !hash.starts_with(PREFIX) {
            let [right, _] = turn.verify(password, hash, None).await?;
            return Ok(right);
        }
        if password.expose().len() > LONGEST {
            return Ok(false);
        }
        let imported = Imported::parse(hash).ok_or_else(|| failed("the imported hash is not complete"))?;
        let given = password.clone();
        // The turn goes with the work, which a caller that leaves does not stop.
        let work = move || (imported.verify(&given), turn);
        let done = tokio::task::spawn_blocking(work).await;
        let (right, turn) = done.map_err(|error| failed(&error.to_string()))?;
        if !right {
            // The time tells nobody that this account came from elsewhere.
            turn.hash(password).await?;
        }
        Ok(right)
    }
}

impl Imported {
    fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.strip_prefix(PREFIX)?.split_once('$')?;
        let algorithm = match version {
            "sha256" => pbkdf2::PBKDF2_HMAC_SHA256,
            "sha1" => pbkdf2::PBKDF2_HMAC_SHA1,
            _ => return None,
        };
        // A salt is any text; without one an account of Harbor's has no password yet.
        let (salt, hex) = rest.rsplit_once('$')?;
        let hash = bytes(hex)?;
        (!salt.is_empty()).then(|| Self { algorithm, salt: salt.to_owned(), hash })
    }

    /// Compares in constant time.
    fn verify(&self, password: &Secret) -> bool {
        let (salt, password) = (self.salt.as_bytes(), password.expose().as_bytes());
        pbkdf2::verify(self.algorithm, ITERATIONS, salt, password, &self.hash).is_ok()
    }
}

fn bytes(hex: &str) -> Option<[u8; LENGTH]> {
    let is_hex = hex.len() == 2 * LENGTH && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u128::from_str_radix(hex, 16).ok()).flatten().map(u128::to_be_bytes)
}

fn failed(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Other, format!("hashing a password: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Python's `hashlib.pbkdf2_hmac(version, password, salt, 4096, 16)`.
    const KNOWN: [(&str, &str, &str, &str); 4] = [
        ("sha256", "Harbor12345", "z7x9U6Zk7o9DiF2MQzD3nRdDhgDo4F4c", "4373f0668b169bbd0354db4e1aa21065"),
        ("sha1", "Harbor12345", "z7x9U6Zk7o9DiF2MQzD3nRdDhgDo4F4c", "117a800ff7981eae9ccd6782c50f841c"),
        ("sha256", "pässwörD1", "a$b", "0fd477cf2d6d4eff4e1e829d78e072f9"),
        ("sha1", "pässwörD1", "a$b", "ecc23c8cc3907b3d4c963146278628c0"),
    ];

    #[tokio::test]
    async fn harbors_hashes_verify() {
        let passwords = Passwords::default();
        for (version, password, salt, hex) in KNOWN {
            let hash = import(version, salt, &hex.to_uppercase()).unwrap();
            assert_eq!(hash, format!("$harbor${version}${salt}${hex}"));
            assert!(needs_rehash(&hash));
            let verify =
                async |password: &str| passwords.verify(&Secret::new(password), &hash, None).await.unwrap();
            assert!(verify(password).await, "{hash}");
            for wrong in ["", "harbor12345", &format!("{password}x"), &"x".repeat(LONGEST + 1)] {
                assert!(!verify(wrong).await, "{hash} {wrong}");
            }
            let other = if version == "sha1" { "sha256" } else { "sha1" };
            let hash = import(other, salt, hex).unwrap();
            assert!(!passwords.verify(&Secret::new(password), &hash, None).await.unwrap(), "{hash}");
        }
    }

    #[tokio::test]
    async fn our_own_hashes_verify_by_the_same_call() {
        let passwords = Passwords::default();
        let password = Secret::new("Correct horse 7");
        let hash = passwords.turn(None).await.unwrap().hash(&password).await.unwrap();
        assert!(!needs_rehash(&hash));
        assert!(passwords.verify(&password, &hash, None).await.unwrap());
        assert!(!passwords.verify(&Secret::new("other"), &hash, None).await.unwrap());
    }

    #[tokio::test]
    async fn what_is_no_hash_verifies_nothing() {
        let passwords = Passwords::default();
        let hex = "4373f0668b169bbd0354db4e1aa21065";
        for (version, salt, hex) in [
            ("md5", "salt", hex),
            ("", "salt", hex),
            ("SHA256", "salt", hex),
            ("sha256", "", hex),
            ("sha256", "salt", ""),
            ("sha256", "salt", &hex[..30]),
            ("sha256", "salt", &format!("{hex}00")),
            ("sha256", "salt", &hex.replace('4', "g")),
            ("sha256", "salt", &hex.replace('4', "é")),
        ] {
            assert_eq!(import(version, salt, hex), None, "{version} {salt} {hex}");
            let hash = format!("$harbor${version}${salt}${hex}");
            assert!(passwords.verify(&Secret::new(""), &hash, None).await.is_err(), "{hash}");
        }
        for hash in ["", "$harbor$", "$harbor", "$harbor$sha256", "plain"] {
            assert!(passwords.verify(&Secret::new(""), hash, None).await.is_err(), "{hash}");
        }
    }
}

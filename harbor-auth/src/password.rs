//! Passwords: made, hashed with argon2id (RFC 9106), verified.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use harbor_core::access::Secret;
use harbor_core::{StoreError, StoreErrorKind};
use tokio::sync::Semaphore;

/// The cost of a hash: 7 MiB of memory and 5 passes, the least memory that OWASP's "Password Storage Cheat Sheet" calls equal
/// to the others. A small registry shall stay small while somebody logs in.
const MEMORY: u32 = 7 * 1024;
const PASSES: u32 = 5;

/// How many hashes are computed at once: each takes memory, and somebody who guesses passwords must not take the machine.
const AT_ONCE: usize = 2;

/// The longest password taken, in bytes: hashing time must not be a client's choice.
const LONGEST: usize = 1024;

/// Hashes and verifies, a few at a time.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Passwords {
    /// The hash of a password, in PHC string format.
    pub(crate) async fn hash(&self, password: &Secret) -> Result<String, StoreError> {
        let password = password.clone();
        if password.expose().len() > LONGEST {
            return Err(failed(format!("a password has at most {LONGEST} bytes")));
        }
        let hashed = self.compute(move || {
            let hash = argon2()?.hash_password(password.expose().as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|error| error.to_string())
        });
        hashed.await?.map_err(failed)
    }

    /// Whether a password has that hash.
    pub(crate) async fn verify(&self, password: &Secret, hash: &str) -> Result<bool, StoreError> {
        if password.expose().len() > LONGEST {
            return Ok(false);
        }
        let (password, hash) = (password.clone(), hash.to_owned());
        let verified = self.compute(move || {
            let hash = argon2::PasswordHash::new(&hash).map_err(|error| error.to_string())?;
            Ok(Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok())
        });
        verified.await?.map_err(|error: String| failed(error))
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.turns.acquire().await.map_err(|error| failed(error.to_string()))?;
        tokio::task::spawn_blocking(work).await.map_err(|error| failed(error.to_string()))
    }
}

fn argon2() -> Result<Argon2<'static>, String> {
    let parameters = Params::new(MEMORY, PASSES, 1, None).map_err(|error| error.to_string())?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters))
}

fn failed(error: String) -> StoreError {
    StoreError::new(StoreErrorKind::Other, format!("hashing a password: {error}"))
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::new(StoreErrorKind::Other, format!("no random bytes: {error}")))?;
    Ok(bytes)
}

/// A new password of 24 letters and digits that do not look alike: 138 bits.
pub(crate) fn make() -> Result<Secret, StoreError> {
    const LETTERS: &[u8; 54] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456";
    let mut password = String::with_capacity(24);
    while password.len() < 24 {
        // 216 is the largest multiple of 54 in a byte: no letter is likelier than another.
        for byte in random::<32>()?.into_iter().filter(|byte| *byte < 216) {
            if password.len() < 24 {
                password.push(char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
            }
        }
    }
    Ok(Secret::new(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_verifies_and_another_does_not() {
        let passwords = Passwords::default();
        let made = make().unwrap();
        assert_eq!(made.expose().len(), 24);
        let hash = passwords.hash(&made).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(passwords.verify(&made, &hash).await.unwrap());
        assert!(!passwords.verify(&Secret::new("other"), &hash).await.unwrap());
        assert!(!passwords.verify(&Secret::new("x".repeat(2000)), &hash).await.unwrap());
    }
}

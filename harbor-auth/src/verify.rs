//! Whether a password or a secret is right, remembered.

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::digest;
use harbor_core::StoreError;
use harbor_core::access::Secret;
use quick_cache::sync::Cache;
use tokio::sync::OnceCell;

use crate::password::{self, Passwords};
use crate::shared::{Keyed, Shared};

/// How many passwords that were right are remembered.
const KEPT: usize = 4096;

/// Verifies passwords, and remembers those that were right, as digests keyed by a secret of this process: verifying takes tens of
/// milliseconds, and clients send the password with every request. What is remembered is of the hash as well, so another
/// password ends it.
pub(crate) struct Verifier {
    passwords: Passwords,
    right: Cache<Keyed, ()>,
    shared: Shared,
    key: [u8; 32],
    /// The hash of no password, for names that there are not: they cost what a wrong password costs.
    nobody: OnceCell<String>,
}

impl Verifier {
    pub(crate) fn new(passwords: Passwords) -> Result<Self, StoreError> {
        let (right, key) = (Cache::new(KEPT), password::random()?);
        Ok(Self { passwords, right, shared: Shared::default(), key, nobody: OnceCell::new() })
    }

    /// Whether `password`, which somebody at the address `from` shows, has that hash. Without a hash it never has, and takes as
    /// long to say so.
    pub(crate) async fn verify(
        &self,
        password: &Secret,
        hash: Option<&Secret>,
        from: Option<IpAddr>,
    ) -> Result<bool, StoreError> {
        let Some(hash) = hash.map(Secret::expose) else {
            let made = || async { self.passwords.hash(&password::make()?).await };
            let nobody = self.nobody.get_or_try_init(made).await?;
            self.passwords.verify(password, nobody, from).await?;
            return Ok(false);
        };
        let keyed = self.keyed(password, hash);
        if self.right.get(&keyed).is_some() {
            return Ok(true);
        }
        let verify = || self.passwords.verify(password, hash, from);
        let right = self.shared.verdict(keyed, verify).await?;
        if right {
            self.right.insert(keyed, ());
        }
        Ok(right)
    }

    /// As [`Verifier::verify`], of a secret or of the one that is good beside it. It takes as long for both as for one where they are
    /// alike, as those are that [`Verifier::hash_beside`] makes.
    pub(crate) async fn verify_either(
        &self,
        password: &Secret,
        hashes: [Option<&Secret>; 2],
        from: Option<IpAddr>,
    ) -> Result<bool, StoreError> {
        let [Some(one), Some(other)] = hashes else {
            return self.verify(password, hashes.into_iter().flatten().next(), from).await;
        };
        if hashes.into_iter().flatten().any(|hash| self.remembers(password, hash)) {
            return Ok(true);
        }
        if !password::are_alike(one.expose(), other.expose()) {
            return Ok(self.verify(password, Some(one), from).await?
                || self.verify(password, Some(other), from).await?);
        }
        let verify = || async {
            let turn = self.passwords.turn(from).await?;
            let found = turn.verify(password, one.expose(), Some(other.expose())).await?;
            for (hash, _) in [one, other].into_iter().zip(found).filter(|(_, right)| *right) {
                self.right.insert(self.keyed(password, hash.expose()), ());
            }
            Ok(found.contains(&true))
        };
        let both = [one.expose(), other.expose()].concat();
        self.shared.verdict(self.keyed(password, &both), verify).await
    }

    /// As [`Verifier::verify`], and remembers nothing: it takes as long for any password.
    pub(crate) async fn verify_anew(
        &self,
        password: &Secret,
        hash: Option<&Secret>,
        from: Option<IpAddr>,
    ) -> Result<bool, StoreError> {
        match hash {
            Some(hash) => self.passwords.verify(password, hash.expose(), from).await,
            None => self.verify(password, None, from).await,
        }
    }

    /// Whether `password` was found to have that hash before.
    pub(crate) fn remembers(&self, password: &Secret, hash: &Secret) -> bool {
        self.right.get(&self.keyed(password, hash.expose())).is_some()
    }

    /// The hash of a new secret of somebody at an address, for which the one before works on.
    pub(crate) async fn hash_beside(
        &self,
        secret: &Secret,
        before: &Secret,
        from: Option<IpAddr>,
    ) -> Result<Secret, StoreError> {
        let turn = self.passwords.turn(from).await?;
        turn.hash_beside(secret, Some(before.expose())).await.map(Secret::new)
    }

    /// The hash of a new password that somebody at an address has chosen.
    pub(crate) async fn hash_from(
        &self,
        password: &Secret,
        from: Option<IpAddr>,
    ) -> Result<Secret, StoreError> {
        self.passwords.turn(from).await?.hash(password).await.map(Secret::new)
    }

    fn keyed(&self, password: &Secret, hash: &str) -> Keyed {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.key);
        // The length keeps what follows from being taken for a part of the hash.
        context.update(&(hash.len() as u64).to_be_bytes());
        context.update(hash.as_bytes());
        context.update(password.expose().as_bytes());
        let mut keyed = [0; 32];
        keyed.copy_from_slice(context.finish().as_ref());
        keyed
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    /// A wrong secret costs as much whether there is nobody, one secret or two of them.
    #[tokio::test]
    async fn two_secrets_cost_no_more_than_one() {
        let passwords = Passwords::default();
        let taken = std::sync::Arc::clone(&passwords.taken);
        let verifier = Verifier::new(passwords).unwrap();
        let secret = |text: &str| Secret::new(text);
        let first = verifier.hash_from(&secret("first"), None).await.unwrap();
        let second = verifier.hash_beside(&secret("second"), &first, None).await.unwrap();
        let elsewhere = verifier.hash_from(&secret("elsewhere"), None).await.unwrap();
        verifier.verify(&secret("wrong"), None, None).await.unwrap();
        let costs = async |text: &str, hashes: [Option<&Secret>; 2]| {
            let before = taken.load(Ordering::SeqCst);
            let right = verifier.verify_either(&secret(text), hashes, None).await.unwrap();
            (right, taken.load(Ordering::SeqCst) - before)
        };
        let both = [Some(&second), Some(&first)];
        for hashes in [[None, None], [Some(&second), None], both] {
            assert_eq!(costs("wrong", hashes).await, (false, 1));
        }
        for text in ["first", "second"] {
            assert_eq!(costs(text, both).await, (true, 1));
            assert_eq!(costs(text, both).await, (true, 0), "it is remembered");
        }
        assert_eq!(costs("first", [Some(&second), None]).await, (false, 1), "which one was right is, too");
        // Those from before they were made beside each other.
        assert_eq!(costs("elsewhere", [Some(&second), Some(&elsewhere)]).await, (true, 2));
    }
}

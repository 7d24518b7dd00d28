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

    /// The hash of a new password.
    pub(crate) async fn hash(&self, password: &Secret) -> Result<Secret, StoreError> {
        self.hash_from(password, None).await
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

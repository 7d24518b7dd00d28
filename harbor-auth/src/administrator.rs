//! The one administrator.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use aws_lc_rs::digest;
use harbor_core::StoreError;
use harbor_core::access::{Actor, Authenticator, Credentials, Secret};
use harbor_core::meta::MetadataStore;
use subtle::ConstantTimeEq;

use crate::password::{self, Passwords};
use crate::shared::{Keyed, Shared};

/// The setting that holds the hash of the password.
const SETTING: &str = "administrator.password";

/// The user's name.
const NAME: &str = "admin";

/// Knows the administrator by name and password.
pub struct Administrator {
    hash: String,
    passwords: Passwords,
    /// Remembers the password that was verified, as a digest keyed by a secret of this process: verifying takes tens of
    /// milliseconds, and clients send the password with every request.
    verified: Mutex<Option<Keyed>>,
    shared: Shared,
    key: [u8; 32],
}

impl Administrator {
    /// Reads the administrator's password from the store. With `password`, that one holds from now on. Without, and when
    /// there is none yet, one is made and returned, for the caller to show once.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn bootstrap(
        store: &dyn MetadataStore,
        password: Option<Secret>,
    ) -> Result<(Self, Option<Secret>), StoreError> {
        let passwords = Passwords::default();
        let stored = store.read().await?.setting(SETTING).await?;
        let (hash, made) = match (password, stored) {
            (None, Some(hash)) => (hash, None),
            (Some(password), stored) => {
                let hash = match stored {
                    Some(hash) if passwords.turn().await?.verify(&password, &hash).await? => hash,
                    _ => put(store, &passwords.turn().await?.hash(&password).await?).await?,
                };
                (hash, None)
            }
            (None, None) => {
                let password = password::make()?;
                let own = passwords.turn().await?.hash(&password).await?;
                let mut transaction = store.begin().await?;
                let hash = transaction.setting_claim(SETTING, &own).await?;
                transaction.commit().await?;
                // Another node was quicker: its password holds, and it has shown it.
                let made = (hash == own).then_some(password);
                (hash, made)
            }
        };
        let key = password::random()?;
        Ok((Self { hash, passwords, verified: Mutex::new(None), shared: Shared::default(), key }, made))
    }

    /// What changes when the password does, for tokens to be bound to.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.hash
    }

    fn keyed(&self, password: &Secret) -> Keyed {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.key);
        context.update(password.expose().as_bytes());
        let mut keyed = [0; 32];
        keyed.copy_from_slice(context.finish().as_ref());
        keyed
    }

    fn remembers(&self, keyed: &Keyed) -> bool {
        let remembered = *self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.is_some_and(|remembered| remembered.ct_eq(keyed).into())
    }

    async fn knows(&self, password: &Secret) -> Result<bool, StoreError> {
        let keyed = self.keyed(password);
        if self.remembers(&keyed) {
            return Ok(true);
        }
        let verify = || async { self.passwords.turn().await?.verify(password, &self.hash).await };
        let right = self.shared.verdict(keyed, verify).await?;
        if right {
            *self.verified.lock().unwrap_or_else(PoisonError::into_inner) = Some(keyed);
        }
        Ok(right)
    }
}

async fn put(store: &dyn MetadataStore, hash: &str) -> Result<String, StoreError> {
    let mut transaction = store.begin().await?;
    transaction.setting_put(SETTING, hash).await?;
    transaction.commit().await?;
    Ok(hash.to_owned())
}

#[async_trait]
impl Authenticator for Administrator {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Option<Actor>, StoreError> {
        let Credentials::Basic { username, password } = credentials else { return Ok(None) };
        // A wrong name costs what a wrong password costs.
        if username != NAME {
            self.passwords.turn().await?.verify(password, &self.hash).await?;
            return Ok(None);
        }
        Ok(self.knows(password).await?.then(|| Actor::administrator(NAME)))
    }
}

impl fmt::Debug for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Administrator").finish_non_exhaustive()
    }
}

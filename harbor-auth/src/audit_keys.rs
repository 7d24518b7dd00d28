//! The keys that sign heads of the audit log.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use harbor_core::audit::{AuditSignature, AuditSigner};
use harbor_core::meta::MetadataStore;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};
use serde::{Deserialize, Serialize};

use crate::opaque;

/// The setting that holds the keys.
const SETTING: &str = "audit.keys";

/// The setting that says when the keys were last rotated. It is written first: of two who rotate at once the second waits.
const ROTATED: &str = "audit.keys.rotated";

/// The format that is written.
const VERSION: u32 = 1;

/// After how long a start makes a new key. Those before it verify for ever.
const KEY_LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How many digits of the hash of a public key name it.
const NAME: usize = 32;

/// Signs heads of the audit log with Ed25519 (RFC 8032). All nodes share the keys; the public ones are kept for ever.
pub struct AuditKeys {
    store: Arc<dyn MetadataStore>,
    keys: RwLock<Arc<Keys>>,
}

struct Keys {
    stored: Stored,
    signing: Ed25519KeyPair,
}

/// What is stored, as JSON. Of earlier keys the private half is forgotten.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// When the key that signs was made, in microseconds since the epoch.
    since: i64,
    /// PKCS #8 (RFC 8410), in base64url.
    private: String,
    /// The public keys, also that of the key that signs, in base64url.
    public: Vec<String>,
}

impl AuditKeys {
    /// Reads the keys from the store, makes the first one where there is none, and another where that is old.
    ///
    /// # Errors
    /// As the store fails; `TooNew` and `Corrupt` when the keys cannot be read.
    pub async fn load(store: Arc<dyn MetadataStore>, now: Timestamp) -> Result<Self, StoreError> {
        let known = store.read().await?.setting(SETTING).await?;
        let stored = match known {
            Some(stored) => stored,
            None => {
                let made = write(&Stored::with_new_key(Vec::new(), now)?)?;
                let mut rows = store.begin().await?;
                let stored = rows.setting_claim(SETTING, &made).await?;
                rows.commit().await?;
                stored
            }
        };
        let keys = Self { keys: RwLock::new(Arc::new(Keys::read(&stored)?)), store };
        if now.since(Timestamp::from_micros(keys.now().stored.since)) > KEY_LIFE {
            keys.rotate(now).await?;
        }
        Ok(keys)
    }

    /// Reads the keys from the store, and makes none; `None` where there are none. For who only verifies.
    ///
    /// # Errors
    /// As [`AuditKeys::load`].
    pub async fn known(store: Arc<dyn MetadataStore>) -> Result<Option<Self>, StoreError> {
        let Some(stored) = store.read().await?.setting(SETTING).await? else { return Ok(None) };
        Ok(Some(Self { keys: RwLock::new(Arc::new(Keys::read(&stored)?)), store }))
    }

    /// Makes a new key, which signs from now on. What others signed goes on to verify.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn rotate(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut rows = self.store.begin().await?;
        rows.setting_put(ROTATED, &now.to_string()).await?;
        let stored = rows.setting(SETTING).await?.ok_or_else(gone)?;
        let public = Keys::read(&stored)?.stored.public;
        let next = write(&Stored::with_new_key(public, now)?)?;
        rows.setting_put(SETTING, &next).await?;
        rows.commit().await?;
        self.replace(Keys::read(&next)?);
        Ok(())
    }

    fn now(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// The public key of that name. Another node may have made it since, so one that is not known is looked for.
    async fn public(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(public) = self.now().public(name) {
            return Ok(Some(public));
        }
        let stored = self.store.read().await?.setting(SETTING).await?.ok_or_else(gone)?;
        self.replace(Keys::read(&stored)?);
        Ok(self.now().public(name))
    }
}

#[async_trait]
impl AuditSigner for AuditKeys {
    async fn sign(&self, message: &[u8]) -> Result<AuditSignature, StoreError> {
        let keys = self.now();
        let signature = keys.signing.sign(message);
        Ok(AuditSignature {
            key: name_of(keys.signing.public_key().as_ref()),
            signature: BASE64.encode(signature.as_ref()),
        })
    }

    async fn verify(&self, message: &[u8], signature: &AuditSignature) -> Result<bool, StoreError> {
        let Some(public) = self.public(&signature.key).await? else { return Ok(false) };
        let Ok(bytes) = BASE64.decode(&signature.signature) else { return Ok(false) };
        Ok(UnparsedPublicKey::new(&ED25519, public).verify(message, &bytes).is_ok())
    }
}

impl Keys {
    fn read(text: &str) -> Result<Self, StoreError> {
        // The text holds a secret, and errors of the parser may quote it: they are not passed on.
        let stored: Stored = serde_json::from_str(text).map_err(|_| corrupt())?;
        if stored.version != VERSION {
            let newer = "a newer version of this program wrote the keys of the audit log";
            return Err(StoreError::new(StoreErrorKind::TooNew, newer));
        }
        let private = BASE64.decode(&stored.private).map_err(|_| corrupt())?;
        let signing = Ed25519KeyPair::from_pkcs8(&private).map_err(|_| corrupt())?;
        Ok(Self { stored, signing })
    }

    fn public(&self, name: &str) -> Option<Vec<u8>> {
        let keys = self.stored.public.iter().filter_map(|key| BASE64.decode(key).ok());
        keys.into_iter().find(|key| name_of(key) == name)
    }
}

impl Stored {
    fn with_new_key(mut public: Vec<String>, now: Timestamp) -> Result<Self, StoreError> {
        let failed = |_| StoreError::new(StoreErrorKind::Other, "making a key of the audit log");
        let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(failed)?;
        let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).map_err(|_| corrupt())?;
        public.push(BASE64.encode(pair.public_key()));
        Ok(Self { version: VERSION, since: now.micros(), private: BASE64.encode(private.as_ref()), public })
    }
}

fn write(stored: &Stored) -> Result<String, StoreError> {
    serde_json::to_string(stored)
        .map_err(|_| StoreError::new(StoreErrorKind::Other, "writing the keys of the audit log"))
}

/// A key's name: the beginning of the SHA-256 of its public half, which nobody else's has.
fn name_of(public: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, public);
    opaque::hex(digest.as_ref()).chars().take(NAME).collect()
}

fn corrupt() -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, "the keys of the audit log cannot be read")
}

fn gone() -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, "the keys of the audit log are gone")
}

impl fmt::Debug for AuditKeys {
    /// The name of the key that signs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.now();
        f.debug_tuple("AuditKeys").field(&name_of(keys.signing.public_key().as_ref())).finish()
    }
}

#[cfg(test)]
mod tests {
    use harbor_storage::sql::SqlMetadata;

    use super::*;

    #[tokio::test]
    async fn what_was_signed_verifies_for_ever() {
        let store: Arc<dyn MetadataStore> = Arc::new(SqlMetadata::connect("sqlite::memory:").await.unwrap());
        let at = |days: i64| Timestamp::from_micros(days * 24 * 60 * 60 * 1_000_000);
        assert!(AuditKeys::known(Arc::clone(&store)).await.unwrap().is_none());
        let keys = AuditKeys::load(Arc::clone(&store), at(0)).await.unwrap();
        let known = AuditKeys::known(Arc::clone(&store)).await.unwrap().unwrap();
        let other = AuditKeys::load(Arc::clone(&store), at(1)).await.unwrap();
        let first = keys.sign(b"one").await.unwrap();
        assert!(other.verify(b"one", &first).await.unwrap());
        keys.rotate(at(2)).await.unwrap();
        let second = keys.sign(b"two").await.unwrap();
        assert_ne!(first.key, second.key);
        for (keys, message, signature, right) in [
            (&keys, b"one", &first, true),
            (&other, b"two", &second, true),
            (&known, b"two", &second, true),
            (&keys, b"two", &first, false),
            (&keys, b"one", &AuditSignature { key: second.key.clone(), ..first.clone() }, false),
            (&keys, b"one", &AuditSignature { key: "none".to_owned(), ..first.clone() }, false),
            (&keys, b"one", &AuditSignature { signature: "?".to_owned(), ..first.clone() }, false),
        ] {
            assert_eq!(keys.verify(message, signature).await.unwrap(), right);
        }
        let later = AuditKeys::load(Arc::clone(&store), at(400)).await.unwrap();
        assert_ne!(later.sign(b"x").await.unwrap().key, second.key, "a year is over");
        assert!(later.verify(b"one", &first).await.unwrap());
        let stored = store.read().await.unwrap().setting(SETTING).await.unwrap().unwrap();
        let private = serde_json::from_str::<Stored>(&stored).unwrap().private;
        assert!(!format!("{later:?}").contains(&private));
        assert_eq!(stored.matches("private").count(), 1, "of earlier keys the private half is forgotten");
        let newer = stored.replace("\"version\":1", "\"version\":2");
        assert_eq!(Keys::read(&newer).err().unwrap().kind(), StoreErrorKind::TooNew);
        assert_eq!(Keys::read("{}").err().unwrap().kind(), StoreErrorKind::Corrupt);
    }
}

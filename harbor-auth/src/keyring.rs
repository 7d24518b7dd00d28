//! The signing keys of the token service, which all nodes share.

#[cfg(test)]
mod behind;
mod key;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use harbor_core::access::Secret;
use harbor_core::meta::revision::TOKEN_KEYS;
use harbor_core::meta::{MetadataStore, Sharing, Transaction};
use harbor_core::{Error, StoreError, StoreErrorKind, Timestamp, audit};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;

use self::key::Keys;
use crate::claims::{Claims, ISSUER, LONGEST_LIFE};

/// The setting that holds the keys.
const SETTING: &str = "tokens.keys";

/// The setting that says when the keys were last rotated. It is written first: so of two who rotate at once the second waits,
/// and sees what the first one made.
const ROTATED: &str = "tokens.keys.rotated";

/// What a rotation is of, in the audit log.
pub(crate) const ROTATES: &str = "keys of the token service";

/// How long after a rotation a node may go on to sign with the key it knew.
pub(crate) const UNAWARE: Duration = Duration::from_secs(60 * 60);

/// The longest token that is written or looked at, in bytes.
const LONGEST: usize = 16 * 1024;

/// Signs and verifies tokens: JSON Web Tokens (RFC 7519) with ES256 (RFC 7518, section 3.4) and nothing else.
pub(crate) struct KeyRing {
    stored: RwLock<Stored>,
    /// Of several who find the keys old, one reads them.
    reading: tokio::sync::Mutex<()>,
}

/// The keys as they are in the store at a revision.
#[derive(Clone)]
pub(crate) struct Stored {
    revision: i64,
    keys: Arc<Keys>,
}

/// The header of a token. Whatever else one says is refused, above all where to find a key: `jwk`, `jku`, `x5u`, `x5c`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    alg: Algorithm,
    kid: String,
    #[serde(default)]
    typ: Option<String>,
}

impl KeyRing {
    /// Reads the keys from the store, and makes the first one where there is none: of several nodes that start at once, one
    /// wins.
    ///
    /// # Errors
    /// As the store fails. `TooNew` and `Corrupt` when the keys cannot be read.
    pub(crate) async fn load(store: &dyn MetadataStore, now: Timestamp) -> Result<Self, StoreError> {
        let mut rows = store.read().await?;
        // First: keys that are newer than their revision are read once more, and the other way round they would never be.
        let revision = rows.revision(TOKEN_KEYS).await?;
        let stored = rows.setting(SETTING).await?;
        drop(rows);
        let stored = match stored {
            Some(stored) => stored,
            None => {
                let made = Keys::first(now)?.write()?;
                let mut transaction = store.begin().await?;
                let stored = transaction.setting_claim(SETTING, &made).await?;
                transaction.commit().await?;
                stored
            }
        };
        let stored = Stored { revision, keys: Arc::new(Keys::read(&stored)?) };
        Ok(Self { stored: RwLock::new(stored), reading: tokio::sync::Mutex::default() })
    }

    /// Reads the keys again, as another node may have rotated them.
    ///
    /// # Errors
    /// As the store fails; what was known then goes on to hold.
    pub(crate) async fn reload(&self, store: &dyn MetadataStore) -> Result<(), StoreError> {
        let mut rows = store.read().await?;
        let revision = rows.revision(TOKEN_KEYS).await?;
        let stored = rows.setting(SETTING).await?;
        self.replace(Stored { revision, keys: Arc::new(Keys::read(&stored.ok_or_else(gone)?)?) });
        Ok(())
    }

    /// Whether there are other keys to look at a token with that those of the revision `known` did not verify: because somebody here
    /// has read or made them since, or because it names a key that another node made, and they are read now. Anybody can name keys:
    /// one that there is not costs one small read, and none where no other node can have made one.
    ///
    /// # Errors
    /// As the store fails.
    pub(crate) async fn catch_up(
        &self,
        store: &dyn MetadataStore,
        token: &str,
        known: i64,
    ) -> Result<bool, StoreError> {
        let Some(head) = head(token) else { return Ok(false) };
        // Both of one moment: others may replace them in the next.
        let Stored { revision, keys } = self.stored();
        if revision != known {
            return Ok(true);
        }
        if keys.has(&head.kid) || store.sharing() == Sharing::Exclusive {
            return Ok(false);
        }
        if store.read().await?.revision(TOKEN_KEYS).await? <= known {
            return Ok(false);
        }
        let _alone = self.reading.lock().await;
        // Somebody may have read them meanwhile.
        if self.revision() == known {
            self.reload(store).await?;
        }
        Ok(self.revision() != known)
    }

    /// Makes a new key where the one that signs was made before a time, and says so in the audit log: of several nodes that find it
    /// old, one does.
    ///
    /// # Errors
    /// As the store fails.
    pub(crate) async fn renew(
        &self,
        store: &dyn MetadataStore,
        now: Timestamp,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = store.begin().await?;
        // Whoever else does it at this moment is waited for.
        transaction.setting_put(ROTATED, &now.to_string()).await?;
        let stored = transaction.setting(SETTING).await?.ok_or_else(gone)?;
        let keys = Keys::read(&stored)?;
        let stored = if keys.current_since() < before {
            let line = audit::line_of_system("update", "configuration", ROTATES.to_owned(), now);
            transaction.audit_insert(&line).await?;
            Self::rotated(&mut *transaction, now).await?
        } else {
            Stored { revision: transaction.revision(TOKEN_KEYS).await?, keys: Arc::new(keys) }
        };
        // Also where nothing was made here: what was read may be somebody's whose commit is this one.
        transaction.commit().await?;
        self.replace(stored);
        Ok(())
    }

    /// Makes a new key, which signs from now on, within a transaction of the caller's, who has the keys replaced once it is committed.
    /// The one before it verifies until the last token that it may have signed has ended; those of which that is true already are
    /// dropped.
    ///
    /// # Errors
    /// As the store fails.
    pub(crate) async fn rotated(rows: &mut dyn Transaction, now: Timestamp) -> Result<Stored, StoreError> {
        rows.setting_put(ROTATED, &now.to_string()).await?;
        let stored = rows.setting(SETTING).await?.ok_or_else(gone)?;
        let keys = Keys::read(&stored)?.rotated(now, now.plus(LONGEST_LIFE).plus(UNAWARE))?;
        rows.setting_put(SETTING, &keys.write()?).await?;
        rows.revision_count(TOKEN_KEYS).await?;
        Ok(Stored { revision: rows.revision(TOKEN_KEYS).await?, keys: Arc::new(keys) })
    }

    /// Whether another key would take the place of one whose tokens may still be about.
    pub(crate) fn is_full(&self, now: Timestamp) -> bool {
        self.keys().is_full(now)
    }

    /// When the key that signs was made, for those who decide when the next one is due.
    pub(crate) fn current_since(&self) -> Timestamp {
        self.keys().current_since()
    }

    /// A token that says `claims`.
    ///
    /// # Errors
    /// [`Error::BadRequest`] when the claims are so many that no token is long enough: whoever asks decides how many. `Other` when they
    /// hold for longer than [`LONGEST_LIFE`].
    pub(crate) fn sign(&self, claims: &Claims) -> Result<Secret, Error> {
        if !claims.lives_no_longer_than_allowed() {
            return Err(fault("a token lives too long").into());
        }
        let keys = self.keys();
        let (id, key) = keys.signing();
        let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::ES256) };
        let token = jsonwebtoken::encode(&header, claims, key);
        let token = token.map_err(|error| fault("signing a token").with_source(error))?;
        if token.len() > LONGEST {
            let why = format!(
                "a token has at most {LONGEST} bytes, and this one would have more: ask for fewer scopes at a time"
            );
            return Err(Error::BadRequest(why));
        }
        Ok(Secret::new(token))
    }

    /// What a token says, if one of our keys signed it, and it holds `now` and for `audience`. A token of a key that is not
    /// known is refused, and nothing is read again: see [`KeyRing::catch_up`].
    pub(crate) fn verify(&self, token: &str, audience: &str, now: Timestamp) -> Option<Claims> {
        let head = head(token)?;
        let keys = self.keys();
        let key = keys.verifying(&head.kid, now)?;
        let claims = decode(token, key, audience)?;
        claims.hold(audience, now).then_some(claims)
    }

    /// The keys that are known, and their revision.
    pub(crate) fn stored(&self) -> Stored {
        self.stored.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.stored.read().unwrap_or_else(PoisonError::into_inner).keys)
    }

    /// These keys hold from now on.
    pub(crate) fn replace(&self, stored: Stored) {
        let mut held = self.stored.write().unwrap_or_else(PoisonError::into_inner);
        // Of two who read at once, the one who read first may be here last.
        if stored.revision >= held.revision {
            *held = stored;
        }
    }

    /// The revision of the keys that are known: to be read before a token is verified, for [`KeyRing::catch_up`].
    pub(crate) fn revision(&self) -> i64 {
        self.stored.read().unwrap_or_else(PoisonError::into_inner).revision
    }
}

fn head(token: &str) -> Option<Head> {
    if token.len() > LONGEST {
        return None;
    }
    let (head, _) = token.split_once('.')?;
    let head: Head = serde_json::from_slice(&BASE64.decode(head).ok()?).ok()?;
    let is_jwt = head.typ.as_deref().is_none_or(|typ| typ == "JWT");
    (is_jwt && head.alg == Algorithm::ES256).then_some(head)
}

/// Checks signature, issuer and audience. The times are checked against the caller's clock, which the library cannot do.
fn decode(token: &str, key: &DecodingKey, audience: &str) -> Option<Claims> {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    Some(jsonwebtoken::decode(token, key, &validation).ok()?.claims)
}

fn gone() -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, "the keys of the token service are gone")
}

fn fault(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Other, what)
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("keys", &self.keys()).finish()
    }
}

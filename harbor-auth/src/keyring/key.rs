//! The keys themselves, and how they are stored.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use harbor_core::{StoreError, StoreErrorKind, Timestamp};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};

use super::fault;
use crate::opaque;

/// The format that is written.
const VERSION: u32 = 1;

/// How many keys are kept beside the one that signs; beyond that the oldest goes, though tokens of it may still be about.
const EARLIER: usize = 32;

/// The key that signs, and earlier ones that verify.
pub(crate) struct Keys {
    stored: Stored,
    signing: EncodingKey,
    /// By id; the first belongs to the key that signs.
    verifying: Vec<Verifying>,
}

struct Verifying {
    id: String,
    key: DecodingKey,
    until: Timestamp,
}

/// What is stored, as JSON. Of earlier keys the private half is forgotten.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    version: u32,
    current: Current,
    earlier: Vec<Earlier>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Current {
    /// Random: a name and nothing else.
    id: String,
    /// When it was made, in microseconds since the epoch.
    since: i64,
    /// PKCS #8 (RFC 5958), in base64url.
    private: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Earlier {
    id: String,
    /// When the last token that it may have signed ends, in microseconds since the epoch.
    until: i64,
    /// The point on P-256, uncompressed (SEC 1, section 2.3.3), in base64url.
    public: String,
}

/// Read before the rest, which another version may lay out otherwise.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Keys {
    /// A ring of one new key.
    pub(super) fn first(now: Timestamp) -> Result<Self, StoreError> {
        Self::open(Stored { version: VERSION, current: Current::make(now)?, earlier: Vec::new() })
    }

    /// Reads what [`Keys::write`] wrote, or an earlier version of it.
    pub(super) fn read(text: &str) -> Result<Self, StoreError> {
        // The text holds secrets, and errors of the parser may quote it: they are not passed on.
        let version: Version = serde_json::from_str(text).map_err(|_| corrupt())?;
        if version.version > VERSION {
            let newer = "a newer version of this program wrote the keys of the token service";
            return Err(StoreError::new(StoreErrorKind::TooNew, newer));
        }
        Self::open(serde_json::from_str(text).map_err(|_| corrupt())?)
    }

    /// The text to store. It holds the private key.
    pub(super) fn write(&self) -> Result<String, StoreError> {
        serde_json::to_string(&self.stored).map_err(|_| fault("writing the keys of the token service"))
    }

    /// A ring in which a new key signs, and the one before it verifies until `until`.
    pub(super) fn rotated(&self, now: Timestamp, until: Timestamp) -> Result<Self, StoreError> {
        let retired = self.stored.current.retire(until)?;
        let lasting = self.stored.earlier.iter().filter(|key| key.until > now.micros()).cloned();
        let earlier = std::iter::once(retired).chain(lasting).take(EARLIER).collect();
        Self::open(Stored { version: VERSION, current: Current::make(now)?, earlier })
    }

    /// Whether there are as many that verify as there may be.
    pub(super) fn is_full(&self, now: Timestamp) -> bool {
        self.stored.earlier.iter().filter(|key| key.until > now.micros()).count() >= EARLIER
    }

    /// When the key that signs was made.
    pub(super) fn current_since(&self) -> Timestamp {
        Timestamp::from_micros(self.stored.current.since)
    }

    /// The key that signs, and its id.
    pub(super) fn signing(&self) -> (&str, &EncodingKey) {
        (&self.stored.current.id, &self.signing)
    }

    /// The key of that id, if its tokens may still work.
    pub(super) fn verifying(&self, id: &str, now: Timestamp) -> Option<&DecodingKey> {
        self.verifying.iter().find(|key| key.id == id && now < key.until).map(|key| &key.key)
    }

    /// Whether there is a key of that id, though its tokens have perhaps ended.
    pub(super) fn has(&self, id: &str) -> bool {
        self.verifying.iter().any(|key| key.id == id)
    }

    fn open(stored: Stored) -> Result<Self, StoreError> {
        let pair = stored.current.pair()?;
        let mut verifying = vec![Verifying {
            id: stored.current.id.clone(),
            key: DecodingKey::from_ec_der(pair.public_key().as_ref()),
            until: Timestamp::MAX,
        }];
        for key in &stored.earlier {
            let public = BASE64.decode(&key.public).map_err(|_| corrupt())?;
            verifying.push(Verifying {
                id: key.id.clone(),
                key: DecodingKey::from_ec_der(&public),
                until: Timestamp::from_micros(key.until),
            });
        }
        let signing = EncodingKey::from_ec_der(&stored.current.der()?);
        Ok(Self { stored, signing, verifying })
    }
}

impl Current {
    fn make(now: Timestamp) -> Result<Self, StoreError> {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let made = made.map_err(|_| fault("making a key of the token service"))?;
        Ok(Self { id: opaque::characters(16)?, since: now.micros(), private: BASE64.encode(made.as_ref()) })
    }

    fn der(&self) -> Result<Vec<u8>, StoreError> {
        BASE64.decode(&self.private).map_err(|_| corrupt())
    }

    fn pair(&self) -> Result<EcdsaKeyPair, StoreError> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.der()?).map_err(|_| corrupt())
    }

    fn retire(&self, until: Timestamp) -> Result<Earlier, StoreError> {
        let public = BASE64.encode(self.pair()?.public_key());
        Ok(Earlier { id: self.id.clone(), until: until.micros(), public })
    }
}

fn corrupt() -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, "the keys of the token service cannot be read")
}

impl fmt::Debug for Keys {
    /// The ids.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.verifying.iter().map(|key| &key.id)).finish()
    }
}

//! Bearer tokens: what `docker` and its kin carry after they have shown a password once, and what stands for nobody in
//! particular when a public image is pulled.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use harbor_core::access::{Actor, Authenticator, Credentials, Identity, Secret};
use harbor_core::meta::MetadataStore;
use harbor_core::{Clock, StoreError, StoreErrorKind, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Administrator, password};

/// The setting that holds the key, which all nodes share.
const SETTING: &str = "tokens.key";

/// How long a token works.
const VALID_FOR: Duration = Duration::from_secs(30 * 60);

/// The longest token looked at, in bytes.
const LONGEST: usize = 1024;

/// A token as it is handed out.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: Secret,
    /// How long it works.
    pub valid_for: Duration,
    /// When it was made.
    pub issued_at: Timestamp,
}

/// What a token says. Persisted for as long as it works: tagged with a version by the prefix of the token.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// Whose it is.
    sub: Subject,
    /// When it ends: seconds since the epoch.
    exp: i64,
}

/// Whose a token is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Subject {
    Anonymous,
    Administrator(String),
    User(String),
}

/// Issues tokens and knows whose they are. `h1.<claims>.<HMAC-SHA256>`, keyed with a secret of the registry and bound to the
/// administrator's password: a new password ends every token.
#[derive(Clone)]
pub struct Tokens {
    key: Arc<hmac::Key>,
    clock: Clock,
}

impl Tokens {
    /// Reads the key from the store, and makes it where it is missing.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn bootstrap(
        store: &dyn MetadataStore,
        administrator: &Administrator,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let stored = store.read().await?.setting(SETTING).await?;
        let secret = match stored {
            Some(secret) => secret,
            None => {
                let mut transaction = store.begin().await?;
                let made = BASE64.encode(password::random::<32>()?);
                let secret = transaction.setting_claim(SETTING, &made).await?;
                transaction.commit().await?;
                secret
            }
        };
        let outer = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let bound = hmac::sign(&outer, administrator.fingerprint().as_bytes());
        Ok(Self { key: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, bound.as_ref())), clock })
    }

    /// A token for `actor`.
    ///
    /// # Errors
    /// When the token cannot be written, which is a fault of this program.
    pub fn issue(&self, actor: &Actor) -> Result<IssuedToken, StoreError> {
        let issued_at = self.clock.now();
        let sub = match actor.identity() {
            Identity::Anonymous => Subject::Anonymous,
            Identity::Administrator(name) => Subject::Administrator(name.to_string()),
            Identity::User(name) => Subject::User(name.to_string()),
            Identity::System => {
                let refused = "the engine's own workers carry no tokens";
                return Err(StoreError::new(StoreErrorKind::Other, refused));
            }
        };
        let claims = Claims { sub, exp: issued_at.plus(VALID_FOR).micros() / 1_000_000 };
        let claims = serde_json::to_vec(&claims)
            .map_err(|error| StoreError::new(StoreErrorKind::Other, "writing a token").with_source(error))?;
        let body = format!("h1.{}", BASE64.encode(claims));
        let signature = BASE64.encode(hmac::sign(&self.key, body.as_bytes()));
        Ok(IssuedToken { token: Secret::new(format!("{body}.{signature}")), valid_for: VALID_FOR, issued_at })
    }

    fn whose(&self, token: &str) -> Option<Actor> {
        if token.len() > LONGEST {
            return None;
        }
        let (body, signature) = token.rsplit_once('.')?;
        hmac::verify(&self.key, body.as_bytes(), &BASE64.decode(signature).ok()?).ok()?;
        let claims: Claims = serde_json::from_slice(&BASE64.decode(body.strip_prefix("h1.")?).ok()?).ok()?;
        if claims.exp <= self.clock.now().micros() / 1_000_000 {
            return None;
        }
        Some(match claims.sub {
            Subject::Anonymous => Actor::anonymous(),
            Subject::Administrator(name) => Actor::administrator(&name),
            Subject::User(name) => Actor::user(&name),
        })
    }
}

#[async_trait]
impl Authenticator for Tokens {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Option<Actor>, StoreError> {
        Ok(match credentials {
            Credentials::Bearer(token) => self.whose(token.expose()),
            _ => None,
        })
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use harbor_storage::sql::SqlMetadata;

    use super::*;

    async fn tokens(password: &str, store: &SqlMetadata, clock: &Clock) -> Tokens {
        let (administrator, _) = Administrator::bootstrap(store, Some(Secret::new(password))).await.unwrap();
        Tokens::bootstrap(store, &administrator, clock.clone()).await.unwrap()
    }

    #[tokio::test]
    async fn a_token_works_until_it_ends_or_the_password_changes() {
        let store = SqlMetadata::in_memory().await.unwrap();
        let clock = Clock::manual();
        let first = tokens("one", &store, &clock).await;
        let admin = Actor::administrator("admin");
        let token = first.issue(&admin).unwrap().token;
        let nobody = first.issue(&Actor::anonymous()).unwrap().token;
        assert_eq!(first.whose(token.expose()), Some(admin.clone()));
        assert_eq!(first.whose(nobody.expose()), Some(Actor::anonymous()));
        let grace = first.issue(&Actor::user("grace")).unwrap().token;
        assert_eq!(first.whose(grace.expose()), Some(Actor::user("grace")));

        let again = tokens("one", &store, &clock).await;
        assert_eq!(again.whose(token.expose()), Some(admin), "another node, or the next start");
        let changed = tokens("two", &store, &clock).await;
        assert_eq!(changed.whose(token.expose()), None, "another password");
        clock.advance(VALID_FOR);
        assert_eq!(first.whose(token.expose()), None, "ended");
    }

    #[tokio::test]
    async fn nothing_else_is_a_token() {
        let store = SqlMetadata::in_memory().await.unwrap();
        let tokens = tokens("one", &store, &Clock::System).await;
        let token = tokens.issue(&Actor::anonymous()).unwrap().token;
        let (body, signature) = token.expose().rsplit_once('.').unwrap();
        let admin = BASE64.encode(br#"{"sub":{"administrator":"admin"},"exp":99999999999}"#);
        for forged in [
            String::new(),
            "h1..".to_owned(),
            body.to_owned(),
            format!("{body}."),
            format!("h1.{admin}.{signature}"),
            format!("h1.{admin}."),
            format!("{}x", token.expose()),
            "x".repeat(5000),
        ] {
            assert_eq!(tokens.whose(&forged), None, "{forged}");
        }
    }
}

//! Sessions: what a browser's cookie stands for, kept here and not in the cookie.

use std::sync::Arc;
use std::time::Duration;

use harbor_core::access::{Actor, Credential, Identity, Origin, Secret};
use harbor_core::meta::{Session, Transaction, User};
use harbor_core::{ConfigKey, Error, Result, StoreError, audit};

use crate::login::actor_of;
use crate::opaque::Csrf;
use crate::opaque::hex;
use crate::{Accounts, opaque, password};

/// What the secrets of sessions begin with.
const PREFIX: &str = "hs_";

/// The setting that holds the key of the tokens against cross-site requests, which all nodes share.
const SETTING: &str = "sessions.csrf";

/// How many ended sessions a login tidies away.
const TIDIED: u32 = 100;

/// A session is put off once so much of its time is over: one part of so many.
const RENEWED: u32 = 20;

/// How long sessions last.
struct SessionTimes {
    /// Without a request.
    timeout: Duration,
    /// At most.
    life: Duration,
}

impl Accounts {
    /// Begins a session of a user; yields what the cookie shall hold.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for a robot, and for a user who showed a token instead of the password; as the store fails.
    pub async fn session_begin(&self, actor: &Actor) -> Result<Secret> {
        let refused = || Error::Forbidden("a session begins with a user's password".to_owned());
        let whole = actor.token().is_none() && actor.restriction().is_none();
        let person = match actor.identity() {
            Identity::Administrator(person) | Identity::User(person) if whole => person,
            _ => return Err(refused()),
        };
        let id = person.id.ok_or_else(refused)?;
        let (secret, now) = (opaque::make(PREFIX)?, self.now());
        let SessionTimes { timeout, life } = self.session_times().await?;
        let session = Session {
            digest: hex(&opaque::digest(secret.expose())),
            user: id,
            // Of the password that was shown, whatever became of it since.
            epoch: person.epoch,
            created_at: now,
            expires_at: now.plus(timeout.min(life)),
        };
        let mut rows = self.metadata().begin().await?;
        rows.sessions_expire(now, TIDIED).await?;
        rows.session_insert(&session).await?;
        self.audit_login(&mut *rows, "login", actor).await?;
        rows.commit().await?;
        Ok(secret)
    }

    /// Ends a session, if it is one, for a request that comes from `origin`.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn session_end(&self, secret: &Secret, origin: Arc<Origin>) -> Result<()> {
        // What has ended already is tidied with others: nothing is written for whoever makes secrets up.
        let Some(actor) = self.by_session(secret.expose(), false).await? else { return Ok(()) };
        let shown = Origin { credential: Credential::Session, ..Origin::clone(&origin) };
        let actor = actor.with_origin(Arc::new(shown));
        let mut rows = self.metadata().begin().await?;
        rows.session_delete(&hex(&opaque::digest(secret.expose()))).await?;
        self.audit_login(&mut *rows, "logout", &actor).await?;
        Ok(rows.commit().await?)
    }

    /// Writes a line of somebody who has logged in or out.
    async fn audit_login(&self, rows: &mut dyn Transaction, operation: &str, actor: &Actor) -> Result<()> {
        let line = audit::line_of(actor, operation, "user", actor.name().to_owned(), self.now());
        if self.configuration().await?.audits(&line) {
            rows.audit_insert(&line).await?;
        }
        Ok(())
    }

    /// The token that a page shows with each request that changes something, to prove that the request is its own.
    #[must_use]
    pub fn csrf_token(&self, session: &Secret) -> String {
        self.csrf().token(session.expose())
    }

    /// Whether a token is that of a session.
    #[must_use]
    pub fn csrf_verify(&self, session: &Secret, token: &str) -> bool {
        self.csrf().verify(session.expose(), token)
    }

    async fn session_times(&self) -> Result<SessionTimes, StoreError> {
        let configuration = self.configuration().await?;
        let minutes = |key| configuration.minutes(key);
        Ok(SessionTimes {
            timeout: minutes(ConfigKey::SessionTimeout),
            life: minutes(ConfigKey::SessionLife),
        })
    }

    /// Whose session this is; its end is put off, unless `renew` says not to.
    pub(crate) async fn by_session(&self, secret: &str, renew: bool) -> Result<Option<Actor>, StoreError> {
        if !opaque::is_well_formed(PREFIX, secret) {
            return Ok(None);
        }
        let (digest, now) = (hex(&opaque::digest(secret)), self.now());
        let session = self.directory().read().await?.session(&digest).await?;
        let SessionTimes { timeout, life } = self.session_times().await?;
        let last = |session: &Session| session.created_at.plus(life);
        let session = session.filter(|session| now < session.expires_at && now < last(session));
        let Some(session) = session else { return Ok(None) };
        let known = self.directory().user(session.user).await?;
        let lives = |user: &User| user.epoch == session.epoch;
        let Some(known) = known.filter(|known| lives(&known.user)) else { return Ok(None) };
        let end = now.plus(timeout).min(last(&session));
        if renew && end.since(session.expires_at) > timeout / RENEWED {
            let mut rows = self.metadata().begin().await?;
            rows.session_extend(&digest, end).await?;
            rows.commit().await?;
        }
        Ok(Some(actor_of(&known.user)))
    }
}

/// The key of the tokens, made where it is missing.
pub(crate) async fn csrf_key(store: &dyn harbor_core::meta::MetadataStore) -> Result<Csrf, StoreError> {
    let stored = match store.read().await?.setting(SETTING).await? {
        Some(stored) => stored,
        None => {
            let mut rows = store.begin().await?;
            let stored = rows.setting_claim(SETTING, &hex(&password::random::<32>()?)).await?;
            rows.commit().await?;
            stored
        }
    };
    // However long it is: what it is stored as does not matter.
    Ok(Csrf::new(&opaque::digest(&stored)))
}

//! Sessions: what a browser's cookie stands for, kept here and not in the cookie.

use std::sync::Arc;
use std::time::Duration;

use harbor_core::access::{Actor, Credential, Identity, Origin, Secret};
use harbor_core::meta::{AuditLine, Session, User};
use harbor_core::{ConfigKey, Configuration, Error, Result, StoreError, StoreErrorKind, Timestamp, audit};

use crate::login::actor_of;
use crate::opaque::Csrf;
use crate::opaque::hex;
use crate::retry::retried;
use crate::{Accounts, opaque, password};

/// What the secrets of sessions begin with.
const PREFIX: &str = "hs_";

/// What the secrets of pages begin with that nobody has logged in from.
const PAGE: &str = "hp_";

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
    /// [`Error::Forbidden`] for a robot, and for a user who showed a token instead of the password; [`Error::Unauthenticated`] for a
    /// user who was deleted meanwhile; [`Error::Contended`] when others got in the way each time it was tried; as the store fails.
    pub async fn session_begin(&self, actor: &Actor) -> Result<Secret> {
        let refused = || Error::Forbidden("a session begins with a user's password".to_owned());
        let whole = actor.token().is_none() && actor.restriction().is_none();
        let person = match actor.identity() {
            Identity::Administrator(person) | Identity::User(person) if whole => person,
            _ => return Err(refused()),
        };
        let id = person.id.ok_or_else(refused)?;
        let (secret, now) = (opaque::make(PREFIX)?, self.now());
        let configuration = self.configuration().await?;
        let SessionTimes { timeout, life } = session_times(&configuration);
        let session = Session {
            digest: hex(&opaque::digest(secret.expose())),
            user: id,
            // Of the password that was shown, whatever became of it since.
            epoch: person.epoch,
            created_at: now,
            expires_at: now.plus(timeout.min(life)),
        };
        let line = self.line_of("login", actor, &configuration);
        if let Err(error) = retried(|| self.insert(&session, line.as_ref())).await {
            // A row that refers to nobody is a conflict, too, and no other try makes it good.
            let is_conflict = error.kind() == StoreErrorKind::Conflict;
            let is_gone = is_conflict && self.directory().read().await?.user(id).await?.is_none();
            return Err(if is_gone { Error::Unauthenticated } else { contended(error) });
        }
        match self.tidy(now).await {
            // Others delete the same ones.
            Err(error) if error.kind() == StoreErrorKind::Conflict => {
                tracing::debug!(%error, "sessions that have ended were left for the next login");
            }
            Err(error) => tracing::warn!(%error, "sessions that have ended were not tidied away"),
            Ok(()) => {}
        }
        Ok(secret)
    }

    /// Ends a session, if it is one, for a request that comes from `origin`.
    ///
    /// # Errors
    /// [`Error::Contended`] when others got in the way each time it was tried; as the store fails.
    pub async fn session_end(&self, secret: &Secret, origin: Arc<Origin>) -> Result<()> {
        if !is_session(secret.expose()) {
            return Ok(());
        }
        let configuration = self.configuration().await?;
        // What has ended already is tidied with others: nothing is written for whoever makes secrets up.
        let Some(actor) = self.of_session(secret.expose(), &configuration, false).await? else {
            return Ok(());
        };
        let shown = Origin { credential: Credential::Session, ..Origin::clone(&origin) };
        let actor = actor.with_origin(Arc::new(shown));
        let line = self.line_of("logout", &actor, &configuration);
        let digest = hex(&opaque::digest(secret.expose()));
        retried(|| self.delete(&digest, line.as_ref())).await.map_err(contended)
    }

    async fn insert(&self, session: &Session, line: Option<&AuditLine>) -> Result<(), StoreError> {
        let mut rows = self.metadata().begin().await?;
        rows.session_insert(session).await?;
        if let Some(line) = line {
            rows.audit_insert(line).await?;
        }
        rows.commit().await
    }

    /// Deletes sessions that have ended: in a transaction of its own, for others delete the same ones, and in none where there is nothing
    /// to delete.
    async fn tidy(&self, now: Timestamp) -> Result<(), StoreError> {
        if !self.metadata().read().await?.session_has_ended(now).await? {
            return Ok(());
        }
        let mut rows = self.metadata().begin().await?;
        rows.sessions_expire(now, TIDIED).await?;
        rows.commit().await
    }

    async fn delete(&self, digest: &str, line: Option<&AuditLine>) -> Result<(), StoreError> {
        let mut rows = self.metadata().begin().await?;
        let is_ended = rows.session_delete(digest).await?;
        // Where another request was quicker, that one has told of it.
        if let Some(line) = line.filter(|_| is_ended) {
            rows.audit_insert(line).await?;
        }
        rows.commit().await
    }

    async fn extend(&self, digest: &str, end: Timestamp) -> Result<(), StoreError> {
        let mut rows = self.metadata().begin().await?;
        rows.session_extend(digest, end).await?;
        rows.commit().await
    }

    /// The line of somebody who has logged in or out, where one is written. The configuration was read ahead of the transaction that
    /// writes it: within one, that would take a second connection.
    fn line_of(&self, operation: &str, actor: &Actor, configuration: &Configuration) -> Option<AuditLine> {
        let line = audit::line_of(actor, operation, "user", actor.name().to_owned(), self.now());
        configuration.audits(&line).then_some(line)
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

    /// What the cookie of a page shall hold that nobody has logged in from yet: its token is shown ahead of the login, as Harbor does,
    /// and goes on to work behind it. Anybody can have one, so it tells no more than that whoever sends both the cookie and the token
    /// in a header can set headers, which pages of somebody else cannot.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn csrf_page(&self) -> Result<Secret, StoreError> {
        opaque::make(PAGE)
    }

    /// Whether that is what [`Accounts::csrf_page`] made, and not, say, a session's secret.
    #[must_use]
    pub fn is_csrf_page(&self, page: &Secret) -> bool {
        opaque::is_well_formed(PAGE, page.expose())
    }

    /// Whose session this is; its end is put off, unless `renew` says not to.
    pub(crate) async fn by_session(&self, secret: &str, renew: bool) -> Result<Option<Actor>, StoreError> {
        // Others have cookies of this name, too: those cost nothing.
        if !is_session(secret) {
            return Ok(None);
        }
        let configuration = self.configuration().await?;
        self.of_session(secret, &configuration, renew).await
    }

    /// The same, as the configuration is that was read.
    async fn of_session(
        &self,
        secret: &str,
        configuration: &Configuration,
        renew: bool,
    ) -> Result<Option<Actor>, StoreError> {
        let (digest, now) = (hex(&opaque::digest(secret)), self.now());
        let session = self.directory().read().await?.session(&digest).await?;
        let SessionTimes { timeout, life } = session_times(configuration);
        let last = |session: &Session| session.created_at.plus(life);
        let session = session.filter(|session| now < session.expires_at && now < last(session));
        let Some(session) = session else { return Ok(None) };
        let known = self.directory().user(session.user).await?;
        let lives = |user: &User| user.epoch == session.epoch;
        let Some(known) = known.filter(|known| lives(&known.user)) else { return Ok(None) };
        let end = now.plus(timeout).min(last(&session));
        if renew && end.since(session.expires_at) > timeout / RENEWED {
            // It is valid, whatever becomes of this; the next request puts it off.
            if let Err(error) = self.extend(&digest, end).await {
                tracing::warn!(%error, "the end of a session was not put off");
            }
        }
        Ok(Some(actor_of(&known.user)))
    }
}

fn is_session(secret: &str) -> bool {
    opaque::is_well_formed(PREFIX, secret)
}

/// What others were in the way of is worth another try by whoever asks.
fn contended(error: StoreError) -> Error {
    match error.kind() {
        StoreErrorKind::Conflict => Error::Contended,
        _ => Error::Store(error),
    }
}

fn session_times(configuration: &Configuration) -> SessionTimes {
    SessionTimes {
        timeout: configuration.minutes(ConfigKey::SessionTimeout),
        life: configuration.minutes(ConfigKey::SessionLife),
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

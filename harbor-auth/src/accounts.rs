//! `Accounts`: everybody whom this registry knows, as one value.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use harbor_core::access::Secret;
use harbor_core::meta::revision::ACCESS;
use harbor_core::meta::{
    GroupId, GroupKey, GroupKind, MetadataStore, PersonalToken, ProjectId, Robot, User, UserId,
};
use harbor_core::oci::ProjectName;
use harbor_core::query::{Query, Test, Value};
use harbor_core::{Clock, ConfigKey, Configuration, StoreError, StoreErrorKind, Timestamp};

use crate::directory::Directory;
use crate::grants::Grants;
use crate::keyring::{KeyRing, UNAWARE};
use crate::opaque::Csrf;
use crate::password::{self, Passwords};
use crate::rate::{Rate, RateLimiter};
use crate::retry::retried;
use crate::sessions;
use crate::throttle::{LoginLimits, Throttle};
use crate::uses::Uses;
use crate::verified::Verified;
use crate::verify::Verifier;

/// The name of the first administrator.
const ADMINISTRATOR: &str = "admin";

/// The setting in which releases before there were users kept the administrator's password.
const EARLIER: &str = "administrator.password";

/// The setting that holds the hash of the administrator's password that was given last: by the environment.
const APPLIED: &str = "administrator.given";

/// After how long a new key for tokens is made. Tokens of the one before it go on to work.
const KEY_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How often a locked name is compared with passwords that were right before: a minute, and at first.
const A_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const AT_FIRST: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);

/// How often a code is looked at for a locked name, from where it logged in before: five in a quarter of an hour. There are a million
/// codes, and three of them are right.
const AN_HOUR: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);
const CODES: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);

/// How accounts behave.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AccountOptions {
    /// The administrator's password from now on, unless it is the one that was given last: then what became of it since holds.
    /// Without it, the one that is stored holds; where there is none, one is made.
    pub admin_password: Option<Secret>,
    /// Whether that password is random, with at least 128 bits: then it is hashed at the least cost, for nobody guesses it, be it for
    /// this opening or kept for the next ones. Never for one that a person has thought of.
    pub admin_password_is_random: bool,
    /// Values of the configuration that are fixed: those of
    /// [`Settings::configuration`](harbor_core::Settings::configuration).
    pub configuration: BTreeMap<ConfigKey, serde_json::Value>,
    /// When logins are refused. Default: see [`LoginLimits`].
    pub login_limits: LoginLimits,
}

/// Users, groups, members, roles, robots, tokens: who somebody is
/// ([`Authenticator`](harbor_core::access::Authenticator)), what they may do
/// ([`Authorizer`](harbor_core::access::Authorizer)), and the use cases that change it. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

struct Inner {
    metadata: Arc<dyn MetadataStore>,
    options: AccountOptions,
    clock: Clock,
    directory: Directory,
    verifier: Verifier,
    throttle: Throttle,
    /// How often a locked name is compared with passwords that were right before.
    guesses: RateLimiter,
    /// How often a code is looked at for a locked name.
    codes: RateLimiter,
    keys: KeyRing,
    /// When the keys were last read again, in microseconds.
    reloaded: AtomicI64,
    verified: Verified,
    uses: Uses,
    csrf: Csrf,
}

impl Accounts {
    /// Opens the accounts of a registry, and makes the first administrator where there is none. A password that was made for
    /// it is returned, for the caller to show once.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn bootstrap(
        metadata: Arc<dyn MetadataStore>,
        options: AccountOptions,
        clock: Clock,
    ) -> Result<(Self, Option<Secret>), StoreError> {
        let passwords =
            if options.admin_password_is_random { Passwords::of_random() } else { Passwords::default() };
        let given = options.admin_password.as_ref();
        let made = Founding { store: metadata.as_ref(), passwords: &passwords, now: clock.now() };
        let made = made.ensure(given).await?;
        let keys = KeyRing::load(metadata.as_ref(), clock.now()).await?;
        let now = clock.now();
        if now.since(keys.current_since()) > KEY_LIFE {
            keys.renew(metadata.as_ref(), now, now.minus(KEY_LIFE)).await?;
        }
        let inner = Inner {
            directory: Directory::new(Arc::clone(&metadata)),
            verifier: Verifier::new(Passwords::default())?,
            guesses: RateLimiter::new(Rate::per_minute(A_MINUTE), AT_FIRST),
            codes: RateLimiter::new(Rate::per_hour(AN_HOUR), CODES),
            throttle: Throttle::new(clock.clone(), options.login_limits),
            verified: Verified::default(),
            uses: Uses::default(),
            csrf: sessions::csrf_key(metadata.as_ref()).await?,
            metadata,
            options,
            reloaded: AtomicI64::new(clock.now().micros()),
            clock,
            keys,
        };
        Ok((Self { inner: Arc::new(inner) }, made))
    }

    /// The options that these were opened with.
    #[must_use]
    pub fn options(&self) -> &AccountOptions {
        &self.inner.options
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.inner.directory
    }

    pub(crate) fn metadata(&self) -> &dyn MetadataStore {
        self.inner.metadata.as_ref()
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.inner.verifier
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.inner.throttle
    }

    pub(crate) fn guesses(&self) -> &RateLimiter {
        &self.inner.guesses
    }

    pub(crate) fn codes(&self) -> &RateLimiter {
        &self.inner.codes
    }

    pub(crate) fn keys(&self) -> &KeyRing {
        &self.inner.keys
    }

    pub(crate) fn verified(&self) -> &Verified {
        &self.inner.verified
    }

    pub(crate) fn uses(&self) -> &Uses {
        &self.inner.uses
    }

    pub(crate) fn csrf(&self) -> &Csrf {
        &self.inner.csrf
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Makes a new key for tokens where the one that signs is old, and finds the one that another node made while that still takes
    /// tokens of the one before. Where that fails, the key that is known goes on to sign.
    pub(crate) async fn tend_keys(&self) {
        let now = self.now();
        let reloaded = &self.inner.reloaded;
        let read = reloaded.load(Ordering::Relaxed);
        let is_due = now.since(Timestamp::from_micros(read)) >= UNAWARE / 2;
        // One does it, and nobody waits for that.
        if !is_due
            || reloaded.compare_exchange(read, now.micros(), Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let accounts = self.clone();
        let tending = tokio::spawn(async move {
            if let Err(error) = accounts.keys().reload(accounts.metadata()).await {
                accounts.inner.reloaded.store(read, Ordering::Relaxed);
                tracing::warn!(%error, "the keys of the token service were not read again");
            } else if now.since(accounts.keys().current_since()) > KEY_LIFE
                && let Err(error) = accounts.keys().renew(accounts.metadata(), now, now.minus(KEY_LIFE)).await
            {
                tracing::warn!(%error, "the old key of the token service was not renewed, and goes on to sign");
            }
        });
        // Waited for, so that a server that nobody asked for long signs with the key of today; and done to its end, though whoever
        // waits may leave. What it may fail with it has told.
        let _ = tending.await;
    }

    /// Whether a robot may log in at the moment.
    pub(crate) fn is_live(&self, robot: &Robot) -> bool {
        !robot.disabled && robot.expires_at.is_none_or(|end| self.now() < end)
    }

    /// The configuration of the moment.
    pub(crate) async fn configuration(&self) -> Result<Arc<Configuration>, StoreError> {
        self.directory().configuration(&self.options().configuration).await
    }

    /// The full name of a robot, as it logs in.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn robot_name(&self, robot: &Robot) -> Result<String, StoreError> {
        Ok(self.robot_prefix(robot.project).await? + &robot.name)
    }

    /// What comes before the names of the robots of a project, or of those of the whole registry.
    pub(crate) async fn robot_prefix(&self, project: Option<ProjectId>) -> Result<String, StoreError> {
        let prefix = self.configuration().await?.text(ConfigKey::RobotNamePrefix);
        let Some(project) = project else { return Ok(prefix) };
        match self.directory().read().await?.project_of(project).await? {
            Some(project) => Ok(format!("{prefix}{}+", project.name)),
            None => Err(StoreError::new(StoreErrorKind::NotFound, "the project of a robot is gone")),
        }
    }

    /// What a robot may do.
    ///
    /// # Errors
    /// `Corrupt` or `TooNew` when what was stored does not read.
    pub fn grants_of(&self, robot: &Robot) -> Result<Grants, StoreError> {
        Grants::read(&robot.permissions)
    }

    /// What a personal access token is limited to; `None` for all that its user may do.
    ///
    /// # Errors
    /// `Corrupt` or `TooNew` when what was stored does not read.
    pub fn scopes_of(&self, token: &PersonalToken) -> Result<Option<Grants>, StoreError> {
        if token.scopes.is_empty() { Ok(None) } else { Grants::read(&token.scopes).map(Some) }
    }

    /// The name of a user, for showing it; empty for nobody and for who is gone.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn name_of(&self, user: Option<UserId>) -> Result<String, StoreError> {
        let Some(id) = user else { return Ok(String::new()) };
        Ok(self.directory().user(id).await?.map(|known| known.user.name.clone()).unwrap_or_default())
    }

    /// The user of that name.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn id_of(&self, name: &str) -> Result<Option<UserId>, StoreError> {
        Ok(self.directory().user_named(name).await?.map(|known| known.user.id))
    }

    /// The group of that kind and name, or distinguished name.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn group_of(
        &self,
        kind: GroupKind,
        name: &str,
        dn: Option<&str>,
    ) -> Result<Option<GroupId>, StoreError> {
        let text = |text: &str| Test::Is(Value::Text(text.to_owned()));
        let query = Query::default().filter(GroupKey::Kind, Test::Is(Value::Int(kind.id())));
        let query = match dn.filter(|dn| !dn.is_empty()) {
            Some(dn) => query.filter(GroupKey::Dn, text(dn)),
            None => query.filter(GroupKey::Name, text(name)),
        };
        let found = self.directory().read().await?.groups(&query).await?;
        Ok(found.entries.first().map(|group| group.id))
    }

    /// The project and the name that the full name of a robot stands for, where it is one.
    pub(crate) async fn robot_of(
        &self,
        full: &str,
    ) -> Result<Option<(Option<ProjectId>, String)>, StoreError> {
        let prefix = self.configuration().await?.text(ConfigKey::RobotNamePrefix);
        let Some(name) = full.strip_prefix(prefix.as_str()) else { return Ok(None) };
        let Some((project, name)) = name.split_once('+') else { return Ok(Some((None, name.to_owned()))) };
        let Ok(project) = project.parse::<ProjectName>() else { return Ok(None) };
        let project = self.directory().read().await?.project(&project).await?;
        Ok(project.map(|project| (Some(project.id), name.to_owned())))
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

/// The making of the first administrator.
struct Founding<'a> {
    store: &'a dyn MetadataStore,
    passwords: &'a Passwords,
    now: Timestamp,
}

impl Founding<'_> {
    /// Yields the password that was made, if one was.
    async fn ensure(&self, given: Option<&Secret>) -> Result<Option<Secret>, StoreError> {
        // Where another node was quicker, its administrator is there now.
        retried(|| self.attempt(given)).await
    }

    async fn attempt(&self, given: Option<&Secret>) -> Result<Option<Secret>, StoreError> {
        match self.store.read().await?.user_named(ADMINISTRATOR).await? {
            Some(user) => self.renew(user, given).await.map(|()| None),
            None => self.found(given).await,
        }
    }

    async fn found(&self, given: Option<&Secret>) -> Result<Option<Secret>, StoreError> {
        let earlier = self.store.read().await?.setting(EARLIER).await?;
        let (hash, made) = match (given, earlier) {
            (Some(given), Some(hash)) if self.passwords.verify(given, &hash, None).await? => (hash, None),
            (Some(given), _) => (self.passwords.hash(given).await?, None),
            (None, Some(hash)) => (hash, None),
            (None, None) => {
                let made = password::make()?;
                (self.passwords.hash(&made).await?, Some(made))
            }
        };
        let user = User {
            id: UserId::new(0),
            name: ADMINISTRATOR.to_owned(),
            email: None,
            real_name: "system admin".to_owned(),
            comment: String::new(),
            administrator: true,
            password: Some(Secret::new(hash)),
            second_factor: None,
            epoch: 0,
            created_at: self.now,
            updated_at: self.now,
        };
        let mut rows = self.store.begin().await?;
        if let (Some(_), Some(hash)) = (given, &user.password) {
            rows.setting_put(APPLIED, hash.expose()).await?;
        }
        rows.user_insert(&user).await?;
        rows.revision_count(ACCESS).await?;
        rows.commit().await?;
        Ok(made)
    }

    /// A password that was not given before holds from now on. One that was given at an earlier start and changed since, over the
    /// API, stays changed.
    async fn renew(&self, user: User, given: Option<&Secret>) -> Result<(), StoreError> {
        let Some(given) = given else { return Ok(()) };
        let applied = self.store.read().await?.setting(APPLIED).await?;
        let known = applied.or_else(|| user.password.as_ref().map(|hash| hash.expose().to_owned()));
        if let Some(hash) = known
            && self.passwords.verify(given, &hash, None).await?
        {
            return Ok(());
        }
        let hash = self.passwords.hash(given).await?;
        let mut rows = self.store.begin().await?;
        let Some(user) = rows.user_lock(user.id).await? else { return Ok(()) };
        rows.setting_put(APPLIED, &hash).await?;
        // Whoever gives the server its password has the server: this is the way back for who has lost the second factor.
        if user.second_factor.is_some() {
            tracing::warn!("the first administrator has a new password, and no second factor any more");
        }
        let user = User {
            password: Some(Secret::new(hash)),
            second_factor: None,
            epoch: user.epoch + 1,
            updated_at: self.now,
            ..user
        };
        rows.user_save(&user).await?;
        rows.revision_count(ACCESS).await?;
        rows.commit().await
    }
}

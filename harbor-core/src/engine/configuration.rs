//! What an administrator may set while the registry runs: Harbor's configuration, as far as its keys apply here.
//!
//! One setting of all nodes holds the values that were set. A change counts up the revision of access, for some of them tell
//! who may do what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Harbor;
use super::cache::Entry;
use super::forward_target::ForwardTarget;
use super::gate::contended;
use crate::access::Authorized;
use crate::access::permission::{SystemConfigurationRead, SystemConfigurationUpdate};
use crate::meta::{AUDIT_EVENT_TYPES, Reads};
use crate::{Error, Result, StoreError, StoreErrorKind};

/// The setting.
const SETTING: &str = "configuration";

/// The version that is written.
const VERSION: u8 = 1;

/// What a value must be.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Bool,
    /// A whole number from one to another.
    Number(i64, i64),
    /// A text of at most so many characters.
    Text(usize),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// Any number of these words, with commas between them.
    AnyOf(&'static [&'static str]),
}

/// A key of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConfigKey {
    /// Who may make projects: `everyone` or `adminonly`.
    ProjectCreationRestriction,
    /// Whether nothing but the configuration can be changed.
    ReadOnly,
    /// Whether people may make accounts for themselves.
    SelfRegistration,
    /// How long a token of the token service works, in minutes.
    TokenExpiration,
    /// What the names of robots begin with.
    RobotNamePrefix,
    /// After how long without a request a session ends, in minutes.
    SessionTimeout,
    /// After how long a session ends whatever is done with it, in minutes.
    SessionLife,
    /// For how many days a robot is made whose maker does not say; -1 for ever.
    RobotTokenDuration,
    /// Whether limits of what projects may hold are kept to. What they hold is counted all the same.
    QuotaPerProjectEnable,
    /// How much a new project may hold, in bytes; -1 for no limit.
    StoragePerProject,
    /// A message to all.
    BannerMessage,
    /// Whether pulls leave the number of pulls of a repository as it is.
    PullCountUpdateDisable,
    /// Whether pulls leave the times of the last pulls as they are.
    PullTimeUpdateDisable,
    /// Whether anybody is told of events by webhooks.
    NotificationEnable,
    /// What the audit log leaves out: types of events, with commas between them.
    DisabledAuditLogEventTypes,
    /// Whether the audit log leaves out pulls. A line for each of them is dear, so it does unless it is told otherwise.
    PullAuditLogDisable,
    /// Where the audit log is forwarded to by syslog; empty for nowhere. See [`ForwardTarget`].
    AuditLogForwardEndpoint,
    /// Whether lines of the audit log go from here once they were forwarded.
    SkipAuditLogDatabase,
}

/// A row of the table: the key, its name, what a value must be, and the default.
type Row = (ConfigKey, &'static str, Kind, Initial);

/// A default.
#[derive(Clone, Copy, Debug)]
enum Initial {
    Bool(bool),
    Number(i64),
    Text(&'static str),
}

/// For how long a robot is made at most, in days: a hundred years.
pub const LONGEST_ROBOT_LIFE: i64 = 36_500;

/// A year, in minutes.
const YEAR: i64 = 365 * 24 * 60;

const TABLE: [Row; 18] = [
    (
        ConfigKey::ProjectCreationRestriction,
        "project_creation_restriction",
        Kind::OneOf(&["everyone", "adminonly"]),
        Initial::Text("everyone"),
    ),
    (ConfigKey::ReadOnly, "read_only", Kind::Bool, Initial::Bool(false)),
    (ConfigKey::SelfRegistration, "self_registration", Kind::Bool, Initial::Bool(false)),
    // No longer than a key that was replaced goes on to verify.
    (ConfigKey::TokenExpiration, "token_expiration", Kind::Number(1, 7 * 24 * 60), Initial::Number(30)),
    (ConfigKey::RobotNamePrefix, "robot_name_prefix", Kind::Text(32), Initial::Text("robot$")),
    (ConfigKey::SessionTimeout, "session_timeout", Kind::Number(1, YEAR), Initial::Number(60)),
    (ConfigKey::SessionLife, "session_life", Kind::Number(1, YEAR), Initial::Number(7 * 24 * 60)),
    (
        ConfigKey::RobotTokenDuration,
        "robot_token_duration",
        Kind::Number(-1, LONGEST_ROBOT_LIFE),
        Initial::Number(30),
    ),
    (ConfigKey::QuotaPerProjectEnable, "quota_per_project_enable", Kind::Bool, Initial::Bool(true)),
    (ConfigKey::StoragePerProject, "storage_per_project", Kind::Number(-1, i64::MAX), Initial::Number(-1)),
    (ConfigKey::BannerMessage, "banner_message", Kind::Text(4096), Initial::Text("")),
    (ConfigKey::PullCountUpdateDisable, "pull_count_update_disable", Kind::Bool, Initial::Bool(false)),
    (ConfigKey::PullTimeUpdateDisable, "pull_time_update_disable", Kind::Bool, Initial::Bool(false)),
    (ConfigKey::NotificationEnable, "notification_enable", Kind::Bool, Initial::Bool(true)),
    (
        ConfigKey::DisabledAuditLogEventTypes,
        "disabled_audit_log_event_types",
        Kind::AnyOf(&AUDIT_EVENT_TYPES),
        Initial::Text(""),
    ),
    (ConfigKey::PullAuditLogDisable, "pull_audit_log_disable", Kind::Bool, Initial::Bool(true)),
    (ConfigKey::AuditLogForwardEndpoint, "audit_log_forward_endpoint", Kind::Text(512), Initial::Text("")),
    (ConfigKey::SkipAuditLogDatabase, "skip_audit_log_database", Kind::Bool, Initial::Bool(false)),
];

impl ConfigKey {
    /// Every key, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(key, ..)| *key)
    }

    /// The key of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|(_, known, ..)| *known == name).map(|(key, ..)| *key)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().map_or("", |(_, name, ..)| name)
    }

    fn entry(self) -> Option<&'static Row> {
        TABLE.iter().find(|(key, ..)| *key == self)
    }

    fn default(self) -> Value {
        match self.entry().map(|(.., default)| *default) {
            Some(Initial::Bool(value)) => Value::Bool(value),
            Some(Initial::Number(value)) => value.into(),
            Some(Initial::Text(value)) => value.into(),
            None => Value::Null,
        }
    }

    /// What is wrong with a value, if something is.
    fn check(self, value: &Value) -> Result<()> {
        let Some((_, name, kind, _)) = self.entry() else { return Ok(()) };
        let (right, what) = match kind {
            Kind::Bool => (value.is_boolean(), "true or false".to_owned()),
            Kind::Number(least, most) => {
                let right = value.as_i64().is_some_and(|number| (*least..=*most).contains(&number));
                (right, format!("a number from {least} to {most}"))
            }
            Kind::Text(most) => {
                let right =
                    value.as_str().is_some_and(|text| text.chars().count() <= *most && !text.contains('\0'));
                (right, format!("a text of at most {most} characters"))
            }
            Kind::OneOf(these) => {
                (value.as_str().is_some_and(|text| these.contains(&text)), these.join(" or "))
            }
            Kind::AnyOf(these) => {
                let known = |word: &str| these.contains(&word.trim());
                let right = value.as_str().is_some_and(|text| text.is_empty() || text.split(',').all(known));
                (right, format!("any of these, with commas between them: {}", these.join(", ")))
            }
        };
        if !right {
            return Err(Error::BadRequest(format!("{name} must be {what}")));
        }
        if self == Self::RobotNamePrefix && !value.as_str().is_some_and(is_prefix) {
            let rule =
                "must end with a character that no user's name has: , ~ # % or $, and have no blank or colon";
            return Err(Error::BadRequest(format!("{name} {rule}")));
        }
        let endpoint =
            value.as_str().filter(|text| self == Self::AuditLogForwardEndpoint && !text.is_empty());
        if endpoint.is_some_and(|text| ForwardTarget::read(text).is_none()) {
            return Err(Error::BadRequest(format!(
                "{name} must be host:port or tcp://host:port for TCP, tls://host:port for TLS, or empty"
            )));
        }
        if self == Self::RobotTokenDuration && *value == 0 {
            return Err(Error::BadRequest(format!(
                "{name} must be a number of days above 0, or -1 for ever"
            )));
        }
        if self == Self::StoragePerProject && *value == 0 {
            return Err(Error::BadRequest(format!(
                "{name} must be a number of bytes above 0, or -1 for no limit"
            )));
        }
        Ok(())
    }
}

/// Names of robots and of users must not be taken for each other.
fn is_prefix(text: &str) -> bool {
    text.ends_with([',', '~', '#', '%', '$'])
        && !text.contains([':', '+', '"'])
        && !text.contains(char::is_whitespace)
}

/// What is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    v: u8,
    values: BTreeMap<String, Value>,
}

/// The values of the moment: what is fixed, what was set, and the defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    values: BTreeMap<ConfigKey, Value>,
    fixed: BTreeSet<ConfigKey>,
}

impl Configuration {
    /// The values, of which some are fixed for this node by its file or its environment.
    ///
    /// # Errors
    /// As the store fails; `Corrupt` or `TooNew` when what was stored does not read.
    pub async fn load(rows: &mut dyn Reads, fixed: &BTreeMap<ConfigKey, Value>) -> Result<Self, StoreError> {
        let stored = rows.setting(SETTING).await?;
        let set = stored.as_deref().map(parse).transpose()?.unwrap_or_default();
        let value = |key: ConfigKey| {
            let set = || set.get(key.name()).filter(|value| key.check(value).is_ok()).cloned();
            (key, fixed.get(&key).cloned().or_else(set).unwrap_or_else(|| key.default()))
        };
        Ok(Self { values: ConfigKey::all().map(value).collect(), fixed: fixed.keys().copied().collect() })
    }

    /// The value of a key.
    #[must_use]
    pub fn value(&self, key: ConfigKey) -> Value {
        self.values.get(&key).cloned().unwrap_or_else(|| key.default())
    }

    /// The value of a key that is yes or no.
    #[must_use]
    pub fn flag(&self, key: ConfigKey) -> bool {
        self.value(key).as_bool().unwrap_or_default()
    }

    /// The value of a key that is a number.
    #[must_use]
    pub fn number(&self, key: ConfigKey) -> i64 {
        self.value(key).as_i64().unwrap_or_default()
    }

    /// The value of a key that is a text.
    #[must_use]
    pub fn text(&self, key: ConfigKey) -> String {
        self.value(key).as_str().unwrap_or_default().to_owned()
    }

    /// The value of a key that is a time in minutes.
    #[must_use]
    pub fn minutes(&self, key: ConfigKey) -> Duration {
        Duration::from_secs(u64::try_from(self.number(key)).unwrap_or(1) * 60)
    }

    /// Whether a key is fixed by the file or the environment, so that nobody can set it.
    #[must_use]
    pub fn is_fixed(&self, key: ConfigKey) -> bool {
        self.fixed.contains(&key)
    }
}

/// Reads values that fix keys: of a file or the environment.
///
/// # Errors
/// [`Error::BadRequest`] says which key there is not, or what its value must be.
pub fn fixed(values: impl IntoIterator<Item = (String, Value)>) -> Result<BTreeMap<ConfigKey, Value>> {
    let mut fixed = BTreeMap::new();
    for (name, value) in values {
        let unknown = || Error::BadRequest(format!("the configuration has no key {name:?}"));
        let key = ConfigKey::named(&name).ok_or_else(unknown)?;
        key.check(&value)?;
        fixed.insert(key, value);
    }
    Ok(fixed)
}

fn parse(stored: &str) -> Result<BTreeMap<String, Value>, StoreError> {
    let corrupt = |error: serde_json::Error| {
        StoreError::new(StoreErrorKind::Corrupt, "a configuration was stored that does not read")
            .with_source(error)
    };
    let stored: Stored = serde_json::from_str(stored).map_err(corrupt)?;
    if stored.v != VERSION {
        let version = format!("a configuration was stored in version {}", stored.v);
        return Err(StoreError::new(StoreErrorKind::TooNew, version));
    }
    Ok(stored.values)
}

/// Use cases of the configuration: a cheap borrow.
#[derive(Clone, Copy, Debug)]
pub struct Configurations<'a> {
    harbor: &'a Harbor,
}

impl<'a> Configurations<'a> {
    pub(super) const fn new(harbor: &'a Harbor) -> Self {
        Self { harbor }
    }

    /// The values of the moment.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn get(&self, _proof: &Authorized<SystemConfigurationRead>) -> Result<Arc<Configuration>> {
        self.harbor.configuration().await
    }

    /// Sets some values; the others stay. Keys that there are not are ignored, as with Harbor.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for a value that a key cannot have; [`Error::Forbidden`] for a key that is fixed.
    pub async fn update(
        &self,
        proof: Authorized<SystemConfigurationUpdate>,
        values: &BTreeMap<String, Value>,
    ) -> Result<()> {
        let now = self.harbor.configuration().await?;
        if !values.keys().any(|name| ConfigKey::named(name).is_some()) {
            return Ok(());
        }
        for (name, value) in values {
            let Some(key) = ConfigKey::named(name) else { continue };
            key.check(value)?;
            if now.is_fixed(key) && now.value(key) != *value {
                return Err(Error::Forbidden(format!("{name} is set by the server's file or environment")));
            }
        }
        contended!(self.try_update(&proof, values))?;
        // What is remembered of it beside the cache follows at once, or with the next one who reads it.
        let _ = self.harbor.configuration().await;
        Ok(())
    }

    async fn try_update(
        &self,
        proof: &Authorized<SystemConfigurationUpdate>,
        values: &BTreeMap<String, Value>,
    ) -> Result<()> {
        let mut write = self.harbor.write(proof).await?;
        // Counted up first, which locks the row: of two changes at once, each sees the other.
        write.changed_access().await?;
        let stored = write.rows().setting(SETTING).await?;
        let mut set = stored.as_deref().map(parse).transpose()?.unwrap_or_default();
        let known = values.iter().filter(|(name, _)| ConfigKey::named(name).is_some());
        set.extend(known.map(|(name, value)| (name.clone(), value.clone())));
        let fixed = &self.harbor.settings().configuration;
        let value = |key: ConfigKey| {
            let given = fixed.get(&key).or_else(|| set.get(key.name()));
            given.cloned().unwrap_or_else(|| key.default())
        };
        let (skip, endpoint) = (ConfigKey::SkipAuditLogDatabase, ConfigKey::AuditLogForwardEndpoint);
        let asked = [skip, endpoint].iter().any(|key| values.contains_key(key.name()));
        if asked && value(skip) == true && value(endpoint) == "" {
            let what = "skip_audit_log_database needs an audit_log_forward_endpoint: lines would be nowhere";
            return Err(Error::BadRequest(what.to_owned()));
        }
        let text = serde_json::to_string(&Stored { v: VERSION, values: set })
            .map_err(|error| Error::Internal(error.to_string()))?;
        write.rows().setting_put(SETTING, &text).await?;
        // Of what is ignored the line has nothing: a name that there is not is any text.
        let names = values.keys().filter_map(|name| ConfigKey::named(name)).map(ConfigKey::name);
        write.audit(names.collect::<Vec<_>>().join(", ")).await?;
        write.changed_configuration();
        write.commit().await
    }
}

impl Harbor {
    /// The configuration of the moment.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn configuration(&self) -> Result<Arc<Configuration>> {
        if let Some(configuration) = self.inner.caches.configuration(self.now()) {
            return Ok(configuration);
        }
        let before = self.inner.caches.generation();
        let mut rows = self.read().await?;
        let read = Arc::new(Configuration::load(&mut *rows, &self.settings().configuration).await?);
        self.inner.caches.keep(before, Entry::Configuration(Arc::clone(&read), self.now()));
        self.inner.audit.tells_pulls(!read.flag(ConfigKey::PullAuditLogDisable));
        Ok(read)
    }

    /// Refuses what may not be done while the registry is read-only.
    pub(super) async fn refuse_read_only(&self) -> Result<()> {
        if self.configuration().await?.flag(ConfigKey::ReadOnly) { Err(Error::ReadOnly) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value() {
        for key in ConfigKey::all() {
            key.check(&key.default()).unwrap();
            assert_eq!(ConfigKey::named(key.name()), Some(key));
        }
    }

    #[test]
    fn values_are_checked() {
        for (name, wrong) in [
            ("token_expiration", Value::from(0)),
            ("token_expiration", Value::from("30")),
            ("self_registration", Value::from("true")),
            ("project_creation_restriction", Value::from("nobody")),
            ("robot_name_prefix", Value::from("robot")),
            ("robot_name_prefix", Value::from("a b$")),
            ("robot_name_prefix", Value::from("")),
            ("storage_per_project", Value::from(0)),
            ("robot_token_duration", Value::from(0)),
            ("robot_token_duration", Value::from(36_501)),
            ("quota_per_project_enable", Value::from(1)),
            ("disabled_audit_log_event_types", Value::from("create_artifact,everything")),
            ("nothing", Value::from(0)),
        ] {
            fixed([(name.to_owned(), wrong)]).unwrap_err();
        }
        assert_eq!(fixed([("session_timeout".to_owned(), Value::from(5))]).unwrap().len(), 1);
    }

    /// A text that an earlier version wrote. A new form is added; none is ever removed.
    #[test]
    fn every_stored_form_still_loads() {
        assert_eq!(parse(r#"{"v":1,"values":{"read_only":true}}"#).unwrap().len(), 1);
        assert_eq!(parse(r#"{"v":2,"values":{}}"#).unwrap_err().kind(), StoreErrorKind::TooNew);
    }
}

//! Where passwords, tokens and secrets are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use harbor_core::access::Secret;
use harbor_replicate::client::Credential;
use harbor_replicate::client::docker::CredentialHelper;
use serde::{Deserialize, Serialize};

use super::{file, host, origin};
use crate::failure::{Failure, Kind, Outcome};

/// Where secrets are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Store {
    /// The system's keyring.
    Keyring,
    /// A helper of docker's: `docker-credential-<name>`.
    Helper(String),
    /// A file that nobody else may read.
    File,
}

impl FromStr for Store {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "keyring" => Ok(Self::Keyring),
            None if text == "file" => Ok(Self::File),
            Some(("helper", name)) if !name.is_empty() => Ok(Self::Helper(name.to_owned())),
            _ => Err("write keyring, file, or helper:NAME for docker-credential-NAME".to_owned()),
        }
    }
}

impl TryFrom<String> for Store {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Store> for String {
    fn from(store: Store) -> Self {
        store.to_string()
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyring => f.write_str("keyring"),
            Self::File => f.write_str("file"),
            Self::Helper(name) => write!(f, "helper:{name}"),
        }
    }
}

/// The file of secrets: by server, and by user.
type Secrets = BTreeMap<String, BTreeMap<String, String>>;

impl Store {
    /// What somebody shows to a server. A helper of docker's knows hosts, and the others tell an address without TLS from one with it.
    pub(crate) async fn get(&self, server: &str, username: &str) -> Outcome<Secret> {
        let (server, host) = (origin(server), host(server));
        let secret = match self {
            Self::Keyring => keyring::get(server, username)?,
            Self::Helper(name) => match CredentialHelper::new(name)?.get(host).await? {
                Some(Credential::Password { username: of, password }) if of == username => Some(password),
                _ => None,
            },
            Self::File => secrets()?.get(server).and_then(|users| users.get(username)).map(Secret::new),
        };
        secret.ok_or_else(|| {
            let what = format!("the secret of {username} at {server} is not in the store {self} any more");
            Failure::new(Kind::Denied, what).hint(format!("harborctl login {server}"))
        })
    }

    /// Keeps it.
    pub(crate) async fn set(&self, server: &str, username: &str, secret: &Secret) -> Outcome {
        let (server, host) = (origin(server), host(server));
        match self {
            Self::Keyring => keyring::set(server, username, secret),
            Self::Helper(name) => Ok(CredentialHelper::new(name)?.store(host, username, secret).await?),
            Self::File => {
                let _lock = file::lock()?;
                let mut secrets = secrets()?;
                let users = secrets.entry(server.to_owned()).or_default();
                users.insert(username.to_owned(), secret.expose().to_owned());
                save(&secrets)
            }
        }
    }

    /// Forgets it; it is no failure when it is not there.
    pub(crate) async fn forget(&self, server: &str, username: &str) -> Outcome {
        let (server, host) = (origin(server), host(server));
        match self {
            Self::Keyring => keyring::forget(server, username),
            Self::Helper(name) => {
                let helper = CredentialHelper::new(name)?;
                // A helper that has nothing says that erasing fails.
                if helper.get(host).await?.is_some() { Ok(helper.erase(host).await?) } else { Ok(()) }
            }
            Self::File => {
                let _lock = file::lock()?;
                let mut secrets = secrets()?;
                if let Some(users) = secrets.get_mut(server) {
                    users.remove(username);
                }
                secrets.retain(|_, users| !users.is_empty());
                save(&secrets)
            }
        }
    }
}

fn secrets() -> Outcome<Secrets> {
    file::read(&file::folder()?.join("credentials.toml"))
}

fn save(secrets: &Secrets) -> Outcome {
    file::write(&file::folder()?.join("credentials.toml"), secrets)
}

/// The system's keyring: an entry's service is `harborctl:` and the server.
#[cfg(feature = "keyring")]
mod keyring {
    use ::keyring::{Entry, Error};
    use harbor_core::access::Secret;

    use crate::failure::{Failure, Kind, Outcome};

    fn entry(server: &str, username: &str) -> Outcome<Entry> {
        Entry::new(&format!("harborctl:{server}"), username).map_err(|error| failed(&error))
    }

    pub(super) fn get(server: &str, username: &str) -> Outcome<Option<Secret>> {
        match entry(server, username)?.get_password() {
            Ok(secret) => Ok(Some(Secret::new(secret))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    pub(super) fn set(server: &str, username: &str, secret: &Secret) -> Outcome {
        entry(server, username)?.set_password(secret.expose()).map_err(|error| failed(&error))
    }

    pub(super) fn forget(server: &str, username: &str) -> Outcome {
        match entry(server, username)?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// The kind of the error alone: some hold what was to be kept.
    fn failed(error: &Error) -> Failure {
        let (kind, what) = match error {
            Error::NoStorageAccess(_) => (Kind::Failed, "is locked, or does not let this program in"),
            Error::NoDefaultStore | Error::PlatformFailure(_) => (Kind::NotFound, "is not there"),
            Error::TooLong(..) => (Kind::Failed, "takes no secret of that length"),
            _ => (Kind::Failed, "did not do it"),
        };
        Failure::new(kind, format!("the system's keyring {what}"))
            .hint("--store file, or --store helper:NAME for docker-credential-NAME")
    }
}

/// This program was built without.
#[cfg(not(feature = "keyring"))]
mod keyring {
    use harbor_core::access::Secret;

    use crate::failure::{Failure, Kind, Outcome};

    fn absent<T>() -> Outcome<T> {
        Err(Failure::new(Kind::NotFound, "this program was built without the system's keyring")
            .hint("--store file, or --store helper:NAME for docker-credential-NAME"))
    }

    pub(super) fn get(_: &str, _: &str) -> Outcome<Option<Secret>> {
        absent()
    }

    pub(super) fn set(_: &str, _: &str, _: &Secret) -> Outcome {
        absent()
    }

    pub(super) fn forget(_: &str, _: &str) -> Outcome {
        absent()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_have_names() {
        for name in ["keyring", "file", "helper:pass"] {
            assert_eq!(name.parse::<Store>().unwrap().to_string(), name);
        }
        for wrong in ["", "helper:", "other", "file:x"] {
            assert!(wrong.parse::<Store>().is_err(), "{wrong}");
        }
    }
}

//! Servers and who one is there: what is remembered between commands.
//!
//! Contexts are in `config.toml` of a folder, without secrets; those are in the system's keyring, with a helper of docker's, or in
//! `credentials.toml` beside it, which nobody else may read.

mod command;
mod file;
mod secrets;

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use harbor_core::access::Secret;
use harbor_replicate::client::Credential;
use harbor_replicate::client::docker::DockerConfig;
use serde::{Deserialize, Serialize};

pub(crate) use command::{ContextCommand, absolute, address, forget};
pub(crate) use secrets::Store;

use crate::failure::{Failure, Outcome};
use crate::session::Global;

/// A server, and who one is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Context {
    /// Its address: `https://harbor.example`.
    pub(crate) server: String,
    /// Who one is there; nobody in particular without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    /// Where the password, token or secret is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) store: Option<Store>,
    /// The authorities that are trusted too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// The certificate, with its key, that is shown to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cert: Option<PathBuf>,
    /// Whether any certificate will do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) insecure: bool,
}

/// All contexts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Contexts {
    /// The one that is used where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    #[serde(rename = "context")]
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// The server that a command is for.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// The context that it came of.
    pub(crate) context: Option<String>,
    pub(crate) address: String,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) insecure: bool,
    username: Option<String>,
    store: Option<Store>,
}

impl Contexts {
    /// What was remembered; nothing at first.
    pub(crate) fn load() -> Outcome<Self> {
        file::load()
    }

    /// Changes what is remembered, while no other command does. Yields it as it is then, with what the change yields.
    pub(crate) fn change<T>(change: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<(Self, T)> {
        let _lock = file::lock()?;
        let mut contexts = Self::load()?;
        let changed = change(&mut contexts)?;
        file::save(&contexts)?;
        Ok((contexts, changed))
    }

    /// The server that is meant: what the command line or the environment names, or the current context.
    pub(crate) fn server(&self, global: &Global) -> Outcome<Server> {
        let named = global.context.as_ref().filter(|_| global.server.is_none());
        let name = match (named, &global.server) {
            (Some(name), _) => Some(name.clone()),
            // A server that there is a context for is meant with it.
            (None, Some(server)) => self.of_server(server, global.context.as_deref()),
            (None, None) => self.current.clone(),
        };
        let context = name.as_ref().map(|name| self.get(name)).transpose()?;
        // A host by itself is reached as its context says.
        let named = global.server.as_ref().filter(|server| server.contains("://") || context.is_none());
        let address = named.cloned().or_else(|| context.map(|context| context.server.clone()));
        let address = address.ok_or_else(|| {
            Failure::usage("no server is chosen").hint("harborctl login SERVER, --server, or HARBOR_URL")
        })?;
        Ok(Server {
            context: name,
            address,
            ca: global.ca.clone().or_else(|| context.and_then(|context| context.ca.clone())),
            cert: global.cert.clone().or_else(|| context.and_then(|context| context.cert.clone())),
            insecure: global.insecure || context.is_some_and(|context| context.insecure),
            username: context.and_then(|context| context.username.clone()),
            store: context.and_then(|context| context.store.clone()),
        })
    }

    pub(crate) fn get(&self, name: &str) -> Outcome<&Context> {
        self.contexts.get(name).ok_or_else(|| {
            Failure::usage(format!("there is no context {name:?}")).hint("harborctl context list")
        })
    }

    /// The context of a server: the one that is named, the current one, or the first. What is remembered for TLS is nothing for an
    /// address without.
    pub(crate) fn of_server(&self, server: &str, named: Option<&str>) -> Option<String> {
        let same =
            |name: &str| self.contexts.get(name).is_some_and(|context| is_same(&context.server, server));
        let first = [named, self.current.as_deref()].into_iter().flatten().find(|name| same(name));
        let other = || self.contexts.keys().map(String::as_str).find(|name| same(name));
        first.or_else(other).map(str::to_owned)
    }

    /// What is remembered of the registry at a host, by content that moves.
    pub(crate) fn of_host(&self, host_of_name: &str) -> Option<Server> {
        let name = self.of_server(host_of_name, None)?;
        let context = self.contexts.get(&name)?;
        Some(Server {
            address: context.server.clone(),
            ca: context.ca.clone(),
            cert: context.cert.clone(),
            insecure: context.insecure,
            username: context.username.clone(),
            store: context.store.clone(),
            context: Some(name),
        })
    }
}

impl Server {
    /// Who one is there: as the environment says, or the context, or docker's `config.json`; or nobody in particular.
    pub(crate) async fn credential(&self) -> Outcome<Credential> {
        if let Some(credential) = from_environment()? {
            return Ok(credential);
        }
        self.remembered().await
    }

    /// Who one is there, whatever the environment says: that is about the server that was chosen, and no other.
    pub(crate) async fn remembered(&self) -> Outcome<Credential> {
        if let (Some(store), Some(username)) = (&self.store, &self.username) {
            let secret = store.get(&self.address, username).await?;
            return Ok(Credential::password(username, secret));
        }
        Ok(DockerConfig::from_environment()?.find(host(&self.address)).await?)
    }

    /// Who one is there, by the context.
    pub(crate) fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }
}

/// `HARBOR_USERNAME` with `HARBOR_PASSWORD`, or `HARBOR_TOKEN`.
fn from_environment() -> Outcome<Option<Credential>> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    match (variable("HARBOR_TOKEN"), variable("HARBOR_USERNAME"), variable("HARBOR_PASSWORD")) {
        (Some(token), None, None) => Ok(Some(Credential::Bearer(Secret::new(token)))),
        (None, Some(username), Some(password)) => Ok(Some(Credential::password(username, password))),
        (None, None, None) => Ok(None),
        _ => Err(Failure::usage("HARBOR_USERNAME and HARBOR_PASSWORD go together, and HARBOR_TOKEN alone")),
    }
}

/// Whether an address is that of a context; one without a scheme is, where the host is the same.
fn is_same(context: &str, address: &str) -> bool {
    let secure = |address: &str| !address.starts_with("http://");
    host(context) == host(address) && (!address.contains("://") || secure(context) == secure(address))
}

/// What secrets are kept under: the host, and for one without TLS the whole address.
fn origin(address: &str) -> &str {
    if address.starts_with("http://") { address.trim_end_matches('/') } else { host(address) }
}

/// The host, and port, of an address.
pub(crate) fn host(address: &str) -> &str {
    let bare = address.split_once("://").map_or(address, |(_, rest)| rest);
    bare.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts() -> Contexts {
        let context = |server: &str| Context {
            server: server.to_owned(),
            username: Some("grace".to_owned()),
            store: Some(Store::File),
            ca: None,
            cert: None,
            insecure: false,
        };
        let contexts = [("one", "https://one.example"), ("two", "http://two.example:8080")];
        Contexts {
            current: Some("one".to_owned()),
            contexts: contexts.iter().map(|(name, server)| ((*name).to_owned(), context(server))).collect(),
        }
    }

    #[test]
    fn contexts_are_written_and_read() {
        let text = toml::to_string(&contexts()).unwrap();
        assert_eq!(toml::from_str::<Contexts>(&text).unwrap(), contexts());
        assert!(text.contains("[context.one]") && text.contains("store = \"file\""), "{text}");
    }

    #[test]
    fn a_secret_for_tls_is_for_tls_alone() {
        let of = |server: &str| contexts().of_server(server, None);
        assert_eq!(of("https://one.example").as_deref(), Some("one"));
        assert_eq!(of("one.example/").as_deref(), Some("one"));
        assert_eq!(of("http://one.example"), None);
        assert_eq!(of("https://two.example:8080"), None);
        assert_eq!(of("http://two.example:8080/").as_deref(), Some("two"));
        assert_eq!(origin("https://h:1/"), "h:1");
        assert_eq!(origin("http://h:1/"), "http://h:1");
    }

    #[test]
    fn a_host_has_its_context() {
        assert_eq!(
            contexts().of_host("two.example:8080").and_then(|server| server.context).as_deref(),
            Some("two")
        );
        assert!(contexts().of_host("three.example").is_none());
    }
}

//! `config.json` of docker, and `auth.json` of podman, skopeo and buildah.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use harbor_core::access::Secret;
use serde::Deserialize;

use super::CredentialHelper;
use crate::client::{Credential, CredentialSource, Error, Result};

/// How much of a file is read, in bytes.
const LIMIT: u64 = 4 * 1024 * 1024;

/// By what docker knows Docker Hub.
const HUB: &str = "https://index.docker.io/v1/";

/// The names of Docker Hub.
const HUB_HOSTS: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// What stands behind a host in a key without meaning anything.
const VERSIONS: [&str; 3] = ["", "/v1", "/v2"];

/// Padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The credentials of docker's `config.json` and of `auth.json`, and of the helpers that they name.
///
/// For a host counts, as with docker, its helper (`credHelpers`), the store of all (`credsStore`), and the file itself
/// (`auths`), whichever knows it first. Keys of `auth.json` that name more than a host are left out.
///
/// ```no_run
/// use harbor_replicate::client::{Registry, docker::DockerConfig};
///
/// # async fn example() -> harbor_replicate::client::Result<()> {
/// let registry = Registry::builder("docker.io").credentials(DockerConfig::from_environment()?).build()?;
/// registry.ping().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct DockerConfig {
    auths: HashMap<String, Auth>,
    helpers: HashMap<String, String>,
    store: Option<String>,
    folder: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: HashMap<String, Option<Auth>>,
    cred_helpers: HashMap<String, String>,
    creds_store: Option<String>,
}

/// No part of it is printed.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hosts: Vec<_> = self.auths.keys().collect();
        hosts.sort();
        f.debug_struct("DockerConfig")
            .field("hosts", &hosts)
            .field("helpers", &self.helpers)
            .field("store", &self.store)
            .finish()
    }
}

impl DockerConfig {
    /// What the environment says: `REGISTRY_AUTH_FILE`, or else docker's `config.json` (in `DOCKER_CONFIG`, or in `.docker` of the
    /// home) with podman's `auth.json` behind it. Files that are not there are empty.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a file that cannot be read, or has not the form.
    pub fn from_environment() -> Result<Self> {
        Self::from_variables(|name| env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(file) = path("REGISTRY_AUTH_FILE") {
            return Self::load(&file);
        }
        let home = path("HOME");
        let docker = path("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
        let run = path("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json"));
        let kept = path("XDG_CONFIG_HOME").or_else(|| home.map(|home| home.join(".config")));
        let kept = kept.map(|folder| folder.join("containers/auth.json"));
        let files = docker.map(|folder| folder.join("config.json")).into_iter().chain(run).chain(kept);
        files
            .filter(|file| file.exists())
            .try_fold(Self::default(), |known, file| Ok(known.or(Self::load(&file)?)))
    }

    /// The credentials of a file.
    ///
    /// # Errors
    /// [`Error::Configuration`] when it cannot be read, or has not the form; nothing of what is in it is told.
    pub fn load(path: &Path) -> Result<Self> {
        let wrong = |why: &dyn fmt::Display| Error::Configuration(format!("{} {why}", path.display()));
        let size = std::fs::metadata(path).map_err(|error| wrong(&format!("cannot be read: {error}")))?.len();
        if size > LIMIT {
            return Err(wrong(&format!("is larger than {LIMIT} bytes")));
        }
        let bytes = std::fs::read(path).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        Self::read(&bytes).ok_or_else(|| wrong(&"has not the form of docker's config.json"))
    }

    /// The credentials of a file's content; nothing when it has not the form.
    fn read(bytes: &[u8]) -> Option<Self> {
        let file: File = serde_json::from_slice(bytes).ok()?;
        let auths = file.auths.into_iter();
        Some(Self {
            auths: auths.filter_map(|(key, auth)| Some((host_of(&key)?, auth?))).collect(),
            helpers: file
                .cred_helpers
                .into_iter()
                .filter_map(|(key, helper)| Some((host_of(&key)?, helper)))
                .collect(),
            store: file.creds_store.filter(|store| !store.is_empty()),
            folder: None,
        })
    }

    /// These, and where they know nothing the others.
    fn or(mut self, others: Self) -> Self {
        for (host, auth) in others.auths {
            self.auths.entry(host).or_insert(auth);
        }
        for (host, helper) in others.helpers {
            self.helpers.entry(host).or_insert(helper);
        }
        self.store = self.store.or(others.store);
        self
    }

    /// With helpers that are in a folder, and not where the environment's `PATH` says.
    #[must_use]
    pub fn helpers_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// What is known of a registry, by its host.
    ///
    /// # Errors
    /// [`Error::Helper`] when a helper fails, [`Error::Configuration`] when it has no name that one can have.
    pub async fn find(&self, host: &str) -> Result<Credential> {
        let host = host_of(host).unwrap_or_default();
        let server = if HUB_HOSTS.contains(&host.as_str()) { HUB } else { &host };
        for helper in self.helpers.get(&host).into_iter().chain(&self.store) {
            let mut helper = CredentialHelper::new(helper)?;
            if let Some(folder) = &self.folder {
                helper = helper.in_folder(folder);
            }
            if let Some(credential) = helper.get(server).await? {
                return Ok(credential);
            }
        }
        Ok(self.auths.get(&host).map(Auth::credential).unwrap_or_default())
    }
}

#[async_trait]
impl CredentialSource for DockerConfig {
    async fn credential(&self, host: &str) -> Result<Credential> {
        self.find(host).await
    }
}

impl Auth {
    fn credential(&self) -> Credential {
        if !self.identitytoken.is_empty() {
            return Credential::Identity(Secret::new(&self.identitytoken));
        }
        if !self.registrytoken.is_empty() {
            return Credential::Bearer(Secret::new(&self.registrytoken));
        }
        if let Some((username, password)) = self.pair() {
            return Credential::password(username, password);
        }
        match self.username.as_str() {
            "" => Credential::Anonymous,
            username => Credential::password(username, self.password.as_str()),
        }
    }

    /// The name and the password of `auth`.
    fn pair(&self) -> Option<(String, String)> {
        let decoded = String::from_utf8(BASE64.decode(self.auth.trim()).ok()?).ok()?;
        let (username, password) = decoded.split_once(':')?;
        // Old versions of docker filled it up.
        let password = password.trim_end_matches('\0');
        (!username.is_empty()).then(|| (username.to_owned(), password.to_owned()))
    }
}

/// The host that a key is about: keys are hosts or addresses, with or without a version of the API. `docker.io` for Docker Hub;
/// nothing for what names more than a host.
fn host_of(key: &str) -> Option<String> {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if host.is_empty() || !VERSIONS.contains(&path.trim_end_matches('/')) {
        return None;
    }
    let host = host.to_ascii_lowercase();
    Some(if HUB_HOSTS.contains(&host.as_str()) { HUB_HOSTS[0].to_owned() } else { host })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(text: &str) -> DockerConfig {
        DockerConfig::read(text.as_bytes()).unwrap()
    }

    async fn found(config: &DockerConfig, host: &str) -> Credential {
        config.find(host).await.unwrap()
    }

    #[tokio::test]
    async fn what_docker_login_writes() {
        let config = config(
            r#"{"auths":{
                "https://index.docker.io/v1/":{"auth":"aHViOnA6dw=="},
                "registry:5000":{"auth":"Z3JhY2U6aHVudGVyMg"},
                "https://old.example/v2/":{"username":"u","password":"p","email":"x@y"},
                "azure.example":{"auth":"MDAwMDog","identitytoken":"refresh"},
                "bearer.example":{"registrytoken":"shown"},
                "empty.example":{}, "null.example":null,
                "broken.example":{"auth":"!!!"},
                "quay.example/team":{"auth":"dGVhbTpw"}
            },"HttpHeaders":{"User-Agent":"x"},"currentContext":"y"}"#,
        );
        for hub in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(found(&config, hub).await, Credential::password("hub", "p:w"), "{hub}");
        }
        assert_eq!(found(&config, "registry:5000").await, Credential::password("grace", "hunter2"));
        assert_eq!(found(&config, "REGISTRY:5000").await, Credential::password("grace", "hunter2"));
        assert_eq!(found(&config, "old.example").await, Credential::password("u", "p"));
        assert_eq!(found(&config, "azure.example").await, Credential::Identity("refresh".into()));
        assert_eq!(found(&config, "bearer.example").await, Credential::Bearer("shown".into()));
        for nobody in [
            "registry",
            "registry:5001",
            "empty.example",
            "null.example",
            "broken.example",
            "quay.example",
            "",
        ] {
            assert_eq!(found(&config, nobody).await, Credential::Anonymous, "{nobody}");
        }
        let shown = format!("{config:?}");
        for secret in ["hunter2", "Z3JhY2U6", "refresh", "shown"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[tokio::test]
    async fn a_helper_that_is_not_there_is_told() {
        let config = config(r#"{"credHelpers":{"a.example":"none-such-helper","b.example":"../../bin/sh"}}"#);
        let told = config.find("a.example").await.unwrap_err().to_string();
        assert!(told.contains("docker-credential-none-such-helper cannot be run"), "{told}");
        assert!(matches!(config.find("b.example").await, Err(Error::Configuration(_))));
        assert_eq!(found(&config, "c.example").await, Credential::Anonymous);
    }

    #[tokio::test]
    async fn the_environment_says_which_files_count() {
        let home = tempfile::tempdir().unwrap();
        let write = |file: &str, password: &str| {
            let path = home.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let auth = BASE64.encode(format!("u:{password}"));
            std::fs::write(&path, format!(r#"{{"auths":{{"a":{{"auth":"{auth}"}}}}}}"#)).unwrap();
            path
        };
        let of = |variables: &[(&str, &Path)]| {
            let found = |name: &str| variables.iter().find(|(known, _)| *known == name);
            DockerConfig::from_variables(|name| found(name).map(|(_, path)| path.as_os_str().to_owned()))
        };
        let whole = ("HOME", home.path());
        assert_eq!(found(&of(&[]).unwrap(), "a").await, Credential::Anonymous);
        assert_eq!(found(&of(&[whole]).unwrap(), "a").await, Credential::Anonymous);
        write(".config/containers/auth.json", "podman");
        assert_eq!(found(&of(&[whole]).unwrap(), "a").await, Credential::password("u", "podman"));
        write(".docker/config.json", "docker");
        assert_eq!(found(&of(&[whole]).unwrap(), "a").await, Credential::password("u", "docker"));
        let folder = write("elsewhere/config.json", "folder");
        let folder = ("DOCKER_CONFIG", folder.parent().unwrap());
        assert_eq!(found(&of(&[whole, folder]).unwrap(), "a").await, Credential::password("u", "folder"));
        let file = write("auth.json", "file");
        let all = [whole, folder, ("REGISTRY_AUTH_FILE", file.as_path())];
        assert_eq!(found(&of(&all).unwrap(), "a").await, Credential::password("u", "file"));
        // A file that was named and is not there is no empty one.
        assert!(of(&[("REGISTRY_AUTH_FILE", &home.path().join("none"))]).is_err());
    }

    #[test]
    fn the_first_file_that_knows_a_host_counts() {
        let first = config(r#"{"auths":{"a":{"auth":"eDp5"}}}"#);
        let both =
            first.or(config(r#"{"auths":{"a":{"auth":"Ojo="},"b":{"auth":"eDp6"}},"credsStore":"s"}"#));
        assert_eq!(both.auths["a"].credential(), Credential::password("x", "y"));
        assert_eq!(
            (both.auths["b"].credential(), both.store.as_deref()),
            (Credential::password("x", "z"), Some("s"))
        );
    }

    #[test]
    fn a_file_that_has_not_the_form_is_told_without_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, r#"{"auths":{"a":{"auth":7,"password":"hunter2"}}}"#).unwrap();
        let told = DockerConfig::load(&path).unwrap_err().to_string();
        assert!(told.contains("config.json") && !told.contains("hunter2"), "{told}");
        assert!(DockerConfig::load(folder.path()).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>, auth in "\\PC{0,40}", key in "\\PC{0,40}") {
            let _ = DockerConfig::read(&bytes);
            let text = serde_json::json!({"auths": {key: {"auth": auth}}}).to_string();
            for auth in DockerConfig::read(text.as_bytes()).unwrap().auths.values() {
                let _ = auth.credential();
            }
        }

        #[test]
        fn a_pair_round_trips(username in "[^:\\x00]{1,20}", password in "[^\\x00]{0,20}") {
            let auth = BASE64.encode(format!("{username}:{password}"));
            let auth = Auth { auth, ..Auth::default() };
            prop_assert_eq!(auth.credential(), Credential::password(username, password));
        }
    }
}

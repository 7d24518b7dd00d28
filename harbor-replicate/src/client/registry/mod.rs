//! A registry, and its repositories.

mod auth;
mod blob;
mod manifest;
mod mount;
mod names;
mod push;
mod referrers;
mod source;
mod upload;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use harbor_core::oci::{RepositoryName, Route};
use http::Method;
use url::Url;

use super::answer::host;
use super::request::Request;
use super::scope::Scopes;
use super::transport::Want;
use super::{Connection, Credential, CredentialSource, Error, Result};

use auth::Authority;
pub use blob::{BlobHead, BlobStream};
pub use manifest::{Manifest, ManifestHead, ManifestPut};
pub use names::Listing;
pub use push::{PushOptions, Pushed};
pub use source::{BlobSource, FileSource, RemoteSource};
pub use upload::Upload;

/// By what people and credentials know Docker Hub.
const HUB: &str = "docker.io";

/// Where Docker Hub serves from.
const HUB_ADDRESS: &str = "https://registry-1.docker.io/";

/// How much of an answer that nobody needs is read, in bytes.
const IDLE_BODY: usize = 64 * 1024;

/// A registry as somebody. Cheap to clone; clones share connections and tokens.
///
/// ```no_run
/// use harbor_replicate::client::{Credential, Registry};
///
/// # async fn example() -> harbor_replicate::client::Result<()> {
/// let registry = Registry::builder("registry.example:5000")
///     .credentials(Credential::password("grace", "her password"))
///     .build()?;
/// registry.ping().await?;
/// let app = registry.repository("library/app".parse().unwrap());
/// println!("{}", app.manifest(&"latest".parse().unwrap()).await?.digest);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    url: Url,
    connection: Connection,
    authority: Authority,
    /// Whether it takes a blob with the request that begins its upload, as far as is known.
    takes_whole_blobs: AtomicBool,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("url", &self.inner.url.as_str()).finish_non_exhaustive()
    }
}

/// A [`Registry`] that is being set up.
#[derive(Debug)]
#[must_use]
pub struct RegistryBuilder {
    address: String,
    connection: Option<Connection>,
    source: Arc<dyn CredentialSource>,
}

impl RegistryBuilder {
    /// By which it is reached. Default: a connection of its own with every default.
    pub fn connection(mut self, connection: Connection) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Who asks, or where that is to be found out: [`Credential`], [`DockerConfig`](super::docker::DockerConfig), or a
    /// source of one's own. Default: nobody in particular.
    pub fn credentials(mut self, source: impl CredentialSource) -> Self {
        self.source = Arc::new(source);
        self
    }

    /// The registry. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the address is none.
    pub fn build(self) -> Result<Registry> {
        let (url, key) = address(&self.address)?;
        let connection = self.connection.map_or_else(Connection::new, Ok)?;
        let authority = Authority::new(url.clone(), key, connection.clone(), self.source);
        let takes_whole_blobs = AtomicBool::new(true);
        Ok(Registry { inner: Arc::new(Inner { url, connection, authority, takes_whole_blobs }) })
    }
}

impl Registry {
    /// The registry at an address: `host` or `host:port`, over TLS; `http://host:port`, without. `docker.io` is Docker Hub.
    pub fn builder(address: impl Into<String>) -> RegistryBuilder {
        let source = Arc::new(Credential::Anonymous);
        RegistryBuilder { address: address.into(), connection: None, source }
    }

    /// Host and port, as errors tell them.
    #[must_use]
    pub fn host(&self) -> String {
        host(&self.inner.url)
    }

    /// Whether both are one registry, so that a blob of one may be mounted in the other. Who asks may differ.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.inner.url.origin() == other.inner.url.origin()
    }

    /// One of its repositories, which need not be there yet.
    #[must_use]
    pub fn repository(&self, name: RepositoryName) -> Repository {
        Repository { registry: self.clone(), name }
    }

    /// Whether it is there, speaks the Distribution Specification, and takes the credentials (end-1).
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when it does not take them; others when it is no registry or cannot be reached.
    pub async fn ping(&self) -> Result<()> {
        let request = Request::new(Method::GET, self.at(&Route::Base));
        let answer = self.call(request, &Scopes::none(), Want::Whole("an answer", IDLE_BODY)).await?;
        answer.expect(&[200]).map(|_| ())
    }

    /// The address of an endpoint.
    fn at(&self, route: &Route) -> Url {
        let mut url = self.inner.url.clone();
        url.set_path(&route.path());
        url
    }

    /// Sends a request as who asks. Credentials go to the registry itself and nowhere else.
    async fn call(&self, request: Request, scopes: &Scopes, want: Want) -> Result<super::answer::Answer> {
        if request.url.origin() == self.inner.url.origin() {
            self.inner.authority.call(request, scopes, want).await
        } else {
            self.inner.connection.send(&request, want).await
        }
    }
}

/// A repository of a registry. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Repository {
    registry: Registry,
    name: RepositoryName,
}

impl Repository {
    /// Its registry.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &RepositoryName {
        &self.name
    }

    fn pull_scopes(&self) -> Scopes {
        Scopes::pull(&self.name)
    }

    fn push_scopes(&self) -> Scopes {
        Scopes::push(&self.name)
    }

    /// DELETE. What a repeated request finds gone, the first one deleted.
    async fn delete(&self, route: &Route) -> Result<()> {
        let request = Request::new(Method::DELETE, self.registry.at(route));
        let want = Want::Whole("an answer", IDLE_BODY);
        let answer = self.registry.call(request, &Scopes::delete(&self.name), want).await?;
        if answer.status == 404 && answer.failed > 0 {
            return Ok(());
        }
        answer.expect(&[200, 202, 204]).map(|_| ())
    }
}

/// The address of a registry, and by what credentials know it.
pub(crate) fn address(text: &str) -> Result<(Url, String)> {
    let wrong = || {
        let text: String = text.chars().filter(|char| !char.is_control()).take(100).collect();
        // Somebody may have written a password into it.
        let told = text.rsplit_once('@').map_or(text.as_str(), |(_, host)| host);
        Error::Configuration(format!(
            "{told:?} is no address of a registry: write host, host:port or http://host:port"
        ))
    };
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&whole).map_err(|_| wrong())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let bare =
        url.path() == "/" && url.fragment().is_none() && url.host_str().is_some_and(|host| !host.is_empty());
    if !plain || !bare || !["http", "https"].contains(&url.scheme()) {
        return Err(wrong());
    }
    if url.scheme() == "https"
        && [HUB, "index.docker.io", "registry-1.docker.io"].contains(&host(&url).as_str())
    {
        return Ok((Url::parse(HUB_ADDRESS).map_err(|_| wrong())?, HUB.to_owned()));
    }
    let key = host(&url);
    Ok((url, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let told = |text: &str| address(text).map(|(url, key)| (url.to_string(), key)).unwrap();
        let pair = |url: &str, key: &str| (url.to_owned(), key.to_owned());
        assert_eq!(told("registry.example"), pair("https://registry.example/", "registry.example"));
        assert_eq!(told("Registry.example:443"), pair("https://registry.example/", "registry.example"));
        assert_eq!(told("localhost:5000"), pair("https://localhost:5000/", "localhost:5000"));
        assert_eq!(told("http://127.0.0.1:5000/"), pair("http://127.0.0.1:5000/", "127.0.0.1:5000"));
        assert_eq!(told("[::1]:5000"), pair("https://[::1]:5000/", "[::1]:5000"));
        assert_eq!(told("docker.io"), pair("https://registry-1.docker.io/", "docker.io"));
        for bad in ["", "http://", "ftp://a", "a/b", "a?b", "a#b", "user:hunter2@a", "a b", "a:port"] {
            let told = address(bad).unwrap_err().to_string();
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn everything_is_shared_between_tasks() {
        fn shared<T: Clone + Send + Sync + 'static>() {}
        shared::<Registry>();
        shared::<Repository>();
    }
}

//! How registries are reached: trust, proxies, patience.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use harbor_core::access::Secret;
use harbor_core::egress::Allowed;
use reqwest::redirect::Policy;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::error::innermost;
use super::guard::Guard;
use super::{Error, Result, Retry, trust};

/// How registries are reached, for any number of them: a pool of connections with its settings. Cheap to clone.
///
/// TLS is rustls with aws-lc-rs. What is trusted is what the operating system trusts, and the authorities that are added.
///
/// ```
/// use harbor_replicate::client::{Connection, Proxy};
///
/// # fn main() -> harbor_replicate::client::Result<()> {
/// let connection = Connection::builder().user_agent("my-tool/1.0").proxy(Proxy::None).build()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Connection {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) http: reqwest::Client,
    pub(super) retry: Retry,
    pub(super) idle: Duration,
    pub(super) answer: Duration,
    pub(super) guard: Option<Guard>,
}

impl Connection {
    /// With every default: see [`ConnectionBuilder`].
    ///
    /// # Errors
    /// [`Error::Configuration`] when the operating system's trusted certificates cannot be used.
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// To be changed first.
    pub fn builder() -> ConnectionBuilder {
        ConnectionBuilder::default()
    }

    /// How often requests are tried.
    #[must_use]
    pub fn retry(&self) -> &Retry {
        &self.inner.retry
    }
}

impl fmt::Debug for Connection {
    /// Without proxies and certificates: an address of a proxy may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("retry", &self.inner.retry).finish_non_exhaustive()
    }
}

/// Through what requests go.
#[derive(Clone, Debug, Default)]
pub enum Proxy {
    /// As the environment says: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`. What is on this machine, `localhost` and
    /// the loopback addresses, is reached without any: a proxy would see the password, and another machine.
    #[default]
    Environment,
    /// Through none, whatever the environment says.
    None,
    /// Through this one.
    Through {
        /// Its address, such as `http://proxy:3128`; user and password may be within.
        address: Secret,
        /// What is reached without it, in the form of `NO_PROXY`: hosts, domains, networks, with commas.
        except: String,
    },
}

/// A [`Connection`] that is being set up.
#[derive(Clone, Debug)]
#[must_use]
pub struct ConnectionBuilder {
    user_agent: String,
    authorities: Vec<Vec<u8>>,
    own_authorities_only: bool,
    identity: Option<Secret>,
    any_certificate: bool,
    proxy: Proxy,
    connect: Duration,
    idle: Duration,
    answer: Duration,
    retry: Retry,
    allowed: Option<Allowed>,
}

impl Default for ConnectionBuilder {
    fn default() -> Self {
        Self {
            user_agent: concat!("harbor/", env!("CARGO_PKG_VERSION")).to_owned(),
            authorities: Vec::new(),
            own_authorities_only: false,
            identity: None,
            any_certificate: false,
            proxy: Proxy::Environment,
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            answer: Duration::from_secs(600),
            retry: Retry::default(),
            allowed: None,
        }
    }
}

impl ConnectionBuilder {
    /// What requests call themselves. Default: `harbor/` and the version.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Trusts these authorities too: one or more certificates, as PEM. A server's own certificate is trusted for the names in it,
    /// also one that says that it is an authority's, as `openssl req -x509` makes them.
    pub fn authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities.push(pem.into());
        self
    }

    /// Trusts the added authorities alone, and not what the operating system trusts.
    pub const fn own_authorities_only(mut self, only: bool) -> Self {
        self.own_authorities_only = only;
        self
    }

    /// Shows this certificate (chain) to whoever asks for one: PEM, with its private key.
    pub fn client_certificate(mut self, pem: Secret) -> Self {
        self.identity = Some(pem);
        self
    }

    /// Takes whatever certificate the other side shows: whoever is on the way can read and change everything. For tests.
    pub const fn any_certificate(mut self, any: bool) -> Self {
        self.any_certificate = any;
        self
    }

    /// Through what requests go. Default: [`Proxy::Environment`].
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// How long a connection may take to come about. Default: 10 s.
    pub const fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect = time;
        self
    }

    /// How long nothing may move, in a body either way or before an answer to what only reads. Default: 60 s. What was not answered
    /// in that time is asked once more, and no oftener. However long a blob takes that moves, it is not cut off, unless less than
    /// 1 KiB a second came of it for as long as this: that is a connection that broke.
    pub const fn idle_timeout(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// How long an answer may take to what changes something: a registry may look at a large blob once more before it
    /// says that it has it. Default: 10 min.
    pub const fn answer_timeout(mut self, time: Duration) -> Self {
        self.answer = time;
        self
    }

    /// When something is tried again.
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sends only to the internet, and to networks that are allowed: for a program that is told by others where to go. It is
    /// the address that counts, also behind a name and a redirect, so no proxy is used, for that would be who looks up names.
    /// Default: to wherever it is told.
    pub fn only_to(mut self, allowed: Allowed) -> Self {
        self.allowed = Some(allowed);
        self
    }

    /// The connection.
    ///
    /// # Errors
    /// [`Error::Configuration`] tells which setting cannot be used.
    pub fn build(self) -> Result<Connection> {
        let builder = reqwest::Client::builder()
            // Redirects are followed by us, for where credentials go is decided there.
            .redirect(Policy::none())
            .referer(false)
            .user_agent(&self.user_agent)
            .connect_timeout(self.connect)
            .tls_danger_accept_invalid_certs(self.any_certificate)
            .tcp_nodelay(true);
        let mut builder = self.proxied(self.trusting(builder)?)?;
        let guard = self.allowed.map(Guard::new);
        if let Some(guard) = &guard {
            builder = builder.no_proxy().dns_resolver(guard.clone());
        }
        let http = builder.build().map_err(|error| cannot("the connection", &error))?;
        let (retry, idle, answer) = (self.retry, self.idle, self.answer);
        Ok(Connection { inner: Arc::new(Inner { http, retry, idle, answer, guard }) })
    }

    fn trusting(&self, mut builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder> {
        let mut certificates = Vec::new();
        for pem in &self.authorities {
            // It tells what is wrong with it better.
            let read = reqwest::Certificate::from_pem_bundle(pem);
            let read = read.map_err(|error| cannot("the certificate of an authority", &error))?;
            let wrong = || {
                let what = "the certificate of an authority cannot be used: it is no PEM";
                Error::Configuration(what.to_owned())
            };
            if read.is_empty() {
                return Err(wrong());
            }
            for certificate in CertificateDer::pem_slice_iter(pem) {
                certificates.push(certificate.map_err(|_| wrong())?);
            }
        }
        if let Some(pem) = &self.identity {
            let identity = reqwest::Identity::from_pem(pem.expose().as_bytes());
            let identity = identity.map_err(|error| cannot("the client's certificate", &error))?;
            builder = builder.identity(identity);
        }
        if certificates.is_empty() || self.any_certificate {
            let none = std::iter::empty::<reqwest::Certificate>();
            return Ok(if self.own_authorities_only { builder.tls_certs_only(none) } else { builder });
        }
        let config = trust::config(certificates, self.own_authorities_only, self.identity.as_ref())?;
        Ok(builder.tls_backend_preconfigured(config))
    }

    fn proxied(&self, builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder> {
        match &self.proxy {
            // Addresses are limited: see below.
            Proxy::Environment if self.allowed.is_some() => Ok(builder),
            Proxy::Environment => of_environment(builder.no_proxy()),
            Proxy::None => Ok(builder.no_proxy()),
            Proxy::Through { .. } if self.allowed.is_some() => {
                Err(Error::Configuration("a proxy cannot be used where addresses are limited".to_owned()))
            }
            Proxy::Through { address, except } => {
                let proxy =
                    reqwest::Proxy::all(address.expose()).map_err(|_| no_proxy("the proxy's address"))?;
                Ok(builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_string(except))))
            }
        }
    }
}

/// What of a connection's proxies cannot be used. What the library says of an address repeats it, and it may hold a password.
fn no_proxy(what: &str) -> Error {
    Error::Configuration(format!("{what} cannot be used: write http://host:port"))
}

/// What is on this machine, in the form of `NO_PROXY`.
const HERE: &str = "localhost,127.0.0.0/8,::1";

/// The proxies of the environment, in the order in which they count.
fn of_environment(mut builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder> {
    let variable = |name: &str| {
        let value = std::env::var(name).or_else(|_| std::env::var(name.to_ascii_lowercase()));
        value.ok().filter(|value| !value.trim().is_empty())
    };
    // Within a CGI, a header of a request becomes `HTTP_PROXY`.
    if std::env::var_os("REQUEST_METHOD").is_some() {
        return Ok(builder);
    }
    let except = format!("{HERE},{}", variable("NO_PROXY").unwrap_or_default());
    type Kind = fn(String) -> reqwest::Result<reqwest::Proxy>;
    let kinds: [(&str, Kind); 3] = [
        ("HTTPS_PROXY", |address| reqwest::Proxy::https(address)),
        ("HTTP_PROXY", |address| reqwest::Proxy::http(address)),
        ("ALL_PROXY", |address| reqwest::Proxy::all(address)),
    ];
    for (name, kind) in kinds {
        if let Some(address) = variable(name) {
            let proxy = kind(address).map_err(|_| no_proxy(&format!("the proxy of {name}")))?;
            builder = builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_string(&except)));
        }
    }
    Ok(builder)
}

fn cannot(what: &str, error: &reqwest::Error) -> Error {
    Error::Configuration(format!("{what} cannot be used: {}", innermost(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_told_without_secrets() {
        let wrong = |builder: ConnectionBuilder| builder.build().unwrap_err().to_string();
        assert!(wrong(Connection::builder().authority("no PEM")).contains("authority"));
        let key = Secret::new("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----");
        let told = wrong(Connection::builder().client_certificate(key));
        assert!(told.contains("client's certificate") && !told.contains("hunter2"), "{told}");
        let proxy = Proxy::Through { address: Secret::new("http://me:hunter2@[:1"), except: String::new() };
        let builder = Connection::builder().proxy(proxy);
        assert!(!format!("{builder:?}").contains("hunter2"));
        let told = wrong(builder);
        assert!(told.contains("proxy") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_connection_is_shared_between_tasks() {
        fn shared<T: Clone + Send + Sync + 'static>() {}
        shared::<Connection>();
    }
}

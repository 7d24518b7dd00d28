use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderName, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::address::{Allowed, told};
use super::request::{Outgoing, Reply};

/// How many redirects are followed.
const REDIRECTS: usize = 3;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(30);

/// Finds the addresses of a name.
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// All of them.
    ///
    /// # Errors
    /// When there are none, or it cannot be told.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks the operating system.
#[derive(Debug)]
struct System;

#[async_trait]
impl Resolver for System {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Why no answer came. Each says what to do, where something can be done, and none has a path, a header or a body in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// It is no URL of HTTP.
    #[error("the address is no URL of http or https")]
    Url,
    /// Nothing may go there. Trying again does not help.
    #[error("{0}")]
    Refused(String),
    /// A header cannot be sent.
    #[error("a header has a character that cannot be sent")]
    Header,
    /// It was redirected again and again.
    #[error("it was redirected more than {REDIRECTS} times")]
    Redirects,
    /// No answer came in time.
    #[error("no answer came in time")]
    Timeout,
    /// No connection came about.
    #[error("no connection came about: {0}")]
    Connect(String),
    /// The connection broke off, or what came was no HTTP.
    #[error("no answer of HTTP came: the connection broke off, or it speaks something else")]
    Broken,
    /// No client can be made here.
    #[error("no client of HTTP can be made here: {0}")]
    Client(String),
}

impl EgressError {
    /// Whether the same request may fare better later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        !matches!(self, Self::Url | Self::Refused(_) | Self::Header)
    }
}

/// The client for all outgoing HTTP. Cheap to clone.
///
/// It knows no proxies, neither those of the environment: where a request goes is decided here. It keeps no cookies.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
}

struct Inner {
    guard: Guard,
    /// For those whose certificate is verified, and for the others; made when they are first needed.
    clients: [OnceLock<Result<Client, String>>; 2],
}

/// Finds addresses, and lets only those through that requests may go to.
#[derive(Clone, Debug)]
struct Guard {
    allowed: Arc<Allowed>,
    resolver: Arc<dyn Resolver>,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("guard", &self.inner.guard).finish_non_exhaustive()
    }
}

/// The refusal of a name, on its way through the client.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NameRefused(String);

impl Guard {
    async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn StdError + Send + Sync>> {
        let found = self.resolver.resolve(name).await?;
        let refusal = found.iter().find_map(|address| self.allowed.refusal(*address));
        let may = found.into_iter().filter(|address| self.allowed.refusal(*address).is_none());
        let may: Vec<SocketAddr> = may.map(|address| SocketAddr::new(address, 0)).collect();
        match (may.is_empty(), refusal) {
            (false, _) => Ok(may),
            (true, Some(kind)) => Err(Box::new(NameRefused(told(name, kind)))),
            (true, None) => Err(Box::new(io::Error::other("the name has no address"))),
        }
    }

    /// What needs no look-up: the scheme, and an address in the place of a name, however it is spelled.
    fn look(&self, url: &Url) -> Result<(), EgressError> {
        if !["http", "https"].contains(&url.scheme()) {
            return Err(EgressError::Url);
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(EgressError::Url),
        };
        match self.allowed.refusal(address) {
            Some(kind) => Err(EgressError::Refused(told(&address.to_string(), kind))),
            None => Ok(()),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl Egress {
    /// A client whose requests may go to these addresses.
    #[must_use]
    pub fn new(allowed: Allowed) -> Self {
        Self::with_resolver(allowed, System)
    }

    /// The same, with somebody else who finds the addresses of names.
    #[must_use]
    pub fn with_resolver(allowed: Allowed, resolver: impl Resolver) -> Self {
        let guard = Guard { allowed: Arc::new(allowed), resolver: Arc::new(resolver) };
        Self { inner: Arc::new(Inner { guard, clients: Default::default() }) }
    }

    /// Sends a request, and yields what comes back, whatever its status. 307 and 308 are followed, and of a GET every redirect:
    /// what else would change the request comes back as it is.
    ///
    /// # Errors
    /// [`EgressError`] says why no answer came.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Reply, EgressError> {
        let deadline = Instant::now() + outgoing.timeout;
        let sent = timeout_at(deadline, self.follow(&outgoing)).await;
        let mut response = sent.map_err(|_| EgressError::Timeout)??;
        let status = response.status().as_u16();
        let (body, cut) = read(&mut response, outgoing.largest, deadline).await;
        Ok(Reply::new(status, body, cut))
    }

    async fn follow(&self, outgoing: &Outgoing) -> Result<Response, EgressError> {
        let first = Url::parse(&outgoing.url).map_err(|_| EgressError::Url)?;
        let mut url = first.clone();
        for _ in 0..=REDIRECTS {
            self.inner.guard.look(&url)?;
            let response = self.once(outgoing, &url, first.origin() == url.origin()).await?;
            match next(outgoing, &url, &response)? {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        Err(EgressError::Redirects)
    }

    /// Without following anything.
    async fn once(&self, outgoing: &Outgoing, url: &Url, own: bool) -> Result<Response, EgressError> {
        let method = Method::from_bytes(outgoing.method.as_bytes()).map_err(|_| EgressError::Header)?;
        let mut request = self.client(outgoing.any_certificate)?.request(method, url.clone());
        let credentials = outgoing.credentials.iter().filter(|_| own);
        for (name, value, secret) in (outgoing.headers.iter().map(|(name, value)| (name, value, false)))
            .chain(credentials.map(|(name, value)| (name, value, true)))
        {
            let name = HeaderName::try_from(*name).map_err(|_| EgressError::Header)?;
            let mut value = HeaderValue::try_from(value).map_err(|_| EgressError::Header)?;
            value.set_sensitive(secret);
            request = request.header(name, value);
        }
        request.body(outgoing.body.clone()).send().await.map_err(|error| failed(&error))
    }

    fn client(&self, any_certificate: bool) -> Result<&Client, EgressError> {
        let made = self.inner.clients[usize::from(any_certificate)].get_or_init(|| {
            let builder = Client::builder()
                .dns_resolver(self.inner.guard.clone())
                .no_proxy()
                .redirect(Policy::none())
                .referer(false)
                .connect_timeout(CONNECT)
                .pool_idle_timeout(IDLE)
                .user_agent(concat!("harbor/", env!("CARGO_PKG_VERSION")))
                .tls_danger_accept_invalid_certs(any_certificate);
            builder.build().map_err(|error| causes(&error))
        });
        made.as_ref().map_err(|why| EgressError::Client(why.clone()))
    }
}

/// Where an answer sends the request on to, if it does and that is followed.
fn next(outgoing: &Outgoing, url: &Url, response: &Response) -> Result<Option<Url>, EgressError> {
    let same = matches!(response.status().as_u16(), 307 | 308);
    let get = outgoing.method == "GET" && matches!(response.status().as_u16(), 301..=303);
    let Some(location) = response.headers().get(LOCATION).filter(|_| same || get) else { return Ok(None) };
    let location = location.to_str().map_err(|_| EgressError::Url)?;
    onward(url, location).map(Some)
}

/// Where a redirect leads. What was sent in secret is not sent on for everybody to read.
fn onward(url: &Url, location: &str) -> Result<Url, EgressError> {
    let next = url.join(location).map_err(|_| EgressError::Url)?;
    match (url.scheme(), next.scheme()) {
        ("https", "http") => Err(EgressError::Refused(
            "it was redirected from https to http, which anybody could read: give an address that stays with https"
                .to_owned(),
        )),
        _ => Ok(next),
    }
}

/// The body, up to so many bytes and until then. That it breaks off takes nothing from the status that came.
async fn read(response: &mut Response, largest: usize, deadline: Instant) -> (Bytes, bool) {
    let mut body = BytesMut::new();
    while body.len() <= largest {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(piece))) => {
                let room = (largest + 1).saturating_sub(body.len()).min(piece.len());
                body.extend_from_slice(&piece[..room]);
            }
            Ok(Ok(None)) => return (body.freeze(), false),
            Ok(Err(_)) | Err(_) => return (body.freeze(), true),
        }
    }
    body.truncate(largest);
    (body.freeze(), true)
}

fn failed(error: &reqwest::Error) -> EgressError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(NameRefused(why)) = error.downcast_ref() {
            return EgressError::Refused(why.clone());
        }
        cause = error.source();
    }
    match () {
        () if error.is_timeout() => EgressError::Timeout,
        () if error.is_connect() => EgressError::Connect(causes(error)),
        () => EgressError::Broken,
    }
}

/// The last cause alone: those ahead of it may name the whole URL.
fn causes(error: &dyn StdError) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_never_leaves_https() {
        let led = |from: &str, location: &str| onward(&Url::parse(from).unwrap(), location);
        for (from, location, to) in [
            ("http://a/x", "http://b/", "http://b/"),
            ("http://a/x", "https://b/", "https://b/"),
            ("https://a/x", "https://b/", "https://b/"),
            ("https://a/x", "y", "https://a/y"),
            ("https://a/x", "//b/y", "https://b/y"),
        ] {
            assert_eq!(led(from, location).unwrap().as_str(), to);
        }
        for location in ["http://a/x", "HTTP://b/?secret"] {
            let error = led("https://a/x", location).unwrap_err();
            assert!(!error.is_passing() && error.to_string().contains("from https to http"), "{error}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}

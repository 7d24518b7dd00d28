//! What every request passes through, whatever it asks for.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use harbor_auth::Accounts;
use harbor_core::access::{Actor, Attempt, Credentials, Origin};
use harbor_core::{Harbor, Result};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response};
use tokio_util::sync::CancellationToken;

use crate::limits::{Counts, Limits};
use crate::metrics::{Endpoint, Metrics};
use crate::net::{ClientAddress, TrustedProxies};
use crate::{api, log, session, token, v2};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id taken over from a client, in bytes.
const LONGEST_ID: usize = 128;

/// How requests are answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AppOptions {
    /// The registry's own accounts, with a token service for clients that trade a password for a token. Without them, only Basic
    /// authentication is offered, and the operations on accounts are not served.
    pub accounts: Option<Accounts>,
    /// The address that clients reach the registry at, as `https://registry.example.org`, when it stands behind a proxy.
    pub external_url: Option<String>,
    /// Whether clients speak TLS to this process.
    pub tls: bool,
    /// The proxies whose word is taken for where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// How often content may be pulled and pushed.
    pub limits: Limits,
    /// How long a client may pause while it sends a body.
    pub body_pause: Duration,
}

impl Default for AppOptions {
    fn default() -> Self {
        Self {
            accounts: None,
            external_url: None,
            tls: false,
            trusted_proxies: TrustedProxies::default(),
            limits: Limits::default(),
            body_pause: Duration::from_secs(60),
        }
    }
}

/// A registry and how it is served.
#[derive(Debug)]
pub struct App {
    pub(crate) harbor: Harbor,
    pub(crate) options: AppOptions,
    pub(crate) metrics: Metrics,
    pub(crate) counts: Counts,
    /// Cancelled when the server stops: answers that have no end of their own end then.
    pub(crate) leaving: CancellationToken,
    /// Whether the log says that there seems to be a proxy.
    overlooked: AtomicBool,
    /// Request ids of this process: a random beginning and a count.
    process: u64,
    count: AtomicU64,
}

impl App {
    /// Serves `harbor`.
    #[must_use]
    pub fn new(harbor: Harbor, options: AppOptions) -> Arc<Self> {
        let process = uuid::Uuid::new_v4().as_u64_pair().0;
        let (metrics, counts) = (Metrics::new(), Counts::new(&options.limits));
        let (count, overlooked) = (AtomicU64::new(0), AtomicBool::new(false));
        let leaving = CancellationToken::new();
        Arc::new(Self { harbor, options, metrics, counts, leaving, overlooked, process, count })
    }

    /// Answers a request. Where it comes from is what its extension [`ConnectInfo`](axum::extract::ConnectInfo) says, and
    /// what proxies say that are trusted.
    pub async fn handle(self: &Arc<Self>, mut request: Request<Body>) -> Response<Body> {
        let began = Instant::now();
        let id = self.request_id(&request);
        let endpoint = Endpoint::of(&request);
        let _running = self.metrics.running();
        let client = self.client(&request);
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(RequestId(id.clone()));
        let entry = log::Entry::new(&request, client, &id);
        let mut response = self.dispatch(request, endpoint, &id).await;
        let took = began.elapsed();
        self.metrics.answered(endpoint, response.status(), took);
        entry.write(response.status(), took);
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    async fn dispatch(
        self: &Arc<Self>,
        request: Request<Body>,
        endpoint: Endpoint,
        id: &HeaderValue,
    ) -> Response<Body> {
        let (parts, body) = request.into_parts();
        match endpoint {
            Endpoint::Distribution(_) => v2::answer(self, &parts, body, id).await,
            Endpoint::Token => token::answer(self, &parts, id).await,
            Endpoint::Ping => api::ping(&parts.method),
            Endpoint::Health => api::health(self, &parts, id).await,
            Endpoint::Version => api::version(&parts.method),
            Endpoint::Api => api::answer(self, &parts, body, id).await,
            Endpoint::Session => session::answer(self, &parts, body, id).await,
            Endpoint::Metrics => self.metrics.answer(&parts.method),
            Endpoint::Other => api::not_found(),
        }
    }

    /// Where a request comes from. Behind a proxy that is not named everybody comes from the same address, and is limited as one:
    /// the log says so, once.
    fn client(&self, request: &Request<Body>) -> ClientAddress {
        let proxies = &self.options.trusted_proxies;
        if !self.overlooked.load(Ordering::Relaxed)
            && proxies.overlooks(request)
            && !self.overlooked.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "a request says that it was forwarded: if this server stands behind a proxy, name it in trusted_proxies, \
                 for otherwise all clients count as one"
            );
        }
        proxies.client(request)
    }

    /// Who sends these credentials, from where the request comes from.
    pub(crate) async fn authenticate(
        &self,
        parts: &Parts,
        credentials: Option<&Credentials>,
    ) -> Result<Actor> {
        let Some(shown) = credentials else { return Ok(Actor::anonymous().with_origin(origin(parts))) };
        let attempt = Attempt::new(shown).from_address(address(parts)).in_request(request_id(parts));
        self.harbor.authenticate(Some(attempt)).await
    }

    /// The client's id of the request when it is harmless, or a new one.
    fn request_id(&self, request: &Request<Body>) -> HeaderValue {
        let harmless = |value: &&HeaderValue| {
            let text = value.as_bytes();
            !text.is_empty()
                && text.len() <= LONGEST_ID
                && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
        };
        if let Some(value) = request.headers().get(REQUEST_ID).filter(harmless) {
            return value.clone();
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let text = format!("{:016x}-{count:x}", self.process);
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("-"))
    }
}

/// The id of a request, as [`App::handle`] found or made it: an extension of the request.
#[derive(Clone, Debug)]
struct RequestId(HeaderValue);

/// The id of a request.
fn request_id(parts: &Parts) -> &str {
    parts.extensions.get::<RequestId>().and_then(|RequestId(id)| id.to_str().ok()).unwrap_or_default()
}

/// Where a request comes from that shows nothing, or nothing yet.
pub(crate) fn origin(parts: &Parts) -> Arc<Origin> {
    let request_id = request_id(parts).to_owned();
    Arc::new(Origin { address: address(parts), request_id, ..Origin::default() })
}

/// Where a request comes from, as [`App::handle`] found.
pub(crate) fn address(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ClientAddress>().and_then(|ClientAddress(address)| *address)
}

/// The registry's endpoints, to be merged into an application of one's own.
///
/// Start the registry's workers with [`Harbor::start`]. Limits on connections are the application's. It serves with
/// [`Router::into_make_service_with_connect_info`] of a [`SocketAddr`](std::net::SocketAddr): without, nobody knows where a
/// request comes from, and what is counted by address is not.
pub fn router(app: &Arc<App>) -> Router {
    let answer = |app: Arc<App>| {
        any(move |request: Request<Body>| {
            let app = Arc::clone(&app);
            async move { app.handle(request).await }
        })
    };
    [
        "/v2",
        "/v2/",
        "/v2/{*rest}",
        "/service/token",
        "/api/v2.0/{*rest}",
        "/api/version",
        "/c/{*rest}",
        "/metrics",
    ]
    .into_iter()
    .fold(Router::new(), |router, path| router.route(path, answer(Arc::clone(app))))
}

//! HTTP over the engine.
//!
//! [`router`] gives a registry's endpoints to an application of one's own; [`Server`] serves them with TLS, limits, metrics
//! and an orderly end; [`run`] is the whole program `harbor-server`. Handlers translate and decide nothing.

mod api;
mod app;
mod body;
mod config;
mod forward;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod limits;
mod log;
mod metrics;
mod net;
mod run;
mod session;
mod standalone;
mod token;
mod v2;

pub use app::{App, AppOptions, router};
pub use config::{Config, ConfigError, StoreSettings};
pub use forward::{ForwardOptions, forward_audit};
pub use limits::{Limit, LimitError, Limits};
pub use net::{ClientAddress, Network, NetworkError, ProxyHeader, Server, TlsFiles, TrustedProxies};
pub use run::{RunError, run};
pub use standalone::Standalone;

/// The OpenAPI 3.1 document of the API that is served, as JSON: what `/api/v2.0/openapi.json` answers, for tools that make clients.
#[must_use]
pub fn openapi() -> &'static str {
    api::openapi()
}

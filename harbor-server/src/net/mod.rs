//! Listening: connections, TLS, limits, and an orderly end.

mod address;
mod connection;
mod sendfile;
mod server;
mod tls;
mod watch;

pub use address::{ClientAddress, ProxyHeader, TrustedProxies};
pub use harbor_core::{Network, NetworkError};
pub(crate) use sendfile::FileQueue;
pub use server::Server;
pub use tls::TlsFiles;

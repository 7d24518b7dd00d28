//! Listening: connections, TLS, limits, and an orderly end.

mod address;
mod connection;
mod network;
mod sendfile;
mod server;
mod tls;
mod watch;

pub use address::{ClientAddress, ProxyHeader, TrustedProxies};
pub use network::{Network, NetworkError};
pub(crate) use sendfile::FileQueue;
pub use server::Server;
pub use tls::TlsFiles;
